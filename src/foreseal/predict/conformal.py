"""Conformal calibration of a combined forecast from its own past.

Each quantile is moved by the empirical quantile, at its own level, of how far past outcomes lay above it,
measured in widths of the forecast they belong to (conformalised quantile regression of Romano, Patterson
and Candès, 2019, one level at a time). Forecasts of one window share their fate, so what counts as evidence
is the number of windows; with few of them the moves are shrunk to none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foreseal.predict.grid import FloatArray, IntArray

WINDOWS_PRIOR = 2.0
# Forecasts narrower than this share of the mean width count as that wide.
NARROW = 0.05


@dataclass(frozen=True)
class Calibration:
    """Moves of each level, in widths of a forecast. ``floor`` is the width that a row has at least."""

    moves: tuple[float, ...]
    floor: float

    def apply(self, values: FloatArray) -> FloatArray:
        """Calibrated quantiles of the same shape (rows, levels), sorted."""
        width = _width(values, self.floor)
        return np.sort(values + width[:, None] * np.array(self.moves), axis=1)


def calibrate(
    values: FloatArray, y: FloatArray, window: IntArray, quantiles: Sequence[float]
) -> Calibration | None:
    """Learn from past combined quantiles (rows, levels) and outcomes; None if nothing can be learnt."""
    if not len(y):
        return None
    mean_width = float(np.mean(values[:, -1] - values[:, 0]))
    floor = NARROW * mean_width
    if floor <= 0.0:
        return None
    above = (y[:, None] - values) / _width(values, floor)[:, None]
    windows = len(np.unique(window))
    moves = [float(np.quantile(above[:, k], level)) for k, level in enumerate(quantiles)]
    trust = windows / (windows + WINDOWS_PRIOR)
    return Calibration(tuple(trust * move for move in moves), floor)


def _width(values: FloatArray, floor: float) -> FloatArray:
    width: FloatArray = np.maximum(values[:, -1] - values[:, 0], floor)
    return width
