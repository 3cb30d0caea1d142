"""Seasons that a series shows by itself, by its autocorrelation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Latest columns that are searched, shortest history searched, and the longest season as a share of it.
WINDOW = 1024
LEAST_HISTORY = 8
# How far the correlation at a season must stand out above its surroundings.
PROMINENCE = 0.2
# How far a multiple of the first season must stand out above the multiples beside it: seven days are the
# rule, anything else the exception.
BESIDE = 0.03
BESIDE_UNUSUAL = 0.12
# Deviations beyond so many standard deviations are drawn in.
OUTLIER = 8.0
# A season replaces the calendar's if it leaves less than this share of what that leaves unexplained.
MARGIN = 0.5


def detect(y: NDArray[np.floating], *, window: int = WINDOW) -> Ints:
    """Up to two seasons of each right-aligned row of y (rows, T), NaN missing; (rows, 3), 0 = none.

    The first is the shortest one that stands out, the second a multiple of it that stands out among the
    multiples: a week over days. Nothing is found that the history does not hold twice.
    """
    y = np.asarray(y, np.float64)[:, -window:]
    found = np.zeros((len(y), 3), np.int64)
    if y.shape[1] < LEAST_HISTORY:
        return found
    correlation, span = autocorrelation(y)
    first, _ = _first(correlation, span)
    found[:, 0] = first
    found[:, 1] = _second(correlation, span, first)
    return found


def autocorrelation(y: Floats) -> tuple[Floats, Ints]:
    """Correlation (rows, lags 0 .. 2 T / 3) of rows less a straight line, and the columns since each start.

    Missing values take no part; correlations of few pairs are drawn towards zero.
    """
    length = y.shape[1]
    seen = np.isfinite(y)
    mass = seen.astype(np.float64)
    span = np.where(seen.any(axis=1), length - seen.argmax(axis=1), 0)
    count = np.maximum(mass.sum(axis=1), 1.0)
    value = np.nan_to_num(y, nan=0.0, posinf=0.0, neginf=0.0)
    value = value / np.maximum(np.abs(value).max(axis=1, initial=0.0), 1e-300)[:, None]
    rest = _straightened(value, mass, count)
    size = np.sqrt((rest**2).sum(axis=1) / count)
    # Outliers must not hide a season.
    wild = np.flatnonzero(np.abs(rest).max(axis=1, initial=0.0) > OUTLIER * size)
    if len(wild):
        # Of the values themselves: the line was bent by the outlier.
        some = np.where(seen[wild], value[wild], np.nan)
        middle = np.nanmedian(some, axis=1)[:, None]
        limit = OUTLIER * np.nanmedian(np.abs(some - middle), axis=1)[:, None]
        limit = np.where(limit > 0.0, limit, np.inf)
        drawn = middle + np.clip(value[wild] - middle, -limit, limit)
        rest[wild] = _straightened(drawn * mass[wild], mass[wild], count[wild])
    lags = 2 * length // 3
    # Long enough that no lag in use wraps round.
    width = _even_width(length + lags)
    spectrum = np.fft.rfft(rest, width, axis=1)
    product = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, width, axis=1)[:, : lags + 1]
    if (span == count).all():
        pairs = np.maximum(span[:, None] - np.arange(lags + 1), 0.0)
    else:
        spectrum = np.fft.rfft(mass, width, axis=1)
        pairs = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, width, axis=1)[:, : lags + 1]
    variance = np.maximum(product[:, :1] / count[:, None], 1e-26)
    return product / ((pairs + 2.0) * variance), span


def _straightened(value: Floats, mass: Floats, count: Floats) -> Floats:
    """Values less their straight line of least squares, zero where missing."""
    at = np.linspace(-1.0, 1.0, value.shape[1])
    mean_at, mean = mass @ at / count, value.sum(axis=1) / count
    slope = ((value @ at) / count - mean_at * mean) / np.maximum((mass @ at**2) / count - mean_at**2, 1e-12)
    out: Floats = (value - mean[:, None] - slope[:, None] * (at - mean_at[:, None])) * mass
    return out


def _even_width(least: int) -> int:
    """The smallest 2^a 3^b 5^c that is even and not below ``least``: lengths that transforms are quick at."""
    best = 1 << (least - 1).bit_length()
    for five in (1, 5, 25):
        for three in (1, 3, 9):
            width = 2 * five * three
            while width < least:
                width *= 2
            best = min(best, width)
    return best


def _first(r: Floats, span: Ints) -> tuple[Ints, Ints]:
    """The shortest season that stands out, and the one that stands out most, 0 for none."""
    rows, lags = r.shape
    longest = min((lags - 1) * 2 // 3, lags - 2)
    if longest < 2:
        return np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    lag = np.arange(2, longest + 1)
    shown = r[:, lag] - 0.5 * (_around(r, lag / 2.0) + _around(r, 1.5 * lag))
    peak = (r[:, lag] >= r[:, lag - 1]) & (r[:, lag] >= r[:, lag + 1])
    # Chance correlations shrink with the history, and a lag that is a large part of it needs to show more.
    bar = (PROMINENCE + 1.5 / np.sqrt(np.maximum(span, 1.0)))[:, None]
    usable = (2 * lag <= span[:, None]) & (r[:, lag] > 0.1)
    score = np.where(usable, shown - 0.6 * lag / np.maximum(span, 1)[:, None], -np.inf)
    peaks = np.where(peak, score, -np.inf)
    best = peaks.max(axis=1, keepdims=True)
    most = np.where(best[:, 0] >= bar[:, 0], lag[peaks.argmax(axis=1)], 0)
    good = peaks >= np.maximum(0.85 * best, bar)
    # What stands out most may be a week over days: a season that it holds several times comes first.
    share = most[:, None] / lag
    whole = (np.abs(share - np.round(share)) < 0.02 * share) & (share > 2.5)
    good |= whole & (peaks >= np.maximum(0.4 * best, bar))
    found = np.where(good.any(axis=1), lag[good.argmax(axis=1)], 0)
    # The first peak of a broad hill lies before its top.
    row = np.arange(rows)
    near = np.abs(lag - found[:, None]) <= 0.1 * found[:, None]
    top = np.where(near, score, -np.inf).argmax(axis=1)
    found = np.where(found > 0, lag[top], 0)
    # A profile with two peaks a cycle stands out at half its period; the whole period correlates better.
    for times in (2, 3):
        longer = found * times
        reach = (found > 0) & (2 * longer <= span) & (longer <= longest)
        here = np.where(reach, longer, 0)
        better = reach & (r[row, here] > r[row, found] + 0.08)
        found = np.where(better, longer, found)
    return found, most


def _second(r: Floats, span: Ints, first: Ints) -> Ints:
    """A longer season, a multiple of the first that correlates better than the multiples beside it."""
    rows, lags = r.shape
    found = np.zeros(rows, np.int64)
    row = np.arange(rows)
    best = np.zeros(rows)
    some = first > 1
    for times in range(3, 13):
        lag = first * times
        reach = some & (2 * lag <= span) & (lag + first < lags)
        at = np.where(reach, lag, 0)
        after, before = np.where(reach, lag + first, 0), np.where(reach, lag - first, 0)
        shown = r[row, at] - 0.5 * (r[row, before] + r[row, after])
        bar = BESIDE if times == 7 else BESIDE_UNUSUAL
        better = (
            reach & (shown > np.maximum(best, bar)) & (r[row, at] > np.maximum(r[row, before], r[row, after]))
        )
        found, best = np.where(better, lag, found), np.where(better, shown, best)
    return found


def _around(r: Floats, lag: Floats) -> Floats:
    """r at lags that may lie half way between two."""
    low = np.floor(lag).astype(np.int64)
    high = np.minimum(low + 1, r.shape[1] - 1)
    if (low == lag).all():
        return r[:, low]
    share = lag - low
    out: Floats = r[:, low] * (1.0 - share) + r[:, high] * share
    return out


def choose(y: NDArray[np.floating], calendar: tuple[int, ...]) -> Ints:
    """Seasons of each right-aligned row of y (rows, T) where the calendar suggests some, shortest first.

    The calendar's seasons hold where the history has one and a half of their cycles, unless a shorter
    history's autocorrelation stands out at another length and is clearly less at the calendar's: sources
    that say *hourly* deliver 23 values a day now and then. Without a calendar all is detected. (rows, 3).
    """
    if not calendar:
        return detect(y)
    values: Floats = np.asarray(y, np.float64)
    told = np.zeros((len(values), 3), np.int64)
    told[:, : len(calendar[:3])] = calendar[:3]
    seen = np.isfinite(values)
    span = np.where(seen.any(axis=1), values.shape[1] - seen.argmax(axis=1), 0)
    told[3 * told > 2 * span[:, None]] = 0
    if values.shape[1] < LEAST_HISTORY:
        return told
    correlation, held = autocorrelation(values[:, -WINDOW:])
    first, _ = _first(correlation, held)
    second = _second(correlation, held, first)
    row = np.arange(len(values))
    other = (first > 1) & ~(told == first[:, None]).any(axis=1)
    for multiple in (2, 3, 4, 5, 6, 7):
        other &= (told[:, 0] != first * multiple) & (first != told[:, 0] * multiple)
    here = np.minimum(told[:, 0], correlation.shape[1] - 1)
    left, left_there = 1.0 - correlation[row, first], 1.0 - correlation[row, here]
    better = (left < MARGIN * left_there) & (left_there > 0.02)
    other &= (told[:, 0] > 1) & better & (4 * first <= held)
    told[other] = np.stack([first, second, np.zeros_like(first)], axis=1)[other]
    return told
