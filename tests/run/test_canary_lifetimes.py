"""The canary among lifetimes: what became known after a cutoff changes no survival curve."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foreseal.clock import Frequency
from foreseal.predict.catalogue import resolve_survival
from foreseal.records import Curves, Target
from foreseal.run import lifetimes
from foreseal.run.forecasting import Knowledge
from foreseal.settings import KnownAt
from foreseal.store import Schema, Store
from tests.conftest import require

START = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
TIME = pl.Datetime("us", "UTC")
COLUMN = KnownAt("column", column="known_at")
TARGET = Target(
    name="relapse",
    dataset="patients",
    kind="cases",
    cutoffs=(START + 60 * DAY, START + 75 * DAY),
    rule="brier",
    decimals=4,
    baseline="kaplan_meier",
    forecasters=("us",),
    deadline=DAY,
    outcome_deadline=400 * DAY,
    horizon=3,
    freq=Frequency(60, "d"),
)
CUTOFF = TARGET.cutoffs[1]
MODEL = "mean_curves(members=('cox',))"
LABELLED, ALL = 60, 80


def ids(first: int, last: int) -> list[str]:
    return [f"p{k:02d}" for k in range(first, last)]


def features(known: list[datetime], factor: float) -> pl.DataFrame:
    """One feature of everybody, whose size goes with the risk."""
    x = [factor * (k * 13 % 29) for k in range(ALL)]
    return pl.DataFrame({"case_id": ids(0, ALL), "known_at": pl.Series(known, dtype=TIME), "x": x})


def labels(known: list[datetime], *, wild: bool = False) -> pl.DataFrame:
    """Days until the event of the first, sooner for a large feature; ``wild`` turns that round."""
    k = np.arange(LABELLED)
    time = 300.0 - 9.0 * (k * 13 % 29)
    event = (k % 4 != 0).astype(int)
    return pl.DataFrame(
        {
            "case_id": ids(0, LABELLED),
            "known_at": pl.Series(known, dtype=TIME),
            "time": 310.0 - time if wild else time,
            "event": 1 - event if wild else event,
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store", create=True) as found:
        names = {"time": "float", "event": "int"}
        found.declare(Schema("patients", kind="cases", features={"x": "float"}, labels=names))
        seen = [START + k * DAY for k in range(ALL)]
        found.append("patients", features(seen, 1.0), part="features", known_at=COLUMN)
        told = [START + (k + 10) * DAY for k in range(LABELLED)]
        found.append("patients", labels(told), part="labels", known_at=COLUMN)
        yield found


def forecast(store: Store) -> Curves:
    require("sksurv", 'pip install "foreseal[medicine]"')
    knowledge = Knowledge.latest(store, ["patients"], "UTC")
    return lifetimes.forecast(knowledge, TARGET, 1, resolve_survival(MODEL))


def plant(store: Store, part: str, known: datetime) -> None:
    """Wrong values of everybody, for the newest cases too."""
    rows = features([known] * ALL, -5.0) if part == "features" else labels([known] * LABELLED, wild=True)
    store.append("patients", rows, part=part, known_at=COLUMN)


@pytest.mark.parametrize("part", ["features", "labels"])
def test_later_features_and_labels_change_no_curve_and_earlier_ones_do(store: Store, part: str) -> None:
    """The same plants known at the cutoff itself make the canary sing."""
    before = forecast(store)
    assert "fallback" not in before.ran
    assert before.frame["survival"].n_unique() > 15
    plant(store, part, CUTOFF + MOMENT)
    after = forecast(store)
    assert after.ran == before.ran
    assert after.frame.equals(before.frame)
    plant(store, part, CUTOFF)
    assert not forecast(store).frame.equals(before.frame)
