"""Two forecasters compared while their scores come in: anytime-valid confidence sequences.

A track record is looked at every day, so an ordinary test would in the end find a difference that is not
there. A confidence sequence holds at all times at once: with probability ``level`` the mean difference lies
inside it at every look, however often one looks and whenever one stops (Choe and Ramdas, Comparing
sequential forecasters, Operations Research 2023). The bound is empirical-Bernstein (Howard, Ramdas, McAuliffe
and Sekhon, Annals of Statistics 2021, theorem 4), mixed over a finite grid of rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foreseal.errors import UsageError

FloatArray = NDArray[np.float64]

# Rates of the mixture, for differences scaled to [0, 1]: small ones for long records, large ones for short.
RATES: FloatArray = np.geomspace(1e-3, 0.97, 40)
PENALTY: FloatArray = -np.log1p(-RATES) - RATES
HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Comparison:
    """What can be said of ``first - second`` after each of T differences, in the unit of the score.

    ``mean``, ``lower`` and ``upper`` have shape (T,): the mean clipped difference so far and the confidence
    sequence of its conditional expectation. ``clipped`` counts differences that the bound cut. ``decided``
    is the first look (from 1) at which zero lay outside, 0 if it never did.
    """

    bound: float
    level: float
    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    clipped: int
    decided: int

    @property
    def better(self) -> str:
        """``"first"`` or ``"second"`` where the latest interval leaves zero out, otherwise ``""``."""
        if not len(self.mean) or self.lower[-1] <= 0.0 <= self.upper[-1]:
            return ""
        return "first" if self.upper[-1] < 0.0 else "second"

    def sentence(self, first: str, second: str, unit: str = "") -> str:
        """The latest interval in words; the claim is about the clipped difference and says so."""
        if not len(self.mean):
            return f"{first} and {second} have no common scores yet."
        unit = f" {unit}" if unit else ""
        span = (
            f"mean difference {self.mean[-1]:.4g}{unit}, {self.level:.0%} confidence sequence "
            f"{self.lower[-1]:.4g} to {self.upper[-1]:.4g} after {len(self.mean)} cutoffs, "
            f"differences clipped at {self.bound:g}"
        )
        if not self.better:
            return f"No claim yet between {first} and {second}: {span}."
        ahead, behind = (first, second) if self.better == "first" else (second, first)
        return f"{ahead} scores better than {behind}: {span}."


def compare(first: ArrayLike, second: ArrayLike, bound: float, *, level: float = 0.95) -> Comparison:
    """Compare two forecasters by their scores (T,) on the same cutoffs, in the order they were settled.

    Differences are clipped to ``[-bound, bound]``; the bound must have been fixed before the first forecast.
    Pairs in which a score is missing (NaN) are left out: give a missing forecast the score that the target
    says, or silence would pay. The statement is about the mean of the differences' expectations, each given
    the differences before it; it needs no independence and no stationarity.

    Raises `UsageError` for what is no row of numbers, scores of unequal number, a bound that is not positive
    or a level outside (0, 1).
    """
    a, b = _row(first, "first"), _row(second, "second")
    if a.ndim != 1 or a.shape != b.shape:
        raise UsageError(f"Scores of shapes {a.shape} and {b.shape} cannot be compared one by one.")
    if not (_is_number(bound) and math.isfinite(bound) and bound > 0.0):
        raise UsageError(
            f"A bound of {bound} clips nothing sensible.", hint="Give score_bound of the target."
        )
    if not (_is_number(level) and 0.0 < level < 1.0):
        raise UsageError(f"A confidence of {level!r} must be a number between 0 and 1.", hint="Such as 0.95.")
    difference = (a - b)[~np.isnan(a - b)]
    clipped = np.clip(difference, -bound, bound)
    total, variance = _sums((clipped / bound + 1.0) / 2.0)
    count = np.arange(1, len(clipped) + 1)
    reach = _boundary(variance, math.log(2.0 / (1.0 - level)))
    mean = 2.0 * bound * (total / count - 0.5)
    half = 2.0 * bound * reach / count
    lower, upper = np.maximum(mean - half, -bound), np.minimum(mean + half, bound)
    outside = np.flatnonzero((lower > 0.0) | (upper < 0.0))
    return Comparison(
        bound=float(bound),
        level=float(level),
        mean=mean,
        lower=lower,
        upper=upper,
        clipped=int((np.abs(difference) > bound).sum()),
        decided=int(outside[0]) + 1 if len(outside) else 0,
    )


def evidence(differences: ArrayLike, bound: float) -> FloatArray:
    """The e-process against a mean difference of zero, shape (…, T) like ``differences``.

    Under the null its expectation never exceeds one at any stopping time, so reaching ``1 / alpha`` is a
    test of size ``alpha`` that may be looked at after every difference (Ville's inequality).
    """
    x = (np.clip(np.asarray(differences, dtype=np.float64), -bound, bound) / bound + 1.0) / 2.0
    total, variance = _sums(x)
    away = total - np.arange(1, x.shape[-1] + 1) / 2.0
    both = np.logaddexp(_log_mixture(away, variance), _log_mixture(-away, variance))
    return np.exp(both - math.log(2.0))


def _row(scores: ArrayLike, name: str) -> FloatArray:
    try:
        return np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(
            f"{name} is no row of numbers.", hint="Give one score per cutoff, missing ones as NaN."
        ) from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _sums(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sums of ``x`` in [0, 1] and of squared distances from a prediction made of earlier values alone."""
    total = np.cumsum(x, axis=-1)
    before = np.concatenate([np.zeros_like(x[..., :1]), total[..., :-1]], axis=-1)
    guess = (before + 0.5) / np.arange(1, x.shape[-1] + 1)
    return total, np.cumsum((x - guess) ** 2, axis=-1)


def _log_mixture(away: FloatArray, variance: FloatArray) -> FloatArray:
    """Logarithm of the mean over rates of ``exp(rate * away - penalty * variance)``."""
    peak = np.full(away.shape, -np.inf)
    for rate, penalty in zip(RATES, PENALTY, strict=True):
        np.maximum(peak, rate * away - penalty * variance, out=peak)
    total = np.zeros_like(peak)
    for rate, penalty in zip(RATES, PENALTY, strict=True):
        total += np.exp(rate * away - penalty * variance - peak)
    return peak + np.log(total / len(RATES))


def _boundary(variance: FloatArray, threshold: float) -> FloatArray:
    """The sum at which the mixture reaches ``exp(threshold)``, from above, for each variance."""
    low = np.zeros_like(variance)
    alone = (threshold + math.log(len(RATES)) + PENALTY * variance[..., None]) / RATES
    high: FloatArray = alone.min(axis=-1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        reached = _log_mixture(middle, variance) >= threshold
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high
