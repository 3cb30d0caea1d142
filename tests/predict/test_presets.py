"""Presets say what they need, and a missing extra is an error, never a silent change of members."""

from __future__ import annotations

import builtins
from datetime import timedelta

import pytest

from foreseal.errors import MissingExtra
from foreseal.predict.engine import predict_at
from tests.conftest import require
from tests.predict.panels import START, hourly, panel

HOUR = timedelta(hours=1)
FRAME = hourly(30)


def panel_at(cutoff):
    return panel(FRAME.filter(FRAME["ds"] + HOUR <= cutoff), cutoff=cutoff)


def test_best_runs_its_extras_and_says_so():
    require("statsforecast")
    ran = predict_at(panel_at, START + timedelta(days=28), 6, (0.1, 0.5, 0.9), preset="best", windows=2).ran
    assert ran["members"] == "seasonal_naive pretrained ridge theta(longest=200)"
    assert ran["theta(longest=200).statsforecast"]


@pytest.mark.parametrize(("package", "extra"), [("statsforecast", "classic")])
def test_best_without_an_extra_is_refused(monkeypatch, package, extra):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra) as caught:
        predict_at(panel_at, START + timedelta(days=28), 6, (0.1, 0.5, 0.9), preset="best", windows=2)
    assert caught.value.extra == extra


@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_the_base_install_is_enough_for_the_other_presets(monkeypatch, preset):
    real = builtins.__import__
    optional = {"statsforecast", "lightgbm", "sklearn", "pandas", "pyarrow", "scipy", "bokeh"}

    def without(name, *args, **kwargs):
        if name.partition(".")[0] in optional:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    made = predict_at(panel_at, START + timedelta(days=28), 6, (0.1, 0.5, 0.9), preset=preset, windows=5)
    assert made.frame.height == 6
