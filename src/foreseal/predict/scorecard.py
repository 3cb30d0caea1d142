"""A scorecard: at most ten features in few bins, whole points for each bin, and reasons for every case.

The features with the most information (`foreseal.predict.binning`) enter a logistic regression twice: by
their weight of evidence, and by a term for each bin that is drawn to zero, so that bins may depart from their
weight of evidence as far as the other features ask for it. What becomes of a number's bins is made monotone
again, by pooling neighbours. How strongly bins are drawn is chosen by cross-validated log loss, with bins cut
and features chosen anew in every fold; the held-out predictions also give slope and intercept of the
calibration (J. Platt, 1999).

Points are scaled as lenders do: `BASE` points are odds of `BASE_ODDS` to 1 for the negative label, and
`DOUBLE` more points double them. The probability is computed from the *rounded* points, so that whoever has
the table (``ran["points.FEATURE"]``) can work it out by hand.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import polars as pl

from foreseal.errors import ModelError, ModelWarning
from foreseal.predict.binning import Bins, Floats, Ints, cut
from foreseal.predict.classify import FOLDS, LEAST_PROBABILITY, Prevalence
from foreseal.predict.model import Cases
from foreseal.records import Probabilities

BASE, BASE_ODDS, DOUBLE = 600, 20.0, 40
PENALTY = 3.0
DRAWN = (10.0, 30.0, 100.0)
REASONS = 4
MAX_TEXT = 2000
FACTOR = DOUBLE / np.log(2.0)


@dataclass(frozen=True, slots=True)
class _Card:
    """Bins of the features that stayed, and their points by bin."""

    bins: tuple[Bins, ...]
    points: tuple[Ints, ...]
    base: int

    def places(self, features: pl.DataFrame) -> list[Ints]:
        return [each.assign(features[each.name]) for each in self.bins]

    def score(self, places: Sequence[Ints]) -> Ints:
        start = np.full(len(places[0]) if places else 0, self.base, np.int64)
        return sum((points[at] for points, at in zip(self.points, places, strict=True)), start)


@dataclass
class Scorecard:
    """Points for the negative label; ``max_features`` at most.

    ``without`` names features that must not count, such as age or origin; they are not looked at. With fewer
    than `FOLDS` labels of either kind, or no feature that tells the labels apart, it gives the `Prevalence`,
    and ``ran`` says so. A level that was never seen counts as ``other``, with a `ModelWarning`.
    """

    max_features: int = 10
    without: tuple[str, ...] = ()

    card_: _Card | None = field(default=None, init=False, repr=False, compare=False)
    prevalence_: Prevalence | None = field(default=None, init=False, repr=False, compare=False)
    ran_: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fit(self, cases: Cases) -> Self:
        if not 1 <= self.max_features <= 50:
            raise ModelError(f"A scorecard of {self.max_features} features cannot be.", hint="Give 1 to 50.")
        absent = [name for name in self.without if name not in cases.features.columns]
        if absent:
            raise ModelError(
                f"The feature {absent[0]!r}, which the scorecard is to leave out, is not there.",
                hint=f"There are: {', '.join(sorted(cases.features.columns[:20]))}.",
            )
        names = [n for n in cases.features.columns if n != "case_id" and n not in self.without]
        learnt = cases.features.join(cases.labels.select("case_id", "y").drop_nulls(), on="case_id")
        # Ordered by what is known of the cases and not by their random names, so that it can be repeated.
        learnt = learnt.select(*sorted(names), "y").sort([*sorted(names), "y"], nulls_last=True)
        y = learnt["y"].cast(pl.Int64).to_numpy()
        if not np.isin(y, (0, 1)).all():
            raise ModelError("Labels of cases must be 0 or 1.", hint="Say which label is the positive one.")
        self.prevalence_, self.card_ = Prevalence().fit(cases), None
        self.ran_ = {"labelled": str(len(y))}
        kinds = min(int((y == 0).sum()), int((y == 1).sum()))
        constant = [name for name in sorted(names) if learnt[name].drop_nulls().n_unique() <= 1]
        if constant:
            self.ran_["constant"] = ", ".join(constant)[:MAX_TEXT]
        columns = {name: learnt[name] for name in sorted(names) if name not in constant}
        if kinds < FOLDS or not columns:
            why = "too few labels of one kind" if kinds < FOLDS else "no feature varies"
            self.ran_["fallback"] = f"prevalence: {why}"
            return self
        self.card_, chosen = _make_card(columns, y, self.max_features)
        if self.card_ is None:
            self.ran_["fallback"] = "prevalence: no feature tells the labels apart"
            return self
        self.ran_ |= {
            **chosen,
            "features": str(len(self.card_.bins)),
            "scale": f"{BASE} points are odds of {BASE_ODDS:g} to 1, {DOUBLE} more double them",
            "points": f"start {self.card_.base}",
        }
        for each, points in zip(self.card_.bins, self.card_.points, strict=True):
            used = [(label, p) for label, p, told in zip(each.labels, points, each.told, strict=True) if told]
            self.ran_[f"points.{each.name}"] = "; ".join(f"{label}: {p:+d}" for label, p in used)[:MAX_TEXT]
        return self

    def predict(self, features: pl.DataFrame) -> Probabilities:
        if self.prevalence_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(cases) first.")
        ran = dict(self.ran_)
        if self.card_ is None or features.is_empty():
            return Probabilities(self.prevalence_.predict(features).frame, ran)
        card = self.card_
        absent = [each.name for each in card.bins if each.name not in features.columns]
        if absent:
            raise ModelError(f"The cases have no feature {absent[0]!r}.", hint="Give those it was fitted on.")
        unseen = {each.name: each.unseen(features[each.name]) for each in card.bins}
        if any(unseen.values()):
            said = ", ".join(f"{name} {n}" for name, n in unseen.items() if n)
            ran["unseen"] = said[:MAX_TEXT]
            warnings.warn(
                f"Values that no case had before count as 'other' ({said}).", ModelWarning, stacklevel=2
            )
        places = card.places(features)
        p = probability(card.score(places))
        frame = features.select("case_id").with_columns(p=pl.Series(p, dtype=pl.Float64))
        return Probabilities(frame, ran, _reasons(card, places, frame["case_id"].to_list()))


def probability(score: Ints) -> Floats:
    """Probability of the positive label at a score."""
    p = 1 / (1 + np.exp((score - BASE) / FACTOR + np.log(BASE_ODDS)))
    clipped: Floats = np.clip(p, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return clipped


@dataclass(frozen=True, slots=True)
class _Fit:
    """Bins of the features that were chosen, each bin's part of the logit, and the intercept."""

    bins: tuple[Bins, ...]
    parts: tuple[Floats, ...]
    intercept: float

    @classmethod
    def of(cls, bins: Sequence[Bins], columns: Mapping[str, pl.Series], y: Ints, drawn: float) -> Self:
        """Fitted to ``columns`` by name and their labels; bins are ``drawn`` to their weight of evidence."""
        places = [each.assign(columns[each.name]) for each in bins]
        evidence = [each.woe[at] for each, at in zip(bins, places, strict=True)]
        own = [np.diag(each.told.astype(float))[at] for each, at in zip(bins, places, strict=True)]
        design = np.column_stack([*evidence, *own])
        penalty = np.concatenate([np.full(len(bins), PENALTY), np.full(design.shape[1] - len(bins), drawn)])
        w, intercept = _regress(design, y, penalty)
        ends = np.cumsum([len(bins), *(len(each.woe) for each in bins)])
        parts = [each.woe * w[k] + w[ends[k] : ends[k + 1]] for k, each in enumerate(bins)]
        return cls(tuple(bins), tuple(map(_settled, bins, parts)), intercept)

    def logit(self, columns: Mapping[str, pl.Series]) -> Floats:
        parts = [
            part[each.assign(columns[each.name])] for each, part in zip(self.bins, self.parts, strict=True)
        ]
        found: Floats = self.intercept + np.sum(parts, axis=0)
        return found


def _best(columns: Mapping[str, pl.Series], y: Ints, most: int) -> list[Bins]:
    """The features with the most information, in bins."""
    bins = [each for each in (cut(column, y) for column in columns.values()) if each.informative]
    return sorted(bins, key=lambda each: -each.information)[:most]


def _make_card(columns: Mapping[str, pl.Series], y: Ints, most: int) -> tuple[_Card | None, dict[str, str]]:
    """The card, and what was chosen for it; no card if no feature tells the labels apart."""
    fold = np.zeros(len(y), np.int64)
    for label in (0, 1):
        at = np.flatnonzero(y == label)
        fold[at] = np.random.default_rng(0).permutation(len(at)) % FOLDS
    held_out = {drawn: np.zeros(len(y)) for drawn in DRAWN}
    for held in range(FOLDS):
        train = {name: column.filter(pl.Series(fold != held)) for name, column in columns.items()}
        test = {name: column.filter(pl.Series(fold == held)) for name, column in columns.items()}
        bins = _best(train, y[fold != held], most)
        for drawn, logit in held_out.items() if bins else ():
            logit[fold == held] = _Fit.of(bins, train, y[fold != held], drawn).logit(test)
    drawn = min(DRAWN, key=lambda each: _log_loss(y, held_out[each]))
    (slope,), intercept = _regress(held_out[drawn][:, None], y, np.full(1, 1e-6))
    bins = _best(columns, y, most)
    if not bins or slope <= 0:
        return None, {}
    fit = _Fit.of(bins, columns, y, drawn)
    # Start and points are shifted so that the average case loses nothing by any feature.
    usual = [float(part @ each.share) for each, part in zip(fit.bins, fit.parts, strict=True)]
    start = BASE - FACTOR * (intercept + slope * (fit.intercept + sum(usual)) + np.log(BASE_ODDS))
    points = [
        np.rint(-FACTOR * slope * (part - mean)).astype(np.int64)
        for part, mean in zip(fit.parts, usual, strict=True)
    ]
    kept = [k for k, each in enumerate(points) if np.ptp(each) > 0]
    kept.sort(key=lambda k: -int(np.ptp(points[k])))
    card = _Card(tuple(bins[k] for k in kept), tuple(points[k] for k in kept), round(float(start)))
    return card, {"drawn": f"{drawn:g}", "calibration": f"slope {slope:.3f}, intercept {intercept:+.3f}"}


def _settled(bins: Bins, part: Floats) -> Floats:
    """``part`` by bin, monotone; a bin with too few cases is as the average of the others."""
    found = _monotone(bins, part)
    usual = float(found[bins.told] @ bins.share[bins.told] / bins.share[bins.told].sum())
    return np.where(bins.told, found, usual)


def _monotone(bins: Bins, part: Floats) -> Floats:
    """``part`` by bin, of numbers so that it rises or falls as the weight of evidence does."""
    if bins.levels is not None or len(bins.edges) < 1:
        return part
    last = len(bins.edges) + 1
    sign = 1.0 if bins.woe[last - 1] >= bins.woe[0] else -1.0
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(sign * part[:last], bins.share[:last], strict=True):
        pool = (float(value), float(weight) + 1e-12, 1)
        while pools and pools[-1][0] > pool[0]:
            before = pools.pop()
            total = before[1] + pool[1]
            pool = ((before[0] * before[1] + pool[0] * pool[1]) / total, total, before[2] + pool[2])
        pools.append(pool)
    level = np.concatenate([np.full(size, sign * value) for value, _, size in pools])
    return np.concatenate([level, part[last:]])


def _regress(x: Floats, y: Ints, penalty: Floats) -> tuple[Floats, float]:
    """Coefficients and intercept of a logistic regression with a ridge penalty for each (Newton)."""
    design = np.column_stack([np.ones(len(y)), x])
    ridge = np.diag(np.concatenate([[0.0], penalty]))
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (p - y) + ridge @ beta
        step = np.linalg.solve((design.T * (p * (1 - p) + 1e-9)) @ design + ridge, gradient)
        beta -= step
        if np.abs(step).max() < 1e-9:
            break
    return beta[1:], float(beta[0])


def _reasons(card: _Card, places: Sequence[Ints], cases: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What costs each case points against the average case, the worst first."""
    found = {}
    for row, case in enumerate(cases):
        said = [
            (int(points[at[row]]), f"{each.name} {each.labels[at[row]]}: {points[at[row]]:+d}")
            for each, points, at in zip(card.bins, card.points, places, strict=True)
        ]
        found[case] = tuple(text for points, text in sorted(said) if points < 0)[:REASONS]
    return found


def _log_loss(y: Ints, logit: Floats) -> float:
    return float(np.mean(np.logaddexp(0, logit) - y * logit))
