"""How well probabilities tell the labels apart: distribution by outcome, gains, ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from foreseal.figures.style import BLUE, INK, SERIES, SQUARE, Say, add_legend, english, new_figure

if TYPE_CHECKING:
    import bokeh.plotting

BINS = 10


def distribution_table(probabilities: pl.DataFrame, outcomes: pl.DataFrame, bins: int = BINS) -> pl.DataFrame:
    """``low, high, negative, positive``: cases of either label in equally wide bins of the probability.

    ``probabilities`` has ``case_id, cutoff, p`` and ``outcomes`` ``case_id, cutoff, y`` with labels 0 and 1.
    """
    joined = probabilities.join(outcomes, on=["case_id", "cutoff"]).drop_nulls("y")
    edges = np.linspace(0, 1, bins + 1)
    counts = [np.histogram(joined.filter(pl.col("y") == label)["p"].to_numpy(), edges)[0] for label in (0, 1)]
    return pl.DataFrame({"low": edges[:-1], "high": edges[1:], "negative": counts[0], "positive": counts[1]})


def distribution_figure(table: pl.DataFrame, *, say: Say = english) -> bokeh.plotting.figure:
    """Share of each label's cases by probability; the less the two overlap, the better."""
    fig = new_figure(x_label=say("predicted probability"), y_label=say("share of the cases of that outcome"))
    items = []
    edges = [*table["low"].to_list(), table["high"][-1]]
    for (name, label), (colour, dash, _) in zip(
        (("negative", say("did not happen")), ("positive", say("happened"))), SERIES, strict=False
    ):
        share = (table[name] / max(int(table[name].sum()), 1)).to_list()
        line = fig.step(edges, [*share, share[-1]], mode="after", color=colour, line_dash=dash, line_width=2)
        items.append((label, [line]))
    fig.y_range.start = 0
    add_legend(fig, items)
    return fig


def gains_table(probabilities: pl.DataFrame, outcomes: pl.DataFrame, bins: int = BINS) -> pl.DataFrame:
    """``share, p, captured, false`` from the riskiest tenth down to all cases.

    Of the ``share`` of cases with the highest probabilities (all at least ``p``), ``captured`` is the share
    of all positive labels that they hold (the gain, and the true-positive rate), ``false`` that of all
    negative ones (the false-positive rate). Empty if either label is missing.
    """
    joined = probabilities.join(outcomes, on=["case_id", "cutoff"]).drop_nulls("y")
    joined = joined.sort("p", "case_id", descending=[True, False])
    y = joined["y"].to_numpy().astype(float)
    schema = {"share": pl.Float64, "p": pl.Float64, "captured": pl.Float64, "false": pl.Float64}
    if not 0 < y.sum() < len(y):
        return pl.DataFrame(schema=schema)
    ends = np.unique(np.ceil(np.arange(1, bins + 1) * len(y) / bins).astype(int))
    hits = np.cumsum(y)[ends - 1]
    return pl.DataFrame(
        {
            "share": ends / len(y),
            "p": joined["p"].to_numpy()[ends - 1],
            "captured": hits / y.sum(),
            "false": (ends - hits) / (len(y) - y.sum()),
        },
        schema=schema,
    )


def area(probabilities: pl.DataFrame, outcomes: pl.DataFrame) -> float:
    """Area under the ROC curve: how often a positive case has the higher probability; ties count half."""
    joined = probabilities.join(outcomes, on=["case_id", "cutoff"]).drop_nulls("y")
    rank, y = joined["p"].rank("average").to_numpy(), joined["y"].to_numpy().astype(float)
    positive, negative = y.sum(), len(y) - y.sum()
    if not positive or not negative:
        return float("nan")
    return float((rank @ y - positive * (positive + 1) / 2) / (positive * negative))


def roc_figure(
    probabilities: pl.DataFrame, outcomes: pl.DataFrame, *, say: Say = english
) -> bokeh.plotting.figure:
    """True-positive against false-positive rate over all thresholds."""
    joined = probabilities.join(outcomes, on=["case_id", "cutoff"]).drop_nulls("y")
    counts = joined.group_by("p").agg(pl.col("y").sum(), pl.len().alias("n")).sort("p", descending=True)
    hits, n = counts["y"].to_numpy().astype(float), counts["n"].to_numpy().astype(float)
    true = np.concatenate([[0.0], np.cumsum(hits) / hits.sum()])
    false = np.concatenate([[0.0], np.cumsum(n - hits) / (n - hits).sum()])
    fig = new_figure(
        x_label=say("false-positive rate"),
        y_label=say("true-positive rate"),
        height=SQUARE,
        max_width=SQUARE + 60,
    )
    chance = fig.line([0, 1], [0, 1], color=INK, line_dash="dashed")
    line = fig.line(false, true, color=BLUE, line_width=2)
    fig.x_range.start = fig.y_range.start = -0.02
    fig.x_range.end = fig.y_range.end = 1.02
    add_legend(fig, [(say("forecast"), [line]), (say("chance"), [chance])])
    return fig
