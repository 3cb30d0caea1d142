"""What the report shows of decisions: the pictures that their policies make, whatever the policy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from foreseal.figures import ledger, provision
from foreseal.figures.alerts import alerts_figure, contingency_table
from foreseal.figures.chart import GROUPED, chart_figure, chart_table
from foreseal.figures.exceedances import exceedance_table, exceedances_figure
from foreseal.figures.ledger import ledger_figure
from foreseal.figures.phases import phase_table, phases_figure
from foreseal.figures.provision import provision_figure, provision_table
from foreseal.figures.style import with_unit
from foreseal.pages.numbers import number, percent
from foreseal.pictures import Alerts, Chart, Exceedances, Ledger, Phases, Picture, Provision
from foreseal.score.exceedance import christoffersen, kupiec

if TYPE_CHECKING:
    from foreseal.pages.exhibits import Exhibit, Studio
    from foreseal.pages.report import DecisionReport

_whole = partial(number, decimals=0)
_tenth = partial(number, decimals=1)


def _total(column: pl.Series) -> str:
    total = float(column.sum())
    return number(total, 0 if total >= 1000 or total == round(total) else 1)


def picture_exhibits(studio: Studio, report: DecisionReport, key: str) -> list[Exhibit]:
    """One or more exhibits for each picture of the policy."""
    makers: dict[type[Picture], Any] = {
        Chart: _chart,
        Provision: _provision,
        Exceedances: _exceedances,
        Ledger: _ledger,
        Phases: _phases,
        Alerts: _alerts,
    }
    return [
        exhibit
        for position, picture in enumerate(report.pictures)
        for exhibit in makers[type(picture)](studio, picture, f"{key}-picture-{position}")
    ]


def _chart(studio: Studio, picture: Chart, key: str) -> list[Exhibit]:
    words = studio.words
    table = chart_table(picture)
    caption = words(
        "The action of cutoff {cutoff}, to scale. Squares are sites, circles the places they serve, their "
        "areas in proportion to the amount; a line leads from a site to whom it serves, or along a tour.",
        cutoff=studio.time(picture.cutoff),
    )
    if len({group for group, _ in picture.lines}) > GROUPED:
        caption += " " + words("Some lines share a colour.")
    return [
        studio.exhibit(
            key=key,
            title=words("Map"),
            caption=caption,
            table=table,
            columns={
                "group": (words("site or tour"), str),
                "stop": (words("stop"), _whole),
                "name": (words("place"), str),
                "km": (words("km along the line"), _tenth),
                "amount": (with_unit(words("amount"), picture.unit), _whole),
            },
            figure=lambda: chart_figure(picture, say=words),
        )
    ]


def _provision(studio: Studio, picture: Provision, key: str) -> list[Exhibit]:
    words, unit = studio.words, picture.unit
    table = provision_table(picture)
    moved = "moved_in" in table.columns
    caption = words(
        "The action of cutoff {cutoff}: bars are what it provides, lines the interval of what was expected "
        "to be asked for with its median, diamonds what was asked for.",
        cutoff=studio.time(picture.cutoff),
    )
    if moved:
        caption += " " + words(
            "To the right of a diamond is what was taken over from others, to the left what was handed on to "
            "them, by the moves of least cost."
        )
    known = table.filter(pl.col("asked").is_not_null())
    if not known.is_empty():
        caption += " " + words(
            "{asked} were asked for and {short} not met; {left} were left of {provided}.",
            asked=_total(known["asked"]),
            short=_total(known["short"]),
            left=_total(known["left"]),
            provided=_total(known["provided"]),
        )
    drawn = table.group_by("name").len().height
    columns: dict[str, Any] = {
        "name": (words("name"), str),
        "ds": (words("time"), studio.time),
        "provided": (with_unit(words("provided"), unit), _tenth),
        "low": (words("expected, from"), _tenth),
        "middle": (words("expected, median"), _tenth),
        "high": (words("expected, to"), _tenth),
        "asked": (with_unit(words("asked for"), unit), _tenth),
    }
    if moved:
        columns["moved_in"] = (words("taken over"), _tenth)
        columns["moved_out"] = (words("handed on"), _tenth)
    columns["short"] = (words("not met"), _tenth)
    columns["left"] = (words("left"), _tenth)
    if drawn > provision.SHOWN:
        caption += " " + words(
            "{n} of {total} are drawn, the largest.", n=provision.SHOWN, total=_whole(drawn)
        )
    return [
        studio.exhibit(
            key=key,
            title=words("Provided and asked for"),
            caption=caption,
            table=table,
            columns=columns,
            figure=lambda: provision_figure(table, unit=unit, timezone=studio.timezone, say=words),
        )
    ]


def _exceedances(studio: Studio, picture: Exceedances, key: str) -> list[Exhibit]:
    words, unit = studio.words, picture.unit
    table = exceedance_table(picture)
    if table.is_empty():
        return []
    whole = words("the whole portfolio")
    called = {"name": (words("series"), lambda name: str(name) or whole), "level": (words("level"), percent)}
    rows = [
        (
            name,
            level,
            own.height,
            int(own["exceeded"].sum()),
            level * own.height,
            kupiec(own["exceeded"].to_numpy(), level),
            christoffersen(own["exceeded"].to_numpy(), level) if own.height > 1 else None,
        )
        for (name, level), own in table.group_by("name", "level", maintain_order=True)
    ]
    names = ["name", "level", "days", "exceeded", "expected", "kupiec", "christoffersen"]
    summary = pl.DataFrame(rows, schema=names, orient="row")
    chance = partial(number, decimals=3)
    return [
        studio.exhibit(
            key=key,
            title=words("Backtest of limits"),
            caption=words(
                "Dots are what came, lines the value at risk that was sealed before, squares the days that "
                "fell below it."
            ),
            table=table,
            columns={
                **called,
                "ds": (words("time"), studio.time),
                "y": (with_unit(words("outcome"), unit), partial(number, decimals=3)),
                "limit": (with_unit(words("limit"), unit), partial(number, decimals=3)),
                "exceeded": (words("below it"), lambda hit: "×" if hit else ""),
            },
            figure=lambda: exceedances_figure(
                table, unit=unit, timezone=studio.timezone, whole=whole, say=words
            ),
        ),
        studio.exhibit(
            key=f"{key}-counts",
            title=words("Exceedances"),
            caption=words(
                "How many days fell below the limit, and how many should have. Small p-values speak against "
                "the limits: Kupiec's if there are too many or too few, Christoffersen's if they also come "
                "in clusters. Few days show little."
            ),
            table=summary,
            columns={
                **called,
                "days": (words("days"), _whole),
                "exceeded": (words("exceedances"), _whole),
                "expected": (words("expected"), _tenth),
                "kupiec": ("Kupiec p", chance),
                "christoffersen": ("Christoffersen p", chance),
            },
            figure=None,
        ),
    ]


def _ledger(studio: Studio, picture: Ledger, key: str) -> list[Exhibit]:
    words, unit = studio.words, picture.unit
    caption = words(
        "Stock at the end of each step from cutoff {cutoff} on, below zero what is owed; triangles are "
        "orders, which come later. Dashed the level at which one orders, dotted the level up to which.",
        cutoff=studio.time(picture.cutoff),
    )
    caption += " " + (
        words("Under the demand that came.")
        if picture.known
        else words("Under the middle of the forecast: not all demand is known yet.")
    )
    total = picture.frame["name"].n_unique()
    if total > ledger.SHOWN:
        caption += " " + words("{n} of {total} are drawn, the largest.", n=ledger.SHOWN, total=_whole(total))
    table = picture.frame.sort("name", "ds")
    return [
        studio.exhibit(
            key=key,
            title=words("Stock and orders"),
            caption=caption,
            table=table,
            columns={
                "name": (words("series"), str),
                "ds": (words("time"), studio.time),
                "stock": (with_unit(words("stock"), unit), _tenth),
                "ordered": (with_unit(words("ordered"), unit), _tenth),
                "reorder": ("s", _tenth),
                "upto": ("S", _tenth),
                "low": (words("expected, from"), _tenth),
                "middle": (words("expected, median"), _tenth),
                "high": (words("expected, to"), _tenth),
                "asked": (with_unit(words("demand"), unit), _tenth),
            },
            figure=lambda: ledger_figure(table, unit=unit, timezone=studio.timezone, say=words),
        )
    ]


def _phases(studio: Studio, picture: Phases, key: str) -> list[Exhibit]:
    words = studio.words
    table = phase_table(picture.frame)
    return [
        studio.exhibit(
            key=key,
            title=words("Signal plan"),
            caption=words(
                "The plan of cutoff {cutoff} over the day: seconds of green for each phase, stacked with the "
                "changes between them to the cycle.",
                cutoff=studio.time(picture.cutoff),
            ),
            table=table,
            columns={
                "start": (words("from"), studio.time),
                "end": (words("to"), studio.time),
                "phase": (words("phase"), lambda name: str(name) or words("change")),
                "seconds": (words("seconds"), _whole),
                "cycle": (words("cycle"), _whole),
            },
            figure=lambda: phases_figure(table, timezone=picture.timezone, say=words),
        )
    ]


def _alerts(studio: Studio, picture: Alerts, key: str) -> list[Exhibit]:
    words = studio.words
    days = picture.days
    shown = {True: words("event"), False: words("no event"), None: words("no outcome")}
    exhibits = [
        studio.exhibit(
            key=key,
            title=words("Probability of the event"),
            caption=words(
                "The forecast probability at each step, and whether the event came. Above the dashed line, "
                "at {threshold}, an alert was worth its cost.",
                threshold=percent(picture.threshold, 0),
            ),
            table=days,
            columns={
                "name": (words("series"), str),
                "ds": (words("time"), studio.time),
                "chance": (words("predicted probability"), percent),
                "event": (words("outcome"), lambda event: shown[event]),
            },
            figure=lambda: alerts_figure(days, picture.threshold, timezone=studio.timezone, say=words),
        )
    ]
    table = contingency_table(picture.frame)
    if table.select(pl.sum_horizontal("hits", "misses", "false_alarms", "quiet").sum()).item():
        exhibits.append(
            studio.exhibit(
                key=f"{key}-counts",
                title=words("Alerts and events"),
                caption=words(
                    "Contingency table of each option, the chosen one first: alerts with and without the "
                    "event, events without an alert, the share of events detected (POD) and of alerts that "
                    "were false (FAR)."
                ),
                table=table,
                columns={
                    "option": (words("option"), str),
                    "hits": (words("hits"), _whole),
                    "misses": (words("misses"), _whole),
                    "false_alarms": (words("false alarms"), _whole),
                    "quiet": (words("rightly quiet"), _whole),
                    "detected": ("POD", percent),
                    "false_ratio": ("FAR", percent),
                },
                figure=None,
            )
        )
    return exhibits
