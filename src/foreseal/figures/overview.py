"""All series of a target beside each other, and which of them are worth a fan chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from foreseal.figures.pyramid import interval
from foreseal.figures.style import BLUE, INK, VERMILION, Say, add_legend, english, new_figure
from foreseal.records import quantile_column
from foreseal.rules import wis

if TYPE_CHECKING:
    import bokeh.plotting

KEYS = ["unique_id", "ds", "cutoff"]
NAMED = 40
"""So many series have their names on the axis; more are shown by rank."""


def overview_table(
    forecasts: pl.DataFrame, baseline: pl.DataFrame, outcomes: pl.DataFrame, quantiles: Sequence[float]
) -> pl.DataFrame:
    """``unique_id, n, size, score, baseline, skill, held`` of every series, the largest skill first.

    ``size`` is the mean of the absolute values of the outcomes (without any, of the medians or middle
    quantiles), ``score`` and ``baseline`` the mean weighted interval scores over the ``n`` values that both
    forecast and that came, ``skill`` one minus their ratio, null where there is none. ``held`` is the share
    of outcomes in the central interval nearest to 80 %.
    """
    levels = [quantile_column(p) for p in quantiles]
    middle = levels[min(range(len(levels)), key=lambda k: abs(quantiles[k] - 0.5))]
    baseline = baseline if baseline.columns else forecasts.clear()
    said = forecasts.group_by("unique_id").agg(_said=pl.col(middle).abs().mean())
    both = (
        forecasts.join(baseline, on=KEYS, suffix="_b")
        .join(outcomes.select(*KEYS, "y"), on=KEYS)
        .filter(pl.col("y").is_finite())
    )
    y = both["y"].to_numpy().astype(float)
    mine, base = (
        wis(y, both.select(f"{name}{end}" for name in levels).to_numpy(), quantiles) for end in ("", "_b")
    )
    pair = interval(quantiles)
    inside = pl.lit(None, pl.Boolean)
    if pair is not None:
        inside = pl.col("y").is_between(quantile_column(pair[0]), quantile_column(pair[1]))
    found = (
        both.with_columns(pl.Series("_mine", mine), pl.Series("_base", base), inside.alias("_held"))
        .group_by("unique_id")
        .agg(
            pl.len().cast(pl.Int64).alias("n"),
            pl.col("y").abs().mean().alias("size"),
            pl.col("_mine").mean().alias("score"),
            pl.col("_base").mean().alias("baseline"),
            pl.col("_held").mean().alias("held"),
        )
    )
    skill = pl.when(pl.col("baseline") > 0).then(1 - pl.col("score") / pl.col("baseline"))
    return (
        said.join(found, on="unique_id", how="left")
        .select(
            "unique_id",
            pl.col("n").fill_null(0),
            pl.coalesce("size", "_said").alias("size"),
            "score",
            "baseline",
            skill.alias("skill"),
            "held",
        )
        .sort("skill", "unique_id", descending=[True, False], nulls_last=True)
    )


def picked(table: pl.DataFrame) -> dict[str, str]:
    """Series of a table from `overview_table` that stand for the others, and what each is: ``largest``, and
    of the rest the ``best``, the ``median`` and the ``worst`` by skill; without skill, the largest four."""
    sizes = table.sort("size", "unique_id", descending=[True, False])["unique_id"].to_list()
    ranked = table.filter(pl.col("skill").is_not_null())["unique_id"].to_list()
    if not ranked:
        return dict.fromkeys(sizes[:4], "largest")
    found = {sizes[0]: "largest"}
    for role, at in (("best", 0), ("worst", len(ranked) - 1), ("median", len(ranked) // 2)):
        found.setdefault(ranked[at], role)
    order = {"largest": 0, "best": 1, "median": 2, "worst": 3}
    return dict(sorted(found.items(), key=lambda item: order[item[1]]))


def overview_figure(
    table: pl.DataFrame, drawn: Sequence[str], *, say: Say = english
) -> bokeh.plotting.figure:
    """Skill of each series of a table from `overview_table`, those ``drawn`` elsewhere marked."""
    from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, PlainText, Span

    known = table.filter(pl.col("skill").is_not_null())
    names = known["unique_id"].to_list()
    rank = np.arange(len(names), 0, -1)
    source = ColumnDataSource(
        {"rank": rank, "skill": known["skill"].to_numpy(), "name": names, "n": known["n"].to_numpy()}
    )
    few = len(names) <= NAMED
    fig = new_figure(
        x_label=say("skill"),
        y_label="" if few else say("series, by skill"),
        height=max(180, 20 * len(names) + 90) if few else 460,
    )
    fig.xaxis[0].formatter = NumeralTickFormatter(format="0 %")
    if few:
        fig.yaxis[0].ticker = rank.tolist()
        fig.yaxis[0].major_label_overrides = {
            int(at): PlainText(text=_short(name)) for at, name in zip(rank, names, strict=True)
        }
    else:
        fig.yaxis[0].visible = False
    fig.y_range.start, fig.y_range.end = 0.5, len(names) + 0.5
    low, high = float(known["skill"].min()), float(known["skill"].max())  # type: ignore[arg-type]
    margin = 0.06 * (high - low) or 0.01
    fig.x_range.start, fig.x_range.end = low - margin, high + margin
    fig.add_layout(Span(location=0, dimension="height", line_color=INK))
    dots = fig.scatter("skill", "rank", source=source, color=BLUE, size=7 if few else 5)
    marked = [k for k, name in enumerate(names) if name in drawn]
    rings = fig.scatter(
        known["skill"].to_numpy()[marked], rank[marked], size=12, fill_alpha=0, line_width=2, color=VERMILION
    )
    fig.add_tools(
        HoverTool(
            renderers=[dots],
            tooltips=[(say("series"), "@name"), (say("skill"), "@skill{0.0 %}"), (say("outcomes"), "@n")],
        )
    )
    add_legend(fig, [(say("series"), [dots]), (say("drawn above"), [rings])])
    return fig


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
