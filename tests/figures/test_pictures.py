"""Tables and figures of decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from foreseal.figures.alerts import alerts_figure, contingency_table
from foreseal.figures.chart import chart_figure, chart_table
from foreseal.figures.exceedances import exceedance_table, exceedances_figure
from foreseal.figures.ledger import ledger_figure
from foreseal.figures.phases import phase_table, phases_figure
from foreseal.figures.provision import SEVERAL, SHOWN, provision_figure, provision_table
from foreseal.figures.style import TELEPHONE, add_legend, new_figure
from foreseal.pictures import Chart, Exceedances, Provision

START = datetime(2024, 1, 1, tzinfo=UTC)
PLACE = ["name", "x", "y", "kind", "group", "amount"]


def tours() -> Chart:
    places = [
        ("home", 0.0, 0.0, "site", "", None),
        ("x", 0.0, 3.0, "place", "tour 1", 2.0),
        ("y", 4.0, 3.0, "place", "tour 1", 8.0),
    ]
    frame = pl.DataFrame(places, schema=PLACE, orient="row")
    return Chart(START, frame, (("tour 1", ("home", "x", "y", "home")),), "{piece}", geographic=False)


def served() -> Chart:
    places = [
        ("a", 0.0, 0.0, "site", "a", 5.0),
        ("b", 0.0, 1.0, "place", "a", 2.0),
        ("c", 90.0, 0.0, "site", "c", 3.0),
    ]
    frame = pl.DataFrame(places, schema=PLACE, orient="row")
    return Chart(START, frame, (("a", ("a", "b")),), "{persons}", geographic=True)


def test_a_tour_is_listed_stop_by_stop_with_the_way_so_far() -> None:
    assert chart_table(tours()).rows() == [
        ("tour 1", 1, "x", 3.0, 2.0),
        ("tour 1", 2, "y", 7.0, 8.0),
        ("tour 1", 3, "home", 12.0, None),
    ]


def test_who_is_served_is_listed_by_site_with_the_distance_along_the_great_circle() -> None:
    table = chart_table(served())
    assert table.select("group", "name").rows() == [("a", "a"), ("a", "b"), ("c", "c")]
    assert table["km"].to_list() == pytest.approx([0.0, 6371.0 * 3.14159265 / 180, 0.0])


def test_areas_on_a_map_are_in_proportion_to_amounts_and_distances_to_scale() -> None:
    figure = chart_figure(tours())
    assert figure.match_aspect
    sizes = figure.renderers[1].data_source.data["size"]
    assert (sizes[1] / sizes[0]) ** 2 == pytest.approx(8 / 2)
    north = chart_figure(served()).renderers[0].data_source.data["y"]
    assert north[1] - north[0] == pytest.approx(6371.0 * 3.14159265 / 180)


def provided(names: int, steps: int, **more: Any) -> Provision:
    rows = [
        (f"n{k:02d}", START + timedelta(days=7 * step), 10.0 + k, 1.0 + step, 5.0 + step, 9.0, 12.0)
        for k in range(names)
        for step in range(steps)
    ]
    columns = ["name", "ds", "provided", "low", "middle", "high", "asked"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return Provision(
        START, frame.with_columns(**{key: pl.lit(value) for key, value in more.items()}), "{bed}"
    )


def test_what_is_short_or_left_counts_who_was_moved() -> None:
    plain = provision_table(provided(4, 1))
    assert plain.select("name", "short", "left").rows() == [
        ("n03", 0.0, 1.0),
        ("n02", 0.0, 0.0),
        ("n01", 1.0, 0.0),
        ("n00", 2.0, 0.0),
    ]
    moved = provision_table(provided(4, 1, moved_in=0.0, moved_out=2.0))
    assert moved["short"].sum() == 0
    assert moved["left"].to_list() == [3.0, 2.0, 1.0, 0.0]


def test_few_names_have_a_figure_per_step_and_many_the_one_that_most_is_expected_of() -> None:
    few = provision_figure(provision_table(provided(3, 2, moved_in=0.0, moved_out=0.0)))
    assert len(few.children) == 2
    many = provision_figure(provision_table(provided(max(SEVERAL, SHOWN) + 1, 2)))
    assert many.xaxis[0].axis_label.text == "2024-01-08"
    assert len(many.renderers[0].data_source.data["right"]) == SHOWN


def test_an_exceedance_is_a_value_below_its_limit() -> None:
    rows = [("", 0.025, START + timedelta(days=k), y, -2.0) for k, y in enumerate((-1.0, -2.0, -2.1, None))]
    rows += [("a", 0.01, START, -5.0, -4.0)]
    frame = pl.DataFrame(rows, schema=["name", "level", "ds", "y", "limit"], orient="row")
    table = exceedance_table(Exceedances(frame, "%"))
    assert table["exceeded"].to_list() == [False, False, True, True]
    figure = exceedances_figure(table, unit="%", whole="all")
    assert [each.title.text.text for each in figure.children] == ["all", "a"]
    assert [len(each.renderers[2].data_source.data["y"]) for each in figure.children] == [1, 1]


def test_phases_stack_to_the_cycle() -> None:
    rows = [(START, START + timedelta(hours=6), name, s) for name, s in (("n", 20.0), ("", 5.0), ("e", 10.0))]
    table = phase_table(pl.DataFrame(rows, schema=["start", "end", "phase", "seconds"], orient="row"))
    assert table["bottom"].to_list() == [0.0, 20.0, 25.0]
    assert table["cycle"].unique().to_list() == [35.0]
    assert len(phases_figure(table).renderers) == 3


def test_detection_and_false_alarms_are_shares_of_events_and_of_alerts() -> None:
    frame = pl.DataFrame(
        {"option": ["a", "never"], "hits": [3, 0], "misses": [1, 4], "false_alarms": [2, 0], "quiet": [4, 6]}
    )
    assert contingency_table(frame).select("detected", "false_ratio").rows() == [(0.75, 0.4), (0.0, None)]
    days = pl.DataFrame(
        {"name": "a", "ds": [START] * 3, "chance": [0.1, 0.9, 0.5], "event": [False, True, None]}
    )
    assert len(alerts_figure(days, 0.25).renderers) == 3


def test_the_ledger_draws_the_series_with_the_highest_levels_first() -> None:
    rows = [
        (name, START + timedelta(days=7 * k), 5.0 - k, 0.0, 2.0, upto, 1.0, 2.0, 3.0, 2.0)
        for name, upto in (("small", 5.0), ("large", 9.0))
        for k in range(3)
    ]
    columns = ["name", "ds", "stock", "ordered", "reorder", "upto", "low", "middle", "high", "asked"]
    figure = ledger_figure(pl.DataFrame(rows, schema=columns, orient="row"))
    assert [each.title.text.text for each in figure.children] == ["large", "small"]


def test_a_legend_too_wide_for_a_telephone_has_several_rows_and_the_figure_grows() -> None:
    short, long = (new_figure(x_label="", y_label="", height=200) for _ in range(2))
    for figure, labels in (
        (short, ("a", "b")),
        (long, ("a long label", "another long label", "and a third one")),
    ):
        dots = figure.scatter([0], [0])
        add_legend(figure, [(label, [dots]) for label in labels])
    assert (short.legend[0].ncols, short.height) == (2, 200)
    assert long.legend[0].ncols < 3
    assert long.height > 200
    assert TELEPHONE < 390
