"""Earlier origins of series: where they lie, what was known and came after, how candidates fared there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from foreseal.predict.decomposition import Flags, Float32, Ints

# The longest backtest horizon, and how sharply the mixture prefers candidates of small error.
HORIZON = 48
SHARPNESS = 4.0


def earlier(n: Ints, span: Ints, periods: Ints, origins: int) -> tuple[Ints, Ints]:
    """Backtest horizon of each series (B,), and how many columns before the end each origin lies
    (origins, B), 0 where the history is too short for it."""
    horizon = np.clip(n // 5, 1, HORIZON)
    gap = np.clip(n // 10, 1, HORIZON)
    offsets = horizon + gap * np.arange(origins)[:, None]
    needed = np.where((periods[:, 0] > 1) & (span >= 1.5 * periods[:, 0]), 1.5 * periods[:, 0], 0)
    least = np.where(n - horizon >= np.maximum(needed, 2), np.maximum(needed, 2), np.where(n >= 2, 1, n + 1))
    return horizon, np.where(n - offsets >= least, offsets, 0)


def cut(x: Float32, offsets: Ints) -> Float32:
    """Each row whole, then without its last columns, as many as each of ``offsets`` (origins, B) says, moved
    to the right end; ((origins + 1) * B, T). A row cut by 0 stays whole and takes no part in a backtest."""
    batch, length = x.shape
    most = int(offsets.max(initial=0))
    padded = np.concatenate([np.zeros((batch, most), x.dtype), x], axis=1)
    across, along = padded.strides
    windows = np.ndarray((batch, most + 1, length), x.dtype, padded, strides=(across, along, along))
    start = most - np.concatenate([np.zeros((1, batch), np.int64), offsets])
    out: Float32 = windows[np.arange(batch), start].reshape(-1, length)
    return out


def spans(span: Ints, offsets: Ints) -> Ints:
    """Columns since the first value of each row that `cut` gives."""
    away = np.concatenate([np.zeros((1, len(span)), np.int64), offsets])
    left: Ints = np.maximum(span - away, 0).ravel()
    return left


def outcomes(z: Float32, finite: Flags, offsets: Ints, horizon: Ints, widest: int) -> tuple[Float32, Flags]:
    """What came after each origin (origins, B, widest), and where it is known and counts."""
    batch, length = z.shape
    at = length - offsets[:, :, None] + np.arange(widest)
    inside = (offsets[:, :, None] > 0) & (np.arange(widest) < horizon[:, None]) & (at < length)
    row, column = np.arange(batch)[:, None], np.minimum(at, length - 1)
    known = inside & finite[row, column]
    return z[row, column] * known, known


@dataclass(frozen=True)
class Backtest:
    """Errors of all candidates at earlier origins, z units; ``by_third`` of the backtest horizon.

    ``weights`` (B, K) prefer small errors; ``mixture`` (B, 4) is the mean absolute error of the weighted
    average over all steps and by third, ``bias`` (B, 3) its mean error, ``residuals`` (B, origins, H) outcome
    less average, NaN where there was none. ``middle`` (B,) is the median candidate's error.
    """

    errors: Float32
    by_third: Float32
    weights: Float32
    mixture: Float32
    bias: Float32
    residuals: Float32
    by_origin: Float32
    middle: Float32
    values: Float32

    @classmethod
    def of(
        cls,
        tried: Float32,
        truth: Float32,
        known: Flags,
        horizon: Ints,
        valid: Flags,
        unit: Float32,
    ) -> Self:
        """From candidates (origins, B, K, H), outcomes (origins, B, H) and where those are known."""
        widest = tried.shape[3]
        mass = known.astype(np.float32)
        parts = thirds(np.arange(1, widest + 1), horizon) * mass[:, :, :, None]
        error = tried - truth[:, :, None]
        np.abs(error, out=error)
        sums = (error @ parts).sum(axis=0)
        counts = parts.sum(axis=(0, 2))[:, None]
        total = counts.sum(axis=2)
        errors = sums.sum(axis=2) / np.maximum(total, 1.0)
        errors = np.where(total > 0.0, errors, unit[:, None]).astype(np.float32)
        by_third = ((sums + errors[:, :, None]) / (counts + 1.0)).transpose(0, 2, 1)
        middle = np.sort(errors, axis=1)[:, errors.shape[1] // 2]
        # What every candidate errs by at least, so that a perfect one does not rule out all others.
        best = np.where(valid, errors, np.float32(np.inf)).min(axis=1, keepdims=True)
        relative = (errors - best) / (best + 0.05 * unit[:, None])
        weights = np.where(valid, np.exp(-SHARPNESS * relative), np.float32(0.0))
        weights /= weights.sum(axis=1, keepdims=True)
        residuals = truth - (weights.astype(np.float32)[:, None] @ tried)[:, :, 0]
        residuals *= mass
        size = np.abs(residuals)
        mixed = (size[:, :, None] @ parts)[:, :, 0].sum(axis=0)
        mean = np.where(total[:, 0] > 0.0, mixed.sum(axis=1) / np.maximum(total[:, 0], 1.0), unit)
        mixture = np.concatenate([mean[:, None], (mixed + mean[:, None]) / (counts[:, 0] + 1.0)], axis=1)
        bias = (residuals[:, :, None] @ parts)[:, :, 0].sum(axis=0) / (counts[:, 0] + 1.0)
        each = mass.sum(axis=2)
        by_origin = np.where(each > 0.0, size.sum(axis=2) / np.maximum(each, 1.0), mean).T
        return cls(
            errors,
            by_third.astype(np.float32),
            weights.astype(np.float32),
            mixture.astype(np.float32),
            bias.astype(np.float32),
            np.where(known, residuals, np.nan).transpose(1, 0, 2).astype(np.float32),
            by_origin.astype(np.float32),
            middle.astype(np.float32),
            total[:, 0].astype(np.float32),
        )


def thirds(steps: Ints, horizon: Ints) -> Float32:
    """Which third of each series' backtest horizon a step belongs to, (B, S, 3) of 0 and 1."""
    part = np.minimum(3 * (steps - 1) // horizon[:, None], 2)
    out: Float32 = (part[:, :, None] == np.arange(3)).astype(np.float32)
    return out
