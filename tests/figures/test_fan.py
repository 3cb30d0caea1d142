from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from bokeh.models import RangeTool

from foreseal.figures.fan import central_pairs, fan_figure, fan_table

START = datetime(2024, 1, 1, tzinfo=UTC)
LEVELS = (0.1, 0.5, 0.9)


def forecasts(cutoffs: int, h: int, every: int) -> pl.DataFrame:
    rows = [
        (
            "a",
            START + timedelta(hours=c * every + k),
            START + timedelta(hours=c * every),
            k - 1.0,
            k + 0.0,
            k + 1.0,
        )
        for c in range(cutoffs)
        for k in range(h)
    ]
    return pl.DataFrame(rows, schema=["unique_id", "ds", "cutoff", "q0.1", "q0.5", "q0.9"], orient="row")


NO_OUTCOMES = pl.DataFrame(schema={"unique_id": pl.String, "ds": pl.Datetime("us", "UTC"), "y": pl.Float64})


def test_only_levels_with_a_mirror_bound_an_interval() -> None:
    assert central_pairs((0.05, 0.1, 0.2, 0.5, 0.9, 0.95)) == [(0.05, 0.95), (0.1, 0.9)]


def test_where_horizons_overlap_the_latest_cutoff_is_shown() -> None:
    table = fan_table(forecasts(cutoffs=2, h=4, every=2), NO_OUTCOMES, "a")
    assert table["ds"].to_list() == [START + timedelta(hours=k) for k in range(6)]
    assert table["q0.5"].to_list() == [0, 1, 0, 1, 2, 3]


def test_an_hour_without_outcome_is_a_gap_and_not_a_zero() -> None:
    outcomes = pl.DataFrame({"unique_id": ["a", "b"], "ds": [START, START], "y": [5.0, 7.0]})
    table = fan_table(forecasts(1, 2, 1), outcomes.cast({"ds": pl.Datetime("us", "UTC")}), "a")
    assert table["y"].to_list() == [5.0, None]


def test_a_long_record_gets_an_overview_and_one_long_forecast_does_not() -> None:
    record = fan_table(forecasts(20, 24, 24), NO_OUTCOMES, "a")
    assert list(fan_figure(record, LEVELS).select({"type": RangeTool}))
    single = fan_table(forecasts(1, 480, 1), NO_OUTCOMES, "a")
    assert not list(fan_figure(single, LEVELS).select({"type": RangeTool}))


def test_the_strip_below_a_long_record_says_what_it_shows_on_axes_of_its_own() -> None:
    record = fan_table(forecasts(20, 24, 24), NO_OUTCOMES, "a")
    for levels, what in ((LEVELS, "median"), ((0.1, 0.9), "outcome")):
        fan, strip = fan_figure(record, levels).children
        assert strip.xaxis[0].axis_label.text == f"{what}, whole record; drag the window"
        assert strip.yaxis[0].visible
        assert strip.height > 80
        assert fan.height > strip.height


def test_the_legend_shows_the_widest_and_the_narrowest_interval_as_they_are_drawn() -> None:
    table = fan_table(forecasts(1, 3, 1), NO_OUTCOMES, "a")
    levels = (0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)
    wide = table.with_columns(pl.lit(1.0).alias(f"q{p:g}") for p in levels)
    figure = fan_figure(wide, levels)
    shown = {item.label.value: item.renderers for item in figure.legend[0].items}
    assert list(shown) == ["99.8 %", "50 %", "median", "outcome"]
    assert [len(each) for each in shown.values()] == [1, 3, 1, 2]
    assert shown["99.8 %"][0].glyph.y1 == "q0.001"
    assert figure.legend[0].ncols == 2, "two rows of two"
    (alone,) = (item for item in fan_figure(table, LEVELS).legend[0].items if "%" in item.label.value)
    assert alone.label.value == "80 %"


def test_levels_without_a_median_are_drawn_too() -> None:
    table = fan_table(forecasts(1, 3, 1).drop("q0.5"), NO_OUTCOMES, "a")
    assert fan_figure(table, (0.1, 0.9))


def test_the_axis_names_unit_and_time_zone() -> None:
    figure = fan_figure(
        fan_table(forecasts(1, 3, 1), NO_OUTCOMES, "a"), LEVELS, unit="Cel", timezone="Asia/Tokyo"
    )
    assert figure.yaxis[0].axis_label.text == "value (Cel)"
    assert figure.xaxis[0].axis_label.text == "time (Asia/Tokyo)"
