"""Members of an ensemble, weighed on earlier windows and guarded on the next.

Quantiles are averaged level by level. Weights minimise the mean WIS on the simplex, in units of the members'
own (their geometric mean), so that series of any size, and easy ones, count alike; those of all series
together are shrunk to inverse squared scores (after Bates and Granger, 1969: equal for equal members, next to
nothing for a hopeless one), those of one series to those of all. The guard then compares the combined
forecast with the baseline on windows that the weights have not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foreseal.predict.backtest import Past
from foreseal.predict.grid import FloatArray

# How many windows of one series the prior is worth: of plain weights (the baseline's less) for all series
# together, of all series' weights for a single one, of all series' skill when the guard judges a single one.
PLAIN_PRIOR = 5.0
BASELINE_SHARE = 0.1
POOLED_PRIOR = 12.0
GUARD_PRIOR = 12.0
# The guard tolerates a loss this small, which chance alone brings about.
GUARD_MARGIN = 0.02
ROUNDING = 1e-9
DESCENT_STEPS = 50
DESCENT_RATE = 1.0
# Cells of past forecasts that the weights look at, per series and in all: more of them say little more.
CELLS = 1_000
POOLED_CELLS = 100_000


@dataclass(frozen=True)
class Mixture:
    """Weights of shape (series, members), rows summing to 1; ``guarded`` tells which series the guard gave
    to the baseline alone."""

    members: tuple[str, ...]
    weights: FloatArray
    guarded: NDArray[np.bool_]

    def combine(self, values: Mapping[str, FloatArray]) -> FloatArray:
        """The weighted mean of the members' quantiles (…, series, steps, levels)."""
        out = np.zeros_like(values[self.members[0]])
        for m, member in enumerate(self.members):
            # A missing forecast of a member without weight must not make the whole missing.
            used = self.weights[:, m, None, None]
            out += np.where(used > 0.0, values[member], 0.0) * used
        return out


def wis_by_step(y: FloatArray, values: FloatArray, quantiles: Sequence[float]) -> FloatArray:
    """WIS of shape ``y.shape``, as `foreseal.rules.wis` but without a copy per level."""
    out = np.zeros_like(y)
    for k, level in enumerate(quantiles):
        above = y - values[..., k]
        out += np.maximum(level * above, (level - 1.0) * above)
    return 2.0 / len(quantiles) * out


def weigh(past: Past, baseline: str) -> Mixture:
    """Weights learnt from past windows. Without any outcome there, the baseline alone."""
    members = tuple(past.values)
    known = past.known
    count = len(past.ids)
    alone = np.array([float(member == baseline) for member in members])
    none = np.zeros(count, bool)
    if not known.any():
        return Mixture(members, np.tile(alone, (count, 1)), none)
    n = known.sum(axis=(0, 2))
    y = np.where(known, past.y, 0.0)
    scores = np.stack([wis_by_step(y, values, past.quantiles) for values in past.values.values()])
    mean = np.where(known, scores, 0.0).sum(axis=(1, 3)) / np.maximum(n, 1)
    unit = np.exp(np.log(mean + np.finfo(float).tiny).mean(axis=0))
    # A member without any error makes every other loss infinite; it is then judged in units of the data.
    size = np.maximum(np.abs(y).sum(axis=(0, 2)) / np.maximum(n, 1), 1.0)
    scale = np.where(n > 0, 1.0 / (np.where(mean.min(axis=0) > 0, unit, size) * np.maximum(n, 1)), 0.0)
    windows = past.evidence()
    every = _descend(past, known, scale, members, pooled=True)[0]
    seen = together(windows)
    prior = np.where(alone > 0.0, BASELINE_SHARE, 1.0) if len(members) > 1 else alone
    held = (n > 0) & (mean.min(axis=0) > 0)
    if held.any():
        prior = prior / np.exp(2.0 * np.log(mean[:, held] / unit[held]).mean(axis=1))
    pooled = (seen * every + PLAIN_PRIOR * prior / prior.sum()) / (seen + PLAIN_PRIOR)
    mine = _descend(past, known, scale, members, pooled=False) if count > 1 else pooled[None]
    trust = windows[:, None] / (windows[:, None] + POOLED_PRIOR)
    return Mixture(members, trust * mine + (1.0 - trust) * pooled, none)


def guard(mixture: Mixture, past: Past, baseline: str) -> Mixture:
    """The mixture, with the baseline alone for each series on which it is no better there.

    The measure is the mean over windows of the logarithm of the ratio of WIS to the baseline's, so that a
    single bad day does not decide; that of a series is shrunk to the mean of all by its number of windows.
    """
    known = past.known
    n = known.any(axis=2).sum(axis=0)
    if not n.any():
        return mixture
    evidence = past.evidence()
    y = np.where(known, past.y, 0.0)
    ours = np.where(known, wis_by_step(y, mixture.combine(past.values), past.quantiles), 0.0).sum(axis=2)
    theirs = np.where(known, wis_by_step(y, past.values[baseline], past.quantiles), 0.0).sum(axis=2)
    # What a constant series is missed by is rounding, and rounding must not decide for all.
    tiny = ROUNDING * np.abs(y).sum(axis=2) + np.finfo(float).tiny
    log_ratio = np.clip(np.log((ours + tiny) / (theirs + tiny)), -3.0, 3.0).sum(axis=0) / np.maximum(n, 1)
    pooled = log_ratio[n > 0].mean()
    worse = (evidence * log_ratio + GUARD_PRIOR * pooled) / (evidence + GUARD_PRIOR) > GUARD_MARGIN
    # Nothing is better than a baseline that made no error.
    worse |= (n > 0) & (theirs.sum(axis=0) == 0.0)
    alone = np.array([float(member == baseline) for member in mixture.members])
    return replace(mixture, weights=np.where(worse[:, None], alone, mixture.weights), guarded=worse)


def together(windows: FloatArray) -> float:
    """How many windows those of all series are worth: series of one time share much of their fate."""
    most = float(windows.max())
    return most * float(np.sqrt(windows.sum() / most)) if most else 0.0


def _descend(
    past: Past, known: NDArray[np.bool_], scale: FloatArray, members: tuple[str, ...], *, pooled: bool
) -> FloatArray:
    """Weights (series or 1, members) that minimise the summed, scaled WIS of each series or of all:
    exponentiated gradient (Kivinen and Warmuth, 1997), averaged over the second half of the descent."""
    windows, count, steps, levels = past.values[members[0]].shape
    most = CELLS if not pooled else max(POOLED_CELLS // count, levels)
    stride = max(1, -(-windows * steps * levels // most))

    def spread(array: NDArray[Any]) -> NDArray[Any]:
        by_series = array.swapaxes(0, 1).reshape(count, windows * steps, *array.shape[3:])
        return by_series[:, ::stride]

    here = spread(known) & (scale > 0)[:, None]
    y = spread(past.y)
    stacked = np.stack([np.where(here[..., None], spread(past.values[m]), 0.0) for m in members])
    y = np.where(here, y, 0.0)
    weight = np.where(here, scale[:, None], 0.0)[..., None]
    level = np.asarray(past.quantiles)
    below, above = (1.0 - level) * weight, -level * weight
    groups = 1 if pooled else count
    weights = np.full((groups, len(members)), 1.0 / len(members))
    mean = np.zeros_like(weights)
    for turn in range(DESCENT_STEPS):
        mixed = np.zeros_like(stacked[0])
        for m in range(len(members)):
            mixed += stacked[m] * weights[:, m, None, None]
        slope = np.where(y[..., None] > mixed, above, below)
        gradient = np.stack([np.einsum("srl,srl->s", slope, stacked[m]) for m in range(len(members))], axis=1)
        if pooled:
            gradient = gradient.sum(axis=0, keepdims=True)
        gradient -= gradient.min(axis=1, keepdims=True)
        size = np.maximum(gradient.max(axis=1, keepdims=True), np.finfo(float).tiny)
        weights = weights * np.exp(-DESCENT_RATE / np.sqrt(turn + 1.0) * gradient / size)
        weights /= weights.sum(axis=1, keepdims=True)
        if turn >= DESCENT_STEPS // 2:
            mean += weights
    result: FloatArray = mean / mean.sum(axis=1, keepdims=True)
    return result
