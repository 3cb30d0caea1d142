"""Classical models as statsforecast gives them, within bounds."""

from __future__ import annotations

import builtins

import numpy as np
import polars as pl
import pytest

import foreseal
from foreseal.errors import MissingExtra, ModelError, ModelWarning
from foreseal.predict.classic import ARIMA, CES, ETS, MSTL, Theta
from tests.conftest import require
from tests.predict.panels import hourly, long_frame, panel


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


@pytest.mark.filterwarnings("ignore:possible convergence problem")
@pytest.mark.parametrize(
    ("model", "name", "arguments"),
    [
        (ETS(), "AutoETS", {"season_length": 24}),
        (CES(), "AutoCES", {"season_length": 24}),
        (ARIMA(), "AutoARIMA", {"season_length": 1, "nmodels": 20, "approximation": True, "max_order": 4}),
    ],
)
def test_medians_are_the_librarys_forecasts_of_capped_histories(model, name, arguments):
    require("statsforecast")
    import statsforecast.models

    y = hourly(25)["y"].to_numpy()
    got = model.fit(panel(long_frame("a", y))).predict(6, (0.5,)).frame["q0.5"]
    want = getattr(statsforecast.models, name)(**arguments).forecast(y[-model.max_length :], 6)["mean"]
    np.testing.assert_allclose(got, want)


def test_seasons_that_history_holds_twice_are_taken_apart():
    require("statsforecast")
    y = hourly(30, noise=0.5)["y"].to_numpy()
    got = MSTL().fit(panel(long_frame("a", y[:-24]))).predict(24, (0.1, 0.5, 0.9)).frame
    assert np.abs(got["q0.5"].to_numpy() - y[-24:]).mean() < 5.0


@pytest.mark.parametrize("model", [Theta(), ETS(), CES(), MSTL(), ARIMA()])
def test_odd_series_get_finite_ordered_quantiles(model):
    require("statsforecast")
    rng = np.random.default_rng(0)
    holes = rng.normal(size=300)
    holes[rng.random(300) < 0.3] = np.nan
    kinds = {
        "holes": holes,
        "constant": np.full(60, 3.0),
        "zeros": np.zeros(60),
        "tiny": np.array([1.0, 2.0]),
        "short": rng.normal(size=8),
        "counts": rng.poisson(0.3, 200).astype(float),
        "jump": np.r_[np.zeros(100), 1e9 * np.ones(100)],
    }
    frame = pl.concat(long_frame(name, y) for name, y in kinds.items())
    made = model.fit(panel(frame)).predict(30, (0.05, 0.5, 0.95))
    values = made.frame.select("q0.05", "q0.5", "q0.95").to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) >= 0).all()
    assert int(made.ran["naive"]) >= 3


def test_intervals_cannot_run_away_or_vanish():
    require("statsforecast")
    y = hourly(25, noise=20.0)["y"].to_numpy()
    widths = {}
    for model in (Theta(), CES()):
        made = model.fit(panel(long_frame("a", y))).predict(24, (0.1, 0.9)).frame
        widths[model.name] = (made["q0.9"] - made["q0.1"]).mean()
    from foreseal.predict.naive import seasonal_quantiles

    usual = seasonal_quantiles(y[None], 24, 1, 24, (0.1, 0.9))[0]
    naive = (usual[:, 1] - usual[:, 0]).mean()
    assert 0.6 * naive < widths["ces"]
    assert max(widths.values()) < 4.0 * naive


def test_a_series_that_the_library_fails_on_is_counted_and_the_rest_goes_on(monkeypatch):
    require("statsforecast")
    from statsforecast.models import AutoETS

    real = AutoETS.forecast

    def failing(self, y, *args, **kwargs):
        if y[0] < 0:
            raise ZeroDivisionError("float division by zero")
        return real(self, y, *args, **kwargs)

    monkeypatch.setattr(AutoETS, "forecast", failing)
    good, bad = hourly(10)["y"].to_numpy(), -hourly(10)["y"].to_numpy()
    frame = pl.concat([long_frame("bad", bad), long_frame("good", good)])
    with pytest.warns(ModelWarning, match="ets: failed on 1 series, .*: bad"):
        made = ETS().fit(panel(frame)).predict(3, (0.1, 0.5, 0.9))
    assert made.ran["failed"] == made.ran["naive"] == "1"
    alone = ETS().fit(panel(long_frame("good", good))).predict(3, (0.1, 0.5, 0.9)).frame
    assert made.frame.filter(pl.col("unique_id") == "good").equals(alone)


def test_the_budget_of_arima_is_counted_in_series():
    require("statsforecast")
    frame = hourly(3, series=3)
    made = ARIMA(series=1).fit(panel(frame)).predict(2, (0.5,))
    assert made.ran["naive"] == "2"


def test_an_impossible_season_is_refused():
    with pytest.raises(ModelError, match="season of 0"):
        Theta(season=0).fit(panel(hourly(3)))


def test_a_member_that_leaves_every_series_to_others_is_left_out_of_the_ensemble():
    require("statsforecast")
    frame = long_frame("walk", np.random.default_rng(0).normal(size=480).cumsum())
    silent = foreseal.forecast(frame, 4, models=["naive", "theta(longest=100)"])
    without = foreseal.forecast(frame, 4, models=["seasonal_naive", "naive"])
    assert silent.frame.equals(without.frame)
    assert "theta(longest=100)=0.0000" in silent.ran["weights"]
    assert silent.ran["theta(longest=100).naive"] == "1"
    assert " naive=0.0000" not in silent.ran["weights"]
    alone = foreseal.forecast(frame, 4, models=["theta(longest=100)"])
    usual = foreseal.forecast(frame, 4, models=["seasonal_naive(24)"])
    assert alone.frame["q0.5"].to_list() == usual.frame["q0.5"].to_list()


def test_a_longest_history_below_one_value_is_refused():
    with pytest.raises(ModelError, match="longest history of 0 steps"):
        Theta(longest=0).fit(panel(hourly(3)))
