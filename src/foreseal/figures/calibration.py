"""Calibration of quantiles: how often outcomes fell at or below each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from foreseal.figures.style import BLUE, INK, SQUARE, Say, add_legend, english, new_figure
from foreseal.records import quantile_column

if TYPE_CHECKING:
    import bokeh.plotting


def calibration_table(
    forecasts: pl.DataFrame, outcomes: pl.DataFrame, quantiles: Sequence[float]
) -> pl.DataFrame:
    """``level, below, n``: the share of ``n`` outcomes that were at most the quantile of each level.

    ``forecasts`` has ``unique_id, ds, cutoff, q…``; ``outcomes`` has ``unique_id, ds, cutoff, y``.
    """
    joined = forecasts.join(outcomes, on=["unique_id", "ds", "cutoff"]).filter(pl.col("y").is_finite())
    shares = [joined.select((pl.col("y") <= pl.col(quantile_column(p))).mean()).item() for p in quantiles]
    return pl.DataFrame(
        {"level": list(quantiles), "below": shares, "n": [joined.height] * len(shares)},
        schema={"level": pl.Float64, "below": pl.Float64, "n": pl.Int64},
    )


def calibration_figure(table: pl.DataFrame, *, say: Say = english) -> bokeh.plotting.figure:
    """Observed against nominal share; a calibrated forecaster stays on the diagonal."""
    fig = new_figure(
        x_label=say("quantile level"),
        y_label=say("share of outcomes at or below"),
        height=SQUARE,
        max_width=SQUARE + 60,
    )
    ideal = fig.line([0, 1], [0, 1], color=INK, line_dash="dashed")
    line = fig.line(table["level"].to_numpy(), table["below"].to_numpy(), color=BLUE, line_width=2)
    dots = fig.scatter(table["level"].to_numpy(), table["below"].to_numpy(), color=BLUE, size=8)
    fig.x_range.start = fig.y_range.start = -0.02
    fig.x_range.end = fig.y_range.end = 1.02
    add_legend(fig, [(say("observed"), [line, dots]), (say("ideal"), [ideal])])
    return fig
