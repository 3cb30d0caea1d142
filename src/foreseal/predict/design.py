"""What was known at an origin about a step ahead of it, as numbers for a regression.

The target is a deviation: the value ``k`` steps after an origin less its base, the median of the last
seasons at the same phase. Features are deviations too (recent ones at the same phase, their
level over the last steps, the same week a year before), the calendar, and covariates. Each origin sees only
columns before itself, except for covariates known in advance, which it sees at the target.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from foreseal.predict.grid import FloatArray, Grid, IntArray, TimeArray

# A median of eight weeks is steady; eight years ago is another time.
BASE_WEEKS = 8
BASE_YEARS = 3
MIN_ORIGINS = 60
MIXED_ORIGINS = 240
MAX_ORIGINS = 1_500
SAME_PHASE = 3
YEAR_DAYS = 365.2425
WEEKS_A_YEAR = 52
YEARLY = (4, 12, 52)


@dataclass(frozen=True)
class Step:
    """One step ahead, seen from all origins; the last origin is the forecast's own.

    ``x`` is (series, origins, features) without NaN; ``y`` the deviation to learn, NaN where unknown, and
    ``base`` to add to it, NaN where the history is too short, both (series, origins); ``group`` the day of
    the long season that the target falls on, (series or 1, origins).
    """

    x: FloatArray
    y: FloatArray
    base: FloatArray
    group: IntArray

    def seen(self, known: int, last: int) -> Step:
        """The step as the origin number ``last`` sees it: only the first ``known`` origins have a target."""
        rows = np.r_[:known, last]
        return Step(self.x[:, rows], self.y[:, rows], self.base[:, rows], self.group[:, rows])


@dataclass(frozen=True)
class Design:
    """Past origins of series that share a pair of seasons.

    ``y`` is (series, T). ``short`` and ``long`` are season lengths in steps (1 and 1 without a season);
    ``origins`` are columns, ascending, the last one T. ``local`` times and ``covariates`` reach ``columns``
    further than ``y``. ``stride`` is how many steps lie between origins.
    """

    y: FloatArray
    short: int
    long: int
    stride: int
    origins: IntArray
    columns: int
    local: TimeArray
    covariates: dict[str, FloatArray]

    @classmethod
    def of(
        cls,
        grid: Grid,
        rows: IntArray,
        covariates: dict[str, FloatArray],
        columns: int,
        backs: Sequence[int] = (),
    ) -> Design:
        """The design of some series of a grid, ``columns`` steps ahead, with origins at ``backs`` too.

        Origins lie one short season apart if that leaves enough of them. Else they lie closer together, where
        one regression serves several phases and needs more of them.
        """
        seen = np.isfinite(grid.y[rows]).any(axis=0)
        length = grid.y.shape[1] - int(seen.argmax())
        short, long = _seasons(grid, length)
        stride = math.gcd(_stride(short, length - long), *backs)
        count = min(max(length - long, 0) // stride, MAX_ORIGINS)
        local = grid.local(-length, columns)
        return cls(
            y=grid.y[rows, -length:],
            short=short,
            long=long,
            stride=stride,
            origins=length - stride * np.arange(count, -1, -1, dtype=np.int64),
            columns=columns,
            local=local[rows] if len(local) > 1 else local,
            covariates={
                name: (values[rows] if len(values) > 1 else values)[:, -(length + columns) :]
                for name, values in covariates.items()
            },
        )

    @property
    def base_seasons(self) -> int:
        """How many long seasons the base looks back."""
        return BASE_YEARS if self.long in YEARLY else BASE_WEEKS

    def steps(self) -> Iterator[Step]:
        """One `Step` for each column to forecast, in order."""
        target_y = _ahead(self.y, self.columns)
        filled = _fill(self.y, self.short, self.long)
        bases = {lag: self._base(filled, lag) for lag in self._lags()}
        recent = filled - bases[self.long][:, : self.y.shape[1]]
        levels = self._levels(recent)
        past_covariates = self._past_covariates()
        known = {lag: self._known_covariates(lag) for lag in bases}
        recent = _ahead(np.nan_to_num(recent), self.columns)
        for k in range(self.columns):
            target = self.origins + k
            lag = self._lags()[k // self.long]
            base = bases[lag][:, target]
            deviations = [self.short * (k // self.short + 1 + i) for i in range(SAME_PHASE)]
            deviations += [lag, lag + self.long, self._year(lag)]
            calendar, group = self._calendar(target)
            features = [
                *(_lagged(recent, target, steps)[:, :, None] for steps in dict.fromkeys(deviations) if steps),
                levels,
                past_covariates,
                *(values[:, target, None] for values in known[lag]),
                calendar,
            ]
            shape = base.shape
            x = np.concatenate([np.broadcast_to(f, (*shape, f.shape[2])) for f in features], axis=2)
            yield Step(x, target_y[:, target] - base, base, group)

    def _lags(self) -> list[int]:
        """For each stretch of a long season ahead, the shortest lag at which the same phase is known."""
        return [self.long * (block + 1) for block in range(-(-self.columns // self.long))]

    def _base(self, filled: FloatArray, lag: int) -> FloatArray:
        """Median of the seasons ``lag`` and more back, for every column; NaN where there is none.

        A median, because one holiday would else pull the base of the same day for weeks.
        """
        padded = _ahead(filled, self.columns)
        lags = [lag + season * self.long for season in range(self.base_seasons)]
        back = np.full((len(lags), *padded.shape), np.nan)
        for past, steps in zip(back, lags, strict=True):
            if steps < padded.shape[1]:
                past[:, steps:] = padded[:, :-steps]
        count = np.isfinite(back).sum(axis=0)[None]
        back.sort(axis=0)
        lower = np.take_along_axis(back, np.maximum(count - 1, 0) // 2, axis=0)
        upper = np.take_along_axis(back, np.minimum(count // 2, len(lags) - 1), axis=0)
        middle: FloatArray = (lower[0] + upper[0]) / 2
        return middle

    def _levels(self, recent: FloatArray) -> FloatArray:
        """Mean deviation over the last 1, short/4, short and long steps before each origin."""
        spans = dict.fromkeys((1, max(self.short // 4, 1), self.short, self.long))
        known = np.isfinite(recent)
        start = np.zeros((len(recent), 1))
        total = np.concatenate([start, np.where(known, recent, 0.0).cumsum(axis=1)], axis=1)
        count = np.concatenate([start, known.cumsum(axis=1)], axis=1)
        out = []
        for span in spans:
            lo = np.maximum(self.origins - span, 0)
            n = count[:, self.origins] - count[:, lo]
            out.append((total[:, self.origins] - total[:, lo]) / np.maximum(n, 1))
        return np.stack(out, axis=2)

    def _year(self, lag: int) -> int:
        """Steps back to the same day of the week a year before, or 0 where the season is no week."""
        days = self.long / self.short if self.long > self.short else 0
        return WEEKS_A_YEAR * self.long if days == 7 and lag <= WEEKS_A_YEAR * self.long else 0

    def _calendar(self, target: IntArray) -> tuple[FloatArray, IntArray]:
        """Day of the season as indicators, and two waves a year, at each target's local time."""
        times = self.local[:, target]
        group = np.zeros(times.shape, np.int64)
        columns = []
        if self.long > self.short:
            day = times.astype("datetime64[D]").astype(np.int64)
            group = (day + 3) % 7  # 1970-01-01 was a Thursday; 0 is Monday
            columns += [(group == d).astype(np.float64) for d in range(7)]
        days = (times - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
        if self.long not in YEARLY and np.ptp(days) > YEAR_DAYS:
            angle = 2 * np.pi * days / YEAR_DAYS
            columns += [wave(n * angle) for n in (1, 2) for wave in (np.sin, np.cos)]
        if not columns:
            return np.empty((*times.shape, 0)), group
        return np.stack(columns, axis=2), group

    def _past_covariates(self) -> FloatArray:
        """Mean of each covariate over the last short season before each origin, less its own mean."""
        out = []
        for values in self.covariates.values():
            past = values[:, : self.y.shape[1]]
            known = np.isfinite(past)
            total = np.pad(np.where(known, past, 0.0).cumsum(axis=1), ((0, 0), (1, 0)))
            count = np.pad(known.cumsum(axis=1), ((0, 0), (1, 0)))
            lo = np.maximum(self.origins - self.short, 0)
            n = count[:, self.origins] - count[:, lo]
            mean = total[:, -1:] / np.maximum(count[:, -1:], 1)
            out.append(
                np.where(n > 0, (total[:, self.origins] - total[:, lo]) / np.maximum(n, 1) - mean, 0.0)
            )
        return np.stack(out, axis=2) if out else np.empty((1, len(self.origins), 0))

    def _known_covariates(self, lag: int) -> list[FloatArray]:
        """Covariates known for every step ahead, less their own base, for they explain deviations from one;
        zero where unknown in the past."""
        length = self.y.shape[1]
        out = []
        for given in self.covariates.values():
            values = _bridged(given)
            if np.isfinite(values[:, length:]).all():
                out.append(np.nan_to_num(values - np.nan_to_num(self._base(values[:, :length], lag))))
        return out


def _seasons(grid: Grid, length: int) -> tuple[int, int]:
    """The shortest and the longest usual season that a history holds three times; 1 and 1 if none."""
    held = [season for season in grid.freq.seasons if length >= 3 * season]
    return (held[0], held[-1]) if held else (1, 1)


def _stride(short: int, length: int) -> int:
    """Steps between origins, a divisor of the short season."""
    if length // short >= MIN_ORIGINS:
        return short
    return max(n for n in range(1, short + 1) if short % n == 0 and (n == 1 or length // n >= MIXED_ORIGINS))


def _fill(y: FloatArray, short: int, long: int) -> FloatArray:
    """Missing values filled from the past: a long season before, else a short one; the start stays NaN."""
    filled = y.copy()
    for lag in dict.fromkeys((long, short)):
        for lo in range(lag, y.shape[1], lag):
            part = filled[:, lo : lo + lag]
            before = filled[:, lo - lag : lo - lag + part.shape[1]]
            np.copyto(part, before, where=np.isnan(part))
    return filled


def _ahead(values: FloatArray, columns: int) -> FloatArray:
    """``values`` with NaN columns for what is yet to come."""
    return np.pad(values, ((0, 0), (0, columns)), constant_values=np.nan)


def _bridged(values: FloatArray) -> FloatArray:
    """Single missing cells between known ones take the value before: the hour that a clock change skips."""
    missing = np.isnan(values[:, 1:-1]) & ~np.isnan(values[:, :-2]) & ~np.isnan(values[:, 2:])
    out = values.copy()
    np.copyto(out[:, 1:-1], values[:, :-2], where=missing)
    return out


def _lagged(values: FloatArray, target: IntArray, steps: int) -> FloatArray:
    """Values ``steps`` before each target column, zero where the history does not reach."""
    back = target - steps
    return np.where(back >= 0, values[:, np.maximum(back, 0)], 0.0)
