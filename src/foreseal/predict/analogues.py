"""What followed in all series of a panel where history looked alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from foreseal.predict.counts import SIZES, negative_binomial
from foreseal.predict.grid import FloatArray, IntArray

PENALTY = 1.0
ROUNDS = 12
# Cases of one kind, and how many kinds at most.
CASES = 100
KINDS = 100
# Share of the regression's own distribution beside that of the cases.
FORMULA = 0.25
# The linear predictor is a logarithm of counts.
BOUND = 8.0


@dataclass(frozen=True)
class Analogues:
    """Negative binomial regression of the next count on a history's features, and for kinds of histories
    with like expected counts the ``size`` (kinds,) of what followed and its distribution (kinds, top + 1)."""

    centre: FloatArray
    spread: FloatArray
    slope: FloatArray
    edges: FloatArray
    size: FloatArray
    followed: FloatArray

    @classmethod
    def of(cls, x: FloatArray, outcome: IntArray, top: int) -> Self:
        """From features (cases, p) and the counts that followed them."""
        centre, spread = x.mean(axis=0), x.std(axis=0)
        spread = np.where(spread > 1e-9, spread, np.inf)
        z = np.concatenate([np.ones((len(x), 1)), (x - centre) / spread], axis=1)
        slope = _negative_binomial(z, outcome.astype(np.float64))
        expected = z @ slope
        kinds = int(np.clip(len(x) // CASES, 1, KINDS))
        edges = np.unique(np.quantile(expected, np.arange(1, kinds) / kinds))
        counts = np.zeros((len(edges) + 1, top + 1))
        np.add.at(counts, (np.searchsorted(edges, expected), np.clip(outcome, 0, top)), 1.0)
        mean = np.exp(np.clip(expected, -BOUND, BOUND))
        kind = np.searchsorted(edges, expected)
        over = np.bincount(kind, (outcome - mean) ** 2 - mean, len(edges) + 1)
        square = np.bincount(kind, mean**2, len(edges) + 1)
        size = np.divide(square, over, out=np.full_like(square, SIZES[1]), where=over > 0.0)
        # Kinds next to each other lend each other half their cases.
        followed = counts.copy()
        followed[1:] += 0.5 * counts[:-1]
        followed[:-1] += 0.5 * counts[1:]
        followed /= followed.sum(axis=1, keepdims=True)
        return cls(centre, spread, slope, edges, np.clip(size, *SIZES), followed)

    def at(self, x: FloatArray) -> FloatArray:
        """Probabilities (series, top + 1) of what follows features (series, p)."""
        expected = self.slope[0] + (x - self.centre) / self.spread @ self.slope[1:]
        kind = np.searchsorted(self.edges, expected)
        mean = np.exp(np.clip(expected, -BOUND, BOUND))
        formula = negative_binomial(mean, self.size[kind], self.followed.shape[1] - 1)
        # The formula tells histories of one kind apart, what followed knows shapes that it has not.
        both: FloatArray = FORMULA * formula + (1.0 - FORMULA) * self.followed[kind]
        return both


def features(counts: IntArray, known: FloatArray) -> FloatArray:
    """What a history of counts (series, T) looks like (series, p); ``known`` is 1 where there is a value."""
    age = np.arange(counts.shape[1])[::-1]
    due = (counts > 0) & (known > 0)

    def recent(values: FloatArray, half_life: float) -> FloatArray:
        weight = known * 0.5 ** (age / half_life)
        mean: FloatArray = (weight * values).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-12)
        return mean

    size = (counts * known).sum(axis=1) / np.maximum(due.sum(axis=1), 1)
    idle = np.where(due.any(axis=1), due[:, ::-1].argmax(axis=1), counts.shape[1])
    demand, chance = counts.astype(np.float64), due.astype(np.float64)
    columns = [np.log(recent(demand, life) + floor) for life, floor in ((3, 0.1), (8, 0.03), (24, 0.03))]
    columns += [np.log(recent(chance, life) + floor) for life, floor in ((4, 0.05), (12, 0.02))]
    columns += [np.log(size + 0.3), np.log1p(idle), np.sqrt(recent(demand, 0.1)), columns[1] ** 2]
    return np.stack(columns, axis=1)


def _negative_binomial(z: FloatArray, y: FloatArray) -> FloatArray:
    """Coefficients of a penalised regression with logarithmic link, by Newton's method; the size is that of
    the moments in every round, and the step is cut where it leaps."""
    slope = np.zeros(z.shape[1])
    slope[0] = np.log(y.mean() + 1e-6)
    penalty = np.full(len(slope), PENALTY)
    penalty[0] = 0.0
    size = 1.0
    for _ in range(ROUNDS):
        mean = np.exp(np.clip(z @ slope, -BOUND, BOUND))
        weight = mean / (1.0 + mean / size)
        gradient = z.T @ ((y - mean) / (1.0 + mean / size)) - penalty * slope
        step = np.linalg.solve((z * weight[:, None]).T @ z + np.diag(penalty), gradient)
        slope = slope + step / max(1.0, np.abs(step).max() / 2.0)
        mean = np.exp(np.clip(z @ slope, -BOUND, BOUND))
        over = max(float(((y - mean) ** 2 - mean).sum()), 1e-9)
        size = float(np.clip((mean**2).sum() / over, *SIZES))
    return slope
