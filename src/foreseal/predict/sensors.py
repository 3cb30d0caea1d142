"""A network of sensors as numbers for a regression: what an origin knows, in each sensor's own units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from foreseal.predict.empirical import quantiles
from foreseal.predict.grid import FloatArray, IntArray, TimeArray
from foreseal.predict.profile import Profile

# Values before the origin that a row sees.
LAGS = 12
# Steps at which a row sees the profile of a block of steps ahead.
POINTS = 5
# The level of free flow: a sensor's quantile.
FREE = 0.85


@dataclass(frozen=True)
class View:
    """Some origins: features (series, origins, p), and in units the ``last`` value and what is ``restless``
    about the last ones, (series, origins)."""

    x: FloatArray
    last: FloatArray
    restless: FloatArray


@dataclass(frozen=True)
class Sensors:
    """What was learnt of each sensor up to some column: ``mean`` and ``unit`` (series,), its free level in
    units, its profile of the day, and the weights of its neighbours (series, series)."""

    mean: FloatArray
    unit: FloatArray
    free: FloatArray
    profile: Profile | None
    near: FloatArray

    @classmethod
    def of(
        cls, y: FloatArray, times: TimeArray, phases: int, graph: Callable[[FloatArray], FloatArray]
    ) -> Self:
        """From values (series, T), NaN where missing, at local times (T,).

        ``phases`` is how many steps a day has, 0 for no profile; ``graph`` makes neighbours of values in
        units without gaps.
        """
        known = np.isfinite(y)
        count = np.maximum(known.sum(axis=1), 1)
        mean = np.where(known, y, 0.0).sum(axis=1) / count
        off = np.where(known, y - mean[:, None], 0.0)
        unit = np.sqrt((off**2).sum(axis=1) / count)
        # Rounding leaves a constant a spread of its own.
        unit = np.where(unit > 1e-9 * (1.0 + np.abs(mean)), unit, 0.0)
        z = np.where(known, off / np.where(unit > 0.0, unit, 1.0)[:, None], np.nan)
        free = np.nan_to_num(quantiles(z, [FREE])[:, 0])
        days = len(np.unique(times.astype("datetime64[D]")))
        profile = Profile.of(z, times, phases) if phases > 1 and days > 1 else None
        sensors = cls(mean, unit, free, profile, np.zeros((len(y), len(y))))
        near = graph(sensors.filled(y, sensors.usual(times)))
        return cls(mean, unit, free, profile, near)

    def usual(self, times: TimeArray) -> FloatArray:
        """Profiles (2, series, len(times)) in units; none, where there is none."""
        if self.profile is None:
            return np.zeros((0, len(self.mean), len(times)))
        return self.profile.at(times)

    def filled(self, y: FloatArray, usual: FloatArray) -> FloatArray:
        """Values in units; a missing one is the last known one, after `LAGS` steps the usual one."""
        known = np.isfinite(y)
        column = np.arange(y.shape[1])
        latest = np.maximum.accumulate(np.where(known, column, -LAGS - 1), axis=1)
        held = np.take_along_axis(np.where(known, y, 0.0), np.maximum(latest, 0), axis=1)
        z = (held - self.mean[:, None]) / np.where(self.unit > 0.0, self.unit, 1.0)[:, None]
        rest = usual[-1][:, : y.shape[1]] if len(usual) else np.zeros_like(z)
        return np.where(column - latest <= LAGS, z, rest)

    def view(self, z: FloatArray, usual: FloatArray, origins: IntArray, block: IntArray) -> View:
        """What ``origins`` (columns of ``z``, the first unknown one) know about a block of steps ahead.

        ``z`` (series, T) is filled; ``usual`` reaches as far as the block.
        """
        near = self.near @ z
        far = self.near @ near
        whole = np.broadcast_to(z.mean(axis=0), z.shape)
        points = np.unique(np.linspace(block[0], block[-1], POINTS).astype(np.int64))
        back = np.arange(1, LAGS + 1)

        def lagged(values: FloatArray, *lags: int) -> list[FloatArray]:
            return [values[:, origins - lag] for lag in lags]

        columns = lagged(z, *back)
        for kind in usual:
            columns += [kind[:, origins + k] for k in points] + lagged(kind, 1, 4, 8, 12)
        columns += lagged(near, 1, 2, 3, 6) + lagged(far, 1, 3, 6) + lagged(whole, 1, 3, 6, 12)
        if len(usual):
            shared = np.broadcast_to(usual[-1].mean(axis=0), usual[-1].shape)
            columns += lagged(shared, 1) + [shared[:, origins + k] for k in points]
        window = np.stack(columns[:LAGS])
        last, restless = window[0], window.std(axis=0)
        free = np.broadcast_to(self.free[:, None], last.shape)
        gap = np.maximum(free - window[:3].mean(axis=0), 0.0)
        columns += [free, gap**2, np.maximum(gap - 0.7, 0.0), np.maximum(gap - 1.8, 0.0)]
        columns += [np.maximum(last - free, 0.0), np.maximum(free - last, 0.0) ** 2, restless, restless * gap]
        return View(np.stack(columns, axis=2), last, restless)
