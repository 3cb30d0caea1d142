"""Croston and TSB beside statsforecast."""

from __future__ import annotations

import numpy as np
import pytest

from foreseal.predict.smoothing import croston, tsb
from tests.conftest import require


def demand(seed: int = 0, series: int = 6, length: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((series, length)) < 0.3, rng.integers(1, 9, (series, length)), 0).astype(float)


def test_croston_and_its_correction_are_statsforecasts():
    require("statsforecast")
    from statsforecast.models import CrostonClassic, CrostonSBA

    y = demand()
    plain, corrected = croston(y, 0.1, correction=False), croston(y, 0.1)
    for row, values in enumerate(y):
        assert plain[row, -1] == pytest.approx(CrostonClassic().forecast(values, 1)["mean"][0])
        assert corrected[row, -1] == pytest.approx(CrostonSBA().forecast(values, 1)["mean"][0])


def test_tsb_is_statsforecasts():
    require("statsforecast")
    from statsforecast.models import TSB

    y = demand(1)
    got = tsb(y, 0.2, 0.1)
    for row, values in enumerate(y):
        assert got[row, -1] == pytest.approx(TSB(0.2, 0.1).forecast(values, 1)["mean"][0])


@pytest.mark.parametrize("smooth", [lambda y: tsb(y, 0.2, 0.1), lambda y: croston(y, 0.1)])
def test_a_path_holds_what_each_step_would_have_been_told(smooth):
    y = demand(2)
    path = smooth(y)
    for t in (10, 25, 59):
        np.testing.assert_allclose(path[:, t], smooth(y[:, :t])[:, -1])


@pytest.mark.parametrize("smooth", [lambda y: tsb(y, 0.2, 0.1), lambda y: croston(y, 0.1)])
def test_missing_values_are_as_if_they_were_not_there(smooth):
    y = demand(3)
    holes = np.insert(y, [5, 20, 20], np.nan, axis=1)
    np.testing.assert_allclose(smooth(holes)[:, -1], smooth(y)[:, -1])


def test_no_demand_yet_is_none_expected():
    y = np.array([[np.nan, 0.0, 0.0]])
    assert tsb(y, 0.1, 0.1)[0, -1] == 0.0
    assert croston(y, 0.1)[0, -1] == 0.0
