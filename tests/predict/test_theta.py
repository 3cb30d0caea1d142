"""The Theta method as statsforecast gives it."""

from __future__ import annotations

import builtins

import numpy as np
import polars as pl
import pytest
from tests.conftest import require
from tests.predict.panels import hourly, long_frame, panel

from foreseal.errors import MissingExtra
from foreseal.predict.theta import Theta


def test_quantiles_are_the_ends_of_statsforecasts_intervals():
    require("statsforecast")
    from statsforecast.models import DynamicOptimizedTheta

    y = hourly(10)["y"].to_numpy()
    got = Theta().fit(panel(long_frame("a", y))).predict(12, (0.1, 0.5, 0.9)).frame
    want = DynamicOptimizedTheta(season_length=24).forecast(y, 12, level=[80])
    np.testing.assert_allclose(got["q0.1"], want["lo-80"])
    np.testing.assert_allclose(got["q0.5"], want["mean"])
    np.testing.assert_allclose(got["q0.9"], want["hi-80"])


def test_gaps_are_filled_and_tiny_series_fall_back():
    require("statsforecast")
    holes = hourly(10).with_columns(y=pl.when(pl.int_range(pl.len()) % 5 == 2).then(None).otherwise("y"))
    made = (
        Theta()
        .fit(panel(pl.concat([holes, long_frame("tiny", np.array([1.0, 2.0]))])))
        .predict(3, (0.1, 0.9))
    )
    assert np.isfinite(made.frame.select("q0.1", "q0.9").to_numpy()).all()
    assert made.ran["naive"] == "1"


def test_a_missing_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("statsforecast"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"foreseal\[classic\]"):
        Theta().fit(panel(hourly(3))).predict(1, (0.5,))
