"""A small project about people: cases with names, a target on their labels, sources outside the project."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from foreseal.run import Project
from foreseal.run.create import create

START = datetime(2024, 1, 1, tzinfo=UTC)
PEOPLE = 48
HEADER = "patient,seen,diagnosed,age,note,ill"

SETTINGS = """
[project]
name = "clinic"

[clock]
mode = "replay"

[datasets.patients]
source = "csv"
kind = "cases"
personal = true
path = "{path}"
case_id = "patient"
features = {{ age = "float", note = "str" }}
labels = {{ ill = "int" }}
known_at = {{ column = "seen" }}
labels_known_at = "diagnosed"

[targets.illness]
dataset = "patients"
cutoffs = {{ start = 2024-01-15, end = 2024-01-24, every = "3d" }}
deadline = "1d"
decimals = 4
rule = "brier"
baseline = "prevalence"
models = ["prevalence"]
missing = "bound"
outcome = {{ deadline = "10d" }}
score_bound = 1
commit = {commit}
"""


def person(k: int) -> str:
    """The id that the clinic itself uses: a name."""
    return f"Person-{k:03d} Surname"


def people(count: int = PEOPLE) -> list[str]:
    """Two a day, seen at noon and diagnosed eight days later."""
    rows = []
    for k in range(count):
        seen = START + timedelta(days=k // 2, hours=12)
        known = seen + timedelta(days=8)
        stamps = ",".join(each.strftime("%Y-%m-%dT%H:%M:%SZ") for each in (seen, known))
        rows.append(f"{person(k)},{stamps},{20 + k % 50}.25,note of {k},{int(k % 3 == 0)}")
    return rows


def write_people(file: Path, rows: list[str]) -> None:
    file.write_text("\n".join([HEADER, *rows]) + "\n")


def make_clinic(folder: Path, source: Path, rows: list[str], *, commit: bool = False) -> Project:
    """A project in ``folder`` that reads ``source``, a file outside it."""
    create(folder, name="clinic")
    write_people(source, rows)
    toml = folder / "foreseal.toml"
    seal = toml.read_text().partition("[seal]")[2]
    text = SETTINGS.format(path=source.resolve().as_posix(), commit=str(commit).lower())
    toml.write_text(f"{text}\n[seal]{seal}")
    return Project.open(folder)
