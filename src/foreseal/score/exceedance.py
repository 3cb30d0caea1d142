"""Backtests of value at risk and expected shortfall: were losses beyond VaR as many, as scattered and as deep
as was said? Pure functions; `risk_backtest` applies all of them.

Returns, VaR and ES are in one unit and share their sign: at the level 0.01 VaR is the 1 % quantile of the
return, a negative number. A violation is a return below VaR.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foreseal.errors import UsageError

FloatArray = NDArray[np.float64]
LAGS = 4
YEAR = 250
# Violations of 1 % VaR in a year that end Basel's green zone and begin its red one.
GREEN, RED = 4, 10


@dataclass(frozen=True, slots=True)
class RiskBacktest:
    """Violations among ``days``, p-values, and losses, of which lower is better.

    ``z2`` is 0 where ES is right and negative where losses were deeper or more; ``green`` and ``red`` are the
    shares of windows of 250 days in Basel's zones (level 0.01 only, else NaN).
    """

    level: float
    days: int
    violations: int
    kupiec: float
    christoffersen: float
    dynamic_quantile: float
    quantile_score: float
    fz0: float
    z2: float
    green: float
    red: float

    @property
    def expected(self) -> float:
        """Violations that the level promises."""
        return self.level * self.days


def risk_backtest(y: ArrayLike, var: ArrayLike, es: ArrayLike, level: float) -> RiskBacktest:
    """All backtests of one-step forecasts (days,) in the order of time. Raises `UsageError` for numbers that
    are not finite, or ES above VaR or 0."""
    returns, quantile, tail = (np.asarray(each, np.float64) for each in (y, var, es))
    if not (returns.shape == quantile.shape == tail.shape and returns.ndim == 1 and len(returns) > LAGS + 2):
        raise UsageError(f"y, var and es need one number a day each, for more than {LAGS + 2} days.")
    if not all(np.isfinite(each).all() for each in (returns, quantile, tail)):
        raise UsageError("Some numbers are not finite.", hint="Leave out days without an outcome.")
    if not 0.0 < level < 0.5:
        raise UsageError(f"level={level!r} must lie between 0 and 0.5.", hint="Such as 0.01.")
    if (tail > quantile).any() or (tail >= 0.0).any():
        raise UsageError("ES must be below 0 and not above VaR.", hint="Give returns, not losses.")
    hits = returns < quantile
    per_year = (
        np.convolve(hits, np.ones(YEAR), "valid") if level == 0.01 and len(hits) >= YEAR else np.empty(0)
    )
    return RiskBacktest(
        level=level,
        days=len(hits),
        violations=int(hits.sum()),
        kupiec=kupiec(hits, level),
        christoffersen=christoffersen(hits, level),
        dynamic_quantile=dynamic_quantile(hits, quantile, level),
        quantile_score=float(((level - hits) * (returns - quantile)).mean()),
        fz0=float(fz0(returns, quantile, tail, level).mean()),
        z2=float(1.0 - (returns * hits / tail).mean() / level),
        green=float((per_year <= GREEN).mean()) if len(per_year) else float("nan"),
        red=float((per_year >= RED).mean()) if len(per_year) else float("nan"),
    )


def kupiec(hits: ArrayLike, level: float) -> float:
    """p-value of as many violations, by likelihood ratio (Kupiec 1995)."""
    n, x = np.size(hits), int(np.sum(hits))
    return _chi2_tail(2 * (_bernoulli(x, n, x / n) - _bernoulli(x, n, level)), 1)


def christoffersen(hits: ArrayLike, level: float) -> float:
    """p-value of as many violations that do not depend on the day before (conditional coverage,
    Christoffersen 1998): both likelihood ratios together, two degrees of freedom."""
    hit = np.asarray(hits, bool)
    before, after = hit[:-1], hit[1:]
    quiet, shaken = after[~before], after[before]
    together = _bernoulli(int(after.sum()), len(after), after.mean())
    apart = sum(_bernoulli(int(part.sum()), len(part), part.mean()) for part in (quiet, shaken) if len(part))
    count = _bernoulli(int(hit.sum()), len(hit), hit.mean()) - _bernoulli(int(hit.sum()), len(hit), level)
    return _chi2_tail(2 * (count + apart - together), 2)


def dynamic_quantile(hits: ArrayLike, var: ArrayLike, level: float, lags: int = LAGS) -> float:
    """p-value of violations that neither the last ``lags`` ones nor VaR itself foretell (Engle and Manganelli
    2004): regression of hit - level on a constant, lagged hits and the day's VaR."""
    hit = np.asarray(hits, np.float64) - level
    past = [hit[lags - k : len(hit) - k] for k in range(1, lags + 1)]
    x = np.column_stack([np.ones(len(hit) - lags), *past, np.asarray(var, np.float64)[lags:]])
    moment = x.T @ hit[lags:]
    return _chi2_tail(float(moment @ np.linalg.pinv(x.T @ x) @ moment) / (level * (1 - level)), x.shape[1])


def fz0(y: ArrayLike, var: ArrayLike, es: ArrayLike, level: float) -> FloatArray:
    """Joint loss of VaR and ES of degree 0 (Fissler and Ziegel 2016; Patton, Ziegel and Chen 2019, equation
    6): ``-1[y <= v] (v - y) / (level e) + v / e + log(-e) - 1``. ES must be negative."""
    r, v, e = (np.asarray(each, np.float64) for each in (y, var, es))
    loss: FloatArray = v / e + np.log(-e) - 1.0 - np.where(r <= v, v - r, 0.0) / (level * e)
    return loss


def _bernoulli(x: int, n: int, p: float) -> float:
    """Log-likelihood of ``x`` of ``n`` at probability ``p``."""
    return (x * math.log(p) if x else 0.0) + ((n - x) * math.log1p(-p) if n > x else 0.0)


def _chi2_tail(statistic: float, freedom: int) -> float:
    """Probability of a larger chi-squared: a finite sum for whole degrees of freedom."""
    half = max(statistic, 0.0) / 2
    if freedom % 2:
        tail, term, at = math.erfc(math.sqrt(half)), math.exp(-half) * math.sqrt(half / math.pi) * 2, 1.5
    else:
        tail, term, at = math.exp(-half), math.exp(-half) * half, 2.0
    for _ in range((freedom - 1) // 2):
        tail, term, at = tail + term, term * half / at, at + 1
    return min(tail, 1.0)
