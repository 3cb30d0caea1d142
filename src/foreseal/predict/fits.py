"""Levels, lines, autoregressions and medians of histories: what continues them once seasons are put aside."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from foreseal.predict.decomposition import Flags, Float32, Ints
from foreseal.predict.histories import Histories

# Half-lives, in steps, of discounted levels and of discounted lines.
LEVELS = (1, 2, 4, 8, 16, 32, 64, 128, 512)
LINES = (4, 8, 16, 32, 64, 128, 512)
ORDER = 6
# Forecasts that are also made of a series with all its seasons, and with all but the first.
SIMPLE = ("last", "level 2", "level 8", "level 32", "level 128", "damped 32", "autoregression")


@dataclass(frozen=True)
class Lines:
    """Discounted levels and lines of rows: values at the last column and slopes per step."""

    last: Float32
    newest: Ints
    levels: Float32
    value: Float32
    slope: Float32

    @classmethod
    def of(cls, rest: Float32, seen: Float32, masses: Float32) -> Self:
        """Of rows ``rest`` (rows, columns) where ``seen``; ``masses`` is ``seen @ _weights(columns)``."""
        length = rest.shape[1]
        moments = (rest * seen) @ _weights(length)
        n, m = len(LEVELS), len(LINES)
        tiny = np.float32(np.finfo(np.float32).tiny)
        levels = moments[:, :n] / np.maximum(masses[:, :n], tiny)
        s0, s1, s2 = (masses[:, n + k * m : n + (k + 1) * m] for k in range(3))
        v0, v1 = (moments[:, n + k * m : n + (k + 1) * m] for k in range(2))
        s0 = np.maximum(s0, tiny)
        centre, mean = s1 / s0, v0 / s0
        # Times are in half-lives, so that single precision is enough.
        spread = s2 / s0 - centre**2
        slope = (v1 / s0 - centre * mean) / np.maximum(spread, 1e-6)
        slope = np.where((seen.sum(axis=1) >= 3)[:, None] & (spread > 1e-5), slope, 0.0)
        value = mean - slope * centre
        newest = length - 1 - seen[:, ::-1].argmax(axis=1)
        last = rest[np.arange(len(rest)), newest]
        return cls(last, newest, levels, value, (slope / np.array(LINES)).astype(np.float32))

    def part(self, low: int, high: int | None) -> Self:
        """Some of the rows, as views."""
        at = slice(low, high)
        return type(self)(*(getattr(self, name)[at] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Fits:
    """What was learnt of rows: lines, drift, paths (rows, 2, reach) of autoregressions of the level and of
    changes, medians, correlations (rows, 2, ORDER), and simple forecasts (rows, 7, reach) of the series with
    all its seasons and with all but the first."""

    lines: Lines
    drift: Float32
    recursions: Float32
    medians: Float32
    correlations: Float32
    raw: Float32 | None
    first: Float32 | None

    def part(self, low: int, high: int | None) -> Self:
        """Some of the rows, as views."""
        at = slice(low, high)
        others = (None if each is None else each[at] for each in (self.raw, self.first))
        return type(self)(
            self.lines.part(low, high),
            self.drift[at],
            self.recursions[at],
            self.medians[at],
            self.correlations[at],
            *others,
        )


def straight(rows: Histories) -> tuple[Lines, Float32, Float32]:
    """Lines and drift (rows,) of what seasons leave, and the sums of weights that they used."""
    masses = rows.seen @ _weights(rows.seen.shape[1])
    lines = Lines.of(rows.rest, rows.seen, masses)
    oldest = rows.seen.argmax(axis=1)
    first = rows.rest[np.arange(len(rows.rest)), oldest]
    drift = ((lines.last - first) / np.maximum(lines.newest - oldest, 1)).astype(np.float32)
    return lines, drift, masses


def fit(rows: Histories, reach: int) -> Fits:
    """All that candidates need of rows, ``reach`` steps ahead."""
    rest, seen = rows.rest, rows.seen
    lines, drift, masses = straight(rows)
    mean = lines.levels[:, -1]
    deviation = (rest - mean[:, None]) * seen
    pairs = np.zeros_like(seen)
    np.multiply(seen[:, 1:], seen[:, :-1], out=pairs[:, 1:])
    change = np.zeros_like(rest)
    np.subtract(rest[:, 1:], rest[:, :-1], out=change[:, 1:])
    change *= pairs
    count = np.maximum(seen.sum(axis=1), 1.0)
    paths, correlations = _autoregressions([deviation, change], count, reach)
    ahead = [mean[:, None] + paths[0], rest[:, -1:] + np.cumsum(paths[1], axis=1)]
    medians = np.stack([_median(rest, rows.span, k) for k in (8, 31)], axis=1)
    return Fits(
        lines,
        drift,
        np.stack(ahead, axis=1).astype(np.float32),
        medians,
        correlations.transpose(1, 0, 2),
        _simple(rows.raw, seen, masses, rows.has[:, 0] | rows.has[:, 1], reach),
        _simple(rows.first, seen, masses, rows.has[:, 0] & rows.has[:, 1], reach),
    )


def _simple(x: Float32, seen: Float32, masses: Float32, which: Flags, reach: int) -> Float32 | None:
    """The forecasts `SIMPLE` of the rows ``which``, (rows, 7, reach), others unset; None without rows."""
    rows = np.flatnonzero(which)
    if not len(rows):
        return None
    if len(rows) < len(x):
        x, seen, masses = x[rows], seen[rows], masses[rows]
    lines = Lines.of(x, seen, masses)
    mean = lines.levels[:, -1]
    paths, _ = _autoregressions([(x - mean[:, None]) * seen], np.maximum(seen.sum(axis=1), 1.0), reach)
    out = np.empty((len(which), len(SIMPLE), reach), np.float32)
    one = np.empty((len(rows), len(SIMPLE), reach), np.float32)
    one[:, 0] = lines.last[:, None]
    one[:, 1:5] = lines.levels[:, [LEVELS.index(k) for k in (2, 8, 32, 128)], None]
    line = LINES.index(32)
    one[:, 5] = lines.value[:, line, None] + lines.slope[:, line, None] * damping(
        32, np.arange(1, reach + 1, dtype=np.float32)
    )
    one[:, 6] = mean[:, None] + paths[0]
    out[rows] = one
    return out


def damping(half_life: int, h: Float32) -> Float32:
    """Sum of phi^1 .. phi^h, where phi halves a slope in ``half_life`` steps."""
    phi = 0.5 ** (1.0 / half_life)
    out: Float32 = (phi * (1.0 - phi**h) / (1.0 - phi)).astype(np.float32)
    return out


@functools.lru_cache(maxsize=16)
def _weights(length: int) -> Float32:
    """(length, levels + 3 lines): discounts, then for each line discounts times 1, t and t^2, t in
    half-lives and 0 at the last column."""
    age = np.arange(length - 1, -1, -1, dtype=np.float64)
    columns = [0.5 ** (age / k) for k in LEVELS]
    for power in range(3):
        columns += [0.5 ** (age / k) * (-age / k) ** power for k in LINES]
    weights = np.stack(columns, axis=1)
    # Subnormal weights would slow the product down a hundredfold.
    return np.where(np.abs(weights) < 1e-30, 0.0, weights).astype(np.float32)


def _median(rest: Float32, span: Ints, width: int) -> Float32:
    """Median of the last ``width`` values, or of as many as there are."""
    tail = rest[:, -width:]
    out = np.median(tail, axis=1)
    for k in np.unique(span[span < tail.shape[1]]):
        short = np.flatnonzero(span == k)
        out[short] = np.median(tail[short, -k:], axis=1) if k else 0.0
    return out.astype(np.float32)


def _autoregressions(parts: list[Float32], count: Float32, reach: int) -> tuple[Float32, Float32]:
    """Each part (rows, columns), zero on average and where missing, continued by the autoregression of Yule
    and Walker: paths (parts, rows, reach) and first correlations (parts, rows, ORDER)."""
    correlations = np.stack([_correlations(part, count) for part in parts])
    rows = parts[0].shape[0]
    weights = _levinson(correlations.reshape(-1, ORDER + 1))[:, ::-1].astype(np.float32)
    path = np.zeros((len(parts) * rows, ORDER + reach), np.float32)
    for k, part in enumerate(parts):
        start = part[:, -ORDER:]
        path[k * rows : (k + 1) * rows, ORDER - start.shape[1] : ORDER] = start
    for k in range(reach):
        path[:, ORDER + k] = np.einsum("rk,rk->r", path[:, k : k + ORDER], weights)
    shape = (len(parts), rows, reach)
    return path[:, ORDER:].reshape(shape), correlations[:, :, 1:]


def _correlations(x: Float32, count: Float32) -> Float32:
    """Autocorrelations (rows, ORDER + 1), drawn to zero where there is little: enough to be stable."""
    length = x.shape[1]
    out = np.zeros((len(x), ORDER + 1), np.float32)
    for lag in range(min(ORDER, length - 1) + 1):
        out[:, lag] = np.einsum("rt,rt->r", x[:, lag:], x[:, : length - lag])
    power = out[:, :1] * (1.0 + 1.0 / count[:, None]) + np.float32(1e-12)
    out[:, 1:] /= power
    out[:, 0] = 1.0
    return out


def _levinson(r: Float32) -> NDArray[np.float64]:
    """Coefficients (rows, ORDER) of the autoregression with correlations r (Levinson and Durbin)."""
    r = r.astype(np.float64)
    weights = np.zeros((len(r), ORDER))
    error = np.ones(len(r))
    for k in range(ORDER):
        before = weights[:, :k]
        partial = (r[:, k + 1] - (before * r[:, k:0:-1]).sum(axis=1)) / np.maximum(error, 1e-9)
        partial = np.clip(partial, -0.9999, 0.9999)
        weights[:, :k] = before - partial[:, None] * before[:, ::-1]
        weights[:, k] = partial
        error *= 1.0 - partial**2
    return weights
