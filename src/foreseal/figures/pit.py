"""The PIT histogram: where outcomes fell in their forecast distributions. Flat is calibrated.

A hump in the middle means intervals that are too wide, a trough ones that are too narrow, a slope a bias. It
is what meteorologists read from the rank histogram of an ensemble.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from foreseal.figures.reliability import Z95
from foreseal.figures.style import BLUE, INK, Say, add_legend, english, new_figure
from foreseal.records import quantile_column

if TYPE_CHECKING:
    import bokeh.plotting

    Array = npt.NDArray[np.float64]

NARROWEST = 0.05
"""Bins are at least as wide; what lies in narrower ones is too little to be seen."""


def pit_table(forecasts: pl.DataFrame, outcomes: pl.DataFrame, quantiles: Sequence[float]) -> pl.DataFrame:
    """``low, high, share, density, least, most, n``: the share of ``n`` outcomes between two quantile levels.

    ``density`` is the share over the width of the bin: 1 if calibrated, and then between ``least`` and
    ``most`` in 95 of 100 records of ``n`` outcomes that do not depend on each other. Where several
    levels share the outcome's value, such as no rain, it is spread evenly over them (Czado, Gneiting and
    Held, 2009).
    """
    joined = forecasts.join(outcomes, on=["unique_id", "ds", "cutoff"]).filter(pl.col("y").is_finite())
    levels = np.asarray(quantiles, float)
    values = joined.select(map(quantile_column, quantiles)).to_numpy()
    edges = np.concatenate([[0.0], levels, [1.0]])
    mass = _mass(joined["y"].to_numpy().astype(float), values, levels)
    kept = [0]
    for k in range(1, len(edges) - 1):
        wide = edges[k] - edges[kept[-1]] >= NARROWEST - 1e-9 and 1.0 - edges[k] >= NARROWEST - 1e-9
        kept += [k] if wide else []
    share = np.add.reduceat(mass, kept) / max(joined.height, 1)
    low, high = edges[kept], np.append(edges[kept[1:]], 1.0)
    width = high - low
    spread = Z95 * np.sqrt(width * (1.0 - width) / max(joined.height, 1)) / width
    return pl.DataFrame(
        {
            "low": low,
            "high": high,
            "share": share,
            "density": share / width,
            "least": np.maximum(1.0 - spread, 0.0),
            "most": 1.0 + spread,
            "n": [joined.height] * len(low),
        }
    )


def _mass(y: Array, values: Array, levels: Array) -> Array:
    """Outcomes (bins,) between 0, the levels and 1: whole ones, and parts of those that are tied."""
    edges = np.concatenate([[0.0], levels, [1.0]])
    below, upto = (values < y[:, None]).sum(axis=1), (values <= y[:, None]).sum(axis=1)
    mass = np.bincount(below[below == upto], minlength=len(edges) - 1).astype(float)
    for a, b in zip(below[below < upto], upto[below < upto], strict=True):
        start = 0 if a == 0 else a + 1
        end = len(edges) - 1 if b == len(levels) else b
        if start == end:
            mass[[end - 1, end]] += 0.5
        else:
            mass[start:end] += np.diff(edges[start : end + 1]) / (edges[end] - edges[start])
    return mass


def pit_figure(table: pl.DataFrame, *, say: Say = english) -> bokeh.plotting.figure:
    """Draw a table from `pit_table`."""
    fig = new_figure(x_label=say("place in the forecast distribution"), y_label=say("density of outcomes"))
    low, high = table["low"].to_numpy(), table["high"].to_numpy()
    bars = fig.quad(
        left=low, right=high, bottom=0, top=table["density"].to_numpy(), color=BLUE, fill_alpha=0.6
    )
    band = fig.quad(
        left=low,
        right=high,
        bottom=table["least"].to_numpy(),
        top=table["most"].to_numpy(),
        fill_color=INK,
        fill_alpha=0.2,
        line_alpha=0,
    )
    ideal = fig.line([0, 1], [1, 1], color=INK, line_dash="dashed", line_width=2)
    fig.x_range.start, fig.x_range.end = 0, 1
    fig.y_range.start = 0
    add_legend(fig, [(say("outcomes"), [bars]), (say("ideal"), [ideal]), (say("by chance"), [band])])
    return fig
