"""What late reports add: how young values were revised before, and the same for the youngest now.

Ratios of a value to its later self are taken in logarithms, pooled across series with the weight of their
size, and shrunk: those of all series to none, those of one series to those of all. Recent revisions weigh
more, for reporting changes with rules and habits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from foreseal.predict.grid import FloatArray
from foreseal.predict.revisions import Revisions

# A value that is so many steps older than when it was seen counts as final.
WAIT = 2
# Steps after which a revision counts half.
HALF_LIFE = 6.0
# Revisions, in number of cutoffs, that the priors are worth: none at all, and those of all series.
NONE_PRIOR = 3.0
SERIES_PRIOR = 6.0
# Of a cutoff without news there is nothing to learn.
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Backfill:
    """``usual`` (series, ages): what to add to the logarithm of the youngest values, the youngest first.

    ``past`` (cutoffs, series, ages) is what would have been right earlier; ``weight`` (cutoffs,) sums to 1.
    """

    usual: FloatArray
    past: FloatArray
    weight: FloatArray

    @classmethod
    def none(cls, series: int, ages: int) -> Self:
        """Nothing is known of revisions."""
        return cls(np.zeros((series, ages)), np.zeros((0, series, ages)), np.zeros(0))

    @classmethod
    def of(cls, revisions: Revisions, z: FloatArray, floor: float, newest: int) -> Self:
        """From how values looked, their present logarithms ``z`` (series, T) of value plus ``floor``, and the
        ``newest`` column that is known."""
        ages, series, _ = revisions.seen.shape
        young = np.log(np.maximum(revisions.seen, 0.0) + floor)
        past, weight = [], []
        for column in range(newest - WAIT, ages - 2, -1):
            then = np.stack([young[age][:, column - age] for age in range(ages)], axis=1)
            now = np.stack([z[:, column - age] for age in range(ages)], axis=1)
            late = now - then
            if np.isfinite(late[:, 0]).mean() < LEAST_SHARE:
                continue
            past.append(np.nan_to_num(late))
            weight.append(0.5 ** ((newest - column) / HALF_LIFE))
        if not past:
            return cls.none(series, ages)
        stacked, weights = np.array(past), np.array(weight)
        size = np.sqrt(np.exp(z[:, max(newest - 7, 0) : newest + 1]).mean(axis=1))
        count = weights.sum() ** 2 / (weights**2).sum()
        usual = np.empty((series, ages))
        for age in range(ages):
            both = (weights[:, None] * size).ravel()
            pooled = _median(stacked[:, :, age].ravel(), both) * count / (count + NONE_PRIOR)
            own = np.array([_median(stacked[:, row, age], weights) for row in range(series)])
            usual[:, age] = pooled + (own - pooled) * count / (count + SERIES_PRIOR)
        return cls(usual, stacked, weights / weights.sum())

    def errors(self, rng: np.random.Generator, count: int) -> FloatArray:
        """What is wrong with corrected values (count, series, ages): a draw for each of ``count`` origins."""
        if not len(self.weight):
            return np.zeros((count, *self.usual.shape))
        drawn: FloatArray = self.usual[None] - self.past[rng.choice(len(self.weight), count, p=self.weight)]
        return drawn


def _median(values: FloatArray, weight: FloatArray) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return float(values[order][min(np.searchsorted(total, total[-1] / 2.0), len(values) - 1)])
