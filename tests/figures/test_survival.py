"""Survival curves and decision curves as tables."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from foreseal.figures.benefit import benefit_figure, benefit_table
from foreseal.figures.survival import survival_figure, survival_table
from foreseal.rules import survival_estimate
from tests.conftest import require

CUTOFF = datetime(2024, 1, 1, tzinfo=UTC)


def steps(risks: np.ndarray, ends: np.ndarray) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forecasts of ``risks`` (cases, steps); an event in step ``ends``, or none where it is 0."""
    said, came = [], []
    for k, (row, end) in enumerate(zip(risks, ends, strict=True)):
        for step, p in enumerate(row, start=1):
            said.append((f"c{k:03d}", step, CUTOFF, float(p)))
            if not end or step <= end:
                came.append((f"c{k:03d}", step, CUTOFF, float(step == end)))
    keys = ["case_id", "step", "cutoff"]
    schema = pl.Datetime("us", "UTC")
    return tuple(
        pl.DataFrame(rows, schema=[*keys, name], orient="row").with_columns(pl.col("cutoff").cast(schema))
        for rows, name in ((said, "p"), (came, "y"))
    )  # type: ignore[return-value]


def test_observed_survival_is_kaplan_and_meiers_on_the_steps() -> None:
    rng = np.random.default_rng(0)
    risks = rng.uniform(0.05, 0.4, (60, 1)) * np.ones((1, 4))
    ends = rng.integers(0, 5, 60)
    forecasts, outcomes = steps(risks, ends)
    table = survival_table(forecasts, outcomes, 182.0)
    assert table["days"].unique().sort().to_list() == [182.0, 364.0, 546.0, 728.0]
    order = np.argsort(risks[:, 0])
    for group, members in enumerate(np.array_split(order, 3), start=1):
        own = table.filter(pl.col("group") == group)
        time, event = np.where(ends[members] == 0, 5, ends[members]), ends[members] > 0
        np.testing.assert_allclose(own["observed"], survival_estimate(time, event, [1, 2, 3, 4]))
        expected = ((1 - risks[members]) ** np.arange(1, 5)).mean(axis=0)
        np.testing.assert_allclose(own["predicted"], expected)
    assert (table["low"] <= table["observed"]).all()
    assert (table["observed"] <= table["high"]).all()


def test_a_decision_curve_starts_near_the_share_of_cases_and_ends_near_nothing() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(size=2000)
    ids = [f"c{k}" for k in range(len(p))]
    said = pl.DataFrame({"case_id": ids, "cutoff": CUTOFF, "p": p})
    came = pl.DataFrame({"case_id": ids, "cutoff": CUTOFF, "y": rng.binomial(1, p)})
    table = benefit_table(said, came)
    assert (table["forecast"] >= table["all"] - 0.01).all()  # a calibrated forecast is never worth less
    assert (table["forecast"] >= -0.01).all()
    assert table["all"][9] == pytest.approx(2 * came["y"].mean() - 1)  # at one half
    assert benefit_table(said, came.clear()).is_empty()


def test_both_are_drawn() -> None:
    require("bokeh", 'pip install "foreseal[plots]"')
    forecasts, outcomes = steps(np.full((30, 3), 0.1), np.arange(30) % 4)
    assert len(survival_figure(survival_table(forecasts, outcomes, 91.0)).renderers) == 9
    said = pl.DataFrame({"case_id": ["a", "b"], "cutoff": CUTOFF, "p": [0.2, 0.9]})
    came = pl.DataFrame({"case_id": ["a", "b"], "cutoff": CUTOFF, "y": [0, 1]})
    assert len(benefit_figure(benefit_table(said, came)).renderers) == 3
