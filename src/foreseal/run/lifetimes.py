"""Survival targets: a curve is sealed as the probability of the event in each step, given none before.

A row of a payload is one step of one case, its key ``CASE STEP``, so a curve is scored by Brier's rule over
the steps in which the case was watched, exactly, by whoever holds the bytes. Each such row asks only about
those still watched, which makes the score proper where people are lost to follow-up for reasons of their own.
Of a case lost within a step, the step counts as event-free if it was watched for half of it, and else has no
outcome: the rule of life tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from foreseal.errors import DataError
from foreseal.exact import round_decimal
from foreseal.predict.model import Lifetimes
from foreseal.records import Curves, Target
from foreseal.run.forecasting import Knowledge, cases_due
from foreseal.seal import payload

if TYPE_CHECKING:
    from foreseal.predict.model import Survival
    from foreseal.store.store import Store

LABELS = ("time", "event")


def key(case: str, step: int) -> str:
    """The key of one step, counted from 1, of a case."""
    return f"{case} {step}"


def split(frame: pl.DataFrame) -> pl.DataFrame:
    """``case_id`` of a payload as ``case_id, step``, the other columns behind."""
    parts = pl.col("case_id").str.extract_groups(r"^(.*) (\d+)$")
    return frame.select(
        parts.struct.field("1").alias("case_id"),
        parts.struct.field("2").cast(pl.Int64).alias("step"),
        pl.exclude("case_id"),
    )


def check(store: Store, dataset: str) -> None:
    """Raise `DataError` unless a dataset's labels are those of lifetimes."""
    if not set(LABELS) <= set(store.schema(dataset).labels):
        raise DataError(
            f"The dataset {dataset!r} has no labels time and event, which survival curves need.",
            hint='labels = { time = "float", event = "int" }: days watched, and 1 where it happened',
        )


def labels(knowledge: Knowledge, dataset: str, cutoff: datetime) -> pl.DataFrame:
    """``case_id, time, event, known_at, n`` as known at ``cutoff``."""
    found = knowledge.store.as_of_labels(dataset, cutoff, knowledge.n[dataset])
    return found.select("case_id", *LABELS, "known_at", "n").drop_nulls(LABELS)


def forecast(knowledge: Knowledge, target: Target, seq: int, model: Survival) -> Curves:
    """A curve for each case that is due at cutoff ``seq``."""
    cutoff = target.cutoffs[seq]
    features = knowledge.features(target.dataset, cutoff)
    known = labels(knowledge, target.dataset, cutoff).select("case_id", *LABELS)
    fitted = model.fit(Lifetimes(features, known))
    due = cases_due(knowledge, target, seq)
    return fitted.predict(features.filter(pl.col("case_id").is_in(due)), target.times)


def encode(curves: Curves, target: Target) -> bytes:
    """Canonical bytes of what each step adds to the risk, rounded to the target's decimals."""
    rows: list[tuple[str, str]] = []
    for (case,), each in curves.frame.group_by("case_id", maintain_order=True):
        survival = np.concatenate([[1.0], each.sort("step")["survival"].to_numpy()])
        rows += [
            (key(str(case), k), round_decimal(_risk(before, after), target.decimals))
            for k, (before, after) in enumerate(itertools.pairwise(survival), start=1)
        ]
    return payload.forecast_cases(target.decimals).encode(rows)


def _risk(before: float, after: float) -> float:
    return float(min(max(1.0 - after / before, 0.0), 1.0)) if before > 0.0 else 1.0


def curves(sealed: pl.DataFrame, target: Target) -> Curves:
    """Curves of sealed rows (``case_id`` as in the payload, ``p``)."""
    frame = split(sealed).sort("case_id", "step")
    survival = (1.0 - pl.col("p")).cum_prod().over("case_id")
    return Curves(frame.select("case_id", "step", survival=survival), target.times[0])


def keys(cases: Iterable[str], target: Target) -> pl.DataFrame:
    """``case_id`` of every row that a payload about these cases has."""
    found = [key(case, k) for case in cases for k in range(1, target.horizon + 1)]
    return pl.DataFrame({"case_id": found}, schema={"case_id": pl.String})


def outcome(knowledge: Knowledge, target: Target, at: datetime, wanted: pl.DataFrame) -> pl.DataFrame:
    """``case_id, y, known_at, n`` of every wanted step in which the case was watched."""
    days = timedelta(days=target.times[0]) / timedelta(days=1)
    known = labels(knowledge, target.dataset, at)
    steps = split(wanted.with_columns(key=pl.col("case_id"))).join(known, on="case_id")
    watched = pl.col("time") - (pl.col("step") - 1) * days
    happened = (pl.col("event") == 1) & (watched <= days)
    y = (
        # An event at the very start belongs to the first step.
        pl.when(happened & ((watched > 0) | (pl.col("step") == 1) & (watched >= 0)))
        .then(1)
        .when(watched > days)
        .then(0)
        .when((pl.col("event") == 0) & (watched >= days / 2))
        .then(0)
    )
    found = steps.select(pl.col("key").alias("case_id"), y=y.cast(pl.Float64), known_at="known_at", n="n")
    return found.drop_nulls("y")
