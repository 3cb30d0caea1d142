"""The age pyramid: a population by age and sex as it was forecast, with intervals, beside the count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from foreseal.figures.fan import central_pairs
from foreseal.figures.style import (
    BLUE,
    FONT,
    INK,
    ORANGE,
    VERMILION,
    Say,
    add_legend,
    english,
    new_figure,
    with_unit,
)
from foreseal.records import quantile_column

if TYPE_CHECKING:
    import bokeh.plotting

FEMALE = "female"
LEVEL = 0.8
LEAST = 3
TALL = 520
_SERIES = r"^(.+)/(\d+)$"


def interval(quantiles: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """The levels that bound the central interval nearest to ``level``; None where there is none."""
    pairs = central_pairs(quantiles)
    return min(pairs, key=lambda pair: abs(pair[1] - pair[0] - level)) if pairs else None


def pyramid_table(
    forecasts: pl.DataFrame, outcomes: pl.DataFrame, quantiles: Sequence[float]
) -> pl.DataFrame:
    """``sex, age, width, low, middle, high, y, cutoff, ds``, the other sex first; no rows if the series are
    no population of two sexes, one of them ``female``, by age: ``SEX/AGE``, AGE the youngest of a group.

    It is the furthest step of the latest forecast that has outcomes, or of the latest forecast; ``low`` and
    ``high`` bound the central interval nearest to 80 %. ``y`` is null without an outcome.
    """
    pair = interval(quantiles)
    parts = pl.col("unique_id").str.extract_groups(_SERIES)
    found = forecasts.with_columns(
        parts.struct.field("1").alias("sex"), parts.struct.field("2").cast(pl.Int64).alias("age")
    )
    groups = {
        sex: set(found.filter(pl.col("sex") == sex)["age"]) for sex in found["sex"].unique().drop_nulls()
    }
    one, other = (*groups.values(), set(), set())[:2]
    people = len(groups) == 2 and FEMALE in groups and one == other and len(one) >= LEAST
    if not people or found["sex"].null_count() or pair is None or 0.5 not in quantiles:
        return found.clear().select(_COLUMNS)
    seen = outcomes.select("unique_id", "ds", "cutoff", "y").filter(pl.col("y").is_finite())
    joined = found.join(seen, on=["unique_id", "ds", "cutoff"], how="left")
    known = joined.filter(pl.col("y").is_not_null())
    last = (joined if known.is_empty() else known).sort("cutoff", "ds").tail(1).select("cutoff", "ds")
    here = joined.join(last, on=["cutoff", "ds"])
    ages = sorted(one)
    widths = dict(zip(ages, np.diff([*ages, 2 * ages[-1] - ages[-2]]).tolist(), strict=True))
    return here.select(
        "sex",
        "age",
        pl.col("age").replace_strict(widths, return_dtype=pl.Int64).alias("width"),
        pl.col(quantile_column(pair[0])).alias("low"),
        pl.col("q0.5").alias("middle"),
        pl.col(quantile_column(pair[1])).alias("high"),
        "y",
        "cutoff",
        "ds",
    ).sort(pl.col("sex") == FEMALE, "age")


_COLUMNS = (
    pl.col("sex"),
    pl.col("age"),
    *(pl.lit(0.0).alias(name) for name in ("width", "low", "middle", "high", "y")),
    pl.col("cutoff"),
    pl.col("ds"),
)


def pyramid_figure(table: pl.DataFrame, *, unit: str = "1", say: Say = english) -> bokeh.plotting.figure:
    """Draw a table from `pyramid_table`: women to the right, the other sex to the left."""
    from bokeh.models import FixedTicker, Label, NumeralTickFormatter, PlainText, Range1d

    fig = new_figure(x_label=with_unit(say("people"), unit), y_label=say("age"), height=TALL)
    sexes = table["sex"].unique(maintain_order=True).to_list()
    widest = float(np.nanmax(table.select("high", pl.col("y").fill_null(0.0)).to_numpy())) or 1.0
    bars, bands, medians, counts = [], [], [], []
    for sex, side, colour in zip(sexes, (-1, 1), (ORANGE, BLUE), strict=True):
        own = table.filter(pl.col("sex") == sex)
        age, width = own["age"].to_numpy(), own["width"].to_numpy()
        low, middle, high = (side * own[name].to_numpy() for name in ("low", "middle", "high"))
        place = {"y": age + width / 2, "height": width}
        bars.append(fig.hbar(**place, left=0, right=low, color=colour, fill_alpha=0.35, line_alpha=0))
        bands.append(fig.hbar(**place, left=low, right=high, color=colour, fill_alpha=0.75, line_alpha=0))
        medians.append(fig.segment(middle, age, middle, age + width, color=INK, line_width=1.5))
        y = side * own["y"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        counts.append(fig.scatter(y, age + width / 2, color=VERMILION, marker="diamond", size=5))
        fig.add_layout(
            Label(
                x=side * widest * 1.05,
                y=float((age + width).max()),
                text=PlainText(text=sex),
                text_align="right" if side > 0 else "left",
                text_baseline="top",
                text_color=INK,
                text_font=FONT,
                text_font_size="14px",
            )
        )
    end = _round(widest)
    fig.xaxis[0].ticker = FixedTicker(ticks=[-end, 0, end])
    fig.xaxis[0].major_label_overrides = {-end: f"{end:,.10g}"}
    fig.xaxis[0].formatter = NumeralTickFormatter(format="0,0")
    fig.x_range = Range1d(-1.08 * widest, 1.08 * widest)
    fig.y_range.start = 0
    add_legend(
        fig,
        [
            (say("interval"), bands),
            (say("median"), medians),
            (say("outcome"), counts),
        ],
    )
    return fig


def _round(widest: float) -> float:
    """The largest round number up to ``widest``; more labels than three do not fit on a telephone."""
    step = 10.0 ** np.floor(np.log10(widest))
    return float(max(k * step for k in (1, 1.5, 2, 3, 4, 5, 6, 8) if k * step <= widest))
