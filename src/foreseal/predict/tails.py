"""How improbable an error is, judged by the errors before it.

Errors are counted in units of the forecast's own spread. The body of their distribution is empirical; each
tail is a generalised Pareto distribution (Pickands, 1975) of fixed shape, laid through two quantiles, so that
one enormous error in the past does not widen the tail for all that follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from foreseal.predict import empirical
from foreseal.predict.grid import FloatArray

# Between the exponential distribution (0) and a Student's t of four degrees of freedom (0.25).
SHAPE = 0.2
# The tail starts where this share of errors lies beyond, and passes through the quantile a fifth as far out;
# with few errors that is the quantile that still has `BEYOND` errors beyond it.
START, RATIO, BEYOND = 0.05, 5.0, 5
# The least scale, in spreads: errors that were all alike do not make the next rounding error improbable.
LEAST_SCALE = 1e-3
# Fewer errors than this say nothing of tails.
LEAST = 50


@dataclass(frozen=True)
class Tails:
    """Both tails of past errors of several series.

    ``errors`` (series, n) holds NaN where there is none. ``start`` (2, series) is where the lower and the
    upper tail begin, mirrored for the lower one, ``share`` (series,) the share of errors beyond, ``scale``
    (2, series) the Pareto scale. All are NaN for series with fewer than `LEAST` errors.
    """

    errors: FloatArray
    start: FloatArray
    scale: FloatArray
    share: FloatArray

    @classmethod
    def of(cls, errors: FloatArray) -> Self:
        """Tails of errors (series, n)."""
        count = np.isfinite(errors).sum(axis=1)
        inner = np.maximum(START / RATIO, BEYOND / (count + 1.0))
        share = np.where(count >= LEAST, RATIO * inner, np.nan)
        start, far = np.full((2, 2, len(errors)), np.nan)
        for row in np.flatnonzero(count >= LEAST):
            levels = np.array([share[row], inner[row], 1.0 - share[row], 1.0 - inner[row]])
            low, lowest, high, highest = empirical.quantiles(errors[row], levels)
            start[:, row], far[:, row] = (-low, high), (-lowest, highest)
        scale = np.maximum(SHAPE * (far - start) / (RATIO**SHAPE - 1.0), LEAST_SCALE)
        return cls(errors, start, scale, share)

    def edges(self, tail: float) -> tuple[FloatArray, FloatArray]:
        """The errors (series,) that a share of ``tail`` (at most `START`) lies below, and above."""
        reach = self.start + self.scale / SHAPE * ((tail / self.share) ** -SHAPE - 1.0)
        return -reach[0], reach[1]

    def probability(self, error: FloatArray) -> FloatArray:
        """Twice the share (series, steps) of errors at least as far out on its side, at most 1."""
        known = np.isfinite(self.errors).sum(axis=1)[:, None]
        # NaN compares as False, on either side.
        above = (self.errors[:, None, :] >= error[:, :, None]).sum(axis=2)
        below = (self.errors[:, None, :] <= error[:, :, None]).sum(axis=2)
        body = np.maximum(np.minimum(above, below) / np.maximum(known, 1), self.share[:, None])
        upper = above <= below
        beyond = np.where(upper, error - self.start[1][:, None], -error - self.start[0][:, None])
        scale = np.where(upper, self.scale[1][:, None], self.scale[0][:, None])
        pareto = self.share[:, None] * (1.0 + SHAPE * np.maximum(beyond / scale, 0.0)) ** (-1.0 / SHAPE)
        out = np.minimum(2.0 * np.where(beyond > 0.0, pareto, body), 1.0)
        return np.where(np.isfinite(error), out, np.nan)
