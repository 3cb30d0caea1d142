"""Diagnosis: is a breast mass malignant? Probabilities are sealed as commitments and revealed with the label.

The measurements come with scikit-learn. They carry no dates, so this example invents a schedule: eight
biopsies a day from 2024-01-01, in the order of the file, each diagnosed ten days later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import polars as pl

from foreseal.apps import App
from foreseal.collect.source import Batch, Context
from foreseal.errors import MissingExtra
from foreseal.settings import KnownAt

DATA = """
[datasets.biopsies]
title = "Fine-needle aspirates of breast masses"
kind = "cases"
source = "breast_cancer"
origin = "UCI Breast Cancer Wisconsin (Diagnostic), https://doi.org/10.24432/C5DW2B, by way of scikit-learn"
licence = "CC-BY-4.0"
known_at = { column = "known_at" }    # an invented schedule: the source has no dates
"""

TARGETS = """
[targets.malignant]
dataset = "biopsies"
cutoffs = { start = 2024-02-05, end = 2024-03-11, every = "7d", at = "00:00" }
deadline = "1d"                       # latest sealing, after the cutoff
decimals = 4
rule = "brier"
also = ["log"]                        # settled and sealed beside the rule above
baseline = "prevalence"               # the share of malignant cases so far
missing = "bound"                     # silence costs the bound, or one could keep quiet about a bad forecast
score_bound = 10                      # log loss of a probability of 0 for what happened, and of silence
commit = true                         # probabilities stay hidden until the label is known
forecasters = ["us"]
"""

MODELS = """
[models]
members = ["logistic"]
"""

DECISION = """
# none: this example stops at the probability
"""

OUTCOME = """
[targets.malignant.outcome]
vintage = "latest_at_deadline"
deadline = "14d"                      # after the cutoff
"""

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
PER_DAY = 8
LABEL_DELAY = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class BreastCancer:
    """569 cases with 30 measurements each, in the order of scikit-learn's data set."""

    labels: ClassVar[dict[str, str]] = {"malignant": "int"}

    @property
    def features(self) -> dict[str, str]:
        return {name: "float" for name in _load().columns if name != "malignant"}

    def read(self, context: Context) -> Iterator[Batch]:
        frame = _load()
        seen = [FIRST + timedelta(days=k // PER_DAY) for k in range(frame.height)]
        cases = frame.select(
            pl.Series("case_id", [f"case-{k:04d}" for k in range(frame.height)]),
            pl.Series("known_at", seen, dtype=pl.Datetime("us", "UTC")),
            pl.int_range(1, pl.len() + 1).alias("row"),
            pl.lit("breast_cancer").alias("source"),
            pl.all(),
        )
        rule = KnownAt("column", column="known_at")
        file = "sklearn.datasets.load_breast_cancer"
        yield Batch(cases.drop("malignant"), file, "features", rule)
        known = cases.with_columns(pl.col("known_at") + LABEL_DELAY)
        yield Batch(known.select("case_id", "known_at", "row", "source", "malignant"), file, "labels", rule)


def _load() -> pl.DataFrame:
    try:
        from sklearn.datasets import load_breast_cancer
    except ImportError:
        raise MissingExtra("cases", "The breast cancer data") from None
    data = load_breast_cancer()
    columns = {str(name).replace(" ", "_"): data.data[:, k] for k, name in enumerate(data.feature_names)}
    # scikit-learn codes malignant as 0.
    return pl.DataFrame({**columns, "malignant": 1 - data.target})


APP = App(
    name="diagnosis",
    title="Malignant or benign: probabilities for breast masses, committed before the diagnosis",
    data=DATA,
    targets=TARGETS,
    models=MODELS,
    decision=DECISION,
    outcome=OUTCOME,
    extras=("cases",),
    sources={"breast_cancer": BreastCancer},
)
