"""Populations of many small areas, such as municipalities from census to census, as sampled paths.

Growth of an area goes on in part and returns to that of all areas in part. How much, one regression says for
all areas and all counts together, for a single area has too few; likewise how far small and restless areas
stray from it. What all areas have in common is drawn once for all of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict import empirical
from foreseal.predict.grid import FloatArray, Grid
from foreseal.records import Forecast

LEAST_AREAS = 10
# Before anything is learnt, half of the last own growth goes on, more of a large area's.
PRIOR = np.array([0.0, 0.5, 0.0, 0.0, 0.1])
PENALTY = np.array([0.0, 0.1, 0.1, 1.0, 0.3])
# What the mean growth of all areas changes by, where too few counts say so, and errors below which sizes of
# errors are not told apart.
COMMON = 0.01
TINY = 0.003


@dataclass
class SmallAreas:
    """``paths`` are drawn with ``seed``. Every series is an area, all counted at the same times."""

    paths: int = 2000
    seed: int = 1
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)
    z_: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        """Areas that were empty count as missing there, with a `ModelWarning`. Raises `ModelError` for fewer
        than `LEAST_AREAS` areas, or than three counts."""
        grid = Grid.of(panel)
        if len(grid.ids) < LEAST_AREAS or not grid.shared:
            raise ModelError(
                f"small_areas learns from at least {LEAST_AREAS} areas counted at the same times.",
                hint="For few long series use a preset.",
            )
        counts = grid.y
        if (counts <= 0.0).any():
            warnings.warn(
                f"{int((counts <= 0.0).sum())} counts are zero or less; they are taken as missing.",
                ModelWarning,
                stacklevel=2,
            )
        z = np.log(np.where(counts > 0.0, counts, np.nan))
        z = z[:, np.isfinite(z).mean(axis=0) > 0.5]
        if z.shape[1] < 3:
            raise ModelError(
                f"Most areas were counted {z.shape[1]} times; small_areas needs 3.", hint="Start later."
            )
        self.grid_, self.z_ = grid, z
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        """The next ``h`` counts of every area."""
        if self.grid_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid, reach = self.grid_, self.grid_.reach(h)
        counted = np.flatnonzero((np.isfinite(grid.y) & (grid.y > 0.0)).mean(axis=0) > 0.5)
        steps = reach + grid.y.shape[1] - 1 - int(counted[-1])
        growth = np.diff(self.z_, axis=1)
        last = _filled(self.z_)[:, -1]
        common = np.nanmean(growth, axis=0)
        own = np.nan_to_num(growth - common, nan=0.0)
        beta, gamma, unit = _learn(own, np.isfinite(growth), self.z_)
        shift = np.abs(np.diff(common))
        sd = float(np.sqrt((shift @ shift + COMMON**2) / (len(shift) + 1)))
        rng = np.random.default_rng([self.seed, grid.y.shape[1], steps])
        z, mean = np.tile(last, (self.paths, 1)), np.full((self.paths, 1), common[-1])
        now, before = np.tile(own[:, -1], (self.paths, 1)), np.tile(own[:, -2], (self.paths, 1))
        made = np.empty((self.paths, steps, len(grid.ids)))
        for step in range(steps):
            mean = mean + sd * rng.normal(size=(self.paths, 1))
            size = np.exp(_traits(now, before, z) @ gamma)
            drawn = rng.choice(unit, size=now.shape)
            now, before = _features(now, before, z) @ beta + size * drawn, now
            z = z + mean + now
            made[:, step] = z
        values = np.exp(empirical.quantiles(np.moveaxis(made[:, steps - reach :], 0, 2), quantiles))
        ran = {
            "areas": str(len(grid.ids)),
            "counts": str(self.z_.shape[1]),
            "kept": " ".join(f"{each:+.2f}" for each in beta[1:3]),
            "paths": str(self.paths),
            "seed": str(self.seed),
        }
        values = np.moveaxis(values, 1, 0)
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)


def _features(now: FloatArray, before: FloatArray, z: FloatArray) -> FloatArray:
    """Of the next own growth: the last two, the size, and what the last one says of areas of that size."""
    return np.stack([np.ones_like(now), now, before, z - 9.0, now * (z - 9.0)], axis=-1)


def _traits(now: FloatArray, before: FloatArray, z: FloatArray) -> FloatArray:
    """Of the size of its error: how large the area is, and how restless it was."""
    restless = np.log(np.abs(now) + np.abs(before) + 0.01)
    return np.stack([np.ones_like(now), z - 9.0, restless - np.log(0.1)], axis=-1)


def _learn(own: FloatArray, known: np.ndarray, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Coefficients of growth and of its error's log size, and past errors in units of that size.

    ``own`` (areas, n) is growth beside the mean of all areas, ``known`` where both counts are.
    """
    filled = _filled(z)
    x, t, traits = [], [], []
    for k in range(1, own.shape[1]):
        # The first change has none before it: it stands in for its own.
        before = own[:, max(k - 2, 0)]
        good = known[:, k] & known[:, k - 1]
        x.append(_features(own[:, k - 1], before, filled[:, k])[good])
        traits.append(_traits(own[:, k - 1], before, filled[:, k])[good])
        t.append(own[:, k][good])
    a, y, w = np.concatenate(x), np.concatenate(t), np.concatenate(traits)
    weight = np.ones(len(y))
    for _ in range(3):
        gram = (a * weight[:, None]).T @ a + np.diag(PENALTY)
        beta = np.linalg.solve(gram, (a * weight[:, None]).T @ y + PENALTY * PRIOR)
        error = y - a @ beta
        gamma = np.linalg.lstsq(w, np.log(np.abs(error) + TINY), rcond=None)[0]
        # Areas that stray far say little of what growth does next.
        weight = 1.0 / np.exp(2.0 * (w @ gamma))
        weight /= weight.mean()
    return beta, gamma, error / np.exp(w @ gamma)


def _filled(z: FloatArray) -> FloatArray:
    """Missing values hold the one before them, or the first one after."""
    seen = np.isfinite(z)
    at = np.maximum.accumulate(np.where(seen, np.arange(z.shape[1]), -1), axis=1)
    held = np.take_along_axis(z, np.where(at >= 0, at, seen.argmax(axis=1)[:, None]), axis=1)
    return np.where(np.isfinite(held), held, 0.0)
