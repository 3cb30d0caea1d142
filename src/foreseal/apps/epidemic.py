"""Epidemic: weekly hospital admissions, reported late and revised, and beds for the next four weeks.

Without a hub the admissions are synthetic: made up here, and called synthetic wherever they appear. With one
(``foreseal init --app epidemic --hub PATH``) the project reads the vintages of its target data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from foreseal.apps import App
from foreseal.collect.hub import LEVELS, REFERENCE, Hub, dated, round_of
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

TARGETS = f"""
[targets.synthetic_admissions_4w]
dataset = "synthetic_admissions"
horizon = 4
freq = "1w"
cutoffs = {{ start = 2024-11-20, end = 2025-05-28, every = "7d", at = "20:00" }}   # Wednesdays
deadline = "9h"                       # latest sealing, after the cutoff
quantiles = {list(LEVELS)}
decimals = 2
rule = "wis"
baseline = "naive"                    # the last value, with the spread of its own errors
missing = "baseline"
score_bound = 200
forecasters = ["us"]
"""

MODELS = """
[models]
members = ["surveillance(total='synthetic-total')"]   # corrects late reports by how earlier ones were revised
"""

DECISION = """
[decisions.synthetic_beds]
policy = "beds"
from = "synthetic_admissions_4w"
approval = "none"

# Made-up costs: a bed that stays empty, a patient who finds none, one who is moved; per bed and week.
[decisions.synthetic_beds.options]
stay = 5.0
idle = 1.0
short = 6.0
transfer = 2.0
[decisions.synthetic_beds.options.neighbours]
"""

OUTCOME = """
[targets.synthetic_admissions_4w.outcome]
vintage = "latest_at_deadline"
deadline = "28d"                      # after the end of the horizon: reports are complete by then
"""

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
    first, last = (day - timedelta(days=3) for day in (rounds[0], rounds[-1]))
    task = hub.tasks[0]
    total = "total='US'" if "US" in task.locations else ""
    neighbours = _us_neighbours(task.locations)

    def own(text: str) -> str:
        return text.replace("synthetic_", "").replace("Synthetic w", "W").replace("Made-up costs", "Examples")

    data = f"""
[datasets.admissions]
title = "Target data of a forecast hub: {task.target}"
source = "vintages"
path = {json.dumps(path)}
target = {json.dumps(task.target)}
release = "4d"                        # a vintage is known so long after its date
origin = {json.dumps("forecast hub " + folder.resolve().name)}
licence = "the hub's"
unit = "{{admissions}}/wk"
known_at = {{ column = "as_of" }}
"""
    targets = own(TARGETS)
    targets = targets.replace("start = 2024-11-20, end = 2025-05-28", f"start = {first}, end = {last}")
    targets = targets.replace("score_bound = 200", "score_bound = 1000")
    targets = targets.replace(str(list(LEVELS)), str(list(task.levels)))
    return replace(
        APP,
        title=f"Weekly admissions of the hub {folder.resolve().name}, and beds for four weeks",
        data=data,
        targets=targets,
        models=own(MODELS).replace("total='synthetic-total'", total),
        decision=own(DECISION) + neighbours if neighbours else "# none: neighbours are not known",
        outcome=own(OUTCOME)
        .replace('"28d"', '"90d"')
        .replace("reports are complete by then", "late reports"),
        adopt=None,
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


def _us_neighbours(locations: frozenset[str]) -> str:
    """Lines of a TOML table, if the hub's locations are US states."""
    table = pl.read_csv((APP.example() / "us_neighbours.csv").read_bytes(), infer_schema=False)
    known = {row[0]: (row[1] or "").split() for row in table.iter_rows()}
    there = sorted(locations & known.keys())
    return (
        _lines({each: [n for n in known[each] if n in locations] for each in there}) if len(there) > 1 else ""
    )


def _lines(neighbours: dict[str, list[str]]) -> str:
    return "\n".join(f"{json.dumps(name)} = {json.dumps(others)}" for name, others in neighbours.items())


# Eight regions around a lake: each touches the next.
RING = {region(k): [region((k - 1) % REGIONS), region((k + 1) % REGIONS)] for k in range(REGIONS)}

APP = App(
    name="epidemic",
    title="Synthetic weekly admissions with late reports, and beds for the next four weeks",
    data=DATA,
    targets=TARGETS,
    models=MODELS,
    decision=DECISION + _lines(RING),
    outcome=OUTCOME,
    extras=("medicine",),
    sources={"synthetic_admissions": SyntheticAdmissions},
    adopt=adopt,
)
