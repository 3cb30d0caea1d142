"""Anomalies: what is left of a departure from the season, step by step."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from foreseal import rules
from foreseal.errors import ModelError
from foreseal.predict.anomaly import Anomaly
from foreseal.predict.climatology import Climatology
from tests.predict.panels import long_frame, panel

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
DAY = timedelta(days=1)


def station(days: int, kept: float = 0.8, seed: int = 0) -> np.ndarray:
    """A year's wave and departures that keep a share of themselves from day to day."""
    rng = np.random.default_rng(seed)
    away = np.zeros(days)
    for k in range(1, days):
        away[k] = kept * away[k - 1] + rng.normal()
    return 10.0 + 8.0 * np.sin(2.0 * np.pi * np.arange(days) / 365.25) + away


def values(model: Anomaly | Climatology, y: np.ndarray, h: int) -> np.ndarray:
    frame = model.fit(panel(long_frame("x", y, step=DAY), "1d")).predict(h, LEVELS).frame
    return frame.select(pl.selectors.starts_with("q")).to_numpy()


def test_a_departure_fades_as_it_did_before() -> None:
    y = station(4000)
    y[-5:] = 10.0 + 8.0 * np.sin(2.0 * np.pi * np.arange(3995, 4000) / 365.25) + 4.0
    ahead = np.arange(4000, 4004)
    season = 10.0 + 8.0 * np.sin(2.0 * np.pi * ahead / 365.25)
    left = values(Anomaly(), y, 4)[:, LEVELS.index(0.5)] - season
    assert left == pytest.approx(4.0 * 0.8 ** np.arange(1, 5), abs=0.45)


def test_it_beats_climatology_where_departures_last_and_holds_its_share() -> None:
    ours, climate, inside = [], [], []
    y = station(1500)
    for end in range(1000, 1500, 6):
        said, other = (values(model, y[:end], 2) for model in (Anomaly(), Climatology()))
        ours.append(rules.wis(y[end : end + 2], said, LEVELS).mean())
        climate.append(rules.wis(y[end : end + 2], other, LEVELS).mean())
        inside.append((said[:, 1] <= y[end : end + 2]) & (y[end : end + 2] <= said[:, -2]))
    assert np.mean(ours) < 0.85 * np.mean(climate)
    assert 0.65 <= np.mean(inside) <= 0.95


def test_gaps_are_left_out_and_less_than_a_year_gets_climatology() -> None:
    y = station(900)
    whole = values(Anomaly(), y, 2)
    y[100:130] = np.nan
    assert values(Anomaly(), y, 2) == pytest.approx(whole, abs=0.3)
    short = panel(long_frame("x", station(200), step=DAY), "1d")
    said = Anomaly().fit(short).predict(2, LEVELS)
    assert said.ran == {"climatology": "1 series of less than a year"}
    assert said.frame.equals(Climatology().fit(short).predict(2, LEVELS).frame)


def test_hours_are_refused() -> None:
    with pytest.raises(ModelError, match="not steps of 1h"):
        Anomaly().fit(panel(long_frame("x", np.ones(50)), "1h"))
