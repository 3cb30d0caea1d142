"""The canary among vintages: what became known after a cutoff never changes what is predicted at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foreseal.clock import Frequency
from foreseal.records import Target
from foreseal.run.forecasting import Knowledge, forecast_series
from foreseal.settings import KnownAt, ModelsTable
from foreseal.store import Schema, Store

START = datetime(2023, 9, 2, tzinfo=UTC)
WEEK = timedelta(weeks=1)
TIME = pl.Datetime("us", "UTC")
COLUMN = KnownAt("column", column="known_at")
CUTOFF = START + 30 * WEEK + timedelta(days=4, hours=20)
TARGET = Target(
    name="admissions",
    dataset="admissions",
    kind="series",
    cutoffs=(CUTOFF,),
    rule="wis",
    decimals=2,
    baseline="naive",
    forecasters=("us",),
    deadline=WEEK,
    outcome_deadline=WEEK,
    horizon=1,
    freq=Frequency(1, "w"),
    quantiles=(0.1, 0.5, 0.9),
)
MODELS = ModelsTable(members=("surveillance(members=1)",))


def honest() -> pl.DataFrame:
    """Three series; a first report of 80 % and a complete one a week later."""
    rng = np.random.default_rng(5)
    count = rng.poisson(80 + 60 * np.sin(np.arange(31) / 5), (3, 31))
    rows = [
        (
            f"s{s}",
            START + k * WEEK,
            float(round(share * count[s, k])),
            START + (k + age) * WEEK + timedelta(days=4),
        )
        for s in range(3)
        for k in range(31)
        for age, share in enumerate((0.8, 1.0))
    ]
    frame = pl.DataFrame(rows, schema=["unique_id", "ds", "y", "known_at"], orient="row")
    return frame.with_columns(pl.col("ds", "known_at").cast(TIME))


@pytest.mark.parametrize("gap", [timedelta(microseconds=1), timedelta(days=3), timedelta(days=400)])
def test_planted_vintages_change_no_forecast(tmp_path: Path, gap: timedelta) -> None:
    with Store.open(tmp_path / "store", create=True) as store:
        store.declare(Schema(name="admissions"))
        store.append("admissions", honest(), known_at=COLUMN)
        before = forecast_series(Knowledge.latest(store, ["admissions"], "UTC"), TARGET, CUTOFF, MODELS, {})
        wild = (
            honest()
            .unique(["unique_id", "ds"], keep="last")
            .with_columns(pl.col("y") * 40 + 7, known_at=pl.lit(CUTOFF + gap).cast(TIME))
        )
        later = wild.with_columns(pl.col("ds") + 31 * WEEK)
        store.append("admissions", pl.concat([wild, later]), known_at=COLUMN)
        knowledge = Knowledge.latest(store, ["admissions"], "UTC")
        after = forecast_series(knowledge, TARGET, CUTOFF, MODELS, {})
        assert after.frame.equals(before.frame)
        assert after.ran == before.ran
        assert "from 26 cutoffs" in before.ran["surveillance(members=1).backfill"]
        seen = knowledge.vintages("admissions", CUTOFF)
        assert seen["known_at"].max() <= CUTOFF  # type: ignore[operator]
        assert knowledge.vintages("admissions", CUTOFF + gap).height > seen.height
