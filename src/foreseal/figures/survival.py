"""Survival curves as forecast, by group of risk, beside what became of the cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from foreseal.figures.reliability import Z95
from foreseal.figures.style import BLUE, SERIES, Say, add_legend, english, new_figure

if TYPE_CHECKING:
    import bokeh.plotting

GROUPS = 3


def survival_table(
    forecasts: pl.DataFrame, outcomes: pl.DataFrame, days: float, groups: int = GROUPS
) -> pl.DataFrame:
    """``group, days, predicted, observed, low, high, n`` at the end of each step.

    ``forecasts`` has ``case_id, step, cutoff, p`` and ``outcomes`` ``case_id, step, cutoff, y``: the event in
    a step, given none before. Group 1 is the third of the cases with the highest predicted survival.
    ``observed`` is the life table's (one minus events by those watched, multiplied up) with 95 % limits on
    the scale of its logarithm by Greenwood's variance; ``n`` were watched in the step. Empty groups are left
    out.
    """
    keys = ["case_id", "cutoff"]
    curves = forecasts.sort(*keys, "step").with_columns(
        predicted=(1.0 - pl.col("p")).cum_prod().over(keys, order_by="step")
    )
    last = curves.group_by(keys).agg(pl.col("predicted").last()).sort("predicted", *keys, descending=True)
    last = last.select(*keys, group=pl.int_range(pl.len()) * groups // pl.len() + 1)
    joined = curves.join(last, on=keys).join(outcomes, on=[*keys, "step"], how="left")
    found = (
        joined.group_by("group", "step")
        .agg(pl.col("predicted").mean(), pl.col("y").sum().alias("events"), pl.col("y").count().alias("n"))
        .sort("group", "step")
    )
    risk = pl.col("events") / pl.col("n")
    variance = (pl.col("events") / (pl.col("n") * (pl.col("n") - pl.col("events")))).cum_sum().over("group")
    found = found.with_columns(observed=(1.0 - risk).cum_prod().over("group"), spread=Z95 * variance.sqrt())
    spread = pl.col("spread").fill_nan(0.0)
    return found.select(
        pl.col("group").cast(pl.Int64),
        (pl.col("step") * days).alias("days"),
        "predicted",
        "observed",
        low=pl.col("observed") * (-spread).exp(),
        high=(pl.col("observed") * spread.exp()).clip(0.0, 1.0),
        n=pl.col("n").cast(pl.Int64),
    )


def survival_figure(table: pl.DataFrame, *, say: Say = english) -> bokeh.plotting.figure:
    """Draw a table from `survival_table`: lines are forecasts, points with bars what happened."""
    fig = new_figure(x_label=say("days from the start"), y_label=say("share without the event"))
    items = []
    names = (say("lowest risk"), say("middle risk"), say("highest risk"))
    for group, (colour, dash, _) in zip(
        sorted(table["group"].unique()), ((BLUE, "solid", "circle"), *SERIES), strict=False
    ):
        own = table.filter(pl.col("group") == group)
        x = own["days"].to_numpy()
        line = fig.line(
            np.concatenate([[0.0], x]),
            np.concatenate([[1.0], own["predicted"].to_numpy()]),
            color=colour,
            line_dash=dash,
            line_width=2,
        )
        seen = own.filter(pl.col("observed").is_finite())
        x, y = seen["days"].to_numpy(), seen["observed"].to_numpy()
        bars = fig.segment(x, seen["low"].to_numpy(), x, seen["high"].to_numpy(), color=colour)
        dots = fig.scatter(x, y, color=colour, size=7)
        items.append((names[group - 1] if group <= len(names) else str(group), [line, bars, dots]))
    fig.y_range.start, fig.y_range.end = 0.0, 1.02
    add_legend(fig, items)
    return fig
