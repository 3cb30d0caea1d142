"""Epidemic: weekly hospital admissions, reported late and revised, and beds for the next four weeks.

Without a hub the admissions are synthetic: made up here, and called synthetic wherever they appear. With one
(``foreseal init --app epidemic --hub PATH``) the project reads the vintages of its target data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from foreseal.apps import App
from foreseal.collect.hub import LEVELS, REFERENCE, Hub, Task, dated, round_of
from foreseal.collect.places import read_places
from foreseal.collect.source import Batch, Context
from foreseal.errors import DataError
from foreseal.settings import KnownAt

DATA = """
[datasets.synthetic_admissions]
title = "Synthetic weekly admissions of eight regions that do not exist, with made-up delays and revisions"
source = "synthetic_admissions"
origin = "synthetic: made up by foreseal.apps.epidemic"
licence = "CC0-1.0"
unit = "{admissions}/wk"
known_at = { column = "known_at" }    # made up: four days after the week, then revised for three weeks
"""


def _targets(prefix: str, first: str, last: str, quantiles: Sequence[float], bound: int) -> str:
    return f"""
[targets.{prefix}admissions_4w]
dataset = "{prefix}admissions"
horizon = 4
freq = "1w"
cutoffs = {{ start = {first}, end = {last}, every = "7d", at = "20:00" }}   # Wednesdays
deadline = "9h"                       # latest sealing, after the cutoff
quantiles = {list(quantiles)}
decimals = 2
rule = "wis"
baseline = "naive"                    # the last value, with the spread of its own errors
missing = "baseline"
score_bound = {bound}
forecasters = ["us"]
"""


def _models(total: str) -> str:
    named = f"total='{total}'" if total else ""
    return f"""
[models]
members = ["surveillance({named})"]   # corrects late reports by how earlier ones were revised
"""


def _decision(prefix: str, neighbours: Mapping[str, Sequence[str]]) -> str:
    return f"""
[decisions.{prefix}beds]
policy = "beds"
from = "{prefix}admissions_4w"
approval = "none"

# Examples of costs: a bed that stays empty, a patient who finds none, one who is moved; per bed and week.
[decisions.{prefix}beds.options]
stay = 5.0
idle = 1.0
short = 6.0
transfer = 2.0
[decisions.{prefix}beds.options.neighbours]
""" + "\n".join(f"{json.dumps(name)} = {json.dumps(others)}" for name, others in neighbours.items())


def _outcome(prefix: str, deadline: str, why: str) -> str:
    return f"""
[targets.{prefix}admissions_4w.outcome]
vintage = "latest_at_deadline"
deadline = "{deadline}"                      # after the end of the horizon: {why}
"""


SYNTHETIC = "synthetic_"
REGIONS = 8
FIRST = datetime(2022, 8, 6, tzinfo=UTC)
WEEKS = 153
YEAR = 52.18
RELEASE = timedelta(days=4)
SHARES = (0.88, 0.96, 0.99, 1.0)


def region(k: int) -> str:
    return f"synthetic-{k + 1}"


@dataclass(frozen=True, slots=True)
class SyntheticAdmissions:
    """``source = "synthetic_admissions"``: three made-up winters. A week's first report holds 88 % of it on
    average, with luck and habits of its own in every region; it is complete after three more weeks."""

    seed: int = 20

    def read(self, context: Context) -> Iterator[Batch]:
        rng = np.random.default_rng(self.seed)
        week = np.arange(WEEKS)
        phase = week % YEAR
        size = np.exp(rng.normal(5.0, 0.8, REGIONS))
        curve = np.full((REGIONS, WEEKS), 0.04)
        for winter in range(3):
            peak, width = rng.normal(23.0, 3.0), rng.uniform(4.0, 6.0)
            height = np.exp(rng.normal(0.0, 0.3) + rng.normal(0.0, 0.2, REGIONS))
            away = phase - (peak + rng.normal(0.0, 1.5, REGIONS))[:, None]
            bump = height[:, None] * np.exp(-0.5 * (away / np.where(away < 0, width, 1.3 * width)) ** 2)
            curve += np.where(week // YEAR == winter, bump, 0.0)
        wander = np.zeros((REGIONS, WEEKS))
        for k in range(1, WEEKS):
            wander[:, k] = 0.8 * wander[:, k - 1] + rng.normal(0.0, 0.06, REGIONS) + rng.normal(0.0, 0.04)
        count = rng.poisson(size[:, None] * curve * np.exp(wander))
        habit = rng.normal(0.0, 0.03, REGIONS)[:, None]
        reports = []
        for age, share in enumerate(SHARES):
            part = np.clip(share + (1.0 - share) * (rng.normal(0.0, 0.4, count.shape) + 5.0 * habit), 0.3, 1)
            seen = np.rint(count * part)
            seen = np.vstack([seen, seen.sum(axis=0)])
            for row in range(REGIONS + 1):
                name = region(row) if row < REGIONS else "synthetic-total"
                reports += [(name, k, age, float(seen[row, k])) for k in range(WEEKS)]
        frame = pl.DataFrame(reports, schema=["unique_id", "week", "age", "y"], orient="row")
        rows = frame.select(
            "unique_id",
            (pl.lit(FIRST) + pl.duration(weeks="week")).alias("ds"),
            "y",
            (pl.lit(FIRST) + pl.duration(weeks=pl.col("week") + pl.col("age")) + RELEASE).alias("known_at"),
            pl.lit("synthetic").alias("source"),
            pl.int_range(1, pl.len() + 1).alias("row"),
        )
        rule = KnownAt("column", column="known_at")
        yield Batch(rows, "foreseal.apps.epidemic", "series", rule)


# Two decimals, and the model's floor of three, suit counts alone.
_NO_COUNT = re.compile(r"%|\b(prop|proportion|percent|percentage|share|rates?|incidence)\b", re.IGNORECASE)


def adopt(folder: Path) -> App:
    """The application on a hub: its vintages, and the rounds of its latest season that they reach."""
    hub = Hub.open(folder.resolve())
    if hub.column != REFERENCE:
        raise DataError(
            f"The rounds of {hub.folder} go by {hub.column}; a project is made on hubs of {REFERENCE} only.",
            hint="foreseal hub check, score and seal read its submissions.",
        )
    path = hub.vintages()
    rounds = _season(hub, path)
    first, last = (str(day - timedelta(days=3)) for day in (rounds[0], rounds[-1]))
    tasks = hub.asked(rounds[-1])
    _refuse_shares(tasks)
    locations = frozenset[str]().union(*(task.locations for task in tasks))
    neighbours = _us_neighbours(locations)
    data = f"""
[datasets.admissions]
title = {json.dumps("Target data of a forecast hub: " + hub.target)}
source = "vintages"
path = {json.dumps(path)}
target = {json.dumps(hub.target)}
release = "4d"                        # a vintage is known so long after its date
origin = {json.dumps("forecast hub " + hub.folder.name)}
licence = "the hub's"
unit = "{{admissions}}/wk"
known_at = {{ column = "as_of" }}
{_called(read_places(hub.folder))}"""
    return replace(
        APP,
        title=f"Weekly admissions of the hub {hub.folder.name}, and beds for four weeks",
        data=data,
        targets=_targets("", first, last, tasks[0].levels, 1000),
        models=_models("US" if "US" in locations else ""),
        decision=_decision("", neighbours) if neighbours else "# none: neighbours are not known",
        outcome=_outcome("", "90d", "late reports"),
        adopt=None,
    )


def _called(places: Mapping[str, str]) -> str:
    """The table of what locations are called, if the hub says so by more than their codes."""
    lines = [
        f"{json.dumps(code)} = {json.dumps(name, ensure_ascii=False)}"
        for code, name in sorted(places.items())
        if name not in ("", code)
    ]
    return "\n".join(["\n[datasets.admissions.called]", *lines, ""]) if lines else ""


def _refuse_shares(tasks: Sequence[Task]) -> None:
    for task in tasks:
        if task.most <= 100.0 or _NO_COUNT.search(task.unit) or _NO_COUNT.search(task.target):
            unit = f" (in {task.unit})" if task.unit else ""
            raise DataError(
                f"{task.target!r}{unit} is no count; the application forecasts counts of admissions.",
                hint="foreseal hub check, score and seal take any target: --target NAME.",
            )


def _season(hub: Hub, path: str) -> list[date]:
    """The hub's reference dates from August to July, the latest such year that its vintages reach."""
    place = Path(path)
    files = sorted(place.parent.glob(place.name))
    days = {day for file in files if (day := dated(file))}
    if not days:
        table = (
            pl.scan_parquet(files) if place.suffix == ".parquet" else pl.scan_csv(files, infer_schema=False)
        )
        if "as_of" not in table.collect_schema():
            raise DataError(f"{place.name} has no column as_of.", hint="Vintages need the date of each.")
        column = table.select(pl.col("as_of").cast(pl.String).unique()).collect()["as_of"]
        days = set(column.str.to_date(strict=False).drop_nulls().to_list())
    named = (round_of(file) for paths in hub.models().values() for file in paths)
    rounds = {each[0] for each in named if each} | {day for task in hub.tasks for day in task.rounds}
    rounds = {day for day in rounds if any(timedelta(0) < day - known < timedelta(weeks=5) for known in days)}
    if not rounds:
        raise DataError(
            "No vintage of the hub's target data was known at any of its reference dates.",
            hint="A vintage's date lies up to four weeks before the reference date.",
        )
    latest = _winter(max(rounds))
    return sorted(day for day in rounds if _winter(day) == latest)


def _winter(day: date) -> int:
    return day.year - (day.month < 8)


def _us_neighbours(locations: frozenset[str]) -> dict[str, list[str]]:
    """Neighbours by location, if the hub's locations are US states."""
    table = pl.read_csv((APP.example() / "us_neighbours.csv").read_bytes(), infer_schema=False)
    known = {row[0]: (row[1] or "").split() for row in table.iter_rows()}
    there = sorted(locations & known.keys())
    if len(there) < 2:
        return {}
    return {each: [n for n in known[each] if n in locations] for each in there}


# Eight regions around a lake: each touches the next.
RING = {region(k): [region((k - 1) % REGIONS), region((k + 1) % REGIONS)] for k in range(REGIONS)}

APP = App(
    name="epidemic",
    title="Synthetic weekly admissions with late reports, and beds for the next four weeks",
    data=DATA,
    targets=_targets(SYNTHETIC, "2024-11-20", "2025-05-28", LEVELS, 200),
    models=_models("synthetic-total"),
    decision=_decision(SYNTHETIC, RING),
    outcome=_outcome(SYNTHETIC, "28d", "reports are complete by then"),
    extras=("medicine",),
    sources={"synthetic_admissions": SyntheticAdmissions},
    adopt=adopt,
)
