"""Models by name, with literal arguments and nothing else."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from foreseal.errors import ModelError
from foreseal.predict import catalogue
from foreseal.predict.catalogue import parse, resolve, resolve_classifier
from foreseal.predict.naive import SeasonalNaive
from foreseal.predict.ridge import Ridge


def test_an_expression_becomes_a_model():
    assert resolve("seasonal_naive(168)") == SeasonalNaive(168)
    assert resolve(" ridge(half_life=60.0, holidays='US') ") == Ridge(half_life=60.0, holidays="US")
    assert resolve("ridge") == resolve("ridge()") == Ridge()


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "1",
        "a.b(1)",
        "ridge(__import__('os'))",
        "ridge(**{})",
        "ridge(x for x in y)",
        "ridge) (",
        "[ridge]",
        "f()()",
    ],
)
def test_anything_but_a_name_and_literals_is_refused(expression):
    with pytest.raises(ModelError, match="does not name a model"):
        parse(expression)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ModelError, match="Did you mean 'seasonal_naive'"):
        resolve("seasonl_naive")


def test_a_wrong_argument_is_named():
    with pytest.raises(ModelError, match="sesson"):
        resolve("seasonal_naive(sesson=7)")


def test_a_classifier_is_not_a_model_of_series():
    with pytest.raises(ModelError, match="not a model of series"):
        resolve("prevalence")
    with pytest.raises(ModelError, match="not a classifier"):
        resolve_classifier("ridge")


class FromElsewhere(SeasonalNaive):
    """A model of another package."""


def test_another_package_adds_a_model_but_cannot_replace_one(monkeypatch):
    points = [
        EntryPoint(name, "tests.predict.test_catalogue:FromElsewhere", catalogue.GROUP)
        for name in ("theirs", "ridge")
    ]
    monkeypatch.setattr(catalogue, "entry_points", lambda group: points if group == catalogue.GROUP else [])
    assert "theirs" in catalogue.names()
    assert type(resolve("theirs(7)")).__name__ == "FromElsewhere"
    assert type(resolve("ridge")) is Ridge


def test_every_name_of_the_catalogue_resolves():
    for name in catalogue.MODELS:
        assert repr(resolve(name))
    for name in catalogue.CLASSIFIERS:
        assert repr(resolve_classifier(name))
