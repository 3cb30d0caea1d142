"""A small lender: applicants with names and telephone numbers, consent that some withdraw, a card, acts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from foreseal.run import Project
from foreseal.run.create import create

START = datetime(2024, 1, 1, tzinfo=UTC)
PEOPLE = 160
HEADER = "applicant,seen,settled,income,branch,phone,agreed,bad"

SETTINGS = """
[project]
name = "lender"

[clock]
mode = "replay"

[datasets.people]
source = "csv"
kind = "cases"
personal = true
path = "{path}"
case_id = "applicant"
features = {{ income = "float", branch = "str", phone = "str", agreed = "int" }}
labels = {{ bad = "int" }}
known_at = {{ column = "seen" }}
labels_known_at = "settled"
consent = {{ column = "agreed", purpose = "credit decision" }}

[targets.default]
dataset = "people"
cutoffs = {{ start = 2024-01-29, end = 2024-02-05, every = "7d" }}
deadline = "1d"
decimals = 4
rule = "brier"
baseline = "prevalence"
models = ["scorecard"]
outcome = {{ deadline = "14d" }}
score_bound = 1
groups = {{ income = [40], branch = [] }}

[decisions.credit]
policy = "cost_matrix"
from = "default"

[decisions.credit.options]
costs = {{ accept = [0, 5], refer = [0.5, 1.75], reject = [1, 0] }}
refer = "refer"
"""


def person(k: int) -> str:
    """The id that the lender itself uses: a name."""
    return f"Person-{k:03d} Surname"


def row(
    k: int,
    *,
    name: str = "",
    agreed: int | str = 1,
    later: float = 0.0,
    income: float = 0.0,
    phone: str = "",
    branch: str = "",
) -> str:
    """Applicant ``k``, five a day; ``later`` is in hours."""
    seen = START + timedelta(days=k // 5, hours=9 + later)
    stamps = ",".join(each.strftime("%Y-%m-%dT%H:%M:%SZ") for each in (seen, seen + timedelta(days=10)))
    own = income or 20 + (k * 37 % 60) + 0.25
    bad = int(own < 35 and k % 3 != 0) or int(k % 11 == 0)
    where = branch or ("north", "south", "east")[k % 3]
    return f"{name or person(k)},{stamps},{own},{where},{phone or f'0170-{k:07d}'},{agreed},{bad}"


def make_lender(folder: Path, source: Path, rows: list[str]) -> Project:
    """A project in ``folder`` that reads ``source``, a file outside it."""
    create(folder, name="lender")
    source.write_text("\n".join([HEADER, *rows]) + "\n")
    toml = folder / "foreseal.toml"
    seal = toml.read_text().partition("[seal]")[2]
    toml.write_text(f"{SETTINGS.format(path=source.resolve().as_posix())}\n[seal]{seal}")
    return Project.open(folder)
