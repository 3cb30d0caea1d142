"""Levels, lines, autoregressions and medians of histories: what continues them once seasons are put aside."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from foreseal.predict.decomposition import Float32, Ints
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
    count = np.maximum(seen.sum(axis=1), 1.0)
    pairs = np.zeros_like(seen)
    np.multiply(seen[:, 1:], seen[:, :-1], out=pairs[:, 1:])
    change = np.zeros_like(rest)
    np.subtract(rest[:, 1:], rest[:, :-1], out=change[:, 1:])
    change *= pairs
    # Zero on average and where missing, which the autoregressions ask for.
    centred = [(rest - mean[:, None]) * seen, change]
    counts = [count, count]
    others = []
    for x, which in (
        (rows.raw, rows.has[:, 0] | rows.has[:, 1]),
        (rows.first, rows.has[:, 0] & rows.has[:, 1]),
    ):
        at = np.flatnonzero(which)
        whole = len(at) == len(x)
        part, shown, mass = (x, seen, masses) if whole else (x[at], seen[at], masses[at])
        other = Lines.of(part, shown, mass)
        centred.append((part - other.levels[:, -1:]) * shown)
        counts.append(count[at])
        others.append((at, other))
    paths, correlations = _autoregressions(centred, counts, reach)
    recursions = np.empty((len(rest), 2, reach), np.float32)
    recursions[:, 0] = mean[:, None] + paths[0]
    recursions[:, 1] = rest[:, -1:] + np.cumsum(paths[1], axis=1)
    simple = [
        _simple(len(rest), at, other, path) if len(at) else None
        for (at, other), path in zip(others, paths[2:], strict=True)
    ]
    return Fits(
        lines,
        drift,
        recursions,
        np.stack([_median(rest, rows.span, k) for k in (8, 31)], axis=1),
        np.stack(correlations[:2], axis=1),
        simple[0],
        simple[1],
    )


def _simple(count: int, rows: Ints, lines: Lines, path: Float32) -> Float32:
    """The forecasts `SIMPLE` (count, 7, reach) of some rows, others unset."""
    reach = path.shape[1]
    out = np.empty((count, len(SIMPLE), reach), np.float32)
    out[rows, 0] = lines.last[:, None]
    out[rows, 1:5] = lines.levels[:, [LEVELS.index(k) for k in (2, 8, 32, 128)], None]
    at = LINES.index(32)
    sums = damping((32,), np.arange(1, reach + 1, dtype=np.float32))[0]
    out[rows, 5] = lines.value[:, at, None] + lines.slope[:, at, None] * sums
    out[rows, 6] = lines.levels[:, -1:] + path
    return out


def damping(half_lives: tuple[int, ...], h: Float32) -> Float32:
    """Sums of phi^1 .. phi^h (half-lives, steps), where phi halves a slope in so many steps."""
    exact = 0.5 ** (1.0 / np.array(half_lives)[:, None])
    phi = exact.astype(np.float32)
    out: Float32 = phi * (np.float32(1.0) - phi**h) / (1.0 - exact).astype(np.float32)
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
    out = _middle(tail)
    fewer = span[span < tail.shape[1]]
    for k in np.unique(fewer) if len(fewer) else ():
        short = np.flatnonzero(span == k)
        out[short] = _middle(tail[short, -k:]) if k else 0.0
    return out


def _middle(values: Float32) -> Float32:
    """The median of each row."""
    ordered, width = np.sort(values, axis=1), values.shape[1]
    out: Float32 = np.float32(0.5) * (ordered[:, (width - 1) // 2] + ordered[:, width // 2])
    return out


def _autoregressions(
    parts: list[Float32], counts: list[Float32], reach: int
) -> tuple[list[Float32], list[Float32]]:
    """Each part (rows, columns), zero on average and where missing, continued by the autoregression of Yule
    and Walker: a path (rows, reach) and the first correlations (rows, ORDER) of each."""
    correlations = np.concatenate(
        [_correlations(part, count) for part, count in zip(parts, counts, strict=True)]
    )
    weights = _levinson(correlations)[:, ::-1].astype(np.float32)
    total = len(weights)
    # How the next ORDER values follow from the last: rows of a recursion on unit vectors.
    response = np.zeros((total, 2 * ORDER, ORDER), np.float32)
    response[:, :ORDER] = np.eye(ORDER, dtype=np.float32)
    for k in range(ORDER):
        response[:, ORDER + k] = (weights[:, None] @ response[:, k : k + ORDER])[:, 0]
    onward = np.ascontiguousarray(response[:, ORDER:])
    blocks = -(-reach // ORDER)
    path = np.zeros((total, (1 + blocks) * ORDER), np.float32)
    bounds = np.cumsum([0, *(len(part) for part in parts)])
    each = [slice(low, high) for low, high in itertools.pairwise(bounds)]
    for part, at in zip(parts, each, strict=True):
        start = part[:, -ORDER:]
        path[at, ORDER - start.shape[1] : ORDER] = start
    for k in range(0, blocks * ORDER, ORDER):
        path[:, k + ORDER : k + 2 * ORDER] = (onward @ path[:, k : k + ORDER, None])[:, :, 0]
    ahead = path[:, ORDER : ORDER + reach]
    return [ahead[at] for at in each], [correlations[at, 1:] for at in each]


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
