"""Figures with the tables they are drawn from. The table is always there; the figure needs Bokeh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from foreseal.figures.regret import regret_figure, regret_table
from foreseal.figures.reliability import reliability_figure, reliability_table
from foreseal.figures.skill import skill_figure, skill_table
from foreseal.figures.style import unit_label
from foreseal.pages.cases import case_exhibits
from foreseal.pages.embed import figure_json
from foreseal.pages.numbers import local_time, number, percent
from foreseal.pages.pictures import picture_exhibits
from foreseal.pages.series import series_exhibits
from foreseal.pages.survival import survival_exhibits

if TYPE_CHECKING:
    from foreseal.pages.report import DecisionReport, TargetReport
    from foreseal.pages.words import Words

Columns: TypeAlias = dict[str, tuple[str, Callable[[Any], str]]]
"""What a table shows: column of the frame -> heading and how a value is written."""

MAX_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One figure: ``json`` is empty where it could not be drawn, the table stands for it anyway.

    ``bare`` is a table that no figure would say better.
    """

    key: str
    title: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    json: str = ""
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Studio:
    """Makes exhibits in one language and time zone; ``draw`` is false where Bokeh is not installed."""

    words: Words
    timezone: str
    draw: bool

    def target(self, report: TargetReport, key: str) -> list[Exhibit]:
        """What belongs to one forecaster's record on one target."""
        if report.forecasts.is_empty():
            return []
        if report.target.survival:
            found = [*survival_exhibits(self, report, key), *self._reliability(report, key)]
        elif report.target.kind == "cases":
            found = [*self._reliability(report, key), *case_exhibits(self, report, key)]
        else:
            found = series_exhibits(self, report, key)
        return [*found, *self._skill(report, key)] if report.record.settled else found

    def decision(self, report: DecisionReport, key: str) -> list[Exhibit]:
        """What the policy shows, then savings and regret; of these nothing before the first outcome."""
        return [*picture_exhibits(self, report, key), *self._regret(report, key)]

    def _regret(self, report: DecisionReport, key: str) -> list[Exhibit]:
        table = regret_table(report.costs)
        if table.is_empty():
            return []
        words, unit = self.words, unit_label(report.cost_unit)
        others = [name for name in table.columns if name.startswith("saved ")]
        columns: Columns = {
            "cutoff": (words("cutoff"), self.time),
            "chosen": (words("chosen"), str),
            "cost": (_united(words("cost"), unit), _decimals(2)),
            "regret": (_united(words("regret"), unit), _decimals(2)),
        }
        for name in others:
            label = f"{words('saved against')} {name.removeprefix('saved ')}"
            columns[name] = (_united(label, unit), _decimals(2))
        return [
            self.exhibit(
                key=f"{key}-regret",
                title=words("Savings and regret"),
                caption=words(
                    "Above, what the chosen actions saved against each alternative, adding up over the "
                    "cutoffs; below, the regret of each choice: its cost above that of the cheapest option "
                    "listed, known only afterwards."
                ),
                table=table,
                columns=columns,
                figure=lambda: regret_figure(
                    table, unit=report.cost_unit, timezone=self.timezone, say=self.words
                ),
            )
        ]

    def _reliability(self, report: TargetReport, key: str) -> list[Exhibit]:
        words = self.words
        table = reliability_table(report.forecasts, report.outcomes)
        if table.is_empty():
            return []
        return [
            self.exhibit(
                key=f"{key}-reliability",
                title=words("Reliability"),
                caption=words(
                    "Cases in groups of about equal probability: how often the event happened in each group. "
                    "Bars are 95 % intervals."
                ),
                table=table,
                columns={
                    "p": (words("predicted probability"), percent),
                    "observed": (words("observed share"), percent),
                    "low": (words("95 % interval, from"), percent),
                    "high": (words("95 % interval, to"), percent),
                    "n": (words("cases"), _decimals(0)),
                },
                figure=lambda: reliability_figure(table, say=words),
            )
        ]

    def _skill(self, report: TargetReport, key: str) -> list[Exhibit]:
        words, target = self.words, report.target
        table = skill_table(report.record.scores)
        unit = target.unit if target.rule == "wis" else "1"
        digits = _decimals(max(target.decimals, 1) if target.rule == "wis" else 4)
        return [
            self.exhibit(
                key=f"{key}-skill",
                title=words("Score over time"),
                caption=words(
                    "Every settled cutoff, none left out; lower is better. Points are cutoffs, lines the "
                    "means over all cutoffs so far."
                ),
                table=table,
                columns={
                    "cutoff": (words("cutoff"), self.time),
                    "status": (words("status"), words),
                    "n": (words("values"), _decimals(0)),
                    "mean": (_united(words("score"), unit_label(unit)), digits),
                    "baseline": (_united(words("baseline"), unit_label(unit)), digits),
                    "running_mean": (words("forecast, running mean"), digits),
                    "running_baseline": (words("baseline, running mean"), digits),
                    "skill": (words("skill so far"), percent),
                },
                figure=lambda: skill_figure(
                    table, rule=target.rule, unit=unit, timezone=self.timezone, say=words
                ),
            )
        ]

    def exhibit(
        self,
        *,
        key: str,
        title: str,
        caption: str,
        table: pl.DataFrame,
        columns: Columns,
        figure: Callable[[], Any] | None,
    ) -> Exhibit:
        """An exhibit from its table; without ``figure`` the table is all there is."""
        header = tuple(label for label, _ in columns.values())
        shown = [form for _, form in columns.values()]
        rows = tuple(
            tuple(form(value) for form, value in zip(shown, row, strict=True))
            for row in table.select(*columns).iter_rows()
        )
        drawn = figure_json(figure(), key) if figure and self.draw else ""
        return Exhibit(key, title, caption, header, rows, drawn, bare=figure is None)

    def time(self, instant: datetime | None) -> str:
        """An instant in the page's time zone."""
        return local_time(instant, self.timezone)


def _decimals(decimals: int) -> Callable[[float | None], str]:
    return lambda value: number(value, decimals)


def _united(label: str, unit: str) -> str:
    return f"{label} ({unit})" if unit else label


def plan_table(
    report: DecisionReport, timezone: str, words: Words
) -> tuple[tuple[str, ...], list[list[str]]]:
    """The latest action as a table: one row per time, one column per thing that is set; or, where much is set
    at one time, one row per thing."""
    keys = list(dict.fromkeys((s.key, s.unit) for s in report.plan))
    times = list(dict.fromkeys(s.ds for s in report.plan))
    if len(times) == 1 and len(keys) > MAX_COLUMNS:
        cells = [[_united(s.key, unit_label(s.unit)), _setting(s.value)] for s in report.plan]
        return (words("setting"), words("value")), [[local_time(times[0], timezone), *row] for row in cells]
    held = {(s.ds, s.key, s.unit): s.value for s in report.plan}
    rows = [
        [local_time(ds, timezone), *(_setting(held.get((ds, key, unit))) for key, unit in keys)]
        for ds in times
    ]
    return tuple(_united(key, unit_label(unit)) for key, unit in keys), rows


def _setting(value: float | str | None) -> str:
    return value if isinstance(value, str) else number(value, 0 if value == round(value or 0) else 2)
