"""The time-of-day plan of a signal: green and change of each phase, stacked to the cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from foreseal.figures.style import (
    BLUE,
    INK,
    SERIES,
    Say,
    add_legend,
    english,
    new_figure,
    time_label,
    wall_clock,
    with_unit,
)

if TYPE_CHECKING:
    import bokeh.plotting


def phase_table(frame: pl.DataFrame) -> pl.DataFrame:
    """``start, end, phase, seconds, bottom, cycle``: ``bottom`` is where a phase begins in its ``cycle``. The
    empty phase is the change after a green."""
    seconds = pl.col("seconds")
    return frame.with_columns(
        bottom=seconds.cum_sum().over("start") - seconds, cycle=seconds.sum().over("start")
    )


def phases_figure(table: pl.DataFrame, *, timezone: str = "UTC", say: Say = english) -> bokeh.plotting.figure:
    """Draw a table from `phase_table`."""
    fig = new_figure(x_label=time_label(timezone, say), y_label=with_unit(say("seconds"), "s"), time=True)
    colours = (BLUE, *(colour for colour, _, _ in SERIES))
    names = [name for name in table["phase"].unique(maintain_order=True) if name]
    items: list[tuple[str, list[Any]]] = []
    looks = [(name, colours[k % len(colours)], 0.6) for k, name in enumerate(names)]
    for name, colour, alpha in (*looks, ("", INK, 0.35)):
        own = table.filter(pl.col("phase") == name)
        bars = fig.quad(
            left=wall_clock(own["start"], timezone).to_numpy(),
            right=wall_clock(own["end"], timezone).to_numpy(),
            bottom=own["bottom"].to_numpy(),
            top=(own["bottom"] + own["seconds"]).to_numpy(),
            color=colour,
            fill_alpha=alpha,
        )
        items.append((name or say("change"), [bars]))
    fig.y_range.start = 0
    add_legend(fig, items)
    return fig
