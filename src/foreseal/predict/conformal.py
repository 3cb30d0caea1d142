"""Conformal calibration of a combined forecast from its own past.

Each quantile is moved by the empirical quantile, at its own level, of how far past outcomes lay above it,
measured in widths of the forecast they belong to (conformalised quantile regression of Romano, Patterson
and Candès, 2019, one level at a time). Forecasts of one window share their fate, so what counts as evidence
is the number of windows: the moves of one series are shrunk to those of all series, and these to none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foreseal.predict.empirical import quantiles as empirical
from foreseal.predict.grid import FloatArray

# Windows that the prior is worth: of no move for all series together, of all series' moves for one.
WINDOWS_PRIOR = 2.0
SERIES_PRIOR = 8.0
# Forecasts narrower than this share of their series' mean width count as that wide.
NARROW = 0.05
BLOCKS = 3


@dataclass(frozen=True)
class Calibration:
    """``moves`` (series, steps, levels) in widths of a forecast; ``floor`` (series) is the least width."""

    moves: FloatArray
    floor: FloatArray

    def apply(self, values: FloatArray) -> FloatArray:
        """Calibrated quantiles of the same shape (…, series, steps, levels), sorted."""
        return np.sort(values + _width(values, self.floor)[..., None] * self.moves, axis=-1)


def calibrate(values: FloatArray, y: FloatArray, quantiles: Sequence[float]) -> Calibration | None:
    """Learn from past combined quantiles (windows, series, steps, levels) and outcomes (windows, series,
    steps), NaN where there is none; None if nothing can be learnt."""
    known = np.isfinite(y)
    if not known.any():
        return None
    levels = np.asarray(quantiles)
    count, steps = y.shape[1:]
    width = np.where(known, values[..., -1] - values[..., 0], 0.0).sum(axis=(0, 2))
    floor = NARROW * width / np.maximum(known.sum(axis=(0, 2)), 1)
    usable = floor > 0.0
    if not usable.any():
        return None
    safe = np.where(usable, floor, 1.0)
    above = (y[..., None] - values) / _width(values, safe)[..., None]
    above = np.where((known & usable[:, None])[..., None], above, np.nan)
    windows = known.any(axis=2).sum(axis=0)
    seen = float(known.any(axis=(1, 2)).sum())
    moves = np.zeros((count, steps, len(levels)))
    every = _own_level(above.reshape(-1, len(levels))[None], levels)[0]
    mine = _own_level(above.swapaxes(0, 1).reshape(count, -1, len(levels)), levels)
    trust = (windows / (windows + SERIES_PRIOR))[:, None] if count > 1 else np.ones((count, 1))
    one = trust * np.nan_to_num(mine) + (1.0 - trust) * every
    moves[:] = (seen / (seen + WINDOWS_PRIOR) * one)[:, None]
    return Calibration(np.where(usable[:, None, None], moves, 0.0), safe)


def _own_level(above: FloatArray, levels: FloatArray) -> FloatArray:
    """For each level the quantile at that level of its own column, (groups, levels); NaN if there is none."""
    return np.stack([empirical(above[..., k], (level,))[..., 0] for k, level in enumerate(levels)], axis=-1)


def _width(values: FloatArray, floor: FloatArray) -> FloatArray:
    width: FloatArray = np.maximum(values[..., -1] - values[..., 0], floor[:, None])
    return width
