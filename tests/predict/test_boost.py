"""Boosted trees with a head per quantile."""

from __future__ import annotations

import builtins

import numpy as np
import polars as pl
import pytest

from foreseal.errors import MissingExtra
from foreseal.predict.boost import LightGBM
from foreseal.rules import coverage
from tests.conftest import require
from tests.predict.panels import hourly, long_frame, panel

LEVELS = (0.1, 0.5, 0.9)
MODEL = LightGBM(trees=40)


def test_quantiles_lie_around_what_comes():
    require("lightgbm")
    frame = hourly(101, series=2)
    known = frame.filter(pl.col("ds") < frame["ds"].max() - pl.duration(hours=23))
    out = MODEL.fit(panel(known)).predict(24, LEVELS).frame.join(frame, on=["unique_id", "ds"])
    assert out.height == 48
    assert 0.55 < coverage(out["y"], out["q0.1"], out["q0.9"]) <= 1.0
    assert (out["q0.5"] - out["y"]).abs().mean() < 15


def test_the_same_panel_gives_the_same_trees():
    require("lightgbm")
    frame = panel(hourly(60))
    first, second = (LightGBM(trees=10).fit(frame).predict(6, LEVELS).frame for _ in range(2))
    assert first.equals(second)


def test_too_little_to_learn_from_is_forecast_naively_and_said_so():
    require("lightgbm")
    made = MODEL.fit(panel(long_frame("a", np.arange(5.0)))).predict(2, LEVELS)
    assert made.ran["naive"] == "1"


def test_a_missing_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("lightgbm"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"foreseal\[boost\]"):
        MODEL.fit(panel(hourly(3))).predict(1, (0.5,))
