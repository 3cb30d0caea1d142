"""The usual day of each series, and the usual working day and weekend, shrunk and smoothed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from foreseal.predict.grid import FloatArray, IntArray, TimeArray

# How many days of zero deviation every phase starts from, and working days or weekends of the usual day.
PRIOR_DAYS = 1.0
# Standard deviation of the smoothing, as a share of the day: half an hour.
SMOOTHING = 1.0 / 48.0


@dataclass(frozen=True)
class Profile:
    """Sums and counts of deviations by day, series and phase: (days, series, phases).

    ``first`` is the number of the first day since 1970, ``weekend`` tells which days are, ``step`` the
    length of a phase in microseconds.
    """

    total: FloatArray
    count: FloatArray
    first: int
    weekend: NDArray[np.bool_]
    step: int

    @classmethod
    def of(cls, z: FloatArray, times: TimeArray, phases: int) -> Self:
        """From deviations (series, T), NaN where missing, at local times (T,); ``phases`` steps a day."""
        day, phase = _place(times, phases)
        first = int(day[0])
        shape = (int(day[-1]) - first + 1, len(z), phases)
        total, count = np.zeros(shape), np.zeros(shape)
        known = np.isfinite(z)
        total[day - first, :, phase] = np.where(known, z, 0.0).T
        count[day - first, :, phase] = known.T
        return cls(
            _smooth(total),
            _smooth(count),
            first,
            _is_weekend(first + np.arange(len(total))),
            _DAY // phases,
        )

    def at(self, times: TimeArray) -> FloatArray:
        """The usual day and the usual day of its kind (2, series, len(times)), each without what was seen on
        the day of that time itself."""
        phases = self.total.shape[2]
        day, phase = _place(times, phases)
        out = np.empty((2, self.total.shape[1], len(times)))
        for one in np.unique(day):
            here = np.flatnonzero(day == one)
            other = np.arange(self.first, self.first + len(self.total)) != one
            alike = other & (self.weekend == _is_weekend(one))
            every = self._sum(self.total, other) / (self._sum(self.count, other) + PRIOR_DAYS)
            kind = (self._sum(self.total, alike) + PRIOR_DAYS * every) / (
                self._sum(self.count, alike) + PRIOR_DAYS
            )
            out[0][:, here], out[1][:, here] = every[:, phase[here]], kind[:, phase[here]]
        return out

    @staticmethod
    def _sum(table: FloatArray, days: NDArray[np.bool_]) -> FloatArray:
        summed: FloatArray = np.tensordot(days.astype(np.float64), table, axes=1)
        return summed


_DAY = 86_400_000_000


def _place(times: TimeArray, phases: int) -> tuple[IntArray, IntArray]:
    """Day since 1970 and phase of the day of each time."""
    us = times.astype("datetime64[us]").astype(np.int64)
    day, rest = np.divmod(us, _DAY)
    return day, rest * phases // _DAY


def _is_weekend(day: IntArray) -> NDArray[np.bool_]:
    """Saturday and Sunday; 1970-01-01 was a Thursday."""
    weekend: NDArray[np.bool_] = (day + 3) % 7 >= 5
    return weekend


def _smooth(table: FloatArray) -> FloatArray:
    """A moving average with Gaussian weights over the phases, round the clock."""
    width = SMOOTHING * table.shape[2]
    if width < 1.0:
        return table
    reach = int(3 * width)
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel = np.zeros(table.shape[2])
    np.add.at(kernel, np.arange(-reach, reach + 1) % table.shape[2], weight / weight.sum())
    spectrum = np.fft.rfft(table, axis=2) * np.fft.rfft(kernel)
    smooth: FloatArray = np.fft.irfft(spectrum, table.shape[2], axis=2)
    return smooth
