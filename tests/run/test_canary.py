"""The canary: what became known after a cutoff, planted everywhere, never changes what is predicted at it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foreseal.clock import Frequency
from foreseal.records import Target
from foreseal.run.forecasting import Knowledge, forecast_cases, forecast_series
from foreseal.settings import KnownAt, ModelsTable
from foreseal.store import Schema, Store
from tests.conftest import require

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = 24 * 24
TIME = pl.Datetime("us", "UTC")
COLUMN = KnownAt("column", column="known_at")
TARGET = Target(
    name="load",
    dataset="load",
    kind="series",
    cutoffs=(),
    rule="wis",
    decimals=2,
    baseline="seasonal_naive(24)",
    forecasters=("us",),
    deadline=HOUR,
    outcome_deadline=HOUR,
    horizon=24,
    freq=Frequency(1, "h"),
    quantiles=(0.1, 0.5, 0.9),
    covariates=("weather",),
)
FAST = ModelsTable(members=("ridge", "drift"))


def rows(name: str, shift: float, lag: timedelta) -> pl.DataFrame:
    """An honest hourly series, known one step after its hour, with a first and a revised vintage."""
    ds = [START + k * HOUR for k in range(HOURS)]
    y = [50 + shift * math.sin(k * math.tau / 24) + (k * 7919 % 17) for k in range(HOURS)]
    frame = pl.DataFrame({"unique_id": name, "ds": pl.Series(ds, dtype=TIME), "y": y})
    first = frame.with_columns(known_at=pl.col("ds") + lag)
    revised = frame.with_columns(pl.col("y") + 0.25, known_at=pl.col("ds") + lag + 3 * HOUR)
    return pl.concat([first, revised])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("canary") / "store", create=True) as found:
        for name, shift in (("load", 20.0), ("weather", 7.0)):
            found.declare(Schema(name=name))
            found.append(name, rows(name, shift, HOUR), known_at=COLUMN)
        yield found


def planted(name: str, cutoff: datetime, gap: timedelta, value: float) -> pl.DataFrame:
    """Wild values for the past, the horizon and beyond, all known a moment after the cutoff."""
    hour = cutoff.replace(minute=0)
    ds = [hour + k * HOUR for k in range(-72, 30)]
    return pl.DataFrame(
        {
            "unique_id": name,
            "ds": pl.Series(ds, dtype=TIME),
            "y": [value * (1 + k % 5) for k in range(len(ds))],
            "known_at": pl.Series([cutoff + gap] * len(ds), dtype=TIME),
        }
    )


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    hours=st.integers(24 * 15, 24 * 23),
    minutes=st.integers(0, 59),
    gap=st.sampled_from([timedelta(microseconds=1), timedelta(minutes=1), timedelta(days=2)]),
    value=st.sampled_from([1e6, -1e6, 0.0]),
)
def test_later_knowledge_of_series_and_covariates_changes_no_forecast_and_no_calibration(
    store: Store, hours: int, minutes: int, gap: timedelta, value: float
) -> None:
    cutoff = START + timedelta(hours=hours, minutes=minutes)
    names = ["load", "weather"]
    before = forecast_series(Knowledge.latest(store, names, "UTC"), TARGET, cutoff, FAST, {})
    snapshots = Knowledge.latest(store, names, "UTC").snapshots(cutoff)
    for name in names:
        store.append(name, planted(name, cutoff, gap, value), known_at=COLUMN)
    after = forecast_series(Knowledge.latest(store, names, "UTC"), TARGET, cutoff, FAST, {})
    assert after.frame.equals(before.frame)
    assert after.ran == before.ran
    assert "calibration" in after.ran
    for snapshot in snapshots:
        again = store.snapshot(snapshot.dataset, cutoff, snapshot.n)
        assert again.digest == snapshot.digest


def test_the_canary_would_sing(store: Store) -> None:
    """The same plants known one microsecond earlier do change the forecast, so the test above can fail."""
    cutoff = START + timedelta(days=20)
    before = forecast_series(Knowledge.latest(store, ["load", "weather"], "UTC"), TARGET, cutoff, FAST, {})
    store.append("load", planted("load", cutoff, timedelta(0), 1e6), known_at=COLUMN)
    after = forecast_series(Knowledge.latest(store, ["load", "weather"], "UTC"), TARGET, cutoff, FAST, {})
    assert not after.frame.equals(before.frame)


CASES = Target(
    name="ill",
    dataset="cases",
    kind="cases",
    cutoffs=tuple(START + timedelta(days=k) for k in range(10, 20)),
    rule="brier",
    decimals=4,
    baseline="prevalence",
    forecasters=("us",),
    deadline=HOUR,
    outcome_deadline=timedelta(days=5),
)


def cases(first: int, last: int, known: datetime | None, factor: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    seen = [known or START + timedelta(hours=3 * k) for k in range(first, last)]
    ids = [f"c{k:04d}" for k in range(first, last)]
    x = [factor * math.sin(k) for k in range(first, last)]
    features = pl.DataFrame({"case_id": ids, "known_at": pl.Series(seen, dtype=TIME), "x": x})
    later = pl.Series([known or each + timedelta(days=2) for each in seen], dtype=TIME)
    sick = [int(math.sin(k) > 0.1 * (k % 5)) for k in range(first, last)]
    return features, pl.DataFrame({"case_id": ids, "known_at": later, "sick": sick})


@pytest.mark.parametrize("model", ["logistic", "scorecard", "boosted"])
@pytest.mark.parametrize("seq", [0, 4, 9])
def test_later_features_and_labels_change_no_probability(tmp_path: Path, seq: int, model: str) -> None:
    require("sklearn", 'pip install "foreseal[cases]"')
    cutoff = CASES.cutoffs[seq]
    moment = cutoff + timedelta(microseconds=1)
    with Store.open(tmp_path / "store", create=True) as store:
        store.declare(Schema("cases", kind="cases", features={"x": "float"}, labels={"sick": "int"}))
        for features, labels in (cases(0, 160, None, 1.0),):
            store.append("cases", features, part="features", known_at=COLUMN)
            store.append("cases", labels, part="labels", known_at=COLUMN)
        before = forecast_cases(Knowledge.latest(store, ["cases"], "UTC"), CASES, seq, model)
        assert before.frame.height > 0
        wild, wrong = cases(0, 200, moment, 100.0)
        store.append("cases", wild, part="features", known_at=COLUMN)
        store.append("cases", wrong.with_columns(1 - pl.col("sick")), part="labels", known_at=COLUMN)
        after = forecast_cases(Knowledge.latest(store, ["cases"], "UTC"), CASES, seq, model)
    assert (after.ran, after.reasons) == (before.ran, before.reasons)
    assert after.frame.equals(before.frame)
