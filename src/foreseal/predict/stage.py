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

import numpy as np
from numpy.typing import NDArray

from foreseal.predict import candidates as made
from foreseal.predict.candidates import CANDIDATES
from foreseal.predict.decomposition import Flags, Float32, Ints
from foreseal.predict.features import LOCAL, OVERALL, local_features, overall_features, patches
from foreseal.predict.fits import Lines, fit, straight
from foreseal.predict.histories import CONTEXT, Histories, take_apart
from foreseal.predict.origins import HORIZON, Backtest, cut, earlier, outcomes, spans
from foreseal.predict.periods import detect
from foreseal.predict.units import close, differ, largest, units

__all__ = ["CANDIDATES", "LOCAL", "OVERALL", "STAGE_VERSION", "Stage", "stage"]

# Changes whenever a candidate or a feature changes its meaning: weights are trained for one version.
STAGE_VERSION = 1
LIMIT = 30.0
# Columns that the candidates in logarithms look at, and rows x columns taken at a time (to stay in cache).
LOG_CONTEXT = 512
CHUNK = 1 << 16

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """What the stage knows of B series and S steps, in K candidates; z units unless said.

    ``span`` (B,) counts columns since the first value, ``horizon`` (B,) the steps of the backtest.
    ``valid`` (B, K) is False where a candidate only repeats another for want of a season or of logarithms.
    ``season`` (B, S, 2) are the contributions of both seasons that the candidates contain. ``median`` (B, S)
    averages the candidates with ``weights`` (B, K) by their backtest error; ``residuals`` (B, origins,
    HORIZON) are its errors, outcome less forecast, NaN where there was none. ``noise`` (B, S) is the relative
    spread of a step's phase. ``unit`` (B,) is the mean absolute one-step change without seasons; ``constant``
    marks series whose values never changed, whose scale is a convention. ``local`` (B, S, L), ``overall``
    (B, G) and ``patches`` (B, T / 32, 96) are inputs of the network, of order one.
    """

    centre: Floats
    scale: Floats
    periods: Ints
    log_ok: Flags
    constant: Flags
    span: Ints
    horizon: Ints
    candidates: Float32
    valid: Flags
    season: Float32
    noise: Float32
    median: Float32
    weights: Float32
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
    values: Floats = np.asarray(y, np.float64)
    ahead: Ints = np.asarray(steps, np.int64)
    values = np.where(np.isfinite(values), values, np.nan)
    spare = max(32 - values.shape[1], -values.shape[1] % 32)
    if spare:
        values = np.pad(values, ((0, 0), (spare, 0)), constant_values=np.nan)
    told = np.full((len(values), 3), -1) if periods is None else np.array(periods, np.int64)
    unknown = (told < 0).any(axis=1)
    if unknown.any():
        told[unknown] = detect(values[unknown])
    rows = max(32, CHUNK // values.shape[1])
    if 0 < len(values) <= rows and (told == told[:1]).all():
        with np.errstate(all="ignore"):
            return _chunk(values, ahead, told, origins)
    order = np.lexsort(told.T)
    joined: dict[str, NDArray[np.generic]] = {}
    with np.errstate(all="ignore"):
        for k in range(0, max(len(values), 1), rows):
            index = order[k : k + rows]
            part = _chunk(values[index], ahead, told[index], origins)
            for field in dataclasses.fields(Stage):
                piece = getattr(part, field.name)
                if field.name not in joined:
                    joined[field.name] = np.empty((len(told), *piece.shape[1:]), piece.dtype)
                joined[field.name][index] = piece
    return Stage(**joined)  # type: ignore[arg-type]


def _chunk(y: Floats, steps: Ints, periods: Ints, origins: int) -> Stage:
    size = largest(y)
    level = y / size[:, None]
    centre, scale, constant = units(level[:, -CONTEXT:])
    z = ((level - centre[:, None]) / scale[:, None]).astype(np.float32)
    own_centre, own_scale = centre * size, scale * size
    alike = np.flatnonzero(constant)
    if len(alike):
        near = alike[differ(y[alike, -CONTEXT:])]
        z[near], own_centre[near], own_scale[near] = close(y[near])
        scale[near] = own_scale[near] / size[near]
        constant[near] = False
    np.clip(z, -LIMIT, LIMIT, out=z)
    finite = np.isfinite(z)
    seen = finite.astype(np.float32)
    z[~finite] = 0.0
    length = z.shape[1]
    span = np.where(finite.any(axis=1), length - finite.argmax(axis=1), 0)
    horizon, offsets = earlier(np.minimum(span, CONTEXT), span, periods, origins)
    widest = max(int(horizon.max(initial=1)), 1)
    ahead = np.arange(1, widest + 1)
    reach = max(int(steps.max(initial=1)), widest)
    batch = len(z)

    times = len(offsets) + 1
    left = spans(span, offsets)
    rows = take_apart(cut(z, offsets), cut(seen, offsets), left, np.tile(periods, (times, 1)), reach)
    fits = fit(rows, reach)
    now, now_fits = rows.part(0, batch), fits.part(0, batch)
    past, past_fits = rows.part(batch, None), fits.part(batch, None)
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
        log_rows = take_apart(
            cut(x.astype(np.float32), offsets[:, which]),
            cut(shown.astype(np.float32), offsets[:, which]),
            spans(np.minimum(span[which], LOG_CONTEXT), offsets[:, which]),
            np.tile(periods[which], (times, 1)),
            reach,
            full=False,
        )
        log_lines, log_drift, _ = straight(log_rows)
        own = np.stack([log_centre[which], centre[which], scale[which]])
        logs = _from_logs(
            log_rows.part(0, count),
            log_lines.part(0, count),
            log_drift[:count],
            made.plain(out[which], _sum(now, which, steps)),
            own,
            steps,
        )
        past_logs = _from_logs(
            log_rows.part(count, None),
            log_lines.part(count, None),
            log_drift[count:],
            made.plain(tried[past_which], _sum(past, past_which, ahead)),
            np.tile(own, times - 1),
            ahead,
        )
    made.add_logs(out, logs, which)
    made.add_logs(tried, past_logs, past_which)
    np.clip(out, -LIMIT, LIMIT, out=out)
    np.clip(tried, -LIMIT, LIMIT, out=tried)

    valid = made.usable(now.has, log_ok)
    unit = _unit(now)
    truth, known = outcomes(z, finite, offsets, horizon, widest)
    backtest = Backtest.of(
        tried.reshape(times - 1, batch, len(CANDIDATES), widest), truth, known, horizon, valid, unit
    )
    median = np.einsum("bks,bk->bs", out, backtest.weights)
    season = now.season[:, :, steps - 1].transpose(0, 2, 1)
    noise = now.noise[:, steps - 1]
    loss_scale = _loss_scale(now, backtest, z[:, -CONTEXT:], periods, unit)
    residuals = np.full((batch, origins, HORIZON), np.nan, np.float32)
    residuals[:, : times - 1, :widest] = backtest.residuals
    out = np.ascontiguousarray(out.transpose(0, 2, 1))
    return Stage(
        centre=own_centre,
        scale=own_scale,
        periods=np.where(now.has, periods, 0),
        log_ok=log_ok,
        constant=constant,
        span=span,
        horizon=horizon,
        candidates=out,
        valid=valid,
        season=np.ascontiguousarray(season),
        noise=noise,
        median=median,
        weights=backtest.weights,
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
            z[:, -CONTEXT:],
            unit,
            loss_scale,
            np.clip(-centre / scale, -1e6, 1e6),
            periods * now.has,
            log_ok,
        ),
        patches=patches(now, now_fits, z[:, -CONTEXT:], unit),
    )


def _logarithms(level: Floats) -> tuple[Flags, Floats]:
    """Rows fit for logarithms - all values positive, neither nearly equal nor decades apart - and their mean
    logarithm."""
    recent = level[:, -LOG_CONTEXT:]
    finite = np.isfinite(recent)
    low = np.where(finite, recent, np.inf).min(axis=1)
    high = np.where(finite, recent, -np.inf).max(axis=1)
    count = finite.sum(axis=1)
    everywhere = np.where(np.isfinite(level), level, np.inf).min(axis=1) > 0.0
    ok = everywhere & (count >= 4) & (high > 1.1 * low) & (high < 1e9 * low)
    logs = np.where(finite & ok[:, None], np.log(np.where(finite & ok[:, None], recent, 1.0)), 0.0)
    return ok, logs.sum(axis=1) / np.maximum(count, 1)


def _from_logs(
    rows: Histories, lines: Lines, drift: Float32, line: Float32, own: Floats, steps: Ints
) -> Float32:
    """Candidates in logarithms, and lines times their season, back in z units."""
    log_centre, centre, scale = (part[:, None, None] for part in own)
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


def _sum(rows: Histories, which: Ints, steps: Ints) -> Float32:
    out: Float32 = rows.season[which][:, :, steps - 1].sum(axis=1)
    return out


def _unit(rows: Histories) -> Float32:
    """Mean absolute one-step change of what seasons leave, at least a thousandth of the scale."""
    pairs = rows.seen[:, 1:] * rows.seen[:, :-1]
    change = np.abs(rows.rest[:, 1:] - rows.rest[:, :-1]) * pairs
    mean = change.sum(axis=1) / np.maximum(pairs.sum(axis=1), 1.0)
    unit: Float32 = np.maximum(mean, 1e-3).astype(np.float32)
    return unit


def _loss_scale(rows: Histories, backtest: Backtest, z: Float32, periods: Ints, unit: Float32) -> Float32:
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
