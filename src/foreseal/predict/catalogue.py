"""Models by name: ``seasonal_naive(168)``, ``ridge``, ``lightgbm(trees=200)``.

A name stands for ``module:Class``, imported when asked for. Other packages add theirs through the
entry-point group ``foreseal.models``; they cannot replace a name listed here.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib
from importlib.metadata import entry_points
from typing import Any, cast

from foreseal.errors import ModelError
from foreseal.predict.model import Classifier, Model, Survival

GROUP = "foreseal.models"

MODELS = {
    "seasonal_naive": "foreseal.predict.naive:SeasonalNaive",
    "naive": "foreseal.predict.naive:Naive",
    "drift": "foreseal.predict.naive:Drift",
    "ridge": "foreseal.predict.ridge:Ridge",
    "theta": "foreseal.predict.classic:Theta",
    "ets": "foreseal.predict.classic:ETS",
    "ces": "foreseal.predict.classic:CES",
    "mstl": "foreseal.predict.classic:MSTL",
    "arima": "foreseal.predict.classic:ARIMA",
    "closed_form": "foreseal.predict.closed_form:ClosedForm",
    "pretrained": "foreseal.predict.pretrained:Pretrained",
    "chronos": "foreseal.predict.foundation:Chronos",
    "timesfm": "foreseal.predict.foundation:TimesFM",
    "lightgbm": "foreseal.predict.boost:LightGBM",
    "intermittent": "foreseal.predict.intermittent:Intermittent",
    "graph_ridge": "foreseal.predict.graph:GraphRidge",
    "surveillance": "foreseal.predict.surveillance:Surveillance",
}
CLASSIFIERS = {
    "logistic": "foreseal.predict.classify:Logistic",
    "prevalence": "foreseal.predict.classify:Prevalence",
    "scorecard": "foreseal.predict.scorecard:Scorecard",
    "boosted": "foreseal.predict.trees:Boosted",
    "average": "foreseal.predict.average:Average",
}

SURVIVAL = {
    "kaplan_meier": "foreseal.predict.survival:KaplanMeier",
    "mean_curves": "foreseal.predict.survival:MeanCurves",
}

# These look at the series alone; any other model may use covariates.
WITHOUT_COVARIATES = (
    "seasonal_naive",
    "naive",
    "drift",
    "theta",
    "ets",
    "ces",
    "mstl",
    "arima",
    "closed_form",
    "pretrained",
    "chronos",
    "timesfm",
    "intermittent",
    "surveillance",
)


def may_use_covariates(model: Model) -> bool:
    """Whether covariates can make a difference to a model; those known to look at the series alone: no."""
    path = f"{type(model).__module__}:{type(model).__qualname__}"
    return path not in {MODELS[name] for name in WITHOUT_COVARIATES}


def names() -> tuple[str, ...]:
    """Every name that `resolve` or `resolve_classifier` knows, sorted."""
    return tuple(
        sorted({*MODELS, *CLASSIFIERS, *SURVIVAL, *(point.name for point in entry_points(group=GROUP))})
    )


def parse(expression: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Name, positional and keyword arguments of ``name`` or ``name(1, key='x')``; literals only."""
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        if not isinstance(call.func, ast.Name) or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError
        positional = tuple(ast.literal_eval(argument) for argument in call.args)
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError):
        raise ModelError(
            f"{expression!r} does not name a model.",
            hint="Write a name, with literal arguments if any: ridge, seasonal_naive(168).",
        ) from None
    return call.func.id, positional, named


def resolve(expression: str) -> Model:
    """The model of an expression such as ``seasonal_naive(168)``. Raises `ModelError`."""
    return cast(Model, _make(expression, Model, "a model of series", MODELS))


def resolve_classifier(expression: str) -> Classifier:
    """The classifier of an expression such as ``logistic``. Raises `ModelError`."""
    return cast(Classifier, _make(expression, Classifier, "a classifier of cases", CLASSIFIERS))


def resolve_survival(expression: str) -> Survival:
    """The survival model of an expression such as ``mean_curves``. Raises `ModelError`."""
    return cast(Survival, _make(expression, Survival, "a survival model", SURVIVAL))


def _make(expression: str, protocol: type, what: str, own: dict[str, str]) -> object:
    name, positional, named = parse(expression)
    path = {**MODELS, **CLASSIFIERS, **SURVIVAL}.get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        factory = getattr(importlib.import_module(module), attribute)
    else:
        found = [point for point in entry_points(group=GROUP) if point.name == name]
        if not found:
            near = difflib.get_close_matches(name, names(), 1)
            raise ModelError(
                f"There is no model {name!r}.",
                hint=f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(names())}.",
            )
        factory = found[0].load()
    _refuse_types(expression, factory, positional, named)
    try:
        model: object = factory(*positional, **named)
    except TypeError as error:
        raise ModelError(f"{expression!r}: {error}.", hint=f"See help({factory.__name__}).") from None
    # All protocols have fit and predict, so the catalogue's own tables tell them apart; others are trusted.
    if not isinstance(model, protocol) or (path is not None and name not in own):
        raise ModelError(f"{name!r} is not {what}.", hint=f"Known are: {', '.join(sorted(own))}.")
    return model


# What a literal may be where a field is annotated so; other annotations are left to the model.
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
    "None": (type(None),),
    "tuple": (tuple, list),
}


def _refuse_types(expression: str, factory: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Raise `ModelError`, naming the argument, for a literal that its field of a dataclass cannot hold."""
    if not dataclasses.is_dataclass(factory):
        return
    fields = [each for each in dataclasses.fields(factory) if each.init]
    places = [each.name for each in fields if not each.kw_only]
    given = dict(zip(places, positional, strict=False)) | named
    for each in fields:
        kind = each.type if isinstance(each.type, str) else getattr(each.type, "__name__", str(each.type))
        if each.name in given and not _fits(given[each.name], kind):
            raise ModelError(
                f"{expression!r}: {each.name}={given[each.name]!r} must be {kind}.",
                hint=f"See help({getattr(factory, '__name__', factory)}).",
            )


def _fits(value: Any, kind: str) -> bool:
    """Whether a literal is of a type written like ``int | None`` or ``tuple[str, ...]``."""
    for part in kind.split(" | "):
        name, _, inner = part.partition("[")
        types = _TYPES.get(name)
        if types is None:
            return True
        if type(value) not in types:
            continue
        if not inner or all(_fits(each, inner.removesuffix(", ...]")) for each in value):
            return True
    return False
