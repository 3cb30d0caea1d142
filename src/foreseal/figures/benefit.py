"""Decision curves (Vickers and Elkin, 2006): what acting on a probability is worth, by threshold.

Whoever acts at a probability of ``t`` holds a missed case to be worth ``(1 - t) / t`` needless acts. Net
benefit counts, per case, those rightly acted on less the needless acts at that price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from foreseal.figures.style import BLUE, INK, SERIES, Say, add_legend, english, new_figure
from foreseal.rules import net_benefit

if TYPE_CHECKING:
    import bokeh.plotting

THRESHOLDS = tuple(k / 20 for k in range(1, 20))


def benefit_table(
    probabilities: pl.DataFrame, outcomes: pl.DataFrame, thresholds: tuple[float, ...] = THRESHOLDS
) -> pl.DataFrame:
    """``threshold, forecast, all, acted``: net benefit of acting on the forecast, and on everybody.

    ``probabilities`` has ``case_id, cutoff, p`` and ``outcomes`` ``case_id, cutoff, y`` with labels 0 and 1.
    Acting on nobody has a net benefit of 0. ``acted`` is the share acted on. Empty without outcomes.
    """
    joined = probabilities.join(outcomes, on=["case_id", "cutoff"]).drop_nulls("y")
    y, p = joined["y"].to_numpy().astype(float), joined["p"].to_numpy()
    at = thresholds if len(y) else ()
    return pl.DataFrame(
        {
            "threshold": at,
            "forecast": [net_benefit(y, p, t) for t in at],
            "all": [net_benefit(y, np.ones(len(y)), t) for t in at],
            "acted": [float((p >= t).mean()) for t in at],
        },
        schema={"threshold": pl.Float64, "forecast": pl.Float64, "all": pl.Float64, "acted": pl.Float64},
    )


def benefit_figure(table: pl.DataFrame, *, say: Say = english) -> bokeh.plotting.figure:
    """Draw a table from `benefit_table`."""
    fig = new_figure(x_label=say("probability at which one acts"), y_label=say("net benefit"))
    x = table["threshold"].to_numpy()
    colour, dash, _ = SERIES[0]
    mine = fig.line(x, table["forecast"].to_numpy(), color=BLUE, line_width=2)
    everybody = fig.line(x, table["all"].to_numpy(), color=colour, line_dash=dash, line_width=2)
    nobody = fig.line(x, np.zeros(len(x)), color=INK, line_dash="dotted")
    top = float(table["forecast"].max() or 0.0)  # type: ignore[arg-type]
    fig.y_range.start, fig.y_range.end = -0.25 * max(top, 0.02), 1.1 * max(top, 0.02)
    add_legend(
        fig,
        [(say("forecast"), [mine]), (say("act on everybody"), [everybody]), (say("act on nobody"), [nobody])],
    )
    return fig
