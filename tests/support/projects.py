"""Small projects that run in a second: one hourly series, daily cutoffs, cheap models."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from foreseal.run import Project
from foreseal.run.create import create
from foreseal.run.loop import Done, run
from foreseal.run.session import Session

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 40

SETTINGS = """
[project]
name = "small"
timezone = "UTC"

[clock]
mode = "{mode}"

[datasets.load]
source = "csv"
path = "load.csv"
id = "site"
ds = "time"
y = "value"
unit = "kW"
known_at = {known_at}

[targets.next_day]
dataset = "load"
horizon = 6
freq = "1h"
cutoffs = {{ start = {first}, end = {last}, every = "1d" }}
deadline = "2h"
quantiles = [0.1, 0.5, 0.9]
decimals = 2
rule = "wis"
baseline = "seasonal_naive(24)"
missing = "baseline"
outcome = {{ deadline = "12h" }}
score_bound = 100

[models]
members = ["drift", "seasonal_naive(168)"]
"""


def load_rows(hours: int = DAYS * 24) -> list[str]:
    """``site,time,value`` rows: a daily wave, a weekly one, and a deterministic wobble."""
    rows = []
    for k in range(hours):
        value = 50 + 20 * math.sin(k * math.tau / 24) + 5 * math.sin(k * math.tau / 168) + (k * 7919 % 13) / 4
        rows.append(f"a,{(START + timedelta(hours=k)).strftime('%Y-%m-%dT%H:%M:%SZ')},{value:.3f}")
    return rows


def write_csv(folder: Path, rows: list[str], header: str = "site,time,value") -> None:
    (folder / "load.csv").write_text("\n".join([header, *rows]) + "\n")


Make = Callable[..., Project]


def make_project(
    folder: Path,
    *,
    mode: str = "replay",
    first: str = "2024-02-01",
    last: str = "2024-02-04",
    known_at: str = '{ delay = "1h" }',
    extra: str = "",
    rows: list[str] | None = None,
    header: str = "site,time,value",
) -> Project:
    """A project of one series in ``folder``; keyword arguments fill in the settings."""
    create(folder, name="small")
    toml = folder / "foreseal.toml"
    seal = toml.read_text().partition("[seal]")[2]
    text = SETTINGS.format(mode=mode, first=first, last=last, known_at=known_at)
    toml.write_text(f"{text}\n{extra}\n[seal]{seal}")
    write_csv(folder, load_rows() if rows is None else rows, header)
    return Project.open(folder)


def make_live(make: Make) -> Project:
    """A live project whose only cutoff is the present hour, with 30 days of data before it."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = []
    for k, row in enumerate(load_rows(30 * 24)):
        at = now + timedelta(days=-30, hours=k)
        rows.append(f"a,{at.strftime('%Y-%m-%dT%H:%M:%SZ')},{row.split(',')[2]}")
    project = make(mode="live", rows=rows, first=str(now.date()), last=str(now.date()))
    toml = project.folder / "foreseal.toml"
    toml.write_text(toml.read_text().replace('every = "1d"', f'every = "1d", at = "{now:%H:%M}"'))
    return Project.open(project.folder)


def go(project: Project, **options: object) -> Done:
    """Run what is due, once."""
    with Session.begin(project) as session:
        return run(session, **options)  # type: ignore[arg-type]


def count_rows(project: Project) -> int:
    """Observations in the store; 0 before there is one."""
    if not (project.folder / "store" / "store.db").exists():
        return 0
    with project.store() as store:
        return int(store.catalogue()["rows"].sum())
