"""Probabilities of cases."""

from __future__ import annotations

import builtins

import numpy as np
import polars as pl
import pytest

from foreseal.errors import DataError, MissingExtra, ModelError
from foreseal.predict.classify import Logistic, Prevalence
from foreseal.predict.model import Cases
from foreseal.rules import log_score
from tests.conftest import require

N = 400


def cases(n=N, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    p = 1 / (1 + np.exp(-(2.0 * x[:, 0] - 0.5)))
    features = pl.DataFrame(
        {"case_id": [f"c{i:04d}" for i in range(n)], "a": x[:, 0], "b": 1e6 * x[:, 1], "c": 7.0}
    )
    return features, features.select("case_id", y=pl.Series((rng.random(n) < p).astype(int))), p


def test_logistic_regression_finds_the_probabilities_it_was_made_from():
    require("sklearn")
    features, labels, _ = cases()
    model = Logistic().fit(Cases(features, labels.head(N // 2)))
    held, truth, p = cases(2_000, seed=1)
    got = model.predict(held).frame["p"].to_numpy()
    assert np.abs(got - p).mean() < 0.08
    y = truth["y"].to_numpy()
    assert log_score(y, got).mean() < 1.1 * log_score(y, p).mean()


def test_the_order_of_cases_and_the_units_of_features_do_not_matter():
    require("sklearn")
    features, labels, _ = cases()
    one = Logistic().fit(Cases(features, labels)).predict(features).frame
    shuffled = features.sample(fraction=1.0, shuffle=True, seed=1).with_columns(pl.col("a") * 1e-3)
    other = Logistic().fit(Cases(shuffled, labels)).predict(features.with_columns(pl.col("a") * 1e-3)).frame
    np.testing.assert_allclose(one["p"], other["p"], rtol=1e-6)


def test_the_names_of_cases_do_not_matter():
    require("sklearn")
    features, labels, _ = cases(120)
    blank = pl.when(pl.col("b") > 1e6).then(None).otherwise("b").alias("b")
    features = features.with_columns(blank, d=pl.when(pl.col("a") > 0).then(pl.lit("x")).otherwise(None))
    names = {name: name[::-1] for name in features["case_id"]}
    one, other = (
        Logistic().fit(Cases(x, y)).predict(x)
        for x, y in (
            (features, labels),
            (each.with_columns(pl.col("case_id").replace_strict(names)) for each in (features, labels)),
        )
    )
    assert one.frame["p"].equals(other.frame["p"])
    assert one.ran == other.ran


def test_a_missing_feature_counts_as_average():
    require("sklearn")
    features, labels, _ = cases()
    model = Logistic().fit(Cases(features, labels))
    blank = features.head(1).with_columns(a=pl.lit(None, pl.Float64))
    average = features.head(1).with_columns(a=pl.lit(features["a"].mean()))
    assert model.predict(blank).frame["p"][0] == pytest.approx(model.predict(average).frame["p"][0])


def test_without_enough_labels_the_prevalence_is_given_and_said():
    require("sklearn")
    features, labels, _ = cases()
    made = Logistic().fit(Cases(features, labels.head(3))).predict(features.head(2))
    assert made.frame.equals(
        Prevalence().fit(Cases(features, labels.head(3))).predict(features.head(2)).frame
    )
    assert made.ran["fallback"].startswith("prevalence")


def test_prevalence_starts_at_one_half_and_follows_the_labels():
    features, labels, _ = cases()
    none = Prevalence().fit(Cases(features, labels.head(0))).predict(features.head(1))
    assert none.frame["p"].to_list() == [0.5]
    share = (labels["y"].sum() + 0.5) / (N + 1)
    assert Prevalence().fit(Cases(features, labels)).predict(features).frame["p"].to_list() == [share] * N


def test_probabilities_are_never_certain():
    require("sklearn")
    features = pl.DataFrame(
        {"case_id": [str(i) for i in range(100)], "a": np.r_[np.full(50, -1.0), np.full(50, 1.0)]}
    )
    labels = features.select("case_id", y=(pl.col("a") > 0).cast(pl.Int64))
    far = pl.DataFrame({"case_id": ["x", "y"], "a": [-1e6, 1e6]})
    p = Logistic().fit(Cases(features, labels)).predict(far).frame["p"]
    assert p.to_list() == [1e-4, 1 - 1e-4]


def test_a_missing_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    features, labels, _ = cases(10)
    with pytest.raises(MissingExtra, match=r"foreseal\[cases\]"):
        Logistic().fit(Cases(features, labels))


def test_cases_that_make_no_sense_are_refused():
    features, labels, _ = cases(10)
    with pytest.raises(DataError, match="no column case_id"):
        Cases(features.drop("case_id"), labels)
    with pytest.raises(DataError, match="more than one row"):
        Cases(features, pl.concat([labels, labels]))
    with pytest.raises(ModelError, match="has not been fitted"):
        Prevalence().predict(features)


def test_labels_other_than_zero_and_one_are_refused():
    require("sklearn")
    features, labels, _ = cases(10)
    with pytest.raises(ModelError, match="must be 0 or 1"):
        Logistic().fit(Cases(features, labels.with_columns(pl.col("y") + 1)))
