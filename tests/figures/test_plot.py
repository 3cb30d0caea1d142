from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from bokeh.models import Plot

from foreseal.figures import plot
from foreseal.records import Forecast

START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class Result:
    frame: Any
    forecast: Forecast
    history: pl.DataFrame


def make_result(ids: list[str], zone: str | None) -> Result:
    rows = [(i, START + timedelta(hours=k), START, 1.0, 2.0, 3.0) for i in ids for k in range(3)]
    frame = pl.DataFrame(rows, schema=["unique_id", "ds", "cutoff", "q0.1", "q0.5", "q0.9"], orient="row")
    past = [(i, START - timedelta(hours=k), 2.0) for i in ids for k in range(1, 50)]
    history = pl.DataFrame(past, schema=["unique_id", "ds", "y"], orient="row")
    given = frame.with_columns(
        pl.col("ds").dt.convert_time_zone(zone) if zone else pl.col("ds").dt.replace_time_zone(None)
    ).rename({"unique_id": "sensor", "ds": "when"})
    return Result(given, Forecast(frame, (0.1, 0.5, 0.9)), history)


def panels(figure: Any) -> list[Any]:
    return [figure] if isinstance(figure, Plot) else list(figure.children)


@pytest.mark.parametrize(("zone", "label"), [(None, "time"), ("Asia/Tokyo", "time (Asia/Tokyo)")])
def test_times_are_shown_as_the_user_gave_them(zone: str | None, label: str) -> None:
    (panel,) = panels(plot(make_result(["a"], zone)))
    assert panel.xaxis[0].axis_label.text == label


def test_each_series_has_its_own_panel_and_history() -> None:
    figure = plot(make_result([f"s{k}" for k in range(9)], None))
    assert [panel.title.text for panel in panels(figure)] == [f"s{k}" for k in range(6)]
    labels = [item.label.value for item in panels(figure)[0].legend[0].items]
    assert labels[0] == "history"
    assert [p.title.text for p in panels(plot(make_result(["a", "b"], None), ids=["b"]))] == ["b"]


def test_a_bare_forecast_can_be_drawn_too() -> None:
    result = make_result(["a"], ZoneInfo("UTC").key)
    assert panels(plot(result.forecast, unit="Cel"))[0].yaxis[0].axis_label.text == "value (Cel)"
