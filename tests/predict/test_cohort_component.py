"""Cohorts: nobody is lost on the way, a stationary world goes on, and paths hold what comes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from foreseal.clock import Frequency
from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import UTC_TIME, Panel
from foreseal.predict.cohort_component import CohortComponent, expected
from foreseal.predict.cohorts import Cohorts, hamilton_perry
from foreseal.predict.linear_trend import LinearTrend
from tests.predict.panels import panel

AGES = tuple(range(0, 81, 5))
SEXES = ("female", "male")
NAMES = [f"{sex}/{age}" for sex in SEXES for age in AGES]
LEVELS = (0.1, 0.5, 0.9)
FIVE = Frequency(5, "y")


def stamps(n: int) -> list[datetime]:
    return [datetime(1950 + 5 * k, 7, 1, tzinfo=UTC) for k in range(n)]


def nation(n: int, noise: float = 0.0, seed: int = 0, growth: float = 0.3) -> np.ndarray:
    """Counts (n, sexes, ages) under fixed survival, migration and births but for ``noise`` in logarithms."""
    rng = np.random.default_rng(seed)
    cohorts = Cohorts.of(NAMES, FIVE)
    logs = np.broadcast_to(-0.01 - 0.12 * (np.array(AGES) / 80.0) ** 3, (2, len(AGES))).copy()
    logs[:, 0] = np.log(growth / 2.0)
    counts = [np.tile(np.linspace(1000.0, 200.0, len(AGES)), (2, 1))]
    for _ in range(n - 1):
        counts.append(cohorts.advance(counts[-1], logs + noise * rng.normal(size=logs.shape)))
    return np.stack(counts)


def as_panel(counts: np.ndarray, covariates: pl.DataFrame | None = None) -> Panel:
    frame = pl.DataFrame(
        {
            "unique_id": np.repeat(NAMES, len(counts)),
            "ds": pl.Series(stamps(len(counts)) * len(NAMES), dtype=UTC_TIME),
            "y": counts.reshape(len(counts), -1).T.ravel(),
        }
    )
    return panel(frame, "5y", covariates=covariates)


def rates(n: int, fall: float = 0.0) -> pl.DataFrame:
    """Yearly death rates of n spans, falling by a share each, the covariates ``deaths/SEX/AGE``."""
    level = np.exp(-7.0 + 5.0 * np.array(AGES) / 80.0)
    table = {"ds": pl.Series(stamps(n), dtype=UTC_TIME)}
    for sex in SEXES:
        for age, rate in zip(AGES, level, strict=True):
            table[f"deaths/{sex}/{age}"] = pl.Series(rate * np.exp(-fall * np.arange(n)))
    return pl.DataFrame(table)


def medians(counts: np.ndarray, steps: int, model: CohortComponent, **more: object) -> np.ndarray:
    """(steps, sexes, ages)."""
    cohorts = Cohorts.of(sorted(NAMES), FIVE)
    frame = model.fit(as_panel(counts, **more)).predict(steps, LEVELS).frame  # type: ignore[arg-type]
    return frame["q0.5"].to_numpy().reshape(-1, steps)[cohorts.place].transpose(2, 0, 1)


def test_changes_and_advance_are_inverse_of_each_other() -> None:
    counts = nation(4, noise=0.2)
    cohorts = Cohorts.of(NAMES, FIVE)
    for k in range(3):
        assert cohorts.advance(counts[k], cohorts.changes(counts)[k]) == pytest.approx(counts[k + 1])


def test_hamilton_perry_is_the_ratio_of_the_last_two_counts_cell_by_cell() -> None:
    counts = nation(3, noise=0.1)
    found = hamilton_perry(Cohorts.of(NAMES, FIVE), counts, 2)
    fertile = [k for k, age in enumerate(AGES) if 15 <= age < 50]
    now, last = counts[-1], counts[-2]
    for step in range(2):
        expected = np.empty_like(now)
        for s in range(2):
            for k in range(1, len(AGES) - 1):
                expected[s, k] = now[s, k - 1] * counts[-1][s, k] / last[s, k - 1]
            oldest = counts[-1][s, -1] / (last[s, -2] + last[s, -1])
            expected[s, -1] = (now[s, -2] + now[s, -1]) * oldest
        for s in range(2):
            per_woman = counts[-1][s, 0] / counts[-1][0, fertile].sum()
            expected[s, 0] = per_woman * expected[0, fertile].sum()
        assert found[step] == pytest.approx(expected)
        now = expected


def test_what_is_expected_of_cohorts_is_the_table_worked_by_hand() -> None:
    """Three groups of 20 years, three past steps, two steps ahead: damped trends count 1 + 0.7 times."""
    cohorts = Cohorts.of(["female/0", "female/20", "female/40"], Frequency(20, "y"))
    change = np.array([[[-0.5, 0.10, -0.30]], [[-0.4, 0.20, -0.20]], [[-0.2, 0.16, -0.25]]])
    # Births: the last, and 0.6 of the damped trend of 0.15. The others: a quarter returns to the mean.
    births = -0.2 + 0.6 * 1.7 * 0.15
    first = 0.75 * 0.16 + 0.25 * 0.46 / 3 + 0.3 * 1.7 * 0.03
    second = 0.75 * -0.25 + 0.25 * -0.75 / 3 + 0.3 * 1.7 * 0.025
    assert expected(cohorts, change, None, 2)[0] == pytest.approx([births, first, second])


def test_known_deaths_go_on_by_their_own_trend_and_migration_is_the_rest() -> None:
    cohorts = Cohorts.of(["female/0", "female/20", "female/40"], Frequency(20, "y"))
    change = np.array([[[-0.5, 0.10, -0.30]], [[-0.4, 0.20, -0.20]], [[-0.2, 0.16, -0.25]]])
    rates = np.array([0.001, 0.002, 0.004])
    deaths = np.log(rates) - 0.1 * np.arange(3)[:, None, None]
    # 20 years at the mean rate of both groups: 0.03 and 0.06 at first, a tenth less at each step.
    lost = np.array([0.03, 0.06])
    assert cohorts.survival(rates) == pytest.approx([0.0, *-lost])
    moved = change[:, 0, 1:] + lost * np.exp(-0.1 * np.arange(3))[:, None]
    # Two steps on, deaths have fallen by 0.7 of their trend; half of migration returns to its mean.
    known = -lost * np.exp(-0.2 - 0.7 * 2 * 0.1)
    half = 0.5 * moved[2] + 0.5 * moved.mean(axis=0) + 0.3 * 1.7 * (moved[2] - moved[0]) / 2
    found = expected(cohorts, change, deaths, 2)[0]
    assert found == pytest.approx([-0.2 + 0.6 * 1.7 * 0.15, *(half + known)])


def test_a_world_that_does_not_change_goes_on() -> None:
    counts = nation(9)
    found = medians(counts[:6], 3, CohortComponent())
    assert found == pytest.approx(counts[6:], rel=0.003)
    with_rates = medians(counts[:6], 3, CohortComponent("deaths/"), covariates=rates(6))
    assert with_rates == pytest.approx(counts[6:], rel=0.003)


def test_falling_death_rates_leave_more_of_the_old_alive() -> None:
    counts = nation(6)
    steady = medians(counts, 2, CohortComponent("deaths/"), covariates=rates(6))
    falling = medians(counts, 2, CohortComponent("deaths/"), covariates=rates(6, fall=0.1))
    assert (falling[:, :, -4:] > steady[:, :, -4:]).all()


def test_intervals_of_a_noisy_world_hold_their_share() -> None:
    inside = []
    for seed in range(12):
        counts = nation(13, noise=0.05, seed=seed)
        frame = CohortComponent(paths=300).fit(as_panel(counts[:11])).predict(2, LEVELS).frame
        cohorts = Cohorts.of(sorted(NAMES), FIVE)
        values = frame.select("q0.1", "q0.9").to_numpy().reshape(-1, 2, 2)[cohorts.place]
        truth = counts[11:].transpose(1, 2, 0)
        inside.append((values[..., 0] <= truth) & (truth <= values[..., 1]))
    assert 0.7 <= np.mean(inside) <= 0.97


def test_paths_are_the_same_each_time_and_wider_further_ahead() -> None:
    counts = nation(8, noise=0.05)
    first, again = (CohortComponent().fit(as_panel(counts)).predict(3, LEVELS) for _ in range(2))
    assert first.frame.equals(again.frame)
    width = (first.frame["q0.9"] / first.frame["q0.1"]).to_numpy().reshape(-1, 3)
    assert (np.median(width, axis=0)[1:] > np.median(width, axis=0)[:-1]).all()
    assert first.ran["components"] == "cohort change, births"


def test_a_count_with_a_gap_is_left_out_and_an_empty_group_is_told() -> None:
    counts = nation(8)
    counts[3, 0, 2] = np.nan
    assert CohortComponent().fit(as_panel(counts)).predict(1, LEVELS).ran["counts"] == "7"
    counts[7, 1, 4] = 0.0
    with pytest.warns(ModelWarning, match="1 groups are zero in the newest count"):
        said = CohortComponent().fit(as_panel(counts)).predict(1, LEVELS).frame
    assert said.filter(pl.col("unique_id") == "male/25")["q0.9"].item() == 0.0


def test_what_is_no_population_by_age_is_refused() -> None:
    counts = nation(5)
    whole = as_panel(counts).frame
    for change, message in (
        (pl.col("unique_id").str.replace("female/0", "women"), "Series 'women' is no group"),
        (pl.col("unique_id").str.replace("female", "women"), "There are no series female/AGE"),
        (pl.col("unique_id").str.replace("male/80", "male/90", literal=True), "The groups start at"),
    ):
        with pytest.raises(ModelError, match=message):
            CohortComponent().fit(panel(whole.with_columns(change), "5y"))
    with pytest.raises(ModelError, match="do not both have the age 40"):
        CohortComponent().fit(panel(whole.filter(pl.col("unique_id") != "male/40"), "5y"))
    with pytest.raises(ModelError, match="Only 2 counts hold every group"):
        CohortComponent().fit(as_panel(counts[:2])).predict(1, LEVELS)
    with pytest.raises(ModelError, match="no covariate 'deaths/female/0'"):
        CohortComponent("deaths/").fit(as_panel(counts)).predict(1, LEVELS)


def test_a_linear_trend_is_that_of_least_squares() -> None:
    counts = nation(7, noise=0.1)
    said = LinearTrend().fit(as_panel(counts)).predict(2, LEVELS).frame
    for name in ("female/0", "male/80"):
        y = counts[:, SEXES.index(name.split("/")[0]), AGES.index(int(name.split("/")[1]))]
        (slope, level), cov = np.polyfit(np.arange(7), y, 1, cov=True)
        ahead = np.array([7.0, 8.0])
        rows = said.filter(pl.col("unique_id") == name)
        assert rows["q0.5"].to_numpy() == pytest.approx(level + slope * ahead)
        line = cov[0, 0] * ahead**2 + 2 * cov[0, 1] * ahead + cov[1, 1]
        noise = ((y - level - slope * np.arange(7)) ** 2).sum() / 5
        spread = 1.2815515655 * np.sqrt(noise + line)
        assert (rows["q0.9"] - rows["q0.5"]).to_numpy() == pytest.approx(spread)
