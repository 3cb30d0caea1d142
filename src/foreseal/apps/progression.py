"""Progression: how long until a disease comes back? Survival curves, and when to see a patient next.

GBSG2: 686 women with node-positive breast cancer, 1984 to 1989; WHAS500: 500 patients after a heart attack.
Both come with scikit-survival and carry no dates. The schedule is invented: a patient every third day, in the
order of the file, from 1984-07-01, seen every half year; what happened since becomes known at a visit.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from foreseal.apps import App
from foreseal.collect.source import Batch, Context
from foreseal.errors import MissingExtra
from foreseal.settings import KnownAt

DATA = """
[datasets.patients]
title = "Node-positive breast cancer: recurrence-free survival; dates are invented"
kind = "cases"
source = "cohort"
cohort = "gbsg2"                      # or "whas500": death after a heart attack
origin = "German Breast Cancer Study Group 2 (Schumacher and others, 1994), by way of scikit-survival"
licence = "GPL-3.0 (the package's; nothing is said of the data)"
known_at = { column = "known_at" }    # an invented schedule: the source has no dates
"""

TARGETS = """
[targets.recurrence]
dataset = "patients"
cutoffs = { start = 1988-01-04, end = 1989-12-04, every = "28d", at = "00:00" }
deadline = "1d"                       # latest sealing, after the cutoff
horizon = 8                           # a curve of eight steps ...
freq = "182d"                         # ... of half a year each
decimals = 4
rule = "brier"                        # of each step among those still watched: see the docs
also = ["log"]
baseline = "kaplan_meier"             # one curve for everybody
score_bound = 10                      # log loss of a probability of 0 for what happened
forecasters = ["us"]
"""

MODELS = """
[models]
members = ["mean_curves"]                  # Cox, random forest, boosting, log-normal
"""

DECISION = """
[decisions.follow_up]
policy = "next_visit"
from = "recurrence"
approval = "none"

# Invented: the risk by the next visit stays below a tenth, or it comes after half a year; a year of delay
# in finding a recurrence is worth four visits.
[decisions.follow_up.options]
threshold = 0.1
longest = 4                           # two years
visit = 1.0
late = 2.0
fixed = [1, 2, 4]
"""

OUTCOME = """
[targets.recurrence.outcome]
vintage = "latest_at_deadline"
deadline = "1680d"                    # after the cutoff: eight steps, and the visit that tells of the last
"""

FIRST = datetime(1984, 7, 1, tzinfo=UTC)
EVERY = timedelta(days=3)
VISIT = 182.0
COHORTS = ("gbsg2", "whas500")


@dataclass(frozen=True, slots=True)
class Cohort:
    """The patients of ``cohort`` in the order of its file; ``time`` in days, ``event`` 1 if it happened."""

    cohort: Literal["gbsg2", "whas500"] = "gbsg2"

    labels: ClassVar[dict[str, str]] = {"time": "float", "event": "int"}

    def __post_init__(self) -> None:
        if self.cohort not in COHORTS:
            raise ValueError(f"cohort is one of {', '.join(COHORTS)}, not {self.cohort!r}")

    @property
    def features(self) -> dict[str, str]:
        return dict.fromkeys(load(self.cohort).drop("time", "event").columns, "float")

    def read(self, context: Context) -> Iterator[Batch]:
        frame, row = load(self.cohort), pl.int_range(1, pl.len() + 1)
        entered = [FIRST + k * EVERY for k in range(frame.height)]
        cases = frame.select(
            pl.format("patient-{}", row.cast(pl.String).str.zfill(4)).alias("case_id"),
            pl.Series("known_at", entered, dtype=pl.Datetime("us", "UTC")),
            row.alias("row"),
            pl.lit(self.cohort).alias("source"),
            pl.all(),
        )
        file, rule = f"sksurv.datasets.load_{self.cohort}", KnownAt("column", column="known_at")
        yield Batch(cases.drop("time", "event"), file, "features", rule)
        yield Batch(follow_up(cases), file, "labels", rule)


def follow_up(cases: pl.DataFrame) -> pl.DataFrame:
    """What is known after each visit: days watched without an event, and at last how it ended.

    An event or a loss becomes known at the next visit, like the absence of one, so that knowledge at a
    cutoff is not richer in events than the patients are.
    """
    ends = np.maximum(np.ceil(cases["time"].to_numpy() / VISIT), 1).astype(int)
    visits = cases.select("case_id", "known_at", "row", "source", "time", "event").with_columns(
        visit=pl.Series([list(range(1, end + 1)) for end in ends]), last=pl.Series(ends)
    )
    over = pl.col("visit") == pl.col("last")
    return visits.explode("visit").select(
        "case_id",
        pl.col("known_at") + pl.duration(days=(pl.col("visit") * VISIT).cast(pl.Int64)),
        "row",
        "source",
        time=pl.when(over).then("time").otherwise(pl.col("visit") * VISIT),
        event=pl.when(over).then("event").otherwise(0),
    )


def load(cohort: str) -> pl.DataFrame:
    """Features as numbers, ``time`` and ``event``; words are coded by ORDER, from 0."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from sksurv import datasets
    except ImportError:
        raise MissingExtra("medicine", f"The cohort {cohort!r}") from None
    x, y = getattr(datasets, f"load_{cohort}")()
    event, time = y.dtype.names
    columns = {}
    for name in x.columns:
        values = x[name].tolist()
        coded = ORDER.get(name)
        columns[name] = [float(coded.index(str(v)) if coded else float(v)) for v in values]
    return pl.DataFrame(columns).with_columns(
        time=pl.Series(y[time].astype(float)), event=pl.Series(y[event].astype(int))
    )


ORDER = {
    "horTh": ("no", "yes"),
    "menostat": ("Pre", "Post"),
    "tgrade": ("I", "II", "III"),
}


APP = App(
    name="progression",
    title="Time to recurrence: survival curves, and the next visit",
    data=DATA,
    targets=TARGETS,
    models=MODELS,
    decision=DECISION,
    outcome=OUTCOME,
    extras=("medicine",),
    sources={"cohort": Cohort},
)
