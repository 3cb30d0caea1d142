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


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ridge(half_life='x')", "half_life='x' must be float"),
        ("ridge(robust=True)", "robust=True must be int"),
        ("ridge(holidays=3)", "holidays=3 must be str | None"),
        ("theta(season='a')", "season='a' must be int | None"),
        ("theta('a')", "season='a' must be int | None"),
        ("theta(season=7.5)", "season=7.5 must be int | None"),
        ("chronos(5)", "path=5 must be str"),
        ("lightgbm(trees=None)", "trees=None must be int"),
        ("closed_form(seasons=('a',))", "seasons=('a',) must be tuple[int, ...] | None"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_by_name(expression, message):
    with pytest.raises(ModelError) as caught:
        resolve(expression)
    assert message in caught.value.message
    assert caught.value.hint


def test_an_argument_of_a_type_that_serves_is_taken():
    assert resolve("ridge(half_life=60)") == Ridge(half_life=60)
    assert resolve("seasonal_naive(season=None)") == SeasonalNaive()
    assert repr(resolve("closed_form(seasons=(7, 365))"))
    assert repr(resolve("graph_ridge(sensors=['a', 'b'], adjacency=[[0, 1], [1, 0]])"))


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
