"""Conformal calibration of a combined forecast from its own past.

Each quantile is moved by the empirical quantile, at its own level, of how far past outcomes lay above it,
measured in widths of the forecast they belong to (conformalised quantile regression of Romano, Patterson
and Candès, 2019, one level at a time). Forecasts of one window share their fate, so what counts as evidence
is the number of windows, and windows that overlap count for less: moves of a third of the horizon are
shrunk to those of all steps, these to none, and what sets a series apart from the others to nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from foreseal.predict.backtest import Past
from foreseal.predict.combine import together
from foreseal.predict.empirical import quantiles as empirical
from foreseal.predict.grid import FloatArray

# With this many windows the moves are made by half; with far fewer hardly, for a quantile of few is a guess.
HALF = 20.0
# Windows that the prior is worth: of all steps' moves for a block of steps, of all series' moves for one.
BLOCK_PRIOR = 40.0
SERIES_PRIOR = 25.0
BLOCKS = 3
# Forecasts narrower than this share of their series' mean width count as that wide.
NARROW = 0.05


@dataclass(frozen=True)
class Calibration:
    """``moves`` (series, steps, levels) in widths of a forecast; ``floor`` (series) is the least width."""

    moves: FloatArray
    floor: FloatArray

    def apply(self, values: FloatArray) -> FloatArray:
        """Calibrated quantiles of the same shape (…, series, steps, levels), sorted."""
        return np.sort(values + _width(values, self.floor)[..., None] * self.moves, axis=-1)


def calibrate(values: FloatArray, past: Past) -> Calibration | None:
    """Learn from past combined quantiles (windows, series, steps, levels) and the outcomes of ``past``; None
    if nothing can be learnt."""
    y, known = past.y, past.known
    if not known.any():
        return None
    levels = np.asarray(past.quantiles)
    count, steps = y.shape[1:]
    width = np.where(known, values[..., -1] - values[..., 0], 0.0).sum(axis=(0, 2))
    floor = NARROW * width / np.maximum(known.sum(axis=(0, 2)), 1)
    usable = floor > 0.0
    if not usable.any():
        return None
    safe = np.where(usable, floor, 1.0)
    above = (y[..., None] - values) / _width(values, safe)[..., None]
    above = np.where((known & usable[:, None])[..., None], above, np.nan)
    windows = past.evidence()
    seen = together(windows)
    every = _own_level(above.reshape(1, -1, len(levels)), levels)[0]
    apart = np.zeros((count, len(levels)))
    if count > 1:
        mine = _own_level(above.swapaxes(0, 1).reshape(count, -1, len(levels)), levels)
        trust = windows / (windows + SERIES_PRIOR)
        apart = np.where(np.isfinite(mine), trust[:, None] * (mine - every), 0.0)
    moves = np.empty((count, steps, len(levels)))
    edges = np.unique(np.linspace(0, steps, BLOCKS + 1).round().astype(int))
    for low, high in itertools.pairwise(edges.tolist()):
        here = _own_level(above[:, :, low:high].reshape(1, -1, len(levels)), levels)[0]
        own = np.where(np.isfinite(here), seen / (seen + BLOCK_PRIOR) * (here - every), 0.0)
        moves[:, low:high] = (every + own + apart)[:, None]
    moves *= seen**2 / (seen**2 + HALF**2)
    return Calibration(np.where(usable[:, None, None], moves, 0.0), safe)


def _own_level(above: FloatArray, levels: FloatArray) -> FloatArray:
    """For each level the quantile at that level of its own column, (groups, levels); NaN if there is none."""
    return np.stack([empirical(above[..., k], (level,))[..., 0] for k, level in enumerate(levels)], axis=-1)


def _width(values: FloatArray, floor: FloatArray) -> FloatArray:
    width: FloatArray = np.maximum(values[..., -1] - values[..., 0], floor[:, None])
    return width
