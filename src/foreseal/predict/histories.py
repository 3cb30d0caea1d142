"""Histories taken apart: seasons put aside and continued, gaps filled, earlier cycles laid out.

A history is a right-aligned row; the forecast itself and the backtest's earlier origins are rows alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from foreseal.predict.decomposition import (
    LEAST_CYCLES,
    Flags,
    Float32,
    Ints,
    at_phase,
    fill_gaps,
    season_of,
    second_of,
    smooth_of,
)

# Columns that levels, lines and autoregressions look at.
CONTEXT = 1024
# Steps that a season is continued at least, so that what is said of it does not depend on what was asked for.
CONTINUED = 64

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


@dataclass(frozen=True)
class Histories:
    """Histories taken apart. ``rest`` (rows, columns) is without seasons, ``first`` without the first season
    only (unset where there is no second), ``raw`` with all (no use where not ``seen``); ``seen`` is 0 or 1.

    ``season`` (rows, 2, at least reach) continues the smooth tables, ``tables`` (rows, 3, reach) the quick
    and slow first and the low-rank second season, ``lags`` (rows, 10, reach) earlier values; ``has`` (rows,
    3) tells which seasons the history holds, ``noise`` (rows, reach) the relative spread of a phase.
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

    def part(self, low: int, high: int | None) -> Self:
        """Some of the rows, as views."""
        at = slice(low, high)
        return type(self)(*(getattr(self, name)[at] for name in self.__dataclass_fields__))


def take_apart(
    filled: Float32, seen: Float32, span: Ints, periods: Ints, reach: int, *, full: bool = True
) -> Histories:
    """Histories (rows, T), 0 where not ``seen``, of ``span`` columns since their first value, and their
    periods (rows, 3). ``filled`` is overwritten. ``full=False`` leaves tables and lags at zero."""
    rows, length = filled.shape
    has = (periods > 1) & (span[:, None] >= LEAST_CYCLES * periods)
    has[:, 2] = (periods[:, 2] > 1) & (span >= periods[:, 2] + 8)
    gaps = seen.sum(axis=1) < span
    kept = min(length, CONTEXT)
    rest = np.empty((rows, kept), np.float32)
    first = np.empty((rows, kept), np.float32)
    continued = max(reach, CONTINUED)
    season = np.zeros((rows, 2, continued), np.float32)
    tables = np.zeros((rows, 3, reach), np.float32)
    lags = np.zeros((rows, len(LAGS), reach), np.float32)
    noise = np.ones((rows, reach), np.float32)
    for part, triple in _alike(np.where(has, periods, 0)):
        p1, p2, _ = triple
        values, mass, history = filled[part], seen[part], span[part]
        holes = np.flatnonzero(gaps[part])
        if len(holes):
            values[holes] = fill_gaps(values[holes], mass[holes], p1 or p2)
        shown = mass if len(holes) else None
        left = values
        if p1 and not full:
            table = smooth_of(left, shown, history, p1)
            season[part, 0] = at_phase(table, 0, continued)
            left = left - at_phase(table, -length, length)
        elif p1:
            one = season_of(left, shown, history, p1)
            season[part, 0] = at_phase(one.smooth, 0, continued)
            noise[part] = at_phase(one.noise, 0, reach)
            tables[part, 0] = at_phase(one.quick, 0, reach)
            tables[part, 1] = at_phase(one.slow, 0, reach)
            left = left - at_phase(one.smooth, -length, length)
        if p2 and not full:
            table = smooth_of(left, shown, history, p2)
            season[part, 1] = at_phase(table, 0, continued)
            left = left - at_phase(table, -length, length)
        elif p2:
            first[part] = left[:, length - kept :]
            table, low_rank = second_of(left, shown, history, p2, p1)
            season[part, 1] = at_phase(table, 0, continued)
            tables[part, 2] = at_phase(low_rank, 0, reach)
            left = left - at_phase(table, -length, length)
        if full:
            lags[part] = _lags(values, left, history, triple, reach)
        rest[part] = left[:, length - kept :]
    seen = np.ascontiguousarray(seen[:, length - kept :])
    return Histories(rest, first, filled[:, length - kept :], seen, span, season, tables, lags, has, noise)


def _alike(periods: Ints) -> Iterator[tuple[Ints, tuple[int, int, int]]]:
    """Groups of rows with the same periods."""
    if (periods == periods[:1]).all():
        if len(periods):
            yield np.arange(len(periods)), (int(periods[0, 0]), int(periods[0, 1]), int(periods[0, 2]))
        return
    kinds, inverse = np.unique(periods, axis=0, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    bounds = np.searchsorted(inverse.ravel()[order], np.arange(len(kinds) + 1))
    for kind, low, high in zip(kinds, bounds, bounds[1:], strict=False):
        yield order[low:high], (int(kind[0]), int(kind[1]), int(kind[2]))


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
