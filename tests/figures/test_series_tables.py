"""The age pyramid, the PIT histogram and the overview of all series, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.figures.calibration import calibration_figure
from foreseal.figures.overview import NAMED, overview_figure, overview_table, picked
from foreseal.figures.pit import pit_figure, pit_table
from foreseal.figures.pyramid import interval, pyramid_figure, pyramid_table
from foreseal.records import quantile_column
from tests.conftest import require

START = datetime(2020, 1, 1, tzinfo=UTC)
LEVELS = (0.1, 0.5, 0.9)
KEYS = {"ds": pl.Datetime("us", "UTC"), "cutoff": pl.Datetime("us", "UTC")}


def frames(
    said: dict[str, list[tuple[float, ...]]], came: dict[str, list[float | None]], levels: tuple[float, ...]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One step per cutoff, a day apart, for each series."""
    days = [START + timedelta(days=k) for k in range(max(map(len, said.values())))]
    names = [quantile_column(p) for p in levels]
    forecasts = [
        (uid, day, day, *row) for uid, rows in said.items() for day, row in zip(days, rows, strict=False)
    ]
    outcomes = [(uid, day, day, y) for uid, ys in came.items() for day, y in zip(days, ys, strict=False)]
    keys = ["unique_id", "ds", "cutoff"]
    return (
        pl.DataFrame(forecasts, schema=[*keys, *names], orient="row").cast(KEYS),  # type: ignore[arg-type]
        pl.DataFrame(outcomes, schema=[*keys, "y"], orient="row").cast({**KEYS, "y": pl.Float64}),  # type: ignore[arg-type]
    )


def people() -> tuple[pl.DataFrame, pl.DataFrame]:
    said = {
        f"{sex}/{age}": [(100.0 - age, 110.0 - age, 120.0 - age)] * 2
        for sex in ("female", "male")
        for age in (0, 5, 10)
    }
    return frames(said, {uid: [105.0] for uid in said}, LEVELS)


def test_a_pyramid_shows_the_latest_forecast_that_has_outcomes() -> None:
    table = pyramid_table(*people(), LEVELS)
    assert table["sex"].to_list() == ["male"] * 3 + ["female"] * 3
    assert table["age"].to_list() == [0, 5, 10] * 2
    assert table["width"].unique().to_list() == [5]
    assert table["cutoff"].unique().to_list() == [START]
    assert table.filter(age=10, sex="male").row(0)[3:7] == (90.0, 100.0, 110.0, 105.0)


def test_a_pyramid_before_any_outcome_is_that_of_the_latest_forecast() -> None:
    forecasts, outcomes = people()
    table = pyramid_table(forecasts, outcomes.clear(), LEVELS)
    assert table["cutoff"].unique().to_list() == [START + timedelta(days=1)]
    assert table["y"].null_count() == 6


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.filter(pl.col("unique_id") != "male/5"),
        lambda f: f.filter(~pl.col("unique_id").str.starts_with("male")),
        lambda f: f.with_columns(pl.col("unique_id").str.replace("/10", "/old")),
        lambda f: f.with_columns(pl.col("unique_id").str.replace("female", "women")),
    ],
    ids=["an age of one sex only", "one sex", "no age", "no women"],
)
def test_series_that_are_no_population_have_no_pyramid(change: object) -> None:
    forecasts, outcomes = people()
    assert pyramid_table(change(forecasts), outcomes, LEVELS).is_empty()  # type: ignore[operator]


def test_the_interval_shown_is_the_one_nearest_to_eighty_percent() -> None:
    assert interval((0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)) == (0.1, 0.9)
    assert interval((0.25, 0.5, 0.75)) == (0.25, 0.75)
    assert interval((0.1, 0.5)) is None


def test_outcomes_drawn_from_the_forecast_make_a_flat_histogram() -> None:
    rng = np.random.default_rng(0)
    levels = tuple(k / 20 for k in range(1, 20))
    said = {"a": [levels] * 20_000}
    table = pit_table(*frames(said, {"a": rng.uniform(size=20_000).tolist()}, levels), levels)
    assert table["share"].sum() == pytest.approx(1)
    np.testing.assert_allclose(table["density"], 1, atol=0.1)
    inside = (table["density"] >= table["least"]) & (table["density"] <= table["most"])
    assert inside.mean() >= 0.8


def test_each_bar_counts_the_outcomes_between_two_quantiles() -> None:
    said = {"a": [(1.0, 2.0, 3.0)] * 4}
    table = pit_table(*frames(said, {"a": [0.0, 1.5, 1.7, None]}, LEVELS), LEVELS)
    assert table["low"].to_list() == [0.0, 0.1, 0.5, 0.9]
    assert table["share"].to_list() == pytest.approx([1 / 3, 2 / 3, 0, 0])
    assert table["density"].to_list() == pytest.approx([10 / 3, 5 / 3, 0, 0])
    assert table["n"].to_list() == [3] * 4


def test_an_outcome_that_several_quantiles_share_is_spread_over_them() -> None:
    """Dry with probability one half and dry it stayed: anywhere below the level 0.5."""
    said = {"a": [(0.0, 0.0, 8.0)]}
    table = pit_table(*frames(said, {"a": [0.0]}, LEVELS), LEVELS)
    assert table["share"].to_list() == pytest.approx([0.2, 0.8, 0, 0])
    on_one = pit_table(*frames({"a": [(1.0, 2.0, 3.0)]}, {"a": [2.0]}, LEVELS), LEVELS)
    assert on_one["share"].to_list() == [0, 0.5, 0.5, 0]


def test_levels_closer_than_a_twentieth_are_one_bar() -> None:
    levels = (0.001, 0.01, 0.05, 0.5, 0.95, 0.99, 0.999)
    said = {"a": [tuple(1000 * p for p in levels)] * 2}
    table = pit_table(*frames(said, {"a": [5.0, 995.0]}, levels), levels)
    assert table["low"].to_list() == [0, 0.05, 0.5, 0.95]
    assert table["share"].to_list() == [0.5, 0, 0, 0.5]


def test_skill_of_each_series_is_one_minus_the_ratio_of_its_mean_scores() -> None:
    said = {"small": [(0.0, 1.0, 2.0)] * 2, "large": [(90.0, 100.0, 110.0)] * 2, "new": [(1.0, 2.0, 3.0)]}
    base = {"small": [(0.0, 3.0, 6.0)] * 2, "large": [(99.0, 100.0, 101.0)] * 2, "new": [(0.0, 1.0, 2.0)]}
    came: dict[str, list[float | None]] = {"small": [1.0, None], "large": [100.0, 120.0]}
    forecasts, outcomes = frames(said, came, LEVELS)
    table = overview_table(forecasts, frames(base, {"x": [0.0]}, LEVELS)[0], outcomes, LEVELS)
    found = {row["unique_id"]: row for row in table.iter_rows(named=True)}

    def score(y: float, row: tuple[float, ...]) -> float:
        """From the definition of the interval score and the median's absolute error."""
        low, middle, high = row
        outside = max(low - y, 0) + max(y - high, 0)
        return (0.5 * abs(y - middle) + 0.1 * (high - low + 2 / 0.2 * outside)) / 1.5

    mine, other = score(1, said["small"][0]), score(1, base["small"][0])
    assert found["small"]["skill"] == pytest.approx(1 - mine / other)
    assert (found["small"]["n"], found["small"]["held"], found["small"]["size"]) == (1, 1.0, 1.0)
    mine, other = (sum(score(y, each["large"][0]) for y in (100, 120)) / 2 for each in (said, base))
    assert found["large"]["score"] == pytest.approx(mine)
    assert found["large"]["baseline"] == pytest.approx(other)
    assert found["large"]["held"] == 0.5
    assert (found["new"]["n"], found["new"]["skill"], found["new"]["size"]) == (0, None, 2.0)
    assert table["unique_id"].to_list()[-1] == "new"


def test_those_drawn_are_the_largest_and_the_best_median_and_worst_by_skill() -> None:
    ids = [f"s{k}" for k in range(9)]
    table = pl.DataFrame(
        {"unique_id": ids, "size": [1.0] * 7 + [50.0, 1.0], "skill": [0.9 - 0.2 * k for k in range(9)]}
    )
    assert picked(table) == {"s7": "largest", "s0": "best", "s4": "median", "s8": "worst"}
    unscored = table.with_columns(pl.lit(None, pl.Float64).alias("skill"))
    assert list(picked(unscored)) == ["s7", "s0", "s1", "s2"]


def test_the_outermost_dots_of_few_series_are_drawn_whole() -> None:
    require("bokeh", 'pip install "foreseal[plots]"')
    for skills in ([0.3, 0.2, 0.1], [0.2], [0.1, 0.1]):
        names = [f"s{k}" for k in range(len(skills))]
        table = pl.DataFrame({"unique_id": names, "skill": skills, "n": [9] * len(names)})
        figure = overview_figure(table, names)
        assert (figure.y_range.start, figure.y_range.end) == (0.5, len(names) + 0.5)
        assert figure.x_range.start < min(skills)
        assert figure.x_range.end > max(skills)


def test_dots_at_the_ends_of_the_diagonal_are_drawn_whole() -> None:
    require("bokeh", 'pip install "foreseal[plots]"')
    table = pl.DataFrame({"level": [0.01, 0.99], "below": [0.0, 1.0], "n": [9, 9]})
    figure = calibration_figure(table)
    for axis in (figure.x_range, figure.y_range):
        assert axis.start < 0
        assert axis.end > 1


def test_all_three_are_drawn() -> None:
    require("bokeh", 'pip install "foreseal[plots]"')
    pyramid = pyramid_figure(pyramid_table(*people(), LEVELS))
    assert pyramid.x_range.start == -pyramid.x_range.end
    assert pyramid.xaxis[0].major_label_overrides == {-100.0: "100"}
    said = {f"s{k}": [(1.0, 2.0, 3.0)] for k in range(NAMED + 1)}
    forecasts, outcomes = frames(said, {uid: [2.5] for uid in said}, LEVELS)
    assert len(pit_figure(pit_table(forecasts, outcomes, LEVELS)).renderers) == 3
    worse = forecasts.with_columns(pl.col("q0.5") - 1)
    many = overview_table(forecasts, worse, outcomes, LEVELS)
    assert not overview_figure(many, []).yaxis[0].visible
    few = overview_figure(many.head(3), ["s1"])
    assert {each.text for each in few.yaxis[0].major_label_overrides.values()} == set(
        many["unique_id"].head(3)
    )
