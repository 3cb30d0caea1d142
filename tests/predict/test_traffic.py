"""Real hourly traffic with its two clocks: sixty daily forecasts, none left out."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from foreseal.clock import Frequency
from foreseal.frame import shift
from foreseal.predict.engine import predict_at
from foreseal.rules import wis
from tests.predict.panels import CHICAGO, traffic, two_clocks

pytestmark = pytest.mark.slow

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
COLUMNS = [f"q{level:g}" for level in LEVELS]
BASELINE = "seasonal_naive(168)"


@pytest.fixture(scope="module")
def record(shared):
    """Outcomes, our quantiles and the baseline's, one row per hour that has an outcome."""
    volume, weather = traffic(shared)
    panel_at = two_clocks(volume, weather, CHICAGO)
    first = datetime(2018, 8, 1, tzinfo=ZoneInfo(CHICAGO))
    past, ours, naive = {}, [], []
    for day in range(60):
        cutoff = shift(first.astimezone(ZoneInfo("UTC")), Frequency(1, "d"), day, CHICAGO)
        members = ["ridge(holidays='US')", "drift"]
        ours.append(
            predict_at(panel_at, cutoff, 24, LEVELS, models=members, baseline=BASELINE, past=past).frame
        )
        naive.append(predict_at(panel_at, cutoff, 24, LEVELS, models=[BASELINE]).frame)
    truth = volume.select("unique_id", "ds", "y").drop_nulls()
    keys = ["unique_id", "ds"]
    joined = (
        pl.concat(ours).join(pl.concat(naive), on=[*keys, "cutoff"], suffix=" naive").join(truth, on=keys)
    )
    return joined.sort("ds")


def test_sixty_forecasts_beat_a_probabilistic_weekly_seasonal_naive(record):
    assert record["cutoff"].n_unique() == 60
    y = record["y"].to_numpy()
    ours = wis(y, record.select(COLUMNS).to_numpy(), LEVELS).mean()
    theirs = wis(y, record.select([f"{name} naive" for name in COLUMNS]).to_numpy(), LEVELS).mean()
    assert ours < 0.7 * theirs


def test_the_interval_of_the_coverage_of_80_percent_holds_80_percent(record):
    """Hours of a day share their fate: the bootstrap draws blocks of seven days."""
    hit = record.select("cutoff", hit=pl.col("y").is_between("q0.1", "q0.9").cast(pl.Float64))
    days = hit.group_by("cutoff").agg(pl.col("hit").sum(), n=pl.len()).sort("cutoff")
    hits, n = days["hit"].to_numpy(), days["n"].to_numpy()
    rng = np.random.default_rng(0)
    starts = rng.integers(0, len(n) - 7 + 1, (2_000, -(-len(n) // 7)))
    rows = (starts[:, :, None] + np.arange(7)).reshape(len(starts), -1)[:, : len(n)]
    low, high = np.quantile(hits[rows].sum(axis=1) / n[rows].sum(axis=1), (0.025, 0.975))
    assert low <= 0.8 <= high
