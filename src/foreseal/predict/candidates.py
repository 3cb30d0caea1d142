"""Forecasts in closed form, many series at once: what a network, or an average, chooses among.

Rows are right-aligned histories; the same code serves the forecast itself and the backtest's earlier origins,
which are rows cut off there. A row is taken apart by `foreseal.predict.decomposition`; levels, lines, damped
lines, autoregressions and medians continue what is left, and seasons are put back in several ways. Twins in
logarithms continue growth and seasons that scale with the level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from foreseal.predict.decomposition import (
    LEAST_CYCLES,
    Flags,
    Float32,
    Ints,
    at_phase,
    fill_gaps,
    season_of,
    smooth_of,
)

# Half-lives, in steps, of discounted levels and of discounted lines.
LEVELS = (1, 2, 4, 8, 16, 32, 64, 128, 512)
LINES = (4, 8, 16, 32, 64, 128, 512)
ANCHORED = (16, 64, 512)
LOG_LEVELS = (2, 8, 32)
LOG_LINES = (16, 64, 512)
LOG_DAMPED = (8, 32)
LOG_ANCHORED = (64, 512)
ORDER = 6
# Columns that levels, lines and autoregressions look at.
CONTEXT = 1024

BASE = (
    "last",
    *(f"level {k}" for k in LEVELS),
    *(f"line {k}" for k in LINES),
    *(f"damped {k}" for k in LINES),
    "drift",
    *(f"last, slope {k}" for k in ANCHORED),
    "autoregression",
    "autoregression of changes",
    "median 8",
    "median 31",
)
_SIMPLE = ("last", "level 2", "level 8", "level 32", "level 128", "damped 32", "autoregression")
WITHOUT = tuple(f"{name}, no season" for name in _SIMPLE)
FIRST_ONLY = tuple(f"{name}, first season" for name in _SIMPLE)
TABLES = tuple(
    f"level {k}, {table}"
    for table in ("quick first season", "slow first season", "low-rank second season", "quick and low-rank")
    for k in (2, 32)
)
LAGS = (
    "one cycle back",
    "two cycles back",
    "mean of three cycles",
    "one long cycle back",
    "two long cycles back",
    "mean of three long cycles",
    "one cycle back, level now",
    "one long cycle back, level now",
    "one third cycle back",
    "one third cycle back, level now",
)
LOGS = (
    "log last",
    *(f"log level {k}" for k in LOG_LEVELS),
    *(f"log line {k}" for k in LOG_LINES),
    *(f"log damped {k}" for k in LOG_DAMPED),
    "log drift",
    *(f"log last, slope {k}" for k in LOG_ANCHORED),
)
SCALED = ("level 4 times season", "damped 32 times season", "line 64 times season")
CANDIDATES = (*BASE, *WITHOUT, *FIRST_ONLY, *TABLES, *LAGS, *LOGS, *SCALED)

_AT = {name: k for k, name in enumerate(CANDIDATES)}
# What a twin in logarithms falls back to, and the line that a scaled season multiplies.
_PLAIN = tuple(_AT[name.removeprefix("log ")] for name in LOGS)
_TIMES = tuple(_AT[name.removesuffix(" times season")] for name in SCALED)
_SEASONAL = tuple(_AT[name] for name in (*TABLES[:4], *LAGS[:3], LAGS[6]))
_LONG = tuple(_AT[name] for name in (*TABLES[4:], *LAGS[3:6], LAGS[7]))
_THIRD = tuple(_AT[name] for name in LAGS[8:])


@dataclass(frozen=True)
class Rows:
    """Histories taken apart. ``rest`` (rows, columns) is without seasons, ``first`` without the first season
    only (unset where there is no second), ``raw`` with all, gaps filled; ``seen`` is 0 or 1 where observed.

    ``season`` (rows, 2, reach) continues the smooth tables, ``tables`` (rows, 3, reach) the quick and slow
    first and the low-rank second season, ``lags`` (rows, 10, reach) earlier values; ``has`` (rows, 3) tells
    which seasons the history holds, ``noise`` (rows, reach) the relative spread of a phase.
    """

    rest: Float32
    first: Float32
    raw: Float32
    seen: Float32
    span: Ints
    season: Float32
    tables: Float32
    lags: Float32
    has: Flags
    noise: Float32


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


def take_apart(
    filled: Float32, seen: Float32, span: Ints, periods: Ints, reach: int, *, full: bool = True
) -> Rows:
    """Histories (rows, T), 0 where not ``seen``, of ``span`` columns since their first value, and their
    periods (rows, 3). ``filled`` is overwritten. ``full=False`` leaves tables and lags at zero."""
    rows, length = filled.shape
    has = (periods > 1) & (span[:, None] >= LEAST_CYCLES * periods)
    has[:, 2] = (periods[:, 2] > 1) & (span >= periods[:, 2] + 8)
    gaps = seen.sum(axis=1) < span
    kept = min(length, CONTEXT)
    rest = np.empty((rows, kept), np.float32)
    first = np.empty((rows, kept), np.float32)
    season = np.zeros((rows, 2, reach), np.float32)
    tables = np.zeros((rows, 3, reach), np.float32)
    lags = np.zeros((rows, len(LAGS), reach), np.float32)
    noise = np.ones((rows, reach), np.float32)
    for part, triple in _alike(np.where(has, periods, 0)):
        p1, p2, _ = triple
        values, mass, history = filled[part], seen[part], span[part]
        holes = np.flatnonzero(gaps[part])
        if len(holes):
            values[holes] = fill_gaps(values[holes], mass[holes], p1 or p2)
            filled[part[holes]] = values[holes]
        left = values
        if p1 and not full:
            table = smooth_of(left, mass, history, p1)
            season[part, 0] = at_phase(table, 0, reach)
            left = left - at_phase(table, -length, length)
        elif p1:
            one = season_of(left, mass, history, p1, 0)
            season[part, 0] = at_phase(one.smooth, 0, reach)
            noise[part] = at_phase(one.noise, 0, reach)
            tables[part, 0] = at_phase(one.quick, 0, reach)
            tables[part, 1] = at_phase(one.slow, 0, reach)
            left = left - at_phase(one.smooth, -length, length)
        if p2 and not full:
            table = smooth_of(left, mass, history, p2)
            season[part, 1] = at_phase(table, 0, reach)
            left = left - at_phase(table, -length, length)
        elif p2:
            first[part] = left[:, length - kept :]
            two = season_of(left, mass, history, p2, p1)
            season[part, 1] = at_phase(two.smooth, 0, reach)
            tables[part, 2] = at_phase(two.low_rank, 0, reach)
            left = left - at_phase(two.smooth, -length, length)
        if full:
            lags[part] = _lags(values, left, history, triple, reach)
        rest[part] = left[:, length - kept :]
    seen = np.ascontiguousarray(seen[:, length - kept :])
    return Rows(rest, first, filled[:, length - kept :], seen, span, season, tables, lags, has, noise)


def straight(rows: Rows) -> tuple[Lines, Float32, Float32]:
    """Lines and drift (rows,) of what seasons leave, and the sums of weights that they used."""
    masses = rows.seen @ _weights(rows.seen.shape[1])
    lines = Lines.of(rows.rest, rows.seen, masses)
    oldest = rows.seen.argmax(axis=1)
    first = rows.rest[np.arange(len(rows.rest)), oldest]
    drift = ((lines.last - first) / np.maximum(lines.newest - oldest, 1)).astype(np.float32)
    return lines, drift, masses


def fit(rows: Rows, reach: int) -> Fits:
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
    """The forecasts `_SIMPLE` of the rows ``which``, (rows, 7, reach), others unset; None without rows."""
    rows = np.flatnonzero(which)
    if not len(rows):
        return None
    if len(rows) < len(x):
        x, seen, masses = x[rows], seen[rows], masses[rows]
    lines = Lines.of(x, seen, masses)
    mean = lines.levels[:, -1]
    paths, _ = _autoregressions([(x - mean[:, None]) * seen], np.maximum(seen.sum(axis=1), 1.0), reach)
    out = np.empty((len(which), len(_SIMPLE), reach), np.float32)
    one = np.empty((len(rows), len(_SIMPLE), reach), np.float32)
    one[:, 0] = lines.last[:, None]
    one[:, 1:5] = lines.levels[:, [LEVELS.index(k) for k in (2, 8, 32, 128)], None]
    line = LINES.index(32)
    one[:, 5] = lines.value[:, line, None] + lines.slope[:, line, None] * _damping(
        32, np.arange(1, reach + 1, dtype=np.float32)
    )
    one[:, 6] = mean[:, None] + paths[0]
    out[rows] = one
    return out


def candidates(rows: Rows, fits: Fits, steps: Ints) -> Float32:
    """All candidates but those in logarithms, (rows, len(CANDIDATES), steps); those are left unset."""
    h = steps.astype(np.float32)
    at = steps - 1
    lines = fits.lines
    count = len(rows.rest)
    out = np.empty((count, len(CANDIDATES), len(steps)), np.float32)
    first, second = rows.season[:, 0][:, at], rows.season[:, 1][:, at]
    season = first + second
    sums = np.stack([_damping(k, h) for k in LINES])
    slopes = lines.slope[:, [LINES.index(j) for j in ANCHORED], None]
    filled = 0

    def put(block: Float32, width: int) -> None:
        nonlocal filled
        out[:, filled : filled + width] = block
        filled += width

    put(lines.last[:, None, None], 1)
    put(lines.levels[:, :, None], len(LEVELS))
    put(lines.value[:, :, None] + lines.slope[:, :, None] * h, len(LINES))
    put(lines.value[:, :, None] + lines.slope[:, :, None] * sums, len(LINES))
    put((lines.last[:, None] + fits.drift[:, None] * h)[:, None], 1)
    put(lines.last[:, None, None] + slopes * h, len(ANCHORED))
    put(fits.recursions[:, :, at], 2)
    put(fits.medians[:, :, None], 2)
    base = out[:, :filled]
    simple = [BASE.index(name) for name in _SIMPLE]
    two = base[:, [BASE.index("level 2"), BASE.index("level 32")]]
    seasonal = rows.has[:, 0] | rows.has[:, 1]
    for other, added, whose in (
        (fits.raw, None, seasonal),
        (fits.first, first, rows.has[:, 0] & rows.has[:, 1]),
    ):
        block = base[:, simple] + season[:, None]
        if other is not None:
            chosen = other[whose][:, :, at]
            block[whose] = chosen if added is None else chosen + added[whose, None]
        put(block, len(_SIMPLE))
    quick, slow, low_rank = (rows.tables[:, j][:, at] for j in range(3))
    for form in (quick + second, slow + second, first + low_rank, quick + low_rank):
        put(two + form[:, None], 2)
    put(rows.lags[:, :, at], len(LAGS))
    base += season[:, None]
    return out


def add_logs(out: Float32, logs: Float32 | None, which: Ints) -> None:
    """Set the candidates in logarithms: ``logs`` (rows of ``which``, len(LOGS) + len(SCALED), steps), and for
    all other rows the plain ones they are twins of."""
    first = _AT[LOGS[0]]
    out[:, first : first + len(LOGS)] = out[:, list(_PLAIN)]
    out[:, first + len(LOGS) :] = out[:, list(_TIMES)]
    if logs is not None and len(which):
        out[which, first:] = logs


def log_candidates(rows: Rows, lines: Lines, drift: Float32, steps: Ints) -> tuple[Float32, Float32]:
    """Candidates of rows in logarithms (rows, len(LOGS), steps), and their season (rows, steps)."""
    h = steps.astype(np.float32)
    at = steps - 1
    season = rows.season[:, :, at].sum(axis=1)

    picked = [LINES.index(j) for j in LOG_LINES]
    damped = [LINES.index(j) for j in LOG_DAMPED]
    anchored = [LINES.index(j) for j in LOG_ANCHORED]
    last = lines.last[:, None, None]
    levels = lines.levels[:, [LEVELS.index(j) for j in LOG_LEVELS], None]
    flat = np.zeros((1, 1, len(h)), np.float32)
    sums = np.stack([_damping(k, h) for k in LOG_DAMPED])
    blocks = [
        last + flat,
        levels + flat,
        lines.value[:, picked, None] + lines.slope[:, picked, None] * h,
        lines.value[:, damped, None] + lines.slope[:, damped, None] * sums,
        last + drift[:, None, None] * h,
        last + lines.slope[:, anchored, None] * h,
    ]
    return np.concatenate(blocks, axis=1) + season[:, None], season


def plain(out: Float32, season: Float32) -> Float32:
    """The lines that scaled seasons multiply, without the season that was added to them."""
    return out[:, list(_TIMES)] - season[:, None]


def usable(has: Flags, log_ok: Flags) -> Flags:
    """Which candidates of a row are its own (rows, K), not copies for want of a season or of logarithms."""
    out = np.ones((len(has), len(CANDIDATES)), bool)
    some = has[:, 0] | has[:, 1]
    out[:, list(_SEASONAL)] = has[:, :1]
    out[:, [_AT[name] for name in WITHOUT]] = some[:, None]
    out[:, list(_LONG)] = has[:, 1:2]
    out[:, [_AT[name] for name in FIRST_ONLY]] = (has[:, 0] & has[:, 1])[:, None]
    out[:, list(_THIRD)] = has[:, 2:3]
    out[:, [_AT[name] for name in LOGS]] = log_ok[:, None]
    out[:, [_AT[name] for name in SCALED]] = (log_ok & some)[:, None]
    return out


def _alike(periods: Ints) -> Iterator[tuple[Ints, tuple[int, int, int]]]:
    """Groups of rows with the same periods."""
    kinds, inverse = np.unique(periods, axis=0, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    bounds = np.searchsorted(inverse.ravel()[order], np.arange(len(kinds) + 1))
    for kind, low, high in zip(kinds, bounds, bounds[1:], strict=False):
        yield order[low:high], (int(kind[0]), int(kind[1]), int(kind[2]))


def _damping(half_life: int, h: Float32) -> Float32:
    """Sum of phi^1 .. phi^h, where phi halves a slope in ``half_life`` steps."""
    phi = 0.5 ** (1.0 / half_life)
    return (phi * (1.0 - phi**h) / (1.0 - phi)).astype(np.float32)


_WEIGHTS: dict[int, Float32] = {}


def _weights(length: int) -> Float32:
    """(length, levels + 3 lines): discounts, then for each line discounts times 1, t and t^2, t in
    half-lives and 0 at the last column."""
    if length not in _WEIGHTS:
        age = np.arange(length - 1, -1, -1, dtype=np.float64)
        columns = [0.5 ** (age / k) for k in LEVELS]
        for power in range(3):
            columns += [0.5 ** (age / k) * (-age / k) ** power for k in LINES]
        weights = np.stack(columns, axis=1)
        # Subnormal weights would slow the product down a hundredfold.
        _WEIGHTS[length] = np.where(np.abs(weights) < 1e-30, 0.0, weights).astype(np.float32)
    return _WEIGHTS[length]


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


def _lags(x: Float32, rest: Float32, span: Ints, periods: tuple[int, int, int], reach: int) -> Float32:
    """Earlier values (rows, len(LAGS), reach) of filled x; the last value where a lag is not there."""
    rows, length = x.shape
    out = np.broadcast_to(x[:, -1][:, None, None], (rows, len(LAGS), reach)).astype(np.float32)
    for place, level, period, window in (
        (0, 6, periods[0], 0),
        (3, 7, periods[1], periods[0] or max(1, periods[1] // 8)),
        (-1, 9, periods[2], periods[1] or periods[0] or max(1, periods[2] // 8)),
    ):
        if not period:
            continue
        cycles = [x[:, max(length - (k + 1) * period, 0) : length - k * period] for k in range(3)]
        one = at_phase(cycles[0], 0, reach)
        known = [span >= (k + 1) * period for k in range(3)]
        if place < 0:
            out[:, 8] = one
        else:
            out[:, place] = one
            two = at_phase(cycles[1], 0, reach) if known[1].any() else one
            two = np.where(known[1][:, None], two, one)
            three = at_phase(cycles[2], 0, reach) if known[2].any() else two
            out[:, place + 1] = two
            out[:, place + 2] = np.where(
                known[2][:, None], (one + two + three) / np.float32(3.0), 0.5 * (one + two)
            )
        if window:
            enough = span >= period + window
            now = x[:, -window:].mean(axis=1)
            then = (
                x[:, max(length - period - window, 0) : length - period].mean(axis=1) if enough.any() else now
            )
        else:
            enough = span >= period
            now = rest[:, -max(1, period // 6) :].mean(axis=1)
            then = rest[:, -period:].mean(axis=1)
        out[:, level] = one + np.where(enough, now - then, 0.0)[:, None]
    return out
