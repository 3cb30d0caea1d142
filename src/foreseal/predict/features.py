"""What describes a series and its candidates, in numbers of order one: the inputs of the network."""

from __future__ import annotations

import numpy as np

from foreseal.predict.candidates import CANDIDATES
from foreseal.predict.decomposition import Flags, Float32, Ints
from foreseal.predict.fits import LEVELS, LINES, ORDER, Fits
from foreseal.predict.histories import CONTINUED, Histories
from foreseal.predict.origins import Backtest, thirds

PATCH = 32
LOCAL = (
    *(f"{name}: distance" for name in CANDIDATES),
    *(f"{name}: error here" for name in CANDIDATES),
    "season 1",
    "season 2",
    "phase noise",
    "log step",
    "step",
    "step / history",
    "step / backtest horizon",
    "cosine of season 1",
    "sine of season 1",
    "cosine of season 2",
    "sine of season 2",
    "spread of candidates",
    "error of mixture here",
)
OVERALL = (
    *(f"{name}: error" for name in CANDIDATES),
    *(f"{name}: bias" for name in ("mixture near", "mixture middle", "mixture far")),
    *(f"residual quantile {q}" for q in (0.1, 0.25, 0.5, 0.75, 0.9)),
    "error of mixture",
    "best error",
    "middle error",
    "loss scale",
    "unit",
    "error by origin 1",
    "error by origin 2",
    "error by origin 3",
    "backtest values",
    "history",
    "missing",
    "missing at the end",
    *(f"period {k}" for k in (1, 2, 3)),
    *(f"cycles {k}" for k in (1, 2, 3)),
    *(f"has season {k}" for k in (1, 2, 3)),
    "strength of season 1",
    "strength of season 2",
    "peakedness of season 1",
    *(f"correlation {k + 1}" for k in range(ORDER)),
    *(f"correlation of changes {k + 1}" for k in range(ORDER)),
    *(f"level {k} to last" for k in LEVELS),
    *(f"slope {k}" for k in LINES),
    "drift",
    "last",
    "last to median 8",
    "last to median 31",
    "recent change 16",
    "recent change 64",
    "recent change 256",
    "tail of changes",
    "share unchanged",
    "share at minimum",
    "share at maximum",
    "minimum",
    "maximum",
    "zero",
    "logarithms",
)


def local_features(
    out: Float32,
    median: Float32,
    season: Float32,
    noise: Float32,
    unit: Float32,
    backtest: Backtest,
    valid: Flags,
    steps: Ints,
    span: Ints,
    periods: Ints,
    horizon: Ints,
) -> Float32:
    """(B, S, len(LOCAL)) of candidates (B, S, K)."""
    batch, count, width = out.shape
    local = np.empty((batch, count, len(LOCAL)), np.float32)
    per_unit = (1.0 / unit)[:, None, None]
    distance = out - median[:, :, None]
    spread = np.sqrt(np.einsum("bsk,bk->bs", distance**2, backtest.weights))
    np.arcsinh(distance * per_unit, out=local[:, :, :width])
    third = thirds(steps, horizon).argmax(axis=2)
    row = np.arange(batch)[:, None]
    local[:, :, width : 2 * width] = _relative(backtest, valid)[row, third]
    local[:, :, 2 * width : 2 * width + 2] = np.arcsinh(season * per_unit)
    h = steps.astype(np.float32)
    angle = 2.0 * np.pi * h / np.maximum(periods[:, :2, None], 1)
    angle = np.where(periods[:, :2, None] > 1, angle, 0.0)
    rest = [
        np.log(noise),
        *timing(steps, span, horizon).values(),
        np.cos(angle[:, 0]),
        np.sin(angle[:, 0]),
        np.cos(angle[:, 1]),
        np.sin(angle[:, 1]),
        np.log(spread / unit[:, None] + 0.01),
        np.log(backtest.mixture[row, 1 + third] / unit[:, None] + 0.01),
    ]
    for k, part in enumerate(rest):
        local[:, :, 2 * width + 2 + k] = part
    return np.clip(local, -12.0, 12.0, out=local)


def timing(steps: Ints, span: Ints, horizon: Ints) -> dict[str, Float32]:
    """The local features that tell how far ahead a step is, by name, each (B, S)."""
    h = np.broadcast_to(steps.astype(np.float32), (len(span), len(steps)))
    return {
        "log step": np.log2(h) / 6.0,
        "step": h / 64.0,
        "step / history": np.log1p(h / np.maximum(span, 1)[:, None]),
        "step / backtest horizon": np.log(h / horizon[:, None]) / 3.0,
    }


def overall_features(
    rows: Histories,
    fits: Fits,
    backtest: Backtest,
    valid: Flags,
    z: Float32,
    unit: Float32,
    loss_scale: Float32,
    zero: Float32,
    periods: Ints,
    log_ok: Flags,
) -> Float32:
    """(B, len(OVERALL)); ``zero`` (B,) is where 0 lies in z units, ``z`` (B, T) the context with 0
    where it is missing."""
    per_unit = 1.0 / unit
    batch, length = rows.rest.shape
    span = np.minimum(rows.span, length)
    observed = rows.seen.sum(axis=1)
    floor = 0.01 * unit
    at_end = rows.seen[:, ::-1].argmax(axis=1)
    shape = backtest.residuals.shape
    pooled = backtest.residuals.reshape(batch, shape[1] * shape[2])
    parts: list[Float32] = [
        _logged(backtest.errors, backtest, valid),
        np.arcsinh(backtest.bias * per_unit[:, None]),
        np.arcsinh(_quantiles(pooled, (0.1, 0.25, 0.5, 0.75, 0.9)) * per_unit[:, None]),
        np.log((backtest.mixture[:, :1] + floor[:, None]) * per_unit[:, None]),
        np.log((backtest.errors.min(axis=1) + floor) * per_unit)[:, None],
        np.log((backtest.middle + floor) * per_unit)[:, None],
        np.log(loss_scale * per_unit)[:, None],
        np.log(unit)[:, None],
        np.log((_three(backtest.by_origin) + floor[:, None]) / (backtest.mixture[:, :1] + floor[:, None])),
        np.log1p(backtest.values)[:, None] / 2.0,
        np.log1p(rows.span)[:, None] / 3.0,
        (1.0 - observed / np.maximum(span, 1))[:, None],
        np.log1p(at_end)[:, None],
        np.log1p(periods) / 3.0,
        np.log1p(np.where(periods > 0, rows.span[:, None] / np.maximum(periods, 1), 0.0)),
        (periods > 0).astype(np.float32),
        _strengths(rows),
        fits.correlations.reshape(batch, 2 * ORDER),
        np.arcsinh((fits.lines.levels - fits.lines.last[:, None]) * per_unit[:, None]),
        np.arcsinh(fits.lines.slope * np.array(LINES, np.float32) * per_unit[:, None]),
        np.arcsinh(fits.drift * span * per_unit)[:, None],
        np.arcsinh(fits.lines.last)[:, None],
        np.arcsinh((fits.lines.last[:, None] - fits.medians) * per_unit[:, None]),
        _changes(rows, unit),
        _bounds(z, rows),
        np.arcsinh(zero)[:, None],
        log_ok[:, None].astype(np.float32),
    ]
    out = np.concatenate([part.astype(np.float32) for part in parts], axis=1)
    return np.clip(out, -12.0, 12.0, out=out)


def patches(rows: Histories, fits: Fits, z: Float32, unit: Float32) -> Float32:
    """(B, T / 32, 96): the value, the value without seasons against its level, and where it was observed."""
    batch, length = rows.rest.shape
    out = np.empty((batch, length // PATCH, 3, PATCH), np.float32)
    whole = (batch, length // PATCH, PATCH)
    seen = rows.seen
    out[:, :, 0] = np.arcsinh(z).reshape(whole)
    level = fits.lines.levels[:, LEVELS.index(4)]
    rest = (rows.rest - level[:, None]) * (0.25 / unit)[:, None] * seen
    out[:, :, 1] = np.arcsinh(rest).reshape(whole)
    out[:, :, 2] = seen.reshape(whole)
    return out.reshape(batch, length // PATCH, 3 * PATCH)


def _logged(errors: Float32, backtest: Backtest, valid: Flags) -> Float32:
    """Errors (B, K) against the mixture's, as logarithms; 3 for candidates that repeat another."""
    floor = 0.02 * backtest.middle + 1e-6
    ratio = np.log((errors + floor[:, None]) / (backtest.mixture[:, :1] + floor[:, None]))
    return np.where(valid, np.clip(ratio, -2.0, 3.0), np.float32(3.0))


def _relative(backtest: Backtest, valid: Flags) -> Float32:
    """The same by third, (B, 3, K)."""
    floor = (0.02 * backtest.middle + 1e-6)[:, None, None]
    ratio = np.log((backtest.by_third + floor) / (backtest.mixture[:, 1:, None] + floor))
    return np.where(valid[:, None], np.clip(ratio, -2.0, 3.0), np.float32(3.0))


def _three(by_origin: Float32) -> Float32:
    """The first three origins; a missing one repeats the one before."""
    columns = [min(k, by_origin.shape[1] - 1) for k in range(3)]
    return by_origin[:, columns]


def _quantiles(values: Float32, levels: tuple[float, ...]) -> Float32:
    """Quantiles along rows that may hold NaN, 0 where there is nothing."""
    ordered = np.sort(values, axis=1)
    count = np.isfinite(values).sum(axis=1)
    place = np.array(levels) * np.maximum(count - 1, 0)[:, None]
    low = place.astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0)[:, None])
    share = place - low
    row = np.arange(len(values))[:, None]
    below, above = ordered[row, low], ordered[row, high]
    out = below * (1.0 - share) + above * share
    return np.where(count[:, None] > 0, out, 0.0).astype(np.float32)


def _strengths(rows: Histories) -> Float32:
    """Spread of each season against what is left over its last 256 steps, and how peaked the first is."""
    tail, seen = rows.rest[:, -256:], rows.seen[:, -256:]
    count = np.maximum(seen.sum(axis=1), 1.0)
    mean = (tail * seen).sum(axis=1) / count
    left = np.sqrt((((tail - mean[:, None]) * seen) ** 2).sum(axis=1) / count)
    season = rows.season[:, :, :CONTINUED]
    size = np.sqrt((season**2).mean(axis=2))
    ratio = np.log1p(size / (left[:, None] + 1e-3))
    peaked = np.abs(season[:, 0]).max(axis=1) / (size[:, 0] + 1e-3)
    return np.concatenate([ratio, np.log1p(peaked)[:, None]], axis=1)


def _changes(rows: Histories, unit: Float32) -> Float32:
    """How large changes were of late against all, how heavy their tail is, and how many were none."""
    pairs = rows.seen[:, 1:] * rows.seen[:, :-1]
    change = np.abs(rows.rest[:, 1:] - rows.rest[:, :-1]) * pairs
    count = np.maximum(pairs.sum(axis=1), 1.0)
    out = []
    for width in (16, 64, 256):
        some = pairs[:, -width:].sum(axis=1)
        mean = (change[:, -width:].sum(axis=1) + unit) / (some + 1.0)
        out.append(np.log(mean / unit + 0.01))
    root = np.sqrt((change**2).sum(axis=1) / count)
    out.append(np.log((root + 1e-3) / unit))
    out.append((pairs * (change < 1e-5)).sum(axis=1) / count)
    return np.stack(out, axis=1)


def _bounds(z: Float32, rows: Histories) -> Float32:
    """Shares at the minimum and the maximum, and both in z units."""
    missing = 1.0 - rows.seen
    apart = missing * np.float32(1e3)
    low, high = (z + apart).min(axis=1), (z - apart).max(axis=1)
    some = missing.min(axis=1) < 1.0
    low, high = low * some, high * some
    count = np.maximum(rows.seen.sum(axis=1), 1.0)
    at_low = ((z + apart) <= low[:, None]).sum(axis=1) / count
    at_high = ((z - apart) >= high[:, None]).sum(axis=1) / count
    return np.stack([at_low, at_high, np.arcsinh(low), np.arcsinh(high)], axis=1)
