"""Seasonal shapes: tables of one cycle, read at any phase."""

from __future__ import annotations

import numpy as np

from pretrain.generators.rows import Floats, Rows

POINTS = 256
HARMONICS = 24

# Season lengths that calendars give, with their weights; others are drawn from 2..200.
PERIODS = {
    4: 0.09, 5: 0.02, 7: 0.14, 12: 0.15, 24: 0.18, 30: 0.02, 48: 0.08, 52: 0.08, 60: 0.02,
    96: 0.05, 144: 0.03, 168: 0.05, 288: 0.06, 336: 0.01, 365.25: 0.04, 720: 0.01,
}  # fmt: skip
OTHER = 0.1


def periods(rows: Rows, most_of_context: float = 0.7) -> Floats:
    """A season length for each row that fits ``most_of_context`` of what is seen, (rows, 1)."""
    lengths = np.array(list(PERIODS))
    odds = np.array(list(PERIODS.values()))[None, :] * (lengths[None, :] <= most_of_context * rows.n[:, None])
    # Months and quarters do not come by the hundred: short seasons are rare in long series, weeks apart.
    odds *= np.where((60 * lengths[None, :] < rows.n[:, None]) & (lengths[None, :] != 7), 0.25, 1.0)
    odds[:, 0] = np.maximum(odds[:, 0], 1e-9)
    edges = np.cumsum(odds, axis=1)
    drawn = (rows.uniform() * edges[:, -1:] > edges).sum(axis=1)
    chosen = lengths[drawn][:, None]
    longest = np.clip(most_of_context * rows.n[:, None], 2, 200)
    other = np.floor(np.exp(rows.uniform() * np.log(longest / 2 + 0.5)) * 2)
    return np.where(rows.chance(OTHER), other, chosen)


def tables(rows: Rows) -> Floats:
    """Cycles of mean 0 and variance 1, (rows, POINTS): harmonic, bumped, square, rectified, spiky, rough."""
    rng, count = rows.rng, rows.count
    phase = 2 * np.pi * np.arange(POINTS) / POINTS
    order = np.arange(1, HARMONICS + 1)
    decay = rng.uniform(0.2, 2.8, (count, 1))
    cut = np.exp(rng.uniform(0, np.log(HARMONICS), (count, 1)))
    size = order[None, :] ** -decay * (order[None, :] <= np.ceil(cut))
    coefficients = np.zeros((count, POINTS // 2 + 1), complex)
    z = rng.standard_normal((count, 2 * HARMONICS))
    coefficients[:, 1 : HARMONICS + 1] = size * (z[:, :HARMONICS] + 1j * z[:, HARMONICS:])
    shape = _standard(np.fft.irfft(coefficients, POINTS, axis=1))
    kind = rng.random((count, 1))
    level = rng.uniform(-0.8, 0.8, (count, 1))
    shape = np.select(
        [kind < 0.06, kind < 0.16, kind < 0.24],
        [
            np.tanh((shape - level) * 6),
            np.maximum(shape, level),
            np.exp(shape * rng.uniform(0.5, 1.3, (count, 1))),
        ],
        shape,
    )
    bumped = np.flatnonzero((kind[:, 0] >= 0.24) & (kind[:, 0] < 0.5))
    if len(bumped):
        shape[bumped] = _bumps(rng, len(bumped), phase)
    return _standard(shape)


def _bumps(rng: np.random.Generator, count: int, phase: Floats) -> Floats:
    """One to four peaks or dips on a flat floor, as rush hours and meal times are."""
    total = np.zeros((count, POINTS))
    for k in range(4):
        height = rng.gamma(2.0, 1.0, (count, 1)) * (rng.random((count, 1)) < (1.0, 0.8, 0.4, 0.25)[k])
        height *= np.where(rng.random((count, 1)) < 0.12, -1, 1)
        sharpness = np.exp(rng.uniform(0.0, 4.0, (count, 1)))
        centre = rng.uniform(0, 2 * np.pi, (count, 1))
        total += height * np.exp(sharpness * (np.cos(phase - centre) - 1))
    night = np.tanh(
        3 * (np.cos(phase - rng.uniform(0, 2 * np.pi, (count, 1))) + rng.uniform(0, 0.9, (count, 1)))
    )
    return total + night * rng.gamma(1.0, 0.6, (count, 1))


def _standard(shape: Floats) -> Floats:
    shape = shape - shape.mean(axis=1, keepdims=True)
    sd = shape.std(axis=1, keepdims=True)
    return shape / np.where(sd > 1e-9, sd, 1.0)


def near(rows: Rows, table: Floats, share: Floats) -> Floats:
    """Tables like ``table``: a mix with others in which ``share`` (rows, 1) is new."""
    return np.sqrt(1 - share**2) * table + share * tables(rows)


def read(table: Floats, cycles: Floats) -> Floats:
    """The table at fractional positions: ``cycles`` counts cycles, (rows, columns)."""
    position = (cycles - np.floor(cycles)) * POINTS
    below = position.astype(np.int64)
    part = position - below
    base = (np.arange(len(table)) * POINTS)[:, None]
    flat = table.ravel()
    left = flat[base + below % POINTS]
    return left + part * (flat[base + (below + 1) % POINTS] - left)
