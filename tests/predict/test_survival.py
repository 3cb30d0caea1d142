"""Survival curves."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from foreseal.errors import DataError, ModelError
from foreseal.predict.catalogue import resolve_classifier, resolve_survival
from foreseal.predict.model import Lifetimes
from foreseal.predict.survival import LEAST_EVENTS, MEMBERS, KaplanMeier, MeanCurves
from tests.conftest import require

TIMES = (200.0, 400.0, 600.0, 800.0)


def lifetimes(n: int = 200, seed: int = 0, followed: float = 1000.0) -> Lifetimes:
    """Exponential lifetimes whose rate doubles with ``x``; watched for up to ``followed`` days."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    life = rng.exponential(700.0 * np.exp(-0.7 * x))
    lost = rng.uniform(0.0, 2.0 * followed, n)
    ids = [f"c{k:04d}" for k in range(n)]
    features = pl.DataFrame({"case_id": ids, "x": x, "noise": rng.normal(size=n), "same": 1.0})
    labels = pl.DataFrame(
        {"case_id": ids, "time": np.minimum(life, lost), "event": (life <= lost).astype(int)}
    )
    return Lifetimes(features, labels)


def matrix(curves) -> np.ndarray:
    return curves.frame.sort("case_id", "step")["survival"].to_numpy().reshape(-1, len(TIMES))


def test_kaplan_meier_is_the_estimate_of_lifelines() -> None:
    require("lifelines")
    import lifelines

    data = lifetimes()
    oracle = lifelines.KaplanMeierFitter().fit(
        data.labels["time"].to_numpy(), data.labels["event"].to_numpy()
    )
    got = matrix(KaplanMeier().fit(data).predict(data.features.head(3), TIMES))
    np.testing.assert_allclose(got, np.tile(oracle.survival_function_at_times(TIMES).to_numpy(), (3, 1)))


def test_at_the_time_of_an_event_it_has_happened() -> None:
    require("sksurv")
    data = lifetimes(60)
    seen = data.labels.filter(event=1).sort("time")
    times = seen["time"].to_list()[5:30:6]
    everybody = KaplanMeier().fit(data).predict(data.features.head(1), times).frame["survival"].to_list()
    # By hand: of those still watched just before each event one is lost by it.
    left = [
        np.prod([1.0 - 1.0 / (data.labels["time"] >= end).sum() for end in seen["time"] if end <= t])
        for t in times
    ]
    assert everybody == pytest.approx(left)
    few = data.features.head(4)
    for name, form in (("forest", 0), ("cox", 1)):
        model = MeanCurves((name,), trees=5).fit(data)
        x = model.scale_(few.select("noise", "x").to_numpy())[form]
        curves = model.models_[name].predict_survival_function(x)
        oracle = [[curve(t) for t in times] for curve in curves]
        got = model.predict(few, times).frame["survival"].to_numpy().reshape(4, -1)
        assert got == pytest.approx(np.array(oracle)), name


def test_a_skewed_feature_counts_by_its_logarithm_where_models_are_linear() -> None:
    require("sksurv")
    data = lifetimes()
    skewed = data.features.with_columns(x=(1.5 * pl.col("x")).exp() * 20.0)
    logged = skewed.with_columns(pl.col("x").log1p())
    assert (skewed["x"].skew() or 0.0) > 2.0
    one, other = (
        matrix(
            MeanCurves(("cox", "lognormal")).fit(Lifetimes(each, data.labels)).predict(each.head(20), TIMES)
        )
        for each in (skewed, logged)
    )
    assert one == pytest.approx(other)
    # What may be negative is taken as it is.
    moved = skewed.with_columns(pl.col("x") - 30.0)
    third = MeanCurves(("cox",)).fit(Lifetimes(moved, data.labels)).predict(moved.head(20), TIMES)
    assert np.abs(matrix(third) - one).max() > 0.05


def test_the_mean_is_the_mean_of_its_members_and_finds_the_curves_it_was_made_from() -> None:
    require("sksurv")
    data = lifetimes()
    new = lifetimes(100, seed=1).features
    parts = [matrix(MeanCurves((name,), trees=20).fit(data).predict(new, TIMES)) for name in MEMBERS]
    found = MeanCurves(trees=20).fit(data).predict(new, TIMES)
    got = matrix(found)
    np.testing.assert_allclose(got, np.mean(parts, axis=0))
    assert (np.diff(got, axis=1) <= 0.0).all()
    assert ((got >= 0.0) & (got <= 1.0)).all()
    truth = np.exp(-np.outer(np.exp(0.7 * new["x"].to_numpy()) / 700.0, TIMES))
    everybody = matrix(KaplanMeier().fit(data).predict(new, TIMES))
    assert np.abs(got - truth).mean() < 0.5 * np.abs(everybody - truth).mean()
    assert found.ran["members"] == ", ".join(MEMBERS)


def test_the_order_of_cases_does_not_matter_and_a_missing_feature_counts_as_average() -> None:
    require("sksurv")
    data = lifetimes()
    shuffled = Lifetimes(data.features.reverse(), data.labels.sample(fraction=1.0, shuffle=True, seed=1))
    model = MeanCurves(("cox", "forest"), trees=10)
    one, other = (model.fit(each).predict(data.features, TIMES).frame for each in (data, shuffled))
    assert one.equals(other)
    blank = data.features.head(1).with_columns(x=pl.lit(None, pl.Float64))
    average = data.features.head(1).with_columns(x=pl.lit(data.features["x"].mean()))
    assert model.predict(blank, TIMES).frame.equals(model.predict(average, TIMES).frame)


def test_the_names_of_cases_do_not_matter() -> None:
    require("sksurv")
    data = lifetimes(80)
    blank = pl.when(pl.col("noise") > 1.0).then(None).otherwise("noise").alias("noise")
    named = pl.col("case_id").str.reverse()
    model = MeanCurves(("forest", "boosting"), trees=5, stages=5)
    one, other = (
        model.fit(each).predict(each.features, TIMES)
        for each in (
            Lifetimes(data.features.with_columns(blank), data.labels),
            Lifetimes(data.features.with_columns(blank, named), data.labels.with_columns(named)),
        )
    )
    assert one.frame["survival"].equals(other.frame["survival"])


@pytest.mark.parametrize("event", [0, 1])
def test_too_few_events_give_the_curve_of_kaplan_and_meier_and_say_so(event: int) -> None:
    data = lifetimes(LEAST_EVENTS - 1)
    few = Lifetimes(data.features, data.labels.with_columns(event=pl.lit(event)))
    found = MeanCurves().fit(few).predict(few.features, TIMES)
    assert found.frame.equals(KaplanMeier().fit(few).predict(few.features, TIMES).frame)
    assert "Kaplan-Meier" in found.ran["fallback"]
    if not event:  # all censored: nobody is known to be lost
        assert found.frame["survival"].unique().to_list() == [1.0]


def test_labels_that_mean_nothing_are_refused() -> None:
    data = lifetimes(20)
    with pytest.raises(DataError, match="negative"):
        Lifetimes(data.features, data.labels.with_columns(pl.col("time") - 5000.0))
    with pytest.raises(DataError, match="0 or 1"):
        Lifetimes(data.features, data.labels.with_columns(event=pl.lit(2)))
    with pytest.raises(DataError, match="more than one row"):
        Lifetimes(data.features, pl.concat([data.labels, data.labels]))
    with pytest.raises(DataError, match="no column time"):
        Lifetimes(data.features, data.labels.drop("time"))


def test_what_cannot_be_fitted_is_said_by_name() -> None:
    data = lifetimes(60)
    with pytest.raises(ModelError, match="no member 'tree'"):
        MeanCurves(("tree",)).fit(data)
    with pytest.raises(ModelError, match="'stage'"):
        MeanCurves().fit(Lifetimes(data.features.with_columns(stage=pl.lit("II")), data.labels))
    with pytest.raises(ModelError, match="not been fitted"):
        KaplanMeier().predict(data.features, TIMES)


def test_survival_models_and_classifiers_are_told_apart_by_name() -> None:
    assert resolve_survival("mean_curves(trees=5)") == MeanCurves(trees=5)
    for wrong in (lambda: resolve_survival("logistic"), lambda: resolve_classifier("kaplan_meier")):
        with pytest.raises(ModelError, match="is not a"):
            wrong()
