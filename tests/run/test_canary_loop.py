"""The canary around the models: an outcome holds what was known when its target settles, and a policy is
shown what was known at the cutoff. Each plant comes twice: a moment too late, and at the instant itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from projects import go

from foreseal.run import Project
from foreseal.run.create import create
from foreseal.run.results import Results

START = datetime(2024, 1, 1, tzinfo=UTC)
CUTOFF = datetime(2024, 2, 1, tzinfo=UTC)
HOUR, DAY, MOMENT = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)

TOP = """
[project]
name = "canary"
[clock]
mode = "replay"
[datasets.data]
source = "csv"
path = "data.csv"
"""
CASES = """
kind = "cases"
case_id = "key"
features = {{ x = "float" }}
labels = {{ {labels} }}
known_at = {{ column = "seen" }}
labels_known_at = "told"
[targets.asked]
dataset = "data"
cutoffs = {{ start = 2024-02-01, end = 2024-02-02, every = "1d" }}
deadline = "1h"
decimals = 4
rule = "brier"
score_bound = 10
outcome = {{ deadline = "{settles}" }}
"""
SERIES = """
id = "key"
ds = "ds"
y = "y"
unit = "kW"
known_at = { column = "told" }
[targets.asked]
dataset = "data"
horizon = 3
freq = "1h"
cutoffs = { start = 2024-02-01, end = 2024-02-02, every = "1d" }
deadline = "1h"
quantiles = [0.1, 0.5, 0.9]
decimals = 2
rule = "wis"
score_bound = 100
baseline = "drift"
models = ["drift"]
outcome = { deadline = "12h" }
[decisions.act]
policy = "cost_loss"
from = "asked"
options = { threshold = 1.0, protect = 1.0, loss = 4.0 }
"""
PROBABILITY = """
baseline = "prevalence"
models = ["prevalence"]
[decisions.act]
policy = "cost_matrix"
from = "asked"
options = { costs = { treat = [1.0, 0.0], wait = [0.0, 3.0] } }
"""
SURVIVAL = """
horizon = 3
freq = "60d"
baseline = "kaplan_meier"
models = ["kaplan_meier"]
[decisions.act]
policy = "next_visit"
from = "asked"
options = { threshold = 0.2, longest = 3 }
"""

Row = tuple[Any, ...]
"""What the value is of, the value, and when it was told."""


@dataclass(frozen=True)
class Watched:
    """A policy, and what it was shown."""

    policy: Any
    seen: list[pl.DataFrame] = field(default_factory=list)

    def decide(self, prediction: Any, history: pl.DataFrame) -> Any:
        self.seen.append(history)
        return self.policy.decide(prediction, history)


def known(rows: list[Row], at: datetime) -> dict[Any, Any]:
    """The value told last of everything, by brute force."""
    found: dict[Any, tuple[datetime, Any]] = {}
    for key, value, told in rows:
        if told <= at and (key not in found or told > found[key][0]):
            found[key] = (told, value)
    return {key: value for key, (_, value) in found.items()}


def watch(folder: Path, text: str, lines: list[str]) -> tuple[Project, list[pl.DataFrame]]:
    """The project, run to its end, and what its policy was shown at each cutoff."""
    create(folder, name="canary")
    toml = folder / "foreseal.toml"
    toml.write_text(f"{text}\n[seal]{toml.read_text().partition('[seal]')[2]}")
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    project = Project.open(folder)
    watched = Watched(project.policies["act"])
    done = go(replace(project, policies={"act": watched}))
    assert (done.decisions, done.settled, done.failures) == (2, 2, [])
    return Project.open(folder), watched.seen


def check(
    project: Project,
    shown: list[pl.DataFrame],
    rows: list[Row],
    history: Callable[[pl.DataFrame], dict[Any, Any]],
    outcome: Callable[[dict[Any, Any], Any], float],
) -> None:
    """Histories and outcomes are what was known, and each of them would differ a moment later or earlier."""
    target = project.targets["asked"]
    sealed = Results(project).outcomes(target)
    for seq, (cutoff, side) in enumerate(zip(target.cutoffs, (1, -1), strict=True)):
        beside = side * MOMENT
        assert history(shown[seq]) == known(rows, cutoff)
        assert known(rows, cutoff) != known(rows, cutoff + beside)
        at = target.settles_at(cutoff)
        mine = sealed.filter(pl.col("cutoff") == cutoff)
        keys = [
            key if len(key) > 1 else key[0]
            for key in mine.select(pl.exclude("y", "cutoff", "known_at")).rows()
        ]
        assert keys
        assert mine["y"].to_list() == [outcome(known(rows, at), key) for key in keys]
        assert mine["y"].to_list() != [outcome(known(rows, at + beside), key) for key in keys]


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_outcomes_and_histories_of_series_hold_what_was_known(tmp_path: Path) -> None:
    hours = [START + k * HOUR for k in range(33 * 24)]
    rows: list[Row] = [(("a", ds), float(k % 17), ds) for k, ds in enumerate(hours)]
    for k, late in enumerate((MOMENT, timedelta(0))):
        cutoff = CUTOFF + k * DAY
        rows.append((("a", cutoff - 5 * HOUR), 500.0 + k, cutoff + late))
        rows.append((("a", cutoff + HOUR), 900.0 + k, cutoff + 15 * HOUR + late))
    lines = ["key,ds,y,told", *(f"{uid},{stamp(ds)},{y},{stamp(told)}" for (uid, ds), y, told in rows)]
    project, shown = watch(tmp_path / "p", TOP + SERIES, lines)
    target = project.targets["asked"]
    assert target.settles_at(CUTOFF) == CUTOFF + 15 * HOUR
    check(
        project,
        shown,
        rows,
        lambda frame: {(uid, ds): y for uid, ds, y in frame.select("unique_id", "ds", "y").iter_rows()},
        lambda values, key: values[key],
    )


def people(labels: Callable[[int], Row], wrong: Row, told: timedelta, settles: timedelta) -> list[Row]:
    """One a day; those of the two cutoffs are seen an hour before. Plants reach a label of the past at each
    cutoff, and that of the case forecast at it when it settles."""
    rows: list[Row] = [(f"p{k:02d}", labels(k), START + k * DAY + told) for k in range(20)]
    for k, late in enumerate((MOMENT, timedelta(0))):
        cutoff = CUTOFF + k * DAY
        rows.append((f"p{k:02d}", wrong, cutoff + late))
        rows.append((f"new{k}", labels(1), cutoff + told))
        rows.append((f"new{k}", wrong, cutoff + settles + late))
    return rows


def seen(key: str) -> datetime:
    return CUTOFF + int(key[3:]) * DAY - HOUR if key.startswith("new") else START + int(key[1:]) * DAY


def test_outcomes_and_histories_of_cases_hold_what_was_known(tmp_path: Path) -> None:
    rows = people(lambda k: (k % 2,), (0,), 2 * DAY, 10 * DAY)
    rows[:2] = [("p00", (1,), rows[0][2]), ("p01", (1,), rows[1][2])]
    lines = ["key,seen,told,x,ill"]
    lines += [f"{key},{stamp(seen(key))},{stamp(told)},1.0,{ill}" for key, (ill,), told in rows]
    text = TOP + CASES.format(labels='ill = "int"', settles="10d") + PROBABILITY
    project, shown = watch(tmp_path / "p", text, lines)
    check(
        project,
        shown,
        rows,
        lambda frame: {key: (y,) for key, y in frame.select("case_id", "y").iter_rows()},
        lambda values, key: float(values[key][0]),
    )


def watched(values: dict[str, tuple[float, int]], key: str) -> float:
    """Whether the event came in a step of 60 days: here nobody is lost."""
    case, step = key.split()
    time, event = values[case]
    return float(bool(event) and (int(step) - 1) * 60 < time <= int(step) * 60)


def test_outcomes_and_histories_of_lifetimes_hold_what_was_known(tmp_path: Path) -> None:
    rows = people(lambda k: (130.0 + k, 1), (250.0, 1), 2 * DAY, 250 * DAY)
    lines = ["key,seen,told,x,time,event"]
    lines += [f"{key},{stamp(seen(key))},{stamp(told)},1.0,{t},{e}" for key, (t, e), told in rows]
    settings = CASES.format(labels='time = "float", event = "int"', settles="250d")
    project, shown = watch(tmp_path / "p", TOP + settings + SURVIVAL, lines)
    check(
        project,
        shown,
        rows,
        lambda frame: {key: (t, e) for key, t, e in frame.select("case_id", "time", "event").iter_rows()},
        watched,
    )
