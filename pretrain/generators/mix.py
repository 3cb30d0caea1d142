"""Batches of synthetic series: which families, how many of each, how long; a pure function of the seed.

    batch(seed, number) -> Batch

A batch holds one context bucket, so that everything after it is one array. Its families have fixed quotas,
and the fractions left over are settled by chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pretrain.generators.clipped import clipped
from pretrain.generators.counts import counts
from pretrain.generators.double import double
from pretrain.generators.epidemic import epidemic
from pretrain.generators.mixup import mixup
from pretrain.generators.regime import regime
from pretrain.generators.rows import STEPS, Floats, Paths, Rows
from pretrain.generators.season import season
from pretrain.generators.spectral import spectral
from pretrain.generators.spoil import spoil
from pretrain.generators.trend import trend
from pretrain.generators.walk import walk

VERSION = 8
"""Raised by every change after which the same seed gives other series."""

BUCKETS = {64: 0.22, 128: 0.20, 256: 0.15, 512: 0.13, 1024: 0.22, 2048: 0.08}
SHORTEST = 4

FAMILIES: dict[str, Callable[[Rows], Paths]] = {
    "trend": trend, "walk": walk, "season": season, "double": double, "spectral": spectral,
    "counts": counts, "clipped": clipped, "regime": regime, "epidemic": epidemic,
}  # fmt: skip
# Per cent of a batch, by bucket. Growth belongs to short series, weeks of hours to long ones. Weighted by
# BUCKETS: 26 % trend, 5 walk, 20 season, 14 double, 10 spectral, 7 counts, 4 clipped, 4 regime,
# 5 epidemic, 5 mixup.
QUOTAS: dict[int, dict[str, float]] = {
    bucket: dict(zip((*FAMILIES, "mixup"), per_cent, strict=True))
    for bucket, per_cent in {
        64: (42, 6, 19, 0, 6, 7, 2, 4, 9, 5),
        128: (35, 5, 25, 3, 8, 7, 3, 4, 5, 5),
        256: (26, 5, 23, 12, 9, 8, 4, 4, 4, 5),
        512: (18, 5, 20, 20, 12, 7, 5, 4, 3, 6),
        1024: (12, 5, 16, 29, 14, 6, 5, 4, 3, 6),
        2048: (10, 5, 16, 31, 16, 5, 5, 4, 2, 6),
    }.items()
}

# Season lengths as a caller gives them, who may not know whether the series has them.
CALENDARS = [
    (24, 168, 0), (48, 336, 0), (96, 672, 0), (144, 1008, 0), (288, 2016, 0), (7, 365.25, 0), (7, 0, 0),
    (52.18, 0, 0), (12, 0, 0), (4, 0, 0), (24, 0, 0), (48, 0, 0), (288, 0, 0),
]  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """Contexts (rows, bucket; right-aligned, NaN = missing or before the start) and targets (rows, STEPS).

    ``hints`` (rows, 3): season lengths told, 0 = none; a row of NaN = nothing told, to be detected.
    """

    context: Floats
    target: Floats
    hints: Floats
    periods: Floats
    family: NDArray[np.str_]
    n: NDArray[np.int64]

    @property
    def bucket(self) -> int:
        return self.context.shape[1]


def batch(seed: int, number: int, size: int = 256, bucket: int | None = None, without: str = "") -> Batch:
    """Batch ``number`` of the run ``seed``, its quotas shared without one family if ``without`` names it.

    The same arguments give the same bits.
    """
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([VERSION, seed, number])))
    drawn = int(rng.choice(list(BUCKETS), p=list(BUCKETS.values())))
    bucket = drawn if bucket is None else bucket
    rows = Rows(rng, _lengths(rng, bucket, size), bucket)
    family = _families(rng, bucket, size, without)
    values, periods = np.empty((size, rows.columns)), np.zeros((size, 3))
    anchored = np.zeros(size, bool)
    for name, draw in FAMILIES.items():
        chosen = np.flatnonzero(family == name)
        if len(chosen):
            paths = draw(rows.take(chosen))
            values[chosen], periods[chosen], anchored[chosen] = paths.values, paths.periods, paths.anchored
    mixed = np.flatnonzero(family == "mixup")
    if len(mixed):
        rest = np.flatnonzero(family != "mixup")
        others = Paths(values[rest], periods[rest], anchored[rest])
        paths = mixup(rows.take(mixed), others)
        values[mixed], periods[mixed] = paths.values, paths.periods
    spoilt = spoil(rows, Paths(values, periods, anchored))
    spoilt[rows.clock < 0] = np.nan
    # A season that what is seen does not hold is not told.
    periods[periods > rows.n[:, None]] = 0.0
    hints = _hints(rows, periods)
    return Batch(spoilt[:, :bucket], spoilt[:, bucket:], hints, periods, family, rows.n)


def _lengths(rng: np.random.Generator, bucket: int, size: int) -> NDArray[np.int64]:
    if bucket == min(BUCKETS):
        short = np.exp(rng.uniform(np.log(SHORTEST), np.log(bucket + 1), size)).astype(np.int64)
        return np.where(rng.random(size) < 0.5, short, rng.integers(8, bucket + 1, size))
    full = rng.random(size) < (0.5 if bucket >= 1024 else 0.15)
    return np.where(full, bucket, rng.integers(bucket // 2 + 1, bucket + 1, size))


def _families(rng: np.random.Generator, bucket: int, size: int, without: str) -> NDArray[np.str_]:
    """A family for each row: quotas met to less than one row, by systematic sampling."""
    quotas = {name: quota for name, quota in QUOTAS[bucket].items() if name != without}
    edges = np.cumsum(list(quotas.values())) / sum(quotas.values())
    points = (np.arange(size) + rng.random()) / size
    drawn = np.array(list(quotas))[np.searchsorted(edges, points).clip(max=len(quotas) - 1)]
    # A mixture needs something to mix.
    return np.where((drawn == "mixup").all(), "trend", drawn)


def _hints(rows: Rows, periods: Floats) -> Floats:
    """70 % told truly (by the calendar where there is nothing to tell), 6 % told wrong, the rest nothing."""
    hints = periods.copy()
    calendars = np.array(CALENDARS, float)
    fits = calendars[None, :, 0] <= rows.n[:, None] / 2
    drawn = np.where(fits, rows.rng.random(fits.shape), -1).argmax(axis=1)
    calendar = np.where(fits.any(axis=1)[:, None], calendars[drawn], 0.0)
    none = (periods[:, :1] == 0) & rows.chance(0.6)
    hints = np.where(none, calendar, hints)
    # Callers tell the week with the day, whether the series has one or not.
    weeks = np.isin(hints[:, :1], [24.0, 48.0, 96.0, 144.0, 288.0]) & (hints[:, 1:2] == 0) & rows.chance(0.5)
    hints[:, 1:2] = np.where(weeks & (hints[:, :1] * 7 <= rows.n[:, None]), hints[:, :1] * 7, hints[:, 1:2])
    other = np.stack([np.floor(rows.uniform(2, 200))[:, 0], *np.zeros((2, rows.count))], axis=1)
    fate = rows.rng.random((rows.count, 1))
    hints = np.where(fate < 0.06, np.where(rows.chance(0.5), calendar, other), hints)
    hints[hints > rows.n[:, None]] = 0.0
    return np.where(fate >= 0.76, np.nan, hints)


__all__ = ["BUCKETS", "QUOTAS", "STEPS", "VERSION", "Batch", "batch"]
