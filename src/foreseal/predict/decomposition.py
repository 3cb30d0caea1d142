"""Series of one season pair taken apart: season by season, a table per phase, and what is left.

A season is taken from the series less its centred moving average, as weighted means over its cycles. The
primary table is smoothed harmonic by harmonic: each is shrunk by the noise that the difference between even
and odd cycles shows at neighbouring harmonics. Where a long season holds whole short ones (168 = 7 x 24) an
alternative table is of rank one: a level per day plus one profile in seven strengths, which is weekdays and
weekends with far fewer numbers than 168. Rows are right-aligned: their last column is the latest step.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

# In single precision where they are large.
Float32 = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Length of the runs that running sums are made of; windows up to it are products with whole matrices.
RUN = 48
# Cycles that a table looks at, and harmonics that a smoothed one keeps.
CYCLES = 30
HARMONICS = 64
# Weight of a cycle against the next one: of the primary table, a quick one and a slow one.
DECAYS = (0.9, 0.6, 0.98)
# A season is used where the history holds this many of its cycles.
LEAST_CYCLES = 1.5
# Histories of this many cycles do without the half cycle at their start.
SPARE_CYCLES = 3


@dataclass(frozen=True)
class Season:
    """Tables (rows, period) of a first season, zero on average: smooth, quick and slow.

    ``noise`` is the standard deviation over cycles at each phase against its mean over phases.
    """

    smooth: Float32
    quick: Float32
    slow: Float32
    noise: Float32


def fill_gaps(x: Float32, seen: Float32, period: int) -> Float32:
    """x (rows, T) where steps not ``seen`` take the value of the same phase a cycle before, else after,
    else the latest known of any phase; before the first value, the first value."""
    rows, length = x.shape
    position = np.where(seen > 0, np.arange(length), -1)
    latest = np.maximum.accumulate(position, axis=1)
    first = (seen > 0).argmax(axis=1)
    flat = np.take_along_axis(x, np.where(latest < 0, first[:, None], latest), axis=1)
    if period < 2:
        return flat
    cycles = -(-length // period)
    pad = ((0, 0), (cycles * period - length, 0))
    cube = np.pad(np.where(seen > 0, x, np.nan), pad, constant_values=np.nan).reshape(rows, cycles, period)
    for k in range(1, cycles):
        cube[:, k] = np.where(np.isnan(cube[:, k]), cube[:, k - 1], cube[:, k])
    for k in range(cycles - 2, -1, -1):
        cube[:, k] = np.where(np.isnan(cube[:, k]), cube[:, k + 1], cube[:, k])
    periodic = cube.reshape(rows, -1)[:, -length:]
    inside = (np.arange(length) >= first[:, None]) & np.isfinite(periodic)
    return np.where(inside, periodic, flat).astype(np.float32)


def smooth_of(x: Float32, seen: Float32 | None, span: Ints, period: int) -> Float32:
    """Only the smooth table (rows, period) of `season_of`."""
    cycles = _Cycles.of(x, seen, span, period)
    tables, counted = cycles.means((0, 3, 4))
    tables -= tables.mean(axis=2, keepdims=True)
    return _smoothed(tables[:, 0], tables[:, 1], tables[:, 2], counted[:, 2].min(axis=1) > 0, period)


def season_of(x: Float32, seen: Float32 | None, span: Ints, period: int) -> Season:
    """The season of ``period`` steps in rows x (rows, T) of ``span`` columns of history each.

    ``seen`` (rows, T) is 0 where a value is missing, None if each history is without gaps.
    """
    cycles = _Cycles.of(x, seen, span, period)
    tables, counted = cycles.means((0, 1, 2, 3, 4))
    squares = cycles.weighted(np.square(cycles.deviation), (2,))
    # A tenth of the mean square is lent to every phase, so that two equal cycles do not make a phase certain.
    square = squares[:, 0] / np.maximum(counted[:, 2], 1e-6) - tables[:, 2] ** 2
    noise = np.sqrt(np.maximum(square, 0.0) + 0.1 * np.maximum(square.mean(axis=1, keepdims=True), 1e-12))
    noise /= noise.mean(axis=1, keepdims=True)
    tables -= tables.mean(axis=2, keepdims=True)
    smooth = _smoothed(tables[:, 0], tables[:, 3], tables[:, 4], counted[:, 4].min(axis=1) > 0, period)
    return Season(smooth, tables[:, 1], tables[:, 2], noise)


def second_of(
    x: Float32, seen: Float32 | None, span: Ints, period: int, short: int
) -> tuple[Float32, Float32]:
    """The smooth and the low-rank table of a second season; ``short`` is the period of the first, or 0."""
    cycles = _Cycles.of(x, seen, span, period)
    tables, counted = cycles.means((0, 2, 3, 4))
    tables -= tables.mean(axis=2, keepdims=True)
    smooth = _smoothed(tables[:, 0], tables[:, 2], tables[:, 3], counted[:, 3].min(axis=1) > 0, period)
    ratio = period // short if short > 1 and period % short == 0 else 0
    return smooth, _low_rank(tables[:, 1], ratio, short) if 3 <= ratio <= 12 else smooth


@dataclass(frozen=True)
class _Cycles:
    """Deviations from the trend over whole cycles (rows, count * period), zero where they do not count, and
    their weights, 0 or 1; None if all are 1."""

    deviation: Float32
    weight: Float32 | None
    count: int

    @classmethod
    def of(cls, x: Float32, seen: Float32 | None, span: Ints, period: int) -> Self:
        count = min(-(-x.shape[1] // period), CYCLES)
        columns = count * period
        deviation = _detrended(_padded(x, columns), span, period)
        if seen is None and (span > columns).all():
            return cls(deviation, None, count)
        # Where a long history starts its trend is a guess: half a cycle is spared, but not by a short one.
        spared = np.where((span <= columns) & (span >= SPARE_CYCLES * period), period // 2, 0)
        lead = np.arange(columns) >= (columns - span + spared)[:, None]
        weight = lead.astype(np.float32) if seen is None else _padded(seen, columns) * lead
        deviation *= weight
        return cls(deviation, weight, count)

    def weighted(self, values: Float32, which: tuple[int, ...]) -> Float32:
        """Sums over cycles (rows, len(which), period) with these of the kernels."""
        kernel = _kernel(self.count)[list(which)]
        out: Float32 = kernel @ values.reshape(len(values), self.count, -1)
        return out

    def means(self, which: tuple[int, ...]) -> tuple[Float32, Float32]:
        """Weighted means per phase (rows, len(which), period), and the sums of weights that divide them."""
        if self.weight is None:
            counted = _kernel(self.count)[list(which)].sum(axis=1)[None, :, None]
        else:
            counted = self.weighted(self.weight, which)
        return self.weighted(self.deviation, which) / np.maximum(counted, 1e-6), counted


def at_phase(table: Float32, first: int, count: int) -> Float32:
    """A table (rows, period) at ``count`` columns from ``first``, where column 0 is the first one ahead."""
    out: Float32 = table.take(_phases(first, count, table.shape[1]), axis=1)
    return out


@functools.lru_cache(maxsize=256)
def _phases(first: int, count: int, period: int) -> Ints:
    phase: Ints = (np.arange(count) + first) % period
    return phase


def _padded(x: Float32, columns: int) -> Float32:
    """The last ``columns`` columns of x, zeros on the left if it has fewer."""
    if x.shape[1] >= columns:
        return x[:, x.shape[1] - columns :]
    out = np.zeros((len(x), columns), x.dtype)
    out[:, columns - x.shape[1] :] = x
    return out


def _detrended(x: Float32, span: Ints, period: int) -> Float32:
    """Rows x (rows, cycles * period) less their centred moving average over one period, and less straight
    lines at both ends.

    At the right end the line has the slope of the last two means a period apart; at the left, where a row's
    history starts, the mean slope of all.
    """
    rows, columns = x.shape
    half = period // 2
    out = np.array(x, np.float32, order="C")
    middle = _moving(out, period)
    # middle[:, k] is centred at column half + k.
    width = columns - 2 * half
    begin = columns - span
    full = np.minimum(np.maximum(begin, 0), width - 1)
    row = np.arange(rows)
    first, last = middle[row, full], middle[:, -1].copy()
    back = np.maximum(np.minimum(period, width - 1 - full), 1)
    slope = (last - middle[row, np.maximum(width - 1 - back, 0)]) / back
    whole = (last - first) / np.maximum(width - 1 - full, 1)
    short = np.flatnonzero((begin > 0) & (span < SPARE_CYCLES * period))
    if len(short):
        at = np.arange(columns)
        start = (full[short] + half)[:, None]
        line = first[short, None] + whole[short, None] * (at - start)
        lines = np.where(at < start, out[short] - line, 0.0)
    out[:, half : half + width] -= middle
    right = columns - half - width
    out[:, half + width :] -= last[:, None] + slope[:, None] * np.arange(1, right + 1, dtype=np.float32)
    out[:, :half] -= first[:, None] + whole[:, None] * np.arange(-half, 0, dtype=np.float32)
    if len(short):
        out[short] = np.where(at < start, lines, out[short])
    return out


def _moving(x: Float32, period: int) -> Float32:
    """Means over one period, the ends halved where it is even, (rows, columns - period + 1 or - period)."""
    rows = len(x)
    if period > RUN:
        total = _running(x)
        if period % 2 == 0:
            total = total[:, 1:] + total[:, :-1]
        out: Float32 = total[:, period:] - total[:, :-period]
        out *= np.float32(1.0 / period if period % 2 else 0.5 / period)
        return out
    # Within a cycle and across its start the window is a product with two constant matrices.
    inside, across = ((x.reshape(-1, period) @ part).reshape(rows, -1, period) for part in _windows(period))
    inner = inside[:, 1:]
    inner += across[:, :-1]
    if period % 2 == 0:
        return inner.reshape(rows, -1)
    # The first whole window of an odd period ends with the first cycle.
    return np.concatenate([x[:, :period].mean(axis=1, keepdims=True), inner.reshape(rows, -1)], axis=1)


def _running(x: Float32) -> Float32:
    """Sums of the first k values of each row, (rows, columns + 1): within runs by a product, then across."""
    rows, columns = x.shape
    fitting = [run for run in range(RUN, 15, -1) if columns % run == 0]
    run = fitting[0] if fitting else RUN
    runs = -(-columns // run)
    inner = (_left_aligned(x, runs * run).reshape(-1, run) @ _triangle(run)).reshape(rows, runs, run)
    before = np.zeros((rows, runs), np.float32)
    np.cumsum(inner[:, :-1, -1], axis=1, out=before[:, 1:])
    out = np.zeros((rows, runs * run + 1), np.float32)
    np.add(inner, before[:, :, None], out=out[:, 1:].reshape(rows, runs, run))
    return out[:, : columns + 1]


def _left_aligned(x: Float32, columns: int) -> Float32:
    if x.shape[1] == columns:
        return x
    out = np.zeros((len(x), columns), np.float32)
    out[:, : x.shape[1]] = x
    return out


def _smoothed(table: Float32, even: Float32, odd: Float32, both: Flags, period: int) -> Float32:
    """The table with each harmonic shrunk by the noise around it; as it is where only one cycle was seen."""
    transform, pool = _harmonics(period)
    if transform.shape[1] == 0:
        return table
    rows = len(table)
    waves = np.concatenate([table, 0.5 * (even - odd)]) @ transform
    power = np.square(waves).reshape(2 * rows, -1, 2).sum(axis=2)
    noise = power[rows:] @ pool
    kept = np.maximum(1.0 - noise / np.maximum(power[:rows], 1e-12), 0.0)
    smooth: Float32 = (waves[:rows] * np.repeat(kept, 2, axis=1)) @ transform.T
    if not both.all():
        smooth = np.where(both[:, None], smooth, table)
    return smooth.astype(np.float32)


def _low_rank(table: Float32, ratio: int, short: int) -> Float32:
    """The level of each short cycle plus the best product of a strength per cycle and one profile."""
    days = table.reshape(-1, ratio, short)
    level = days.mean(axis=2, keepdims=True)
    rest = days - level
    gram = rest @ rest.transpose(0, 2, 1)
    strength = np.einsum("rii->ri", gram) + 1e-12
    # The row of the strongest day starts the power iteration: the leading vector is hardly ever orthogonal.
    vector = gram[np.arange(len(gram)), strength.argmax(axis=1)][:, :, None]
    for _ in range(6):
        vector = gram @ vector
        vector /= np.maximum(np.abs(vector).max(axis=1, keepdims=True), 1e-30)
    vector /= np.sqrt(np.maximum((vector**2).sum(axis=1, keepdims=True), 1e-30))
    profile = vector.transpose(0, 2, 1) @ rest
    out: Float32 = (level + vector * profile).reshape(len(table), -1).astype(np.float32)
    return out


@functools.lru_cache(maxsize=64)
def _kernel(cycles: int) -> Float32:
    """Weights (5, cycles): the three decays, then even and odd cycles at the first decay."""
    age = np.arange(cycles - 1, -1, -1)
    weights = [decay**age for decay in DECAYS]
    weights += [weights[0] * (age % 2 == 0), weights[0] * (age % 2 == 1)]
    return np.array(weights, np.float32)


@functools.lru_cache(maxsize=64)
def _triangle(run: int) -> Float32:
    return np.triu(np.ones((run, run), np.float32))


@functools.lru_cache(maxsize=512)
def _windows(period: int) -> tuple[Float32, Float32]:
    """What a cycle and the one before it give to the centred means, ends halved where the period is even."""
    own = np.triu(np.ones((period, period)), 0 if period % 2 else 1)
    before = np.tril(np.ones((period, period)), -1)
    if period % 2 == 0:
        own += 0.5 * np.eye(period)
        before += 0.5 * np.eye(period)
    return (own / period).astype(np.float32), (before / period).astype(np.float32)


@functools.lru_cache(maxsize=512)
def _harmonics(period: int) -> tuple[Float32, Float32]:
    """An orthonormal basis (period, 2 q) of the first q harmonics, cosine and sine by turns, and the matrix
    (q, q) that averages a quantity over the harmonics around each one."""
    count = min(period // 2, HARMONICS)
    angle = 2.0 * np.pi * np.outer(np.arange(period), np.arange(1, count + 1)) / period
    basis = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(period, -1)
    length = np.sqrt((basis**2).sum(axis=0))
    basis = np.where(length > 1e-6, basis / np.maximum(length, 1e-6), 0.0)
    k = np.arange(1, count + 1)
    near = np.exp(-0.5 * ((k[:, None] - k) / (0.75 + 0.25 * k)) ** 2)
    pool = np.where(near > 1e-6, near, 0.0) / near.sum(axis=0)
    return basis.astype(np.float32), pool.astype(np.float32)
