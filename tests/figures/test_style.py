from __future__ import annotations

import sys
from datetime import UTC, datetime

import polars as pl
import pytest

from foreseal.errors import MissingExtra
from foreseal.figures.style import english, new_figure, time_label, unit_label, wall_clock, with_unit


def test_units_are_written_for_readers() -> None:
    assert unit_label("{vehicle}.h") == "vehicle·h"
    assert with_unit("volume", "{vehicles}/h") == "volume (vehicles/h)"
    assert with_unit("share", "1") == "share"


def test_axes_show_the_wall_clock_and_name_it() -> None:
    noon = pl.Series([datetime(2024, 7, 1, 12, tzinfo=UTC)])
    assert wall_clock(noon, "America/Chicago").to_list() == [datetime(2024, 7, 1, 7)]  # noqa: DTZ001
    assert time_label("America/Chicago", english) == "time (America/Chicago)"


def test_naive_times_stay_as_they_are() -> None:
    naive = pl.Series([datetime(2024, 7, 1, 12)])  # noqa: DTZ001
    assert wall_clock(naive, "America/Chicago").to_list() == naive.to_list()
    assert time_label("", english) == "time"


def test_without_bokeh_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "bokeh"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "bokeh", None)
    with pytest.raises(MissingExtra, match="'plots'"):
        new_figure(x_label="x", y_label="y")
