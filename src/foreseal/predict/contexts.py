"""What the stage's models read of each series, and what becomes of series that have been silent.

A history ends at its last value, wherever the grid ends: over missing values at the end a model forecasts its
way, up to `LONGEST_SILENCE` steps. A series silent for longer, or of which the context shows next to nothing
though its history did change, gets the seasonal naive's quantiles, which is told and warned of.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foreseal.errors import ModelWarning
from foreseal.predict.decomposition import Flags
from foreseal.predict.grid import FloatArray, Grid, IntArray
from foreseal.predict.histories import CONTEXT
from foreseal.predict.naive import SeasonalNaive

# Context lengths that series are batched by: a series takes the first that holds it.
CONTEXTS = (64, 128, 256, 512, 1024)
# Longer histories serve seasons: this many cycles of the longest.
LONG_CYCLES = 8
# Steps x series that are forecast at a time, which bounds memory to some hundreds of megabytes.
BLOCK = 1 << 15
# Missing values at the end that are forecast over: beyond it a history tells less of now than of then.
LONGEST_SILENCE = 1024
# Silences up to each of these, in steps, are forecast together.
ALIKE = (0, 8, 64, 256, LONGEST_SILENCE)
# Equal values below which a series that never changed is worth a warning.
FEW_EQUAL = 24
# A share of its highest value: what came that near zero and was never below cannot be.
NEAR_ZERO = 0.05

# Quantiles (B, S, levels) of contexts (B, T) at steps (S,), and which of these contexts never change.
Decode = Callable[[FloatArray, IntArray], tuple[FloatArray, Flags]]


@dataclass(frozen=True)
class Said:
    """Quantiles ``values`` (series, steps, levels); ``silent`` series got the seasonal naive's, and of
    ``still`` ones the model saw but a few values, all equal."""

    values: FloatArray
    silent: IntArray
    still: IntArray

    def told(self) -> dict[str, str]:
        """What of it goes into a forecast's ``ran``."""
        return {"naive": str(len(self.silent))} if len(self.silent) else {}

    def warn(self, model: object, grid: Grid) -> None:
        """Say which series it was too little for."""
        so = "they get the seasonal naive forecast's quantiles"
        _warn(model, grid, self.silent, "series silent for too long", so)
        _warn(model, grid, self.still, "short series never changed", "their quantiles coincide")


def said(
    grid: Grid,
    y: FloatArray,
    reach: int,
    quantiles: FloatArray,
    seasons: tuple[int, ...],
    decode: Decode,
) -> Said:
    """The next ``reach`` steps of histories y (series, T) that may end before the grid's do."""
    values = np.empty((len(y), reach, len(quantiles)))
    naive, still = [], []
    gap = silence(y)
    naive.append(np.flatnonzero(gap > LONGEST_SILENCE))
    for whose, ended in _ended(y, gap, _longest(y, seasons)):
        away = gap[whose]
        steps = np.arange(away.min() + 1, away.max() + reach + 1)
        for rows, part in contexts(ended, seasons, BLOCK // len(steps)):
            made, constant = decode(part, steps)
            made = within(made, part)
            own = whose[rows]
            if len(steps) > reach:
                ahead = (gap[own] - away.min())[:, None] + np.arange(reach)
                made = np.take_along_axis(made, ahead[:, :, None], axis=1)
            values[own] = made
            few = np.flatnonzero(constant)
            few = own[few[np.isfinite(part[few, -CONTEXT:]).sum(axis=1) < FEW_EQUAL]]
            changed = _changes(y[few])
            naive.append(few[changed])
            still.append(few[~changed])
    silent = np.sort(np.concatenate(naive))
    if len(silent):
        values[silent] = SeasonalNaive().ahead(grid, y[silent], reach, quantiles.tolist())[0]
    return Said(values, silent, np.sort(np.concatenate([np.empty(0, np.int64), *still])))


def rolled(
    grid: Grid,
    backs: Sequence[int],
    columns: int,
    quantiles: Sequence[float],
    of: Callable[[Grid, FloatArray, int, Sequence[float]], Said],
) -> tuple[FloatArray, Said]:
    """Quantiles (len(backs), series, columns, levels) as from ``backs`` columns earlier, NaN of series
    without a value then, and what is said of the present one, 0 columns back."""
    out = np.full((len(backs), len(grid.ids), columns, len(quantiles)), np.nan)
    empty = np.empty(0, np.int64)
    now = Said(out[0], empty, empty)
    for origin, back in enumerate(backs):
        y = grid.y[:, : grid.y.shape[1] - back]
        rows = np.flatnonzero(np.isfinite(y).any(axis=1))
        made = of(grid, y[rows], columns, quantiles)
        out[origin, rows] = made.values
        if not back:
            now = Said(out[origin], rows[made.silent], rows[made.still])
    return out, now


def contexts(y: FloatArray, seasons: tuple[int, ...], most: int) -> Iterator[tuple[IntArray, FloatArray]]:
    """Rows of y (series, T) and their right-aligned contexts, alike in length, at most ``most`` at a time.

    A context is the shortest of `CONTEXTS` that holds the series; histories beyond the longest are read as
    far back as their seasons need, in contexts of twice, four times, ... its length.
    """
    seen = np.isfinite(y)
    span = np.where(seen.any(axis=1), y.shape[1] - seen.argmax(axis=1), 1)
    longest = _longest(y, seasons)
    size = np.array([*CONTEXTS, *_doubled(longest)])
    kind = np.searchsorted(size[:-1], np.minimum(span, longest))
    for k in np.unique(kind):
        rows = np.flatnonzero(kind == k)
        width = int(size[k])
        part = y[:, -width:]
        if part.shape[1] < width:
            part = np.pad(part, ((0, 0), (width - part.shape[1], 0)), constant_values=np.nan)
        # Of longer contexts fewer at a time.
        step = max(1, most * CONTEXTS[-1] // max(width, CONTEXTS[-1]))
        for low in range(0, len(rows), step):
            yield rows[low : low + step], part[rows[low : low + step]]


def within(values: FloatArray, y: FloatArray) -> FloatArray:
    """Quantiles kept finite, and at or above zero where a series came near zero and was never below."""
    seen = np.isfinite(y)
    low, high = np.where(seen, y, np.inf).min(axis=1), np.where(seen, y, -np.inf).max(axis=1)
    rests = np.flatnonzero((low >= 0.0) & (low <= NEAR_ZERO * high))
    # No further out than the history itself, or a quarter of what there are numbers for.
    largest = np.where(low <= high, np.maximum(np.abs(low), np.abs(high)), 0.0)
    limit = np.maximum(largest, np.finfo(np.float64).max / 4.0)[:, None, None]
    out: FloatArray = np.clip(values, -limit, limit)
    out[rests] = np.maximum(out[rests], 0.0)
    return out


def warn_if_certain(model: object, grid: Grid) -> None:
    """Say so where a history is short and has never changed: no spread can be learnt from it, and few equal
    values do not show that there is none."""
    short = ~_changes(grid.y) & (np.isfinite(grid.y).sum(axis=1) < FEW_EQUAL)
    _warn(model, grid, np.flatnonzero(short), "short series never changed", "their quantiles coincide")


def _warn(model: object, grid: Grid, rows: IntArray, what: str, so: str) -> None:
    if len(rows):
        names = ", ".join(repr(grid.ids[row]) for row in rows[:5])
        warnings.warn(
            f"{model!r}: {len(rows)} {what} ({names}{', …' if len(rows) > 5 else ''}); {so}.",
            ModelWarning,
            stacklevel=4,
        )


def _longest(y: FloatArray, seasons: tuple[int, ...]) -> int:
    """Columns of the longest context that the seasons ask for and the histories hold."""
    longest = max((LONG_CYCLES * season for season in seasons), default=0)
    return max(CONTEXTS[-1], -(-min(longest, int(y.shape[1])) // 32) * 32)


def _doubled(longest: int) -> list[int]:
    """Context lengths beyond the last of `CONTEXTS`, each twice the one before, up to the longest."""
    size, out = 2 * CONTEXTS[-1], []
    while size < longest:
        out.append(size)
        size *= 2
    return [*out, longest]


def silence(y: FloatArray) -> IntArray:
    """Missing values (series,) at the end of each row, 0 where there is no value at all."""
    gap = np.zeros(len(y), np.int64)
    late = np.flatnonzero(~np.isfinite(y[:, -1]))
    if len(late):
        seen = np.isfinite(y[late, ::-1])
        gap[late] = np.where(seen.any(axis=1), seen.argmax(axis=1), 0)
    return gap


def _ended(y: FloatArray, gap: IntArray, width: int) -> Iterator[tuple[IntArray, FloatArray]]:
    """Rows of y of about the same silence, up to the longest forecast over, moved to end at their last value;
    of moved ones the last ``width`` columns are kept."""
    if not gap.any():
        yield np.arange(len(y)), y
        return
    kind = np.searchsorted(ALIKE, gap)
    for k in range(len(ALIKE)):
        rows = np.flatnonzero(kind == k)
        if not k and len(rows):
            yield rows, y[rows]
        elif len(rows):
            moved = np.full((len(rows), min(width, y.shape[1])), np.nan)
            for at, row in enumerate(rows):
                known = y[row, : y.shape[1] - gap[row]][-moved.shape[1] :]
                moved[at, moved.shape[1] - len(known) :] = known
            yield rows, moved


def _changes(y: FloatArray) -> Any:
    """Which rows (series,) hold two different values."""
    seen = np.isfinite(y)
    low, high = np.where(seen, y, np.inf).min(axis=1), np.where(seen, y, -np.inf).max(axis=1)
    return low < high
