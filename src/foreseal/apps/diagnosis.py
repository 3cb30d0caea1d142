"""Diagnosis: is a breast mass malignant? Treat, refer or leave, by what a probability is worth in benefit.

The measurements come with scikit-learn; ``set = "digits"`` reads its handwritten digits instead, and asks
which are an eight. They carry no dates, so this example invents a schedule: eight cases a day from
2024-01-01, in the order of the file, each diagnosed ten days later. Probabilities are sealed as commitments
and revealed with the label; the decision about each case is published with the commitment, and tells in which
range a probability lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

import polars as pl

from foreseal.apps import App
from foreseal.collect.source import Batch, Context
from foreseal.errors import MissingExtra
from foreseal.settings import KnownAt

DATA = """
[datasets.biopsies]
title = "Fine-needle aspirates of breast masses"
kind = "cases"
source = "scikit_learn"
set = "breast_cancer"                 # or "digits": which of 1797 handwritten digits are an eight
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
commit = true                         # probabilities are shown with the label; acts, at once
forecasters = ["us"]
"""

MODELS = """
[models]
members = ["average(members=('logistic', 'logistic(penalty=1)'))"]
"""

DECISION = """
[decisions.biopsy]
policy = "cost_matrix"
from = "malignant"
approval = "none"                     # a case that is referred waits for a person

# In missed cancers. To treat from a probability of 0.1 on holds nine needless treatments to be worth one
# missed cancer: 0.1 / 0.9. A second reading is invented: it costs 0.04 and misses one cancer in twenty.
[decisions.biopsy.options]
costs = { treat = [0.1111, 0.0], refer = [0.04, 0.09], leave = [0.0, 1.0] }
refer = "refer"
cost_unit = "{cancer missed}"
"""

OUTCOME = """
[targets.malignant.outcome]
vintage = "latest_at_deadline"
deadline = "14d"                      # after the cutoff
"""

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
PER_DAY = 8
LABEL_DELAY = timedelta(days=10)
SETS = ("breast_cancer", "digits")


@dataclass(frozen=True, slots=True)
class ScikitLearn:
    """The cases of ``set`` in its order: 569 masses with 30 measurements, or 1797 digits of 64 pixels."""

    set: Literal["breast_cancer", "digits"] = "breast_cancer"

    labels: ClassVar[dict[str, str]] = {"label": "int"}

    def __post_init__(self) -> None:
        if self.set not in SETS:
            raise ValueError(f"set is one of {', '.join(SETS)}, not {self.set!r}")

    @property
    def features(self) -> dict[str, str]:
        return {name: "float" for name in load(self.set).columns if name != "label"}

    def read(self, context: Context) -> Iterator[Batch]:
        frame = load(self.set)
        seen = [FIRST + timedelta(days=k // PER_DAY) for k in range(frame.height)]
        cases = frame.select(
            pl.Series("case_id", [f"case-{k:04d}" for k in range(frame.height)]),
            pl.Series("known_at", seen, dtype=pl.Datetime("us", "UTC")),
            pl.int_range(1, pl.len() + 1).alias("row"),
            pl.lit(self.set).alias("source"),
            pl.all(),
        )
        rule = KnownAt("column", column="known_at")
        file = f"sklearn.datasets.load_{self.set}"
        yield Batch(cases.drop("label"), file, "features", rule)
        known = cases.with_columns(pl.col("known_at") + LABEL_DELAY)
        yield Batch(known.select("case_id", "known_at", "row", "source", "label"), file, "labels", rule)


def load(name: str) -> pl.DataFrame:
    """The features of a set, and ``label``: 1 for a malignant mass, or for an eight."""
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingExtra("cases", f"The set {name!r}") from None
    data = getattr(datasets, f"load_{name}")()
    columns = {str(each).replace(" ", "_"): data.data[:, k] for k, each in enumerate(data.feature_names)}
    # scikit-learn codes malignant as 0.
    label = 1 - data.target if name == "breast_cancer" else (data.target == 8).astype(int)
    return pl.DataFrame({**columns, "label": label})


APP = App(
    name="diagnosis",
    title="Malignant or benign: probabilities committed before the diagnosis; treat, refer or leave",
    data=DATA,
    targets=TARGETS,
    models=MODELS,
    decision=DECISION,
    outcome=OUTCOME,
    extras=("cases",),
    sources={"scikit_learn": ScikitLearn},
)
