"""Scores over time: every cutoff, and the running means of forecaster and baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foreseal.figures.style import (
    BLUE,
    VERMILION,
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

RULES = {"wis": "weighted interval score", "brier": "Brier score", "log": "log score"}
"""Names of scoring rules as readers know them."""


def skill_table(scores: pl.DataFrame) -> pl.DataFrame:
    """``cutoff, status, n, mean, baseline`` and the running ``running_mean, running_baseline, skill``.

    ``scores`` has ``cutoff, status, n, mean, baseline``, as a track record does. Running means weigh a cutoff
    by its ``n`` values; ``skill`` is one minus their ratio.
    """
    weighed = scores.sort("cutoff").with_columns(
        (pl.col("mean") * pl.col("n")).cum_sum().alias("_mine"),
        (pl.col("baseline") * pl.col("n")).cum_sum().alias("_base"),
        pl.col("n").cum_sum().alias("_n"),
    )
    return weighed.select(
        "cutoff",
        "status",
        "n",
        "mean",
        "baseline",
        running_mean=pl.col("_mine") / pl.col("_n"),
        running_baseline=pl.col("_base") / pl.col("_n"),
        skill=1 - pl.col("_mine") / pl.col("_base"),
    )


def skill_figure(
    table: pl.DataFrame, *, rule: str, unit: str = "1", timezone: str = "UTC", say: Say = english
) -> bokeh.plotting.figure:
    """Draw a table from `skill_table`; cutoffs without a valid forecast are crossed out."""
    fig = new_figure(
        x_label=time_label(timezone, say),
        y_label=with_unit(say(RULES.get(rule, rule)), unit),
        time=True,
    )
    times = wall_clock(table["cutoff"], timezone).to_numpy()
    missing = table["status"] != "scored"
    mine = fig.line(times, table["running_mean"].to_numpy(), color=BLUE, line_width=2.5)
    base = fig.line(
        times, table["running_baseline"].to_numpy(), color=VERMILION, line_width=2.5, line_dash="dashed"
    )
    mine_dots = fig.scatter(times, table["mean"].to_numpy(), color=BLUE, size=5, alpha=0.55)
    base_dots = fig.scatter(
        times, table["baseline"].to_numpy(), color=VERMILION, size=5, alpha=0.55, marker="square"
    )
    items = [(say("forecast"), [mine, mine_dots]), (say("baseline"), [base, base_dots])]
    if missing.any():
        crosses = fig.scatter(
            times[missing.to_numpy()],
            table.filter(missing)["mean"].to_numpy(),
            marker="x",
            size=12,
            line_width=2,
            color=BLUE,
        )
        items.append((say("no valid forecast"), [crosses]))
    fig.y_range.start = 0
    add_legend(fig, items)
    return fig
