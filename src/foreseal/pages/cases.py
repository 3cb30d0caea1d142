"""What the report shows of probabilities for cases, beside their reliability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from foreseal.figures.benefit import benefit_figure, benefit_table
from foreseal.figures.drift import drift_table
from foreseal.figures.groups import group_table
from foreseal.figures.separation import (
    area,
    distribution_figure,
    distribution_table,
    gains_table,
    roc_figure,
)
from foreseal.pages.numbers import local_time, number, percent

if TYPE_CHECKING:
    from foreseal.pages.exhibits import Exhibit, Studio
    from foreseal.pages.report import TargetReport

POINTS = "points."


def case_exhibits(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    """Distribution by outcome, gains, points, groups and drift; what there is nothing for is left out."""
    makers = (_distribution, _gains, _benefit, _points, _groups, _drift)
    return [exhibit for make in makers for exhibit in make(studio, report, key)]


def _count(value: Any) -> str:
    return number(value, 0)


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)


def _distribution(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words = studio.words
    table = distribution_table(report.forecasts, report.outcomes)
    if not (table["negative"] > 0).any() and not (table["positive"] > 0).any():
        return []
    return [
        studio.exhibit(
            key=f"{key}-distribution",
            title=words("Probabilities by outcome"),
            caption=words(
                "How the probabilities of either outcome are spread: the less they overlap, the better."
            ),
            table=table,
            columns={
                "low": (words("from"), percent),
                "high": (words("to"), percent),
                "negative": (words("did not happen"), _count),
                "positive": (words("happened"), _count),
            },
            figure=lambda: distribution_figure(table, say=words),
        )
    ]


def _gains(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words = studio.words
    table = gains_table(report.forecasts, report.outcomes)
    if table.is_empty():
        return []
    return [
        studio.exhibit(
            key=f"{key}-gains",
            title=words("Gains and ROC curve"),
            caption=words(
                "Cases from the highest probability down. The area under the curve, {area}, is how often a "
                "case with the event had the higher probability of two; one half is chance.",
                area=number(area(report.forecasts, report.outcomes), 3),
            ),
            table=table,
            columns={
                "share": (words("share of cases"), percent),
                "p": (words("lowest probability"), percent),
                "captured": (words("true-positive rate"), percent),
                "false": (words("false-positive rate"), percent),
            },
            figure=lambda: roc_figure(report.forecasts, report.outcomes, say=words),
        )
    ]


def _benefit(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words = studio.words
    table = benefit_table(report.forecasts, report.outcomes)
    if table.is_empty():
        return []
    return [
        studio.exhibit(
            key=f"{key}-benefit",
            title=words("Decision curve"),
            caption=words(
                "Net benefit per case of acting from a probability on: those rightly acted on, less needless "
                "acts at the odds of that probability. Acting is worth it where the curve lies above both "
                "others."
            ),
            table=table,
            columns={
                "threshold": (words("probability at which one acts"), percent),
                "forecast": (words("net benefit"), lambda value: number(value, 4)),
                "all": (words("act on everybody"), lambda value: number(value, 4)),
                "acted": (words("share of cases"), percent),
            },
            figure=lambda: benefit_figure(table, say=words),
        )
    ]


def _points(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words = studio.words
    rows = [
        (name.removeprefix(POINTS), *part.rsplit(": ", 1))
        for name, text in report.ran.items()
        if name.startswith(POINTS)
        for part in text.split("; ")
    ]
    if not rows:
        return []
    table = pl.DataFrame(rows, schema=["feature", "bin", "points"], orient="row")
    return [
        studio.exhibit(
            key=f"{key}-points",
            title=words("Points"),
            caption=words(
                "The scorecard of the latest cutoff: {start}; {scale}. Points lost are the reasons given for "
                "a case.",
                start=report.ran.get("points", ""),
                scale=report.ran.get("scale", ""),
            ),
            table=table,
            columns={
                "feature": (words("feature"), str),
                "bin": (words("value"), str),
                "points": (words("points"), str),
            },
            figure=None,
        )
    ]


def _groups(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words, act = studio.words, report.act
    if report.groups.is_empty():
        return []
    table = group_table(report.forecasts, report.outcomes, report.groups, report.acts, act)
    if table.is_empty():
        return []
    columns: dict[str, Any] = {
        "feature": (words("feature"), str),
        "group": (words("group"), str),
        "n": (words("cases"), _count),
        "p": (words("predicted probability"), percent),
        "observed": (words("observed share"), percent),
        "low": (words("95 % interval, from"), percent),
        "high": (words("95 % interval, to"), percent),
    }
    if act:
        columns["done"] = (words("{act}: share", act=act), _share)
        columns["done_0"] = (words("{act}: share where it did not happen", act=act), _share)
        columns["done_1"] = (words("{act}: share where it happened", act=act), _share)
    return [
        studio.exhibit(
            key=f"{key}-groups",
            title=words("Groups"),
            caption=words(
                "Cases with an outcome, by group; groups of fewer than 20 are left out. Differences are no "
                "proof of unequal treatment, nor their absence one of equal treatment: groups differ in what "
                "else is known of them, and of those who never became cases nothing is known."
            ),
            table=table,
            columns=columns,
            figure=None,
        )
    ]


def _drift(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    words = studio.words
    table = drift_table(report.forecasts)
    if table.is_empty():
        return []
    return [
        studio.exhibit(
            key=f"{key}-drift",
            title=words("Drift"),
            caption=words(
                "Population stability index of each cutoff's probabilities against all earlier ones, and "
                "what it exceeds by chance in one of twenty cutoffs."
            ),
            table=table,
            columns={
                "cutoff": (words("cutoff"), lambda at: local_time(at, studio.timezone)),
                "n": (words("cases"), _count),
                "p": (words("mean probability"), percent),
                "psi": (words("stability index"), lambda value: number(value, 3)),
                "chance": (words("by chance below"), lambda value: number(value, 3)),
            },
            figure=None,
        )
    ]
