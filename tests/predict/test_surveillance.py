"""Weekly counts that are reported late are forecast from what was known, in whole distributions."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import foreseal
from foreseal.clock import Frequency
from foreseal.errors import ModelError
from foreseal.frame import Panel
from foreseal.predict import surveillance
from foreseal.predict.backfill import Backfill
from foreseal.predict.epidemics import NATION, epidemics
from foreseal.predict.outbreak_prior import Prior, prior
from foreseal.predict.surveillance import Surveillance
from tests.predict.test_revisions import START, WEEK, panel, vintages

LEVELS = (0.025, 0.25, 0.5, 0.75, 0.975)
WEEKS = 75
CUTOFF = START + (WEEKS - 1) * WEEK + timedelta(days=5)


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """Five regions, two winters."""
    k = np.arange(WEEKS)
    wave = 0.05 + np.exp(-((((k + 12) % 52) - 26) ** 2) / 60.0)
    size = np.array([50.0, 120.0, 300.0, 800.0, 2000.0])
    noise = np.random.default_rng(3).gamma(200.0, 1.0 / 200.0, (5, WEEKS))
    return np.asarray(np.rint(size[:, None] * wave * noise))


def quantiles(here: Panel, h: int = 2, **options: object) -> np.ndarray:
    model = Surveillance(members=1, **options)  # type: ignore[arg-type]
    frame = model.fit(here).predict(h, LEVELS).frame.sort("unique_id", "ds")
    assert frame["ds"].min() == START + WEEKS * WEEK
    return frame.select(pl.selectors.starts_with("q")).to_numpy().reshape(-1, h, len(LEVELS))


def test_a_forecast_is_a_distribution_that_is_the_same_each_time(values: np.ndarray) -> None:
    here = panel(vintages(values, (0.8, 0.95, 1.0)), CUTOFF)
    found = quantiles(here)
    assert (np.diff(found, axis=2) >= 0).all()
    assert (found >= 0).all()
    assert np.isfinite(found).all()
    assert np.array_equal(found, quantiles(here))


def test_late_reports_are_corrected_by_what_older_vintages_show(values: np.ndarray) -> None:
    """With vintages the medians lie nearer to those of complete data than without."""
    late = panel(vintages(values, (0.75, 0.95, 1.0)), CUTOFF)
    whole = quantiles(panel(vintages(values, (1.0,)), CUTOFF))[:, 0, 2]
    with_them = quantiles(late)[:, 0, 2]
    without = quantiles(Panel(late.frame, late.freq, cutoff=late.cutoff))[:, 0, 2]
    off = np.abs(np.log(with_them / whole)).mean(), np.abs(np.log(without / whole)).mean()
    assert off[0] < 0.7 * off[1]


def test_what_became_known_after_the_cutoff_changes_nothing(values: np.ndarray) -> None:
    honest = vintages(values, (0.8, 0.95, 1.0))
    planted = honest.with_columns(pl.col("y") * 50, known_at=CUTOFF + timedelta(seconds=1)).cast(
        honest.schema
    )
    both = pl.concat([honest, planted]).sort("known_at", maintain_order=True)
    assert np.array_equal(quantiles(panel(honest, CUTOFF)), quantiles(panel(both, CUTOFF)))


def test_a_week_without_a_report_is_bridged(values: np.ndarray) -> None:
    rows = vintages(values, (0.8, 0.95, 1.0)).filter(pl.col("known_at") < CUTOFF - timedelta(days=3))
    here = panel(rows, CUTOFF)
    model = Surveillance(members=1).fit(here)
    made = model.predict(1, LEVELS)
    assert made.ran["behind"] == "1 weeks without a report"
    assert made.frame["ds"].unique().to_list() == [START + WEEKS * WEEK]
    wide = made.frame["q0.975"] - made.frame["q0.025"]
    near = quantiles(panel(vintages(values, (0.8, 0.95, 1.0)), CUTOFF))[:, 0]
    assert wide.mean() > (near[:, -1] - near[:, 0]).mean()  # type: ignore[operator]


def test_weeks_without_a_report_are_steps_more_to_look_ahead(values: np.ndarray) -> None:
    """Two of them before the cutoff: the next week is what the third was, two weeks earlier."""
    rows = vintages(values, (1.0,)).filter(pl.col("ds") < START + (WEEKS - 2) * WEEK)
    late, then = panel(rows, CUTOFF), panel(rows, CUTOFF - 2 * WEEK)
    made, before = (
        Surveillance(members=1).fit(here).predict(h, LEVELS).frame.sort("unique_id", "ds")
        for here, h in ((late, 1), (then, 3))
    )
    third = before.filter(pl.col("ds") == START + WEEKS * WEEK)
    assert made["ds"].to_list() == third["ds"].to_list()
    quantile = pl.selectors.starts_with("q")
    assert np.allclose(made.select(quantile).to_numpy(), third.select(quantile).to_numpy())


class Plain(Prior):
    """No random features, and nothing made up: a straight line on the newest growth."""

    @classmethod
    def of(cls, h: int, seed: int, member: int) -> Prior:
        known = {each.name: getattr(prior(h, seed, member), each.name) for each in fields(Prior)}
        nothing = {"gram": np.zeros((2, 2)), "moment": np.zeros(2), "penalty": np.full(2, 1e-9)}
        return cls(**(known | nothing))

    def bend(self, x: np.ndarray) -> np.ndarray:
        return np.stack([np.ones_like(x[..., 0]), x[..., 0]], axis=-1)


def test_errors_that_corrected_values_always_have_are_learnt(
    values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the newest value has always been a third too high, so that it is now means nothing."""
    monkeypatch.setattr(surveillance, "prior", Plain.of)
    monkeypatch.setattr(surveillance, "OWN", 100)  # quantiles of its own errors
    model = Surveillance(members=1).fit(panel(vintages(values, (1.0,)), CUTOFF))
    honest = model.predict(1, LEVELS).frame["q0.5"].to_numpy()
    high = np.log(4 / 3)
    past = np.zeros((1, 5, 4))
    past[:, :, 0] = -high
    model.backfill_ = Backfill(np.zeros((5, 4)), past, np.ones(1))
    model.z_[:, -1] += high
    found = model.predict(1, LEVELS).frame["q0.5"].to_numpy()
    assert np.abs(np.log(found / honest)).max() < 0.2 * high


@pytest.mark.parametrize("weeks", [53, 79])
def test_epidemics_rise_in_autumn_and_fall_in_spring(weeks: int) -> None:
    """The same steady counts, of a year and of a year and a half, up to the middle of each."""
    rise = []
    for newest in (datetime(2024, 11, 16, tzinfo=UTC), datetime(2024, 4, 13, tzinfo=UTC)):
        ds = [newest - k * WEEK for k in range(weeks)]
        frame = pl.concat(
            pl.DataFrame({"unique_id": f"s{s}", "ds": ds, "y": [100.0 * (s + 1)] * weeks}) for s in range(3)
        )
        here = Panel(frame.sort("unique_id", "ds"), Frequency(1, "w"), cutoff=newest + timedelta(days=5))
        made = Surveillance(members=1).fit(here).predict(4, LEVELS).frame
        rise.append(made.filter(pl.col("ds") == newest + 4 * WEEK)["q0.5"].to_numpy())
    assert (rise[0] > 1.05 * rise[1]).all()


def test_gaps_are_no_obstacle_and_a_named_total_is_used(values: np.ndarray) -> None:
    rows = vintages(values, (1.0,)).filter(
        ~((pl.col("unique_id") == "s1") & (pl.col("ds") == START + 30 * WEEK))
    )
    assert np.isfinite(quantiles(panel(rows, CUTOFF), total="s4")).all()


def test_a_short_history_leans_on_made_up_epidemics(values: np.ndarray) -> None:
    rows = vintages(values[:, -6:], (1.0,))
    here = panel(rows, START + 5 * WEEK + timedelta(days=5))
    frame = Surveillance(members=1).fit(here).predict(1, LEVELS).frame
    assert np.isfinite(frame.select(pl.selectors.starts_with("q")).to_numpy()).all()


def test_what_is_not_weekly_or_does_not_exist_is_refused(values: np.ndarray) -> None:
    here = panel(vintages(values, (1.0,)), CUTOFF)
    with pytest.raises(ModelError, match="weekly counts"):
        Surveillance().fit(Panel(here.frame, Frequency(1, "d"), cutoff=here.cutoff))
    with pytest.raises(ModelError, match="no series 'US'"):
        Surveillance(total="US").fit(here)
    with pytest.raises(ModelError, match="26 weeks ahead, not 27"):
        Surveillance().fit(here).predict(27, LEVELS)


def test_made_up_epidemics_are_counts_whose_nation_is_a_multiple_of_its_regions() -> None:
    found = epidemics(3, 4, 1)
    assert found.shape == (3, 5, 104)
    assert (found >= 0).all()
    assert np.array_equal(found, np.rint(found))
    assert np.array_equal(found[:, -1], NATION * found[:, :-1].sum(axis=1))
    assert np.array_equal(found, epidemics(3, 4, 1))
    assert not np.array_equal(found, epidemics(3, 4, 2))


def test_a_frame_with_known_at_shows_its_vintages_to_the_model(values: np.ndarray) -> None:
    rows = vintages(values, (0.75, 0.95, 1.0))
    found = foreseal.forecast(
        rows, h=1, models=["surveillance(members=1)"], quantiles=LEVELS, freq="1w", cutoff=CUTOFF
    )
    direct = quantiles(panel(rows, CUTOFF), h=1)
    assert np.allclose(found.frame.select(pl.selectors.starts_with("q")).to_numpy(), direct[:, 0])
