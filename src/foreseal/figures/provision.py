"""What is provided against what is asked: beds and patients, stock and demand, room and people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from foreseal.figures.style import (
    BLUE,
    GREEN,
    INK,
    PURPLE,
    VERMILION,
    Say,
    add_legend,
    english,
    new_figure,
    wall_clock,
    with_unit,
)
from foreseal.pictures import Provision

if TYPE_CHECKING:
    from bokeh.models import LayoutDOM

SHOWN = 24
"""So many names are drawn, those of which most is provided; the table has all."""

NAMES_ROOM = 190
"""Pixels that a legend has on a telephone beside names."""

SEVERAL = 12
"""With no more names than these every step is drawn, otherwise the one for which most is expected."""


def provision_table(provision: Provision) -> pl.DataFrame:
    """The frame with ``short`` and ``left``: what was asked for beyond what was there, and the other way
    round; what was moved counts with whom it went to. The largest first, by ``ds``."""
    here = pl.col("asked")
    if "moved_in" in provision.frame.columns:
        here = here + pl.col("moved_in") - pl.col("moved_out")
    return provision.frame.with_columns(
        short=(here - pl.col("provided")).clip(0.0), left=(pl.col("provided") - here).clip(0.0)
    ).sort("ds", "provided", "name", descending=[False, True, False])


def provision_figure(
    table: pl.DataFrame, *, unit: str = "1", timezone: str = "UTC", say: Say = english
) -> LayoutDOM:
    """Draw a table from `provision_table`: a row per name, a figure per step."""
    from bokeh.layouts import column

    steps = table["ds"].unique().sort().to_list()
    if table["name"].n_unique() > SEVERAL and len(steps) > 1:
        sums = table.group_by("ds").agg(pl.col("middle").sum()).sort("middle", "ds")
        steps = [sums["ds"][-1]]
    figures = [
        _step(table.filter(pl.col("ds") == ds).head(SHOWN), ds, unit, timezone, say, first=not k)
        for k, ds in enumerate(steps)
    ]
    for each in figures[1:]:
        each.x_range = figures[0].x_range
    return column(*figures, sizing_mode="stretch_width") if len(figures) > 1 else figures[0]


def _step(table: pl.DataFrame, ds: datetime, unit: str, timezone: str, say: Say, *, first: bool) -> Any:
    from bokeh.models import NumeralTickFormatter, PlainText

    local = wall_clock(pl.Series([ds]), timezone)[0]
    rows = np.arange(table.height, 0, -1)
    fig = new_figure(
        x_label=with_unit(f"{local:%Y-%m-%d}", unit), y_label="", height=max(22 * table.height + 90, 180)
    )
    fig.yaxis[0].ticker = rows.tolist()
    fig.yaxis[0].major_label_overrides = {
        int(at): PlainText(text=name if len(name) <= 24 else f"{name[:23]}…")
        for at, name in zip(rows, table["name"], strict=True)
    }
    fig.ygrid.grid_line_color = None
    fig.xaxis[0].formatter = NumeralTickFormatter(format="0,0.[00]")
    values = {
        name: table[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for name in ("provided", "low", "middle", "high", "asked", "moved_in", "moved_out")
        if name in table.columns
    }
    shown = np.where(np.isfinite(values["provided"]), values["provided"], 0.0)
    bars = fig.hbar(rows, right=shown, left=0, height=0.7, color=BLUE, fill_alpha=0.3, line_width=1)
    span = fig.segment(values["low"], rows, values["high"], rows, color=INK, line_width=3)
    middle = fig.scatter(
        values["middle"], rows, color=INK, marker="dash", angle=np.pi / 2, size=11, line_width=3
    )
    items = [(say("provided"), [bars]), (say("asked for, as forecast"), [span, middle])]
    if "moved_in" in values:
        asked = values["asked"]
        taken = fig.segment(asked, rows, asked + values["moved_in"], rows, color=GREEN, line_width=7)
        handed = fig.segment(asked - values["moved_out"], rows, asked, rows, color=PURPLE, line_width=7)
        items += [(say("taken over"), [taken]), (say("handed on"), [handed])]
    came = fig.scatter(values["asked"], rows, color=VERMILION, marker="diamond", size=9)
    items.append((say("asked for"), [came]))
    fig.x_range.start = 0
    if first:
        add_legend(fig, items, room=NAMES_ROOM)
    return fig
