"""EMOS: the likelihood it maximises, the distribution it gives, and what it does without an ensemble."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from foreseal import rules
from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict.climatology import Climatology
from foreseal.predict.emos import Emos, fit_censored_logistic, predictors
from foreseal.predict.ensemble import RawEnsemble
from tests.conftest import require
from tests.predict.panels import START, long_frame, panel

LEVELS = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2).tolist())
DAY = timedelta(days=1)
MEMBERS = [f"ensemble/m{k}" for k in range(7)]


@pytest.fixture(autouse=True)
def solver() -> None:
    require("scipy", 'pip install "foreseal[weather]"')


def world(days: int = 600, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rain whose ensemble is twice too wet and too sure of itself: amounts (days,), members (days, 7)."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(1.0, 1.5, days)
    rain = np.maximum(signal + rng.normal(0.0, 1.0, days), 0.0) ** 2
    members = 2.0 * np.maximum(signal[:, None] + 0.3 * rng.normal(size=(days, len(MEMBERS))), 0.0) ** 2
    return rain, members


def known(rain: np.ndarray, members: np.ndarray, back: int, ahead: int = 1) -> Panel:
    """What is known ``back`` days before the end: rain up to there, the ensemble ``ahead`` days further."""
    end = len(rain) - back
    ds = [START + k * DAY for k in range(end + ahead)]
    wide = pl.DataFrame({"ds": ds}).with_columns(
        pl.col("ds").dt.cast_time_unit("us"),
        *(pl.Series(name, members[: end + ahead, k]) for k, name in enumerate(MEMBERS)),
    )
    return panel(long_frame("x", rain[:end], step=DAY), "1d", covariates=wide)


def test_coefficients_are_those_of_the_least_loss_around() -> None:
    rain, members = world()
    x, z = predictors(members[None], np.arange(len(rain))[None] % 365.0, 0.5)
    t = rain**0.5
    b, c, stopped = fit_censored_logistic(x[0], z[0], t)
    assert not stopped

    def loss(b: np.ndarray, c: np.ndarray) -> float:
        centre, scale = x[0] @ b, np.exp(z[0] @ c)
        u = (t - centre) / scale
        below = 1.0 / (1.0 + np.exp(-u))
        return -float(np.log(np.where(t > 0.0, below * (1.0 - below) / scale, below)).sum())

    least = loss(b, c)
    for k in range(len(b)):
        for step in (-0.05, 0.05):
            assert loss(b + step * np.eye(len(b))[k], c) > least
            assert loss(b, c + step * np.eye(len(c))[k]) > least


def test_it_is_sharper_than_climatology_and_truer_than_the_ensemble() -> None:
    rain, members = world(700)
    scores: dict[str, list[float]] = {"emos": [], "climatology": [], "ensemble": []}
    inside = []
    for back in range(120, 20, -5):
        now = known(rain, members, back)
        y = rain[len(rain) - back]
        for name, model in (
            ("emos", Emos("ensemble/", power=0.5)),
            ("climatology", Climatology()),
            ("ensemble", RawEnsemble("ensemble/")),
        ):
            said = model.fit(now).predict(1, LEVELS).frame.select(pl.selectors.starts_with("q")).to_numpy()
            scores[name].append(float(rules.crps_quantiles(y, said[0], LEVELS)))
            if name == "emos":
                inside.append(said[0, 1] <= y <= said[0, -2])
    mean = {name: np.mean(each) for name, each in scores.items()}
    assert mean["emos"] < mean["climatology"]
    assert mean["emos"] < mean["ensemble"]
    assert np.mean(inside) >= 0.6


def test_dry_days_have_a_probability_and_no_amount_is_negative() -> None:
    rain, members = world()
    members[-1] = 0.0
    said = Emos("ensemble/").fit(known(rain, members, 1)).predict(1, LEVELS)
    values = said.frame.select(pl.selectors.starts_with("q")).to_numpy()[0]
    assert values[0] == 0.0
    assert (np.diff(values) >= 0.0).all()
    assert said.ran["members"] == "7"


def test_a_day_without_an_ensemble_gets_climatology_and_says_so() -> None:
    rain, members = world()
    now = known(rain, members, 1)
    for model in (Emos("ensemble/"), RawEnsemble("ensemble/")):
        with pytest.warns(ModelWarning, match="No ensemble is known for 1 steps"):
            said = model.fit(now).predict(2, LEVELS)
        climate = Climatology().fit(now).predict(2, LEVELS)
        columns = pl.selectors.starts_with("q")
        assert said.frame.select(columns).row(1) == climate.frame.select(columns).row(1)
        assert said.ran["climatology"] == "1 steps"


def test_what_is_known_later_changes_nothing() -> None:
    rain, members = world()
    said = Emos("ensemble/").fit(known(rain, members, 5)).predict(1, LEVELS).frame
    rain[-5:], members[-4:] = 99.0, 99.0
    assert said.equals(Emos("ensemble/").fit(known(rain, members, 5)).predict(1, LEVELS).frame)


def test_what_lies_before_the_window_is_not_learnt_from() -> None:
    rain, members = world()
    said = Emos("ensemble/", window=200).fit(known(rain, members, 1)).predict(1, LEVELS)
    assert said.ran["pairs"] == "200"
    rain[: 599 - 200], members[: 599 - 200] = 50.0, 0.0
    again = Emos("ensemble/", window=200).fit(known(rain, members, 1)).predict(1, LEVELS)
    assert again.frame.equals(said.frame)
    rain[599 - 200] = 50.0
    assert (
        not Emos("ensemble/", window=200)
        .fit(known(rain, members, 1))
        .predict(1, LEVELS)
        .frame.equals(said.frame)
    )


def test_gaps_are_left_out_and_too_little_is_refused() -> None:
    rain, members = world(400)
    rain[50:200] = np.nan
    members[250:260] = np.nan
    said = Emos("ensemble/").fit(known(rain, members, 1)).predict(1, LEVELS)
    assert said.ran["pairs"] == str(399 - 150 - 10)
    with pytest.raises(ModelError, match="has 60 pairs"):
        Emos("ensemble/").fit(known(*(each[:61] for each in world()), 1)).predict(1, LEVELS)


def test_a_search_that_stops_before_the_maximum_is_warned_of_and_told() -> None:
    rain, members = world()
    assert "unfinished" not in Emos("ensemble/").fit(known(rain, members, 1)).predict(1, LEVELS).ran
    # An ensemble in another unit: the first step is too long for the line search.
    with pytest.warns(ModelWarning, match="'x' stopped .*ABNORMAL"):
        said = Emos("ensemble/", power=1.0).fit(known(rain, 1e4 * members, 1)).predict(1, LEVELS)
    assert said.ran["unfinished"] == "1 of 1 series"


def test_negative_rain_and_a_missing_ensemble_are_refused() -> None:
    rain, members = world()
    rain[7] = -1.0
    with pytest.raises(ModelError, match="series 'x' has negative ones"):
        Emos("ensemble/").fit(known(rain, members, 1))
    with pytest.raises(ModelError, match="0 covariates start with 'gefs/'"):
        Emos("gefs/").fit(known(*world(), 1)).predict(1, LEVELS)


def test_the_raw_ensemble_is_its_members_quantiles() -> None:
    rain, members = world()
    said = RawEnsemble("ensemble/").fit(known(rain, members, 1)).predict(1, LEVELS)
    values = said.frame.select(pl.selectors.starts_with("q")).to_numpy()[0]
    assert values == pytest.approx(np.quantile(members[-1], LEVELS))
