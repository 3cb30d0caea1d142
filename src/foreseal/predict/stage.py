"""The closed-form stage: series in, candidate forecasts, their backtest, and what describes both.

One implementation serves the untrained model (`foreseal.predict.closed_form`), the run time of the network
(`foreseal.predict.pretrained`) and its training. Everything is expressed in the units of the context:
value = centre + scale * z. Candidates are made again at up to three earlier origins, from what was known
there; their errors are part of the description. What the stage says of a step does not depend on which
other steps were asked for.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from foreseal.predict import candidates as made
from foreseal.predict.candidates import CANDIDATES, Fits, Lines, Rows
from foreseal.predict.decomposition import Flags, Float32, Ints
from foreseal.predict.features import LOCAL, OVERALL, Backtest, local_features, overall_features, patches
from foreseal.predict.periods import detect

__all__ = ["CANDIDATES", "LOCAL", "OVERALL", "STAGE_VERSION", "Stage", "stage"]

# Changes whenever a candidate or a feature changes its meaning: weights are trained for one version.
STAGE_VERSION = 1
LIMIT = 30.0
# Columns that the candidates in logarithms look at, and rows x columns taken at a time (to stay in cache).
LOG_CONTEXT = 512
CHUNK = 1 << 16
# The longest backtest horizon, and how sharply the mixture prefers candidates of small error.
HORIZON = 48
SHARPNESS = 4.0

Floats = NDArray[np.float64]
What = TypeVar("What", Rows, Fits, Lines)


@dataclass(frozen=True)
class Stage:
    """What the stage knows of B series and S steps, in K candidates; z units unless said.

    ``valid`` (B, K) is False where a candidate only repeats another for want of a season or of logarithms.
    ``season`` (B, S, 2) are the contributions of both seasons that the candidates contain. ``median`` (B, S)
    averages the candidates by their backtest error; ``residuals`` (B, origins, HORIZON) are its errors,
    outcome less forecast, NaN where there was none. ``noise`` (B, S) is the relative spread of a step's
    phase. ``unit`` (B,) is the mean absolute one-step change without seasons; ``constant`` marks series whose
    values never changed, whose scale is a convention. ``local`` (B, S, L), ``overall`` (B, G) and ``patches``
    (B, T / 32, 96) are inputs of the network, of order one.
    """

    centre: Floats
    scale: Floats
    periods: Ints
    log_ok: Flags
    constant: Flags
    span: Ints
    candidates: Float32
    valid: Flags
    season: Float32
    noise: Float32
    median: Float32
    errors: Float32
    errors_by_third: Float32
    residuals: Float32
    unit: Float32
    loss_scale: Float32
    local: Float32
    overall: Float32
    patches: Float32


def stage(
    y: NDArray[np.floating], steps: NDArray[np.integer], periods: Ints | None = None, *, origins: int = 3
) -> Stage:
    """The stage of right-aligned series y (B, T) at ``steps`` (S,) >= 1 ahead of the last column.

    NaN and infinities are missing. ``periods`` (B, 3) gives up to three seasons in steps, 0 for none; those
    of a row that holds -1, and without it all, are detected. Of a T above 1024 the older part serves seasons
    and lags only. Every value that comes back is finite, ``residuals`` apart.
    """
    y = np.asarray(y, np.float64)
    steps = np.asarray(steps, np.int64)
    y = np.where(np.isfinite(y), y, np.nan)
    if y.shape[1] < 32:
        y = np.pad(y, ((0, 0), (32 - y.shape[1], 0)), constant_values=np.nan)
    if y.shape[1] % 32:
        y = np.pad(y, ((0, 0), (32 - y.shape[1] % 32, 0)), constant_values=np.nan)
    if periods is None:
        periods = detect(y)
    else:
        periods = np.array(periods, np.int64)
        unknown = (periods < 0).any(axis=1)
        if unknown.any():
            periods[unknown] = detect(y[unknown])
    order = np.lexsort(periods.T)
    rows = max(32, CHUNK // y.shape[1])
    joined: dict[str, NDArray[np.generic]] = {}
    with np.errstate(all="ignore"):
        for k in range(0, max(len(y), 1), rows):
            index = order[k : k + rows]
            part = _chunk(y[index], steps, periods[index], origins)
            for field in dataclasses.fields(Stage):
                values = getattr(part, field.name)
                if field.name not in joined:
                    joined[field.name] = np.empty((len(y), *values.shape[1:]), values.dtype)
                joined[field.name][index] = values
    return Stage(**joined)  # type: ignore[arg-type]


def _chunk(y: Floats, steps: Ints, periods: Ints, origins: int) -> Stage:
    size = _largest(y)
    level = y / size[:, None]
    centre, scale, constant = _units(level[:, -made.CONTEXT :])
    z = ((level - centre[:, None]) / scale[:, None]).astype(np.float32)
    np.clip(z, -LIMIT, LIMIT, out=z)
    finite = np.isfinite(z)
    seen = finite.astype(np.float32)
    z[~finite] = 0.0
    length = z.shape[1]
    span = np.where(finite.any(axis=1), length - finite.argmax(axis=1), 0)
    horizon, offsets = _origins(np.minimum(span, made.CONTEXT), span, periods, origins)
    widest = max(int(horizon.max(initial=1)), 1)
    ahead = np.arange(1, widest + 1)
    reach = max(int(steps.max(initial=1)), widest)
    batch = len(z)

    times = len(offsets) + 1
    spans = _spans(span, offsets)
    rows = made.take_apart(_cut(z, offsets), _cut(seen, offsets), spans, np.tile(periods, (times, 1)), reach)
    fits = made.fit(rows, reach)
    now, now_fits = _rows(rows, 0, batch), _rows(fits, 0, batch)
    past, past_fits = _rows(rows, batch, None), _rows(fits, batch, None)
    out = made.candidates(now, now_fits, steps)
    tried = made.candidates(past, past_fits, ahead)
    log_ok, log_centre = _logarithms(level)
    which = np.flatnonzero(log_ok)
    past_which = (np.arange(times - 1)[:, None] * batch + which).ravel()
    logs = past_logs = None
    if len(which):
        count = len(which)
        shown = finite[which, -LOG_CONTEXT:]
        x = np.log(np.where(shown, level[which, -LOG_CONTEXT:], 1.0)) - log_centre[which, None]
        x *= shown
        log_rows = made.take_apart(
            _cut(x.astype(np.float32), offsets[:, which]),
            _cut(shown.astype(np.float32), offsets[:, which]),
            _spans(np.minimum(span[which], LOG_CONTEXT), offsets[:, which]),
            np.tile(periods[which], (times, 1)),
            reach,
            full=False,
        )
        log_lines, log_drift, _ = made.straight(log_rows)
        units = np.stack([log_centre[which], centre[which], scale[which]])
        logs = _from_logs(
            _rows(log_rows, 0, count),
            _rows(log_lines, 0, count),
            log_drift[:count],
            made.plain(out[which], _sum(now, which, steps)),
            units,
            steps,
        )
        past_logs = _from_logs(
            _rows(log_rows, count, None),
            _rows(log_lines, count, None),
            log_drift[count:],
            made.plain(tried[past_which], _sum(past, past_which, ahead)),
            np.tile(units, times - 1),
            ahead,
        )
    made.add_logs(out, logs, which)
    made.add_logs(tried, past_logs, past_which)
    np.clip(out, -LIMIT, LIMIT, out=out)
    np.clip(tried, -LIMIT, LIMIT, out=tried)

    valid = made.usable(now.has, log_ok)
    unit = _unit(now)
    truth, known = _outcomes(z, finite, offsets, horizon, widest)
    backtest = Backtest.of(
        tried.reshape(times - 1, batch, len(CANDIDATES), widest),
        truth,
        known,
        horizon,
        valid,
        unit,
        SHARPNESS,
    )
    median = np.einsum("bks,bk->bs", out, backtest.weights)
    season = now.season[:, :, steps - 1].transpose(0, 2, 1)
    noise = now.noise[:, steps - 1]
    loss_scale = _loss_scale(now, backtest, z[:, -made.CONTEXT :], periods, unit)
    residuals = np.full((batch, origins, HORIZON), np.nan, np.float32)
    residuals[:, : times - 1, :widest] = backtest.residuals
    out = np.ascontiguousarray(out.transpose(0, 2, 1))
    return Stage(
        centre=centre * size,
        scale=scale * size,
        periods=np.where(now.has, periods, 0),
        log_ok=log_ok,
        constant=constant,
        span=span,
        candidates=out,
        valid=valid,
        season=np.ascontiguousarray(season),
        noise=noise,
        median=median,
        errors=backtest.errors,
        errors_by_third=backtest.by_third,
        residuals=residuals,
        unit=unit,
        loss_scale=loss_scale,
        local=local_features(
            out, median, season, noise, unit, backtest, valid, steps, span, periods * now.has, horizon
        ),
        overall=overall_features(
            now,
            now_fits,
            backtest,
            valid,
            z[:, -made.CONTEXT :],
            unit,
            loss_scale,
            np.clip(-centre / scale, -1e6, 1e6),
            periods * now.has,
            log_ok,
        ),
        patches=patches(now, now_fits, z[:, -made.CONTEXT :], unit),
    )


def _largest(y: Floats) -> Floats:
    """The largest absolute value of each row, 1 where there is none: keeps squares and sums in range."""
    size = np.nan_to_num(np.abs(y), nan=0.0).max(axis=1, initial=0.0)
    return np.where(size > 0.0, size, 1.0)


def _units(y: Floats) -> tuple[Floats, Floats, Flags]:
    """Centre, scale and whether it is constant, of rows whose values are at most 1 in size.

    The centre is a discounted mean of half-life 64, the scale the standard deviation of the context after
    values beyond five of them were drawn in once.
    """
    finite = np.isfinite(y)
    value = np.where(finite, y, 0.0)
    count = np.maximum(finite.sum(axis=1), 1)
    mean = value.sum(axis=1) / count
    deviation = (value - mean[:, None]) * finite
    spread = np.sqrt((deviation**2).sum(axis=1) / count)
    limit = 5.0 * spread[:, None]
    drawn = np.clip(deviation, -limit, limit)
    spread = np.sqrt((drawn**2).sum(axis=1) / count)
    discount = 0.5 ** (np.arange(y.shape[1] - 1, -1, -1) / 64.0)
    mass = finite @ discount
    centre = mean + (deviation @ discount) / np.where(mass > 0.0, mass, 1.0)
    constant = spread <= 1e-13
    return centre, np.where(constant, np.where(np.abs(mean) > 0.0, 1e-3, 1.0), spread), constant


def _origins(n: Ints, span: Ints, periods: Ints, origins: int) -> tuple[Ints, Ints]:
    """Backtest horizon of each series (B,), and how many columns before the end each origin lies
    (origins, B), 0 where the history is too short for it."""
    horizon = np.clip(n // 5, 1, HORIZON)
    gap = np.clip(n // 10, 1, HORIZON)
    offsets = horizon + gap * np.arange(origins)[:, None]
    needed = np.where((periods[:, 0] > 1) & (span >= 1.5 * periods[:, 0]), 1.5 * periods[:, 0], 0)
    least = np.where(n - horizon >= np.maximum(needed, 2), np.maximum(needed, 2), np.where(n >= 2, 1, n + 1))
    return horizon, np.where(n - offsets >= least, offsets, 0)


def _cut(x: Float32, offsets: Ints) -> Float32:
    """Each row whole, then without its last columns, as many as each of ``offsets`` (origins, B) says, moved
    to the right end; ((origins + 1) * B, T). A row cut by 0 stays whole and takes no part in a backtest."""
    batch, length = x.shape
    most = int(offsets.max(initial=0))
    padded = np.concatenate([np.zeros((batch, most), x.dtype), x], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=1)
    start = most - np.concatenate([np.zeros((1, batch), np.int64), offsets])
    out: Float32 = windows[np.arange(batch), start].reshape(-1, length)
    return out


def _spans(span: Ints, offsets: Ints) -> Ints:
    """Columns since the first value of each row that `_cut` gives."""
    cut = np.concatenate([np.zeros((1, len(span)), np.int64), offsets])
    return np.maximum(span - cut, 0).ravel()


def _outcomes(z: Float32, finite: Flags, offsets: Ints, horizon: Ints, widest: int) -> tuple[Float32, Flags]:
    """What came after each origin (origins, B, widest), and where it is known and counts."""
    batch, length = z.shape
    at = length - offsets[:, :, None] + np.arange(widest)
    inside = (offsets[:, :, None] > 0) & (np.arange(widest) < horizon[:, None]) & (at < length)
    row, column = np.arange(batch)[:, None], np.minimum(at, length - 1)
    known = inside & finite[row, column]
    return z[row, column] * known, known


def _logarithms(level: Floats) -> tuple[Flags, Floats]:
    """Rows fit for logarithms - all values positive, neither nearly equal nor decades apart - and their mean
    logarithm."""
    recent = level[:, -LOG_CONTEXT:]
    finite = np.isfinite(recent)
    low = np.where(finite, recent, np.inf).min(axis=1)
    high = np.where(finite, recent, -np.inf).max(axis=1)
    count = finite.sum(axis=1)
    everywhere = np.nanmin(np.where(np.isfinite(level), level, np.inf), axis=1) > 0.0
    ok = everywhere & (count >= 4) & (high > 1.1 * low) & (high < 1e9 * low)
    logs = np.where(finite & ok[:, None], np.log(np.where(finite & ok[:, None], recent, 1.0)), 0.0)
    return ok, logs.sum(axis=1) / np.maximum(count, 1)


def _from_logs(
    rows: Rows, lines: Lines, drift: Float32, line: Float32, units: Floats, steps: Ints
) -> Float32:
    """Candidates in logarithms, and lines times their season, back in z units."""
    log_centre, centre, scale = (part[:, None, None] for part in units)
    paths, season = made.log_candidates(rows, lines, drift, steps)
    out = np.empty((len(paths), len(made.LOGS) + len(made.SCALED), len(steps)), np.float32)
    # In units of the scale, so that single precision is enough.
    shift = (centre / scale).astype(np.float32)
    paths += (log_centre - np.log(scale)).astype(np.float32)
    np.exp(np.clip(paths, -60.0, 60.0, out=paths), out=out[:, : len(made.LOGS)])
    growth = np.exp(np.clip(season, -20.0, 20.0))[:, None]
    np.multiply(line + shift, growth, out=out[:, len(made.LOGS) :])
    out -= shift
    return out


def _sum(rows: Rows, which: Ints, steps: Ints) -> Float32:
    out: Float32 = rows.season[which][:, :, steps - 1].sum(axis=1)
    return out


def _unit(rows: Rows) -> Float32:
    """Mean absolute one-step change of what seasons leave, at least a thousandth of the scale."""
    pairs = rows.seen[:, 1:] * rows.seen[:, :-1]
    change = np.abs(rows.rest[:, 1:] - rows.rest[:, :-1]) * pairs
    mean = change.sum(axis=1) / np.maximum(pairs.sum(axis=1), 1.0)
    return np.maximum(mean, 1e-3).astype(np.float32)


def _loss_scale(rows: Rows, backtest: Backtest, z: Float32, periods: Ints, unit: Float32) -> Float32:
    """Half the error of the last season again within the context, half the median candidate's error."""
    naive = unit.copy()
    for period in np.unique(periods[:, 0][rows.has[:, 0]]):
        here = np.flatnonzero((periods[:, 0] == period) & rows.has[:, 0])
        if period < z.shape[1]:
            change = np.abs(z[here, period:] - z[here, :-period])
            known = rows.seen[here, period:] * rows.seen[here, :-period]
            count = known.sum(axis=1)
            mean = (change * known).sum(axis=1) / np.maximum(count, 1.0)
            naive[here] = np.where(count > 0.0, mean, naive[here])
    return np.maximum(0.5 * naive + 0.5 * backtest.middle, 1e-3).astype(np.float32)


def _rows(what: What, low: int, high: int | None) -> What:
    """Some of the rows, as views."""
    parts = {}
    for field in dataclasses.fields(what):
        part = getattr(what, field.name)
        if part is not None:
            parts[field.name] = _rows(part, low, high) if isinstance(part, Lines) else part[low:high]
    return dataclasses.replace(what, **parts)
