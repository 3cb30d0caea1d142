"""Survival curves: Kaplan and Meier's for everybody, Cox, forest, boosting, log-normal, and their mean.

Curves are asked for at declared times and never rise. A model that has fewer than `LEAST_EVENTS` events gives
Kaplan and Meier's curve, and ``ran`` says so. scikit-survival fits Cox, forest and boosting, lifelines the
log-normal model (extra ``medicine``); scikit-survival is under the GPL.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.errors import MissingExtra, ModelError
from foreseal.predict.model import Lifetimes
from foreseal.records import Curves
from foreseal.rules import survival_estimate

FloatArray = NDArray[np.float64]

LEAST_EVENTS = 10
MEMBERS = ("cox", "forest", "boosting", "lognormal")
# What varies over orders of magnitude is taken by its logarithm where the model is linear in it.
SKEWED = 1.5


@dataclass
class KaplanMeier:
    """One curve for all: what a model has to beat. Where nothing is known yet, exp(-t / 10 a)."""

    labels_: pl.DataFrame | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, lifetimes: Lifetimes) -> Self:
        self.labels_ = lifetimes.labels.select("case_id", "time", "event").drop_nulls()
        return self

    def predict(self, features: pl.DataFrame, times: Sequence[float]) -> Curves:
        if self.labels_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(lifetimes) first.")
        ran = {"watched": str(self.labels_.height), "events": str(int(self.labels_["event"].sum()))}
        curve = np.exp(-np.asarray(times) / 3652.5)
        if self.labels_.height:
            curve = survival_estimate(self.labels_["time"], self.labels_["event"], times)
        return _curves(features, times, np.tile(curve, (features.height, 1)), ran)


@dataclass
class MeanCurves:
    """The mean of several models' curves.

    ``members`` are of `MEMBERS`, ``trees`` those of the forest, ``stages`` those of boosting. Features are
    numbers; missing ones are set to the mean. One member alone is that model.
    """

    members: tuple[str, ...] = MEMBERS
    trees: int = 150
    stages: int = 100
    seed: int = 0
    fallback_: KaplanMeier | None = field(default=None, init=False, repr=False, compare=False)
    columns_: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)
    scale_: Any = field(default=None, init=False, repr=False, compare=False)
    models_: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    ran_: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fit(self, lifetimes: Lifetimes) -> Self:
        unknown = sorted(set(self.members) - set(MEMBERS))
        if unknown or not self.members:
            raise ModelError(
                f"mean_curves has no member {unknown[0]!r}." if unknown else "mean_curves has no members.",
                hint=f"There are: {', '.join(MEMBERS)}.",
            )
        self.fallback_ = KaplanMeier().fit(lifetimes)
        names = sorted(name for name in lifetimes.features.columns if name != "case_id")
        text = [name for name in names if not lifetimes.features.schema[name].is_numeric()]
        if text:
            raise ModelError(
                f"The model 'mean_curves' cannot use the feature {text[0]!r}: it is not a number.",
                hint="Leave it out of the source's features, or turn it into numbers first.",
            )
        # Who was seen on the first day only was not watched at all.
        watched = lifetimes.labels.select("case_id", "time", "event").drop_nulls().filter(pl.col("time") > 0)
        learnt = lifetimes.features.join(watched, on="case_id")
        # Not by case: pseudonyms are drawn anew in every project, and the trees' draws would differ.
        learnt = learnt.sort([*names, "time", "event"], nulls_last=True)
        events = int(learnt["event"].sum())
        self.ran_ = {"watched": str(learnt.height), "events": str(events)}
        self.models_ = {}
        x = (
            learnt.select(pl.col(names).cast(pl.Float64)).to_numpy()
            if names
            else np.empty((learnt.height, 0))
        )
        varies = [bool(np.isfinite(c).any() and np.nanstd(c) > 0.0) for c in x.T]
        self.columns_ = tuple(name for name, there in zip(names, varies, strict=True) if there)
        if events < LEAST_EVENTS or not self.columns_:
            self.ran_["fallback"] = (
                f"Kaplan-Meier: fewer than {LEAST_EVENTS} events, or no feature that varies"
            )
            return self
        x = x[:, varies]
        self.scale_ = _Scale.of(x)
        filled, scaled = self.scale_(x)
        for name in self.members:
            model = self._make(name)
            self.models_[name] = _fit(
                model, filled if name in ("forest", "boosting") else scaled, learnt, name
            )
        self.ran_ |= {"members": ", ".join(self.members), "seed": str(self.seed), **_versions()}
        return self

    def predict(self, features: pl.DataFrame, times: Sequence[float]) -> Curves:
        if self.fallback_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(lifetimes) first.")
        if not self.models_ or features.is_empty():
            return _curves_of(self.fallback_.predict(features, times), self.ran_)
        absent = [name for name in self.columns_ if name not in features.columns]
        if absent:
            raise ModelError(
                f"The cases have no feature {', '.join(absent)}.", hint="Give those it was fitted on."
            )
        filled, scaled = self.scale_(features.select(pl.col(self.columns_).cast(pl.Float64)).to_numpy())
        found = [
            _curve(model, filled if name in ("forest", "boosting") else scaled, times)
            for name, model in self.models_.items()
        ]
        return _curves(features, times, np.mean(found, axis=0), self.ran_)

    def _make(self, name: str) -> Any:
        try:
            import lifelines
            from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest
            from sksurv.linear_model import CoxPHSurvivalAnalysis
        except ImportError:
            raise MissingExtra("medicine", f"The survival model {name!r}") from None
        if name == "cox":
            return CoxPHSurvivalAnalysis(alpha=1.0)
        if name == "forest":
            return RandomSurvivalForest(self.trees, min_samples_leaf=5, random_state=self.seed)
        if name == "boosting":
            return GradientBoostingSurvivalAnalysis(
                n_estimators=self.stages, subsample=0.5, max_features="sqrt", random_state=self.seed
            )
        return lifelines.LogNormalAFTFitter(penalizer=0.05)


@dataclass(frozen=True)
class _Scale:
    """Features with gaps filled; and standardised, skewed ones as logarithms."""

    mean: FloatArray
    logged: NDArray[np.bool_]
    centre: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, x: FloatArray) -> _Scale:
        mean = np.nanmean(x, axis=0)
        filled = np.where(np.isfinite(x), x, mean)
        away = (filled - mean) / filled.std(axis=0)
        logged = (filled.min(axis=0) >= 0.0) & ((away**3).mean(axis=0) > SKEWED)
        z = np.where(logged, np.log1p(np.maximum(filled, 0.0)), filled)
        return cls(mean, logged, z.mean(axis=0), z.std(axis=0))

    def __call__(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        filled = np.where(np.isfinite(x), x, self.mean)
        z = np.where(self.logged, np.log1p(np.maximum(filled, 0.0)), filled)
        return filled, (z - self.centre) / self.spread


def _fit(model: Any, x: FloatArray, learnt: pl.DataFrame, name: str) -> Any:
    time, event = learnt["time"].to_numpy(), learnt["event"].to_numpy() == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they warn of is seen in the scores
        try:
            if name == "lognormal":
                import pandas as pd

                frame = pd.DataFrame(x).add_prefix("x").assign(time=time, event=event)
                return model.fit(frame, "time", "event")
            y = np.array(list(zip(event, time, strict=True)), dtype=[("event", bool), ("time", float)])
            return model.fit(x, y)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError, RuntimeError) as error:
            raise ModelError(
                f"The survival model {name!r} found no fit: {str(error).splitlines()[0]}",
                hint="Leave it out of members, or look for features that repeat one another.",
            ) from error


def _curve(model: Any, x: FloatArray, times: Sequence[float]) -> FloatArray:
    if hasattr(model, "predict_survival_function") and hasattr(model, "event_times_"):
        ends, steps = model.event_times_, model.predict_survival_function(x, return_array=True)
    elif hasattr(model, "unique_times_"):
        ends, steps = model.unique_times_, model.predict_survival_function(x, return_array=True)
    else:
        import pandas as pd

        found = model.predict_survival_function(pd.DataFrame(x).add_prefix("x"), times=list(times))
        return np.asarray(found, float).T
    # Before the first event nobody is lost; after the last time watched nothing more is known.
    at = np.searchsorted(ends, np.asarray(times), side="right")
    curve: FloatArray = np.concatenate([np.ones((len(x), 1)), steps], axis=1)[:, at]
    return curve


def _curves(
    features: pl.DataFrame, times: Sequence[float], survival: FloatArray, ran: dict[str, str]
) -> Curves:
    n, k = survival.shape
    cases = features.select("case_id", survival=pl.Series(survival.tolist(), dtype=pl.List(pl.Float64)))
    frame = cases.with_columns(step=pl.lit(list(range(1, k + 1)), pl.List(pl.Int64))) if n else cases
    if not n:
        schema = {"case_id": pl.String, "step": pl.Int64, "survival": pl.Float64}
        return Curves(pl.DataFrame(schema=schema), times[0], dict(ran))
    return Curves(
        frame.explode("survival", "step").select("case_id", "step", "survival"), times[0], dict(ran)
    )


def _curves_of(found: Curves, ran: dict[str, str]) -> Curves:
    return Curves(found.frame, found.days, dict(ran))


def _versions() -> dict[str, str]:
    import lifelines
    import sksurv

    return {"scikit-survival": sksurv.__version__, "lifelines": lifelines.__version__}
