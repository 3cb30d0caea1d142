"""What the report shows of forecasts of series, beside their score over time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from foreseal.figures.calibration import calibration_figure, calibration_table
from foreseal.figures.fan import fan_figure, fan_table, shades
from foreseal.figures.overview import overview_figure, overview_table, picked
from foreseal.figures.pit import pit_figure, pit_table
from foreseal.figures.pyramid import interval, pyramid_figure, pyramid_table
from foreseal.figures.style import with_unit
from foreseal.pages.numbers import number, percent
from foreseal.records import quantile_column

if TYPE_CHECKING:
    from foreseal.pages.exhibits import Columns, Exhibit, Studio
    from foreseal.pages.report import TargetReport

MAX_SERIES = 4
"""Targets of more series have fans of a few that stand for the others."""

MAX_STEPS = 2000
MAX_ROWS = 1000


def series_exhibits(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    """The pyramid of a population, fans, all series, calibration; what there is nothing for is left out."""
    makers = (_pyramid, _fans, _overview, _calibration, _pit)
    return [exhibit for make in makers for exhibit in make(studio, report, key)]


def _overview_of(report: TargetReport) -> tuple[pl.DataFrame, dict[str, str]]:
    """The table of all series, and those that are drawn with what each is."""
    table = overview_table(report.forecasts, report.baseline, report.outcomes, report.target.quantiles)
    if table.height <= MAX_SERIES:
        return table, dict.fromkeys(table["unique_id"].sort().to_list(), "")
    return table, picked(table)


def _pyramid(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words, target = studio.words, report.target
    table = pyramid_table(report.forecasts, report.outcomes, target.quantiles)
    pair = interval(target.quantiles)
    if table.is_empty() or pair is None:
        return []
    at, ds = table["cutoff"][0], table["ds"][0]
    level = percent(pair[1] - pair[0], 0)
    caption = words(
        "Forecast of {cutoff} for {time}: bars to the lower bound of the central {level} interval, darker "
        "the interval, a line at the median, a diamond at the outcome.",
        cutoff=studio.time(at),
        time=studio.time(ds),
        level=level,
    )
    seen = table.drop_nulls("y")
    if not seen.is_empty():
        held = seen.select(pl.col("y").is_between("low", "high").sum()).item()
        caption += " " + words(
            "{n} of {total} groups came within it.", n=number(held, 0), total=number(seen.height, 0)
        )
    digits = partial(number, decimals=target.decimals)
    return [
        studio.exhibit(
            key=f"{key}-pyramid",
            title=words("Age pyramid"),
            caption=caption,
            table=table,
            columns={
                "sex": (words("sex"), str),
                "age": (words("age, from"), str),
                "low": (quantile_column(pair[0]), digits),
                "middle": (quantile_column(0.5), digits),
                "high": (quantile_column(pair[1]), digits),
                "y": (with_unit(words("outcome"), target.unit), digits),
            },
            figure=lambda: pyramid_figure(table, unit=target.unit, say=words),
        )
    ]


def _fans(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words, target = studio.words, report.target
    digits = partial(number, decimals=target.decimals)
    columns: Columns = {"ds": (words("time"), studio.time), "cutoff": (words("cutoff"), studio.time)}
    columns |= {quantile_column(p): (quantile_column(p), digits) for p in target.quantiles}
    columns |= {"y": (with_unit(words("outcome"), target.unit), digits)}
    overview, chosen = _overview_of(report)
    roles = {
        "largest": words("largest"),
        "best": words("best skill"),
        "median": words("median skill"),
        "worst": words("worst skill"),
    }
    made = []
    for position, (unique_id, role) in enumerate(chosen.items()):
        table = fan_table(report.forecasts, report.outcomes, unique_id).tail(MAX_STEPS)
        caption = words(
            "What was forecast and what came; each step shows the forecast with the latest cutoff before it."
        )
        if levels := shades(target.quantiles):
            caption += " " + words(
                "Shaded: central intervals of {levels}, narrower ones darker.", levels=levels
            )
        title = words("Forecasts and outcomes: {id}", id=unique_id)
        if role:
            title += f" ({roles[role]})"
            caption += " " + words(
                "{n} of {total} series are drawn: {which}.",
                n=len(chosen),
                total=number(overview.height, 0),
                which=words(", ").join(dict.fromkeys(roles[each] for each in chosen.values())),
            )
        if table.height == MAX_STEPS:
            caption += " " + words("Only the latest {n} steps are drawn.", n=MAX_STEPS)
        made.append(
            studio.exhibit(
                key=f"{key}-fan-{position}",
                title=title,
                caption=caption,
                table=table,
                columns=columns,
                figure=partial(
                    fan_figure, table, target.quantiles, unit=target.unit, timezone=studio.timezone, say=words
                ),
            )
        )
    return made


def _overview(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words, target = studio.words, report.target
    table, chosen = _overview_of(report)
    if table.height <= 1 or not table["n"].sum():
        return []
    caption = words(
        "Skill of each series against {baseline}: one minus the ratio of the mean scores, above zero where "
        "the forecast was better. Of few outcomes it says little.",
        baseline=target.baseline,
    )
    scored = table["skill"].drop_nulls()
    caption += " " + words(
        "{n} of {total} series were forecast better than by the baseline.",
        n=number(int((scored > 0).sum()), 0),
        total=number(len(scored), 0),
    )
    rows = table
    if table.height > MAX_ROWS:
        rows = table.sort("size", "unique_id", descending=[True, False]).head(MAX_ROWS)
        caption += " " + words("The table lists the largest {n}.", n=number(MAX_ROWS, 0))
    digits = partial(number, decimals=max(target.decimals, 1))
    score = words("weighted interval score")
    pair = interval(target.quantiles)
    columns: dict[str, Any] = {
        "unique_id": (words("series"), str),
        "n": (words("outcomes"), partial(number, decimals=0)),
        "size": (with_unit(words("mean size"), target.unit), digits),
        "score": (with_unit(score, target.unit), digits),
        "baseline": (with_unit(words("baseline"), target.unit), digits),
        "skill": (words("skill"), percent),
    }
    if pair is not None:
        level = percent(pair[1] - pair[0], 0)
        columns["held"] = (words("within the {level} interval", level=level), percent)
    return [
        studio.exhibit(
            key=f"{key}-overview",
            title=words("All series"),
            caption=caption,
            table=rows,
            columns=columns,
            figure=lambda: overview_figure(table, list(chosen), say=words),
        )
    ]


def _calibration(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words = studio.words
    table = calibration_table(report.forecasts, report.outcomes, report.target.quantiles)
    if not table["n"].sum():
        return []
    return [
        studio.exhibit(
            key=f"{key}-calibration",
            title=words("Calibration"),
            caption=words(
                "How often the outcome was at or below each quantile. On the diagonal, the forecaster's "
                "probabilities meant what they said."
            ),
            table=table,
            columns={
                "level": (words("quantile level"), "{:g}".format),
                "below": (words("share of outcomes at or below"), percent),
                "n": (words("outcomes"), partial(number, decimals=0)),
            },
            figure=lambda: calibration_figure(table, say=words),
        )
    ]


def _pit(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words = studio.words
    table = pit_table(report.forecasts, report.outcomes, report.target.quantiles)
    if not table["n"].sum():
        return []
    density = partial(number, decimals=2)
    return [
        studio.exhibit(
            key=f"{key}-pit",
            title=words("PIT histogram"),
            caption=words(
                "Where outcomes fell in their forecast distributions, as in the rank histogram of an "
                "ensemble. Flat is calibrated; high at both ends, the intervals are too narrow; high in the "
                "middle, too wide; a slope is a bias. By chance, bars lie in the grey band in 95 of 100 "
                "records of outcomes that do not depend on each other."
            ),
            table=table,
            columns={
                "low": (words("from"), "{:g}".format),
                "high": (words("to"), "{:g}".format),
                "share": (words("share of outcomes"), percent),
                "density": (words("density of outcomes"), density),
                "least": (words("by chance above"), density),
                "most": (words("by chance below"), density),
                "n": (words("outcomes"), partial(number, decimals=0)),
            },
            figure=lambda: pit_figure(table, say=words),
        )
    ]
