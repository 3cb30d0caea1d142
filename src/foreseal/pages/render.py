"""`ReportData` -> one HTML file that works offline, for ever, and without trusting its sender's server."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from foreseal.figures.skill import RULES
from foreseal.figures.style import unit_label
from foreseal.pages.embed import Scripts
from foreseal.pages.exhibits import Studio, plan_table
from foreseal.pages.numbers import apart, local_time, number, option_text, percent
from foreseal.pages.report import DecisionReport, ReportData, TargetReport
from foreseal.pages.words import Words
from foreseal.records import Target, quantile_column
from foreseal.score.compare import Comparison
from foreseal.score.record import Coverage, TrackRecord, central_levels

HEADLINE_LEVEL = 0.8
OFF = 0.05
"""Intervals that hold so much more or less often than they say are called too wide or too narrow, where this
is more than chance."""

FEWEST, STUDENT = 5, 2.776
"""Fewest cutoffs for a word on intervals, and the 97.5 % point of Student's t for as many."""


@dataclass(frozen=True, slots=True)
class Card:
    """One headline number."""

    label: str
    value: str
    note: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class OptionCost:
    """Totals of one option of a decision over the cutoffs whose outcome is known."""

    name: str
    chosen: int
    expected: float
    cost: float
    saved: float


def render_report(data: ReportData, *, lang: str = "en", figures: bool = True) -> str:
    """The report as HTML.

    Figures need the extra ``plots``; without it, or with ``figures=False``, the page has tables only and says
    so. Equal data gives equal bytes.
    """
    words = Words(lang)
    draw = figures and importlib.util.find_spec("bokeh") is not None
    studio = Studio(words, data.timezone, draw)
    targets = [(t, f"target-{k}", studio.target(t, f"target-{k}")) for k, t in enumerate(data.targets)]
    decisions = [
        (d, f"decision-{k}", studio.decision(d, f"decision-{k}")) for k, d in enumerate(data.decisions)
    ]
    drawn = any(e.json for *_, exhibits in (*targets, *decisions) for e in exhibits)
    scripts = Scripts.for_figures() if drawn else Scripts()
    page = _environment().get_template("report.html.j2")
    return page.render(
        _=words,
        data=data,
        targets=targets,
        decisions=decisions,
        cards=_cards(data, words),
        with_figures=draw,
        scripts=[Markup(text) for text in scripts.sources],
        policy=scripts.policy(),
        number=number,
        apart=apart,
        percent=percent,
        local=lambda instant: local_time(instant, data.timezone),
        unit=unit_label,
        option_costs=option_costs,
        option_text=option_text,
        plan=lambda report: plan_table(report, data.timezone, words),
        question=lambda report: _question(report, words),
        raw=Markup,
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("foreseal.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _cards(data: ReportData, words: Words) -> list[tuple[str, list[Card]]]:
    """Headline numbers: a row per target, and one for the receipts."""
    rows = [
        (
            f"{report.target.name} · {report.record.forecaster}",
            [
                _skill_card(report, words),
                *_coverage_card(report.record.coverage, report, words),
                _cutoff_card(report.record, words),
            ],
        )
        for report in data.targets
    ]
    if data.log:
        good = data.log.receipts == data.log.receipts_total and not data.log.failures
        card = Card(
            words("Receipts verified offline"),
            words("{n} of {total}", n=number(data.log.receipts, 0), total=number(data.log.receipts_total, 0)),
            words("against a log of {n} entries", n=number(data.log.size, 0)),
            "good" if good else "bad",
        )
        if rows:
            rows[-1][1].append(card)
        else:
            rows.append(("", [card]))
    return rows


def _skill_card(report: TargetReport, words: Words) -> Card:
    record = report.record
    scale = 1 if report.target.rule == "wis" else 4
    if not record.settled:
        return Card(words("Skill"), percent(None), words("no cutoff has settled yet"))
    mine, base = apart(record.mean, record.baseline_mean, decimals=scale)
    note = words(
        "mean {rule} {mine} against {base} of {baseline}",
        rule=words(RULES.get(record.rule, record.rule)),
        mine=mine,
        base=base,
        baseline=report.target.baseline,
    )
    if record.comparison is not None:
        note += "; " + _claim(record.comparison, words)
    return Card(words("Skill"), percent(record.skill), note, "good" if record.skill > 0 else "bad")


def _claim(comparison: Comparison, words: Words) -> str:
    level = percent(comparison.level, 0)
    if comparison.better == "first":
        return words("better than the baseline with {level} confidence at every look", level=level)
    if comparison.better == "second":
        return words("worse than the baseline with {level} confidence at every look", level=level)
    return words("too few cutoffs for a claim that holds at every look with {level} confidence", level=level)


def _coverage_card(coverage: Sequence[Coverage], report: TargetReport, words: Words) -> list[Card]:
    if not coverage:
        return []
    nearest = min(coverage, key=lambda c: abs(c.level - HEADLINE_LEVEL))
    known = math.isfinite(nearest.low)
    notes = [
        words("95 % interval {low} to {high}", low=percent(nearest.low), high=percent(nearest.high))
        if known
        else words("too few cutoffs for a 95 % interval"),
        words(
            "mean width {width}", width=f"{apart(nearest.width)[0]} {unit_label(report.target.unit)}".strip()
        ),
    ]
    low, high = nearest.low, nearest.high
    if not known:
        chance = _chance(report, nearest.level)
        low, high = nearest.observed - chance, nearest.observed + chance
    wide = nearest.observed > nearest.level
    off = abs(nearest.observed - nearest.level) >= OFF and not low <= nearest.level <= high
    off = off and not (wide and _within(report, nearest.level) < nearest.level + OFF)
    if off:
        notes.insert(
            0, words("the intervals are too wide") if wide else words("the intervals are too narrow")
        )
    label = words("Coverage of the {level} interval", level=percent(nearest.level, 0))
    return [Card(label, percent(nearest.observed), "; ".join(notes), "bad" if off else "")]


def _within(report: TargetReport, level: float) -> float:
    """Share of outcomes strictly inside the interval. Counts often lie on its ends, and then even the best
    interval holds more than its level."""
    return float(_joined(report).select(_inside(report, level, "none").mean()).item() or 0.0)


def _chance(report: TargetReport, level: float) -> float:
    """Half the width of a 95 % interval of the observed share from the spread between few cutoffs, within
    which values hang together; infinite below five of them."""
    by_cutoff = _joined(report).group_by("cutoff").agg(_inside(report, level, "both").mean().alias("held"))
    if by_cutoff.height < FEWEST:
        return math.inf
    return STUDENT * float(by_cutoff["held"].std() or 0.0) / math.sqrt(by_cutoff.height)  # type: ignore[arg-type]


def _joined(report: TargetReport) -> pl.DataFrame:
    return report.forecasts.join(report.outcomes, on=["unique_id", "ds", "cutoff"])


def _inside(report: TargetReport, level: float, closed: Literal["both", "none"]) -> pl.Expr:
    low, high = next(
        (low, high) for each, low, high in central_levels(report.target.quantiles) if each == level
    )
    return pl.col("y").is_between(quantile_column(low), quantile_column(high), closed=closed)


def _cutoff_card(record: TrackRecord, words: Words) -> Card:
    missed = record.not_scored()
    note = ", ".join(words("{n} {status}", n=n, status=words(status)) for status, n in missed.items())
    note = note or words("none missing, none late")
    empty = record.scores.filter(pl.col("status") == "scored", pl.col("n") == 0).height
    if empty:
        note += "; " + words("{n} without an outcome, hence without a score", n=number(empty, 0))
    return Card(
        words("Cutoffs settled"),
        words("{n} of {total}", n=record.settled, total=record.settled + record.pending),
        note,
        "bad" if missed else "good",
    )


def _question(report: TargetReport, words: Words) -> str:
    """The target as one sentence."""
    target = report.target
    if target.survival:
        return words(
            "At each of {n} declared cutoffs: the survival curve of each case in {steps}, as the risk of "
            "each step among those still watched; scored by {rule} against {baseline}.",
            n=len(target.cutoffs),
            steps=_steps(target, words),
            rule=words(RULES.get(target.rule, target.rule)),
            baseline=target.baseline,
        )
    if target.kind == "cases":
        return words(
            "At each of {n} declared cutoffs: the probability of the label, case by case; scored by {rule} "
            "against {baseline}.",
            n=len(target.cutoffs),
            rule=words(RULES.get(target.rule, target.rule)),
            baseline=target.baseline,
        )
    return words(
        "At each of {n} declared cutoffs: {steps} of {dataset}, as {k} quantiles; scored by {rule} against "
        "{baseline}.",
        n=len(target.cutoffs),
        steps=_steps(target, words),
        dataset=target.dataset,
        k=len(target.quantiles),
        rule=words(RULES.get(target.rule, target.rule)),
        baseline=target.baseline,
    )


def _steps(target: Target, words: Words) -> str:
    freq = str(target.freq or "1")
    if target.horizon == 1:
        return words("one step of {freq}", freq=freq)
    return words("{n} steps of {freq}", n=target.horizon, freq=freq)


def option_costs(report: DecisionReport) -> list[OptionCost]:
    """Totals per option, in the order in which the policy lists them."""
    costs = report.costs
    if costs.is_empty():
        return []
    known = costs.filter(pl.col("cost").is_not_null().all().over("cutoff"))
    paid = known.filter("chosen")["cost"].sum()
    found = []
    for name in costs["option"].unique(maintain_order=True):
        all_rows, rows = costs.filter(pl.col("option") == name), known.filter(pl.col("option") == name)
        total = float(rows["cost"].sum())
        found.append(
            OptionCost(
                name=name,
                chosen=int(all_rows["chosen"].sum()),
                expected=float(rows["expected_cost"].sum()),
                cost=total,
                saved=total - float(paid),
            )
        )
    return found
