"""Scoring rules and forecast diagnostics as pure functions of arrays; for every rule lower is better.

Arrays broadcast over leading axes; quantiles, ensemble members and classes lie on the last axis. Results
have the shape of the outcomes, one score per outcome, in the unit of the outcome unless said otherwise. A
missing outcome (NaN) scores NaN. Rules on sealed numbers are computed in integers by `foreseal.exact`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foreseal.errors import UsageError

FloatArray = NDArray[np.float64]


def pinball(y: ArrayLike, quantiles: ArrayLike, levels: ArrayLike) -> FloatArray:
    """Pinball loss of each quantile (…, levels): ``(y - q) * t`` if y >= q else ``(q - y) * (1 - t)``."""
    q, t = _float(quantiles), _levels(levels)
    if q.shape[-1:] != t.shape:
        raise UsageError(f"{q.shape[-1:]} quantiles do not match {t.shape} levels.")
    above = _float(y)[..., None] - q
    loss: FloatArray = np.maximum(t * above, (t - 1.0) * above)
    return loss


def wis(y: ArrayLike, quantiles: ArrayLike, levels: ArrayLike) -> FloatArray:
    """Weighted interval score: the mean over levels of twice the pinball loss (Bracher et al., 2021)."""
    mean: FloatArray = pinball(y, quantiles, levels).mean(axis=-1)
    return 2.0 * mean


def interval_score(y: ArrayLike, lower: ArrayLike, upper: ArrayLike, alpha: float) -> FloatArray:
    """Interval score of a central (1 - alpha) interval (Gneiting and Raftery, 2007, equation 43)."""
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"alpha is {alpha}; it must lie between 0 and 1.")
    y, lower, upper = _float(y), _float(lower), _float(upper)
    miss = np.maximum(lower - y, 0.0) + np.maximum(y - upper, 0.0)
    return upper - lower + 2.0 / alpha * miss


def crps_normal(y: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> FloatArray:
    """CRPS of a normal distribution (Gneiting et al., 2005, equation 5); at ``sd`` 0 the absolute error."""
    y, mean, sd = np.broadcast_arrays(_float(y), _float(mean), _float(sd))
    if (sd < 0.0).any():
        raise UsageError("A standard deviation is negative.")
    z = np.divide(y - mean, sd, out=np.zeros_like(y), where=sd > 0.0)
    score: FloatArray = sd * (
        z * (2.0 * _normal_cdf(z) - 1.0) + 2.0 * _normal_pdf(z) - 1.0 / math.sqrt(math.pi)
    )
    out: FloatArray = np.where(sd > 0.0, score, np.abs(y - mean))
    return out


def crps_ensemble(y: ArrayLike, members: ArrayLike) -> FloatArray:
    """CRPS of the empirical distribution of an ensemble (…, members), in O(m log m)."""
    x = np.sort(_float(members), axis=-1)
    m = x.shape[-1]
    if m == 0:
        raise UsageError("An ensemble needs at least one member.")
    # The mean distance between two members drawn with replacement, from the sorted ensemble.
    rank = 2.0 * np.arange(1, m + 1) - m - 1.0
    spread: FloatArray = (rank * x).sum(axis=-1) / m**2
    distance: FloatArray = np.abs(x - _float(y)[..., None]).mean(axis=-1)
    return distance - spread


def crps_quantiles(y: ArrayLike, quantiles: ArrayLike, levels: ArrayLike) -> FloatArray:
    """CRPS approximated by the trapezoidal rule over levels: ``2 * integral of pinball``.

    The pinball loss is taken to fall to zero at the levels 0 and 1, as it does for an outcome within the
    support. Denser levels come closer to the CRPS; unlike `wis`, uneven levels are weighed by their spacing.
    """
    t = _levels(levels)
    loss = pinball(y, quantiles, t)
    zero = np.zeros((*loss.shape[:-1], 1))
    heights = np.concatenate([zero, loss, zero], axis=-1)
    widths = np.diff(np.concatenate([[0.0], t, [1.0]]))
    area: FloatArray = ((heights[..., 1:] + heights[..., :-1]) / 2.0 * widths).sum(axis=-1)
    return 2.0 * area


def log_score_normal(y: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> FloatArray:
    """Logarithmic score (negative log density, in nats) of a normal distribution."""
    y, mean, sd = _float(y), _float(mean), _float(sd)
    if (sd <= 0.0).any():
        raise UsageError("A logarithmic score needs a positive standard deviation.")
    result: FloatArray = 0.5 * math.log(2.0 * math.pi) + np.log(sd) + 0.5 * ((y - mean) / sd) ** 2
    return result


def log_score(y: ArrayLike, p: ArrayLike) -> FloatArray:
    """Logarithmic score in nats of the probability ``p`` of a label 1; infinite for a certain mistake."""
    y, p = _labelled(y, p)
    with np.errstate(divide="ignore"):
        return -np.log(np.where(y == 1.0, p, 1.0 - p)) + 0.0 * y


def brier(y: ArrayLike, p: ArrayLike) -> FloatArray:
    """Brier score ``(p - y)**2`` of the probability ``p`` of a label 1; no unit."""
    y, p = _labelled(y, p)
    return (p - y) ** 2


def net_benefit(y: ArrayLike, p: ArrayLike, threshold: float) -> float:
    """Net benefit per case of acting on those with ``p >= threshold`` (Vickers and Elkin, 2006).

    True positives less false positives at the odds of the threshold, by the number of cases; higher is
    better. `foreseal.decide.matrix` with ``act = [t / (1 - t), 0]``, ``leave = [0, 1]`` maximises it.
    """
    if not 0.0 < threshold < 1.0:
        raise UsageError(f"The threshold {threshold} does not lie between 0 and 1.")
    labels, probability = _labelled(y, p)
    acted = probability >= threshold
    wrong = float((acted & (labels == 0.0)).sum()) * threshold / (1.0 - threshold)
    return (float((acted & (labels == 1.0)).sum()) - wrong) / max(labels.size, 1)


def survival_estimate(time: ArrayLike, event: ArrayLike, at: ArrayLike) -> FloatArray:
    """Kaplan and Meier's estimate (1958) of the probability to last beyond each of ``at``.

    Beyond the last time the estimate stays where it is.
    """
    time, event = _float(time), _float(event)
    ends, place = np.unique(time, return_inverse=True)
    count = np.bincount(place, minlength=len(ends))
    happened = np.bincount(place, event, minlength=len(ends))
    risk = count[::-1].cumsum()[::-1]
    steps = np.concatenate([[1.0], np.cumprod(1.0 - happened / risk)])
    found: FloatArray = steps[np.searchsorted(ends, _float(at), side="right")]
    return found


def brier_survival(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    at: ArrayLike,
    train: tuple[ArrayLike, ArrayLike] | None = None,
) -> FloatArray:
    """Brier score of survival probabilities (cases, len(at)) at each of ``at``; lower is better.

    Those who were lost before are made up for by the inverse probability of censoring (Graf and others,
    1999), estimated from ``train`` (times and events), or from the cases themselves.
    """
    time, event, at = _float(time), _float(event), _float(at)
    lost = tuple(map(_float, train)) if train is not None else (time, event)
    kept = survival_estimate(lost[0], 1.0 - lost[1], time)
    still = survival_estimate(lost[0], 1.0 - lost[1], at)
    s = _float(survival)
    with np.errstate(divide="ignore", invalid="ignore"):
        dead = np.where((time[:, None] <= at) & (event[:, None] == 1.0), s**2 / kept[:, None], 0.0)
        alive = np.where(time[:, None] > at, (1.0 - s) ** 2 / still, 0.0)
    if not np.isfinite(dead).all() or not np.isfinite(alive).all():
        raise UsageError("Nobody was watched that long.", hint="Score at earlier times.")
    mean: FloatArray = (dead + alive).mean(axis=0)
    return mean


def integrated_brier(
    time: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    at: ArrayLike,
    train: tuple[ArrayLike, ArrayLike] | None = None,
) -> float:
    """Mean of `brier_survival` over the span of ``at``, by the trapezoidal rule."""
    at, score = _float(at), brier_survival(time, event, survival, at, train)
    return float(((score[1:] + score[:-1]) / 2.0 * np.diff(at)).sum() / (at[-1] - at[0]))


def mase(y: ArrayLike, point: ArrayLike, history: ArrayLike, season: int = 1) -> float:
    """Mean absolute error in units of the history's mean absolute seasonal step (Hyndman and Koehler, 2006).

    A diagnostic of points, not a proper score of distributions. Missing values are left out; NaN if the
    history never moved.
    """
    past = _float(history)
    if season < 1 or past.shape[-1] <= season:
        raise UsageError(f"A history of {past.shape[-1]} values has no step of {season}.")
    unit = np.nanmean(np.abs(past[season:] - past[:-season]))
    error = np.nanmean(np.abs(_float(y) - _float(point)))
    return float(error / unit) if unit > 0.0 else math.nan


def coverage(y: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> float:
    """Share of the known outcomes that lie in the closed interval; a diagnostic."""
    y, lower, upper = np.broadcast_arrays(_float(y), _float(lower), _float(upper))
    known = np.isfinite(y)
    if not known.any():
        return math.nan
    return float(np.mean((lower <= y)[known] & (y <= upper)[known]))


def _float(values: ArrayLike) -> FloatArray:
    return np.asarray(values, np.float64)


def _levels(levels: ArrayLike) -> FloatArray:
    t = _float(levels)
    if t.ndim != 1 or not len(t) or t[0] <= 0.0 or t[-1] >= 1.0 or (np.diff(t) <= 0.0).any():
        raise UsageError(f"Quantile levels {t.tolist()} must lie in (0, 1) and ascend.")
    return t


def _labelled(y: ArrayLike, p: ArrayLike) -> tuple[FloatArray, FloatArray]:
    labels, probability = np.broadcast_arrays(_float(y), _float(p))
    if not ((labels == 0.0) | (labels == 1.0) | np.isnan(labels)).all():
        raise UsageError("Labels must be 0 or 1.")
    if (probability < 0.0).any() or (probability > 1.0).any():
        raise UsageError("Probabilities must lie in [0, 1].")
    return labels, probability


def _normal_pdf(z: FloatArray) -> FloatArray:
    result: FloatArray = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    return result


def _normal_cdf(z: FloatArray) -> FloatArray:
    # NumPy has no error function and SciPy is not a dependency of the base install.
    erf: Any = np.vectorize(math.erf, otypes=[np.float64])
    result: FloatArray = 0.5 * (1.0 + erf(z / math.sqrt(2.0)))
    return result
