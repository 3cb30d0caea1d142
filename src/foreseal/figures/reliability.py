"""Reliability of probabilities: how often the event happened among cases given about the same probability."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from foreseal.figures.style import BLUE, INK, SQUARE, Say, add_legend, english, new_figure

if TYPE_CHECKING:
    import bokeh.plotting

BINS = 10
Z95 = 1.959963984540054


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    centre = (successes + Z95**2 / 2) / (n + Z95**2)
    half = Z95 / (n + Z95**2) * math.sqrt(successes * (n - successes) / n + Z95**2 / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def reliability_table(probabilities: pl.DataFrame, outcomes: pl.DataFrame, bins: int = BINS) -> pl.DataFrame:
    """``p, observed, low, high, n`` per bin of equally many cases, ascending.

    ``probabilities`` has ``case_id, cutoff, p`` and ``outcomes`` ``case_id, cutoff, y`` with labels 0 and 1.
    ``p`` is the bin's mean probability, ``observed`` the share of label 1 with its 95 % Wilson interval.
    Cases of equal probability may fall into neighbouring bins.
    """
    joined = probabilities.join(outcomes, on=["case_id", "cutoff"]).sort("p", "case_id")
    rank = pl.int_range(pl.len()) * min(bins, max(joined.height, 1)) // pl.len()
    found = joined.group_by(rank.alias("bin"), maintain_order=True).agg(
        pl.col("p").mean(), pl.col("y").sum().cast(pl.Int64).alias("hits"), pl.len().cast(pl.Int64).alias("n")
    )
    bounds = [wilson(hits, n) for hits, n in found.select("hits", "n").iter_rows()]
    return found.select(
        "p",
        (pl.col("hits") / pl.col("n")).alias("observed"),
        pl.Series("low", [low for low, _ in bounds], pl.Float64),
        pl.Series("high", [high for _, high in bounds], pl.Float64),
        "n",
    )


def reliability_figure(table: pl.DataFrame, *, say: Say = english) -> bokeh.plotting.figure:
    """Draw a table from `reliability_table`; bars are 95 % intervals."""
    fig = new_figure(
        x_label=say("predicted probability"),
        y_label=say("observed share"),
        height=SQUARE,
        max_width=SQUARE + 60,
    )
    ideal = fig.line([0, 1], [0, 1], color=INK, line_dash="dashed")
    p = table["p"].to_numpy()
    bars = fig.segment(p, table["low"].to_numpy(), p, table["high"].to_numpy(), color=BLUE, line_width=2)
    line = fig.line(p, table["observed"].to_numpy(), color=BLUE)
    dots = fig.scatter(p, table["observed"].to_numpy(), color=BLUE, size=8)
    fig.x_range.start = fig.y_range.start = -0.02
    fig.x_range.end = fig.y_range.end = 1.02
    add_legend(
        fig, [(say("observed"), [line, dots]), (say("95 % interval"), [bars]), (say("ideal"), [ideal])]
    )
    return fig
