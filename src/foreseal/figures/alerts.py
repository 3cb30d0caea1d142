"""Alerts and events: the contingency table of each option, and the probabilities that alerts came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foreseal.figures.style import (
    BLUE,
    INK,
    VERMILION,
    Say,
    add_legend,
    english,
    new_figure,
    time_label,
    wall_clock,
)

if TYPE_CHECKING:
    import bokeh.plotting


def contingency_table(frame: pl.DataFrame) -> pl.DataFrame:
    """``option, hits, misses, false_alarms, quiet, detected, false_ratio``: the share of events with an alert
    (POD), and that of alerts without an event (FAR); null where there is none."""
    hits, misses, false = pl.col("hits"), pl.col("misses"), pl.col("false_alarms")
    return frame.with_columns(
        detected=pl.when(hits + misses > 0).then(hits / (hits + misses)),
        false_ratio=pl.when(hits + false > 0).then(false / (hits + false)),
    )


def alerts_figure(
    days: pl.DataFrame, threshold: float, *, timezone: str = "UTC", say: Say = english
) -> bokeh.plotting.figure:
    """Draw the ``days`` of `Alerts`: what lies above the line was alerted for."""
    from bokeh.models import Span

    fig = new_figure(x_label=time_label(timezone, say), y_label=say("probability of the event"), time=True)
    items = []
    for label, event, colour, marker, size in (
        (say("no event"), False, BLUE, "circle", 5),
        (say("event"), True, VERMILION, "diamond", 10),
        (say("no outcome"), None, INK, "x", 7),
    ):
        own = days.filter(pl.col("event").eq_missing(event))
        if own.is_empty():
            continue
        times = wall_clock(own["ds"], timezone).to_numpy()
        dots = fig.scatter(times, own["chance"].to_numpy(), color=colour, marker=marker, size=size, alpha=0.8)
        items.append((label, [dots]))
    fig.add_layout(
        Span(location=threshold, dimension="width", line_color=INK, line_dash="dashed", line_width=2)
    )
    fig.y_range.start, fig.y_range.end = -0.03, 1.03
    add_legend(fig, items)
    return fig
