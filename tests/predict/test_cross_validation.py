"""Forecasters side by side at past origins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
import polars as pl
import pytest

import foreseal
import foreseal.errors
from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict.leaderboard import geometric_interval
from foreseal.records import Forecast

START = datetime(2024, 1, 1, tzinfo=UTC)


def _series(name: str, days: int, seed: int) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    n = 24 * days
    y = 100 + 30 * np.sin(np.arange(n) * 2 * np.pi / 24) + chance.normal(0.0, 5.0, n)
    ds = pl.datetime_range(START, START + timedelta(hours=n - 1), "1h", eager=True)
    return pl.DataFrame({"unique_id": [name] * n, "ds": ds, "y": y})


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return pl.concat([_series(f"s{k}", 20, k) for k in range(6)])


def test_each_window_is_the_forecast_from_what_lay_before_it(frame: pl.DataFrame) -> None:
    found = foreseal.cross_validation(frame, 12, 3, 5, presets=["fast"], models=["drift"])
    for window in range(3):
        held_back = 12 + 5 * (2 - window)
        before = frame.filter(pl.col("ds") < pl.col("ds").max() - timedelta(hours=held_back - 1))
        alone = foreseal.forecast(before, 12, preset="fast").frame
        mine = found.frame.filter((pl.col("forecaster") == "fast") & (pl.col("window") == window))
        assert mine.select(alone.columns).equals(alone)
        assert mine.select("unique_id", "ds", "y").equals(
            mine.select("unique_id", "ds").join(frame, on=["unique_id", "ds"], how="left")
        )


def test_what_comes_after_an_origin_changes_only_its_outcomes(frame: pl.DataFrame) -> None:
    last = pl.col("ds") > START + timedelta(days=20, hours=-13)
    spoilt = frame.with_columns(y=pl.when(last).then(1e6).otherwise("y"))
    told, lied = (foreseal.cross_validation(df, 12, 1, presets=["balanced"]) for df in (frame, spoilt))
    assert told.scored.drop("y").equals(lied.scored.drop("y"))
    assert (lied.scored["y"] == 1e6).all()


def test_the_leaderboard_holds_the_figures_of_their_definitions(frame: pl.DataFrame) -> None:
    found = foreseal.cross_validation(frame, 24, 2, presets=["fast"], level=[80])
    board = {row["forecaster"]: row for row in found.leaderboard().to_dicts()}
    assert set(board) == {"fast", "seasonal_naive"}
    levels = (0.1, 0.5, 0.9)
    means: dict[str, dict[str, float]] = {}
    for name in board:
        by_series: dict[str, list[float]] = {}
        inside, loss, size = [], 0.0, 0.0
        for row in found.scored.filter(pl.col("forecaster") == name).to_dicts():
            losses = [max(t * (row["y"] - row[f"q{t}"]), (t - 1) * (row["y"] - row[f"q{t}"])) for t in levels]
            by_series.setdefault(row["unique_id"], []).append(2 * sum(losses) / 3)
            inside.append(row["q0.1"] <= row["y"] <= row["q0.9"])
            loss, size = loss + 2 * sum(losses) / 3, size + abs(row["y"])
        means[name] = {key: float(np.mean(value)) for key, value in by_series.items()}
        assert board[name]["wis"] == pytest.approx(np.mean(list(means[name].values())))
        assert board[name]["wql"] == pytest.approx(loss / size)
        assert board[name]["coverage_80"] == pytest.approx(np.mean(inside))
    ratios = [means["fast"][key] / means["seasonal_naive"][key] for key in means["fast"]]
    assert board["fast"]["wis_ratio"] == pytest.approx(np.exp(np.mean(np.log(ratios))))
    assert board["fast"]["worst"] == pytest.approx(max(ratios))
    assert board["fast"]["low"] <= board["fast"]["wis_ratio"] <= board["fast"]["high"]


def test_values_are_used_as_they_were_known_and_judged_as_they_are_now() -> None:
    whole = _series("a", 20, 1).with_columns(known_at=pl.col("ds") + timedelta(hours=1))
    cut = whole["ds"].max() - timedelta(hours=23)  # type: ignore[operator]
    revised = whole.filter(pl.col("ds") < cut).with_columns(
        y=pl.col("y") + 500.0, known_at=pl.lit(cut + timedelta(days=3))
    )
    plain = foreseal.cross_validation(whole, 24, 1, presets=["fast"])
    later = foreseal.cross_validation(pl.concat([whole, revised]), 24, 1, presets=["fast"])
    assert plain.scored.equals(later.scored)
    # The oldest of two windows has outcomes that were revised afterwards: those are what it is judged on.
    both = foreseal.cross_validation(pl.concat([whole, revised]), 24, 2, presets=["fast"])
    oldest = both.scored.filter(pl.col("window") == 0)
    first = whole.select("unique_id", "ds", was="y")
    change = oldest.join(first, on=["unique_id", "ds"]).select(pl.col("y") - pl.col("was"))
    assert change["y"].to_list() == pytest.approx([500.0] * 48)


@pytest.mark.filterwarnings("ignore:X_df. .x. is known for 0 of 12 steps ahead")
def test_a_covariate_without_a_future_is_seen_up_to_each_origin_only(frame: pl.DataFrame) -> None:
    one = frame.filter(pl.col("unique_id") == "s0").rename({"ds": "hour"})
    chance = np.random.default_rng(5)
    measured = one.select("hour", x=pl.Series(chance.normal(size=one.height)))
    later = pl.col("hour") > one["hour"].max() - timedelta(hours=12)  # type: ignore[operator]
    spoilt = measured.with_columns(x=pl.when(later).then(1e4).otherwise("x"))
    told, lied = (
        foreseal.cross_validation(one, 12, 1, models=["ridge"], presets=[], X_df=x, time_col="hour")
        for x in (measured, spoilt)
    )
    assert told.scored.equals(lied.scored)


def test_a_series_too_short_for_a_window_is_left_out_of_it(frame: pl.DataFrame) -> None:
    short = _series("short", 20, 9).head(40)
    found = foreseal.cross_validation(pl.concat([frame, short]), 24, 2, presets=["fast"])
    windows = found.scored.group_by("window").agg(pl.col("unique_id").n_unique()).sort("window")
    assert windows["unique_id"].to_list() == [6, 7]


@dataclass
class Moody:
    """Fails on every history of an odd number of days."""

    def fit(self, panel: Panel) -> Self:
        if panel.frame.height // panel.frame["unique_id"].n_unique() // 24 % 2:
            raise ModelError("Odd days are bad days.")
        self.panel = panel
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        from foreseal.predict.naive import Drift

        return Drift().fit(self.panel).predict(h, quantiles)


def test_a_forecaster_that_fails_is_counted_and_given_the_baseline(frame: pl.DataFrame) -> None:
    with pytest.warns(ModelWarning, match="Odd days"):
        found = foreseal.cross_validation(frame, 24, 2, presets=[], models=[Moody()])
    [failure] = found.failures
    assert failure.window == 1
    assert failure.reason == "Odd days are bad days."
    last = found.scored.filter(pl.col("window") == 1).drop("forecaster")
    assert last.head(144).equals(last.tail(144))
    board = found.leaderboard()
    assert board.filter(pl.col("forecaster") != "seasonal_naive")["failures"].item() == 1


def test_time_that_workers_take_is_counted() -> None:
    before = os.times()
    found = foreseal.cross_validation(_series("a", 3, 1), 2, 1, presets=[], models=["drift"], n_jobs=2)
    after = os.times()
    taken = after.children_user + after.children_system - before.children_user - before.children_system
    assert taken > 0.0
    assert sum(found.seconds.values()) > taken - 1e-6


def test_a_frame_of_pandas_comes_back_as_pandas(frame: pl.DataFrame) -> None:
    pandas = pytest.importorskip("pandas")
    given = pandas.DataFrame(frame.rename({"unique_id": "shop"}).to_dict(as_series=False))
    found = foreseal.cross_validation(given, 6, 1, presets=["fast"], id_col="shop").frame
    assert isinstance(found, pandas.DataFrame)
    assert {"forecaster", "window", "shop", "ds", "cutoff", "y", "q0.5"} <= set(found.columns)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"n_windows": 0}, "n_windows=0"),
        ({"step_size": 1.5}, "step_size=1.5"),
        ({"h": 0}, "horizon"),
        ({"h": 10_000}, "long enough"),
        ({"presets": ["fastest"]}, "fastest"),
        ({"presets": "fast"}, "presets='fast' is no list"),
        ({"models": "ridge"}, "models='ridge' is no list"),
        ({"freq": 1}, "freq=1 is no frequency"),
    ],
)
def test_impossible_windows_are_refused(frame: pl.DataFrame, wrong: dict[str, object], says: str) -> None:
    arguments = {"h": 12, "n_windows": 2} | wrong
    with pytest.raises(foreseal.errors.UsageError, match=says):
        foreseal.cross_validation(frame, **arguments)  # type: ignore[arg-type]


def test_the_interval_of_a_geometric_mean_is_where_resampling_puts_it() -> None:
    ratios = np.exp(np.random.default_rng(3).normal(-0.2, 0.3, 400))
    low, high = geometric_interval(ratios)
    spread = np.log(ratios).std() / 20
    middle = np.log(ratios).mean()
    assert np.log([low, high]) == pytest.approx([middle - 1.96 * spread, middle + 1.96 * spread], abs=0.006)
    assert np.isnan(geometric_interval(ratios[:4])).all()
