"""Random paths: white noise of several shapes, coloured noise by spectral synthesis, and filters."""

from __future__ import annotations

import numpy as np

from pretrain.generators.rows import Floats, Rows

# The share of white-noise rows that are heavy-tailed, and of those that lean to one side.
HEAVY, SKEWED = 0.3, 0.15


def white(rows: Rows) -> Floats:
    """Independent errors of mean 0 and variance 1: normal, heavy-tailed or skewed by row."""
    z = rows.rng.standard_normal((rows.count, rows.columns), dtype=np.float32)
    shape = rows.rng.random(rows.count)
    heavy = np.flatnonzero(shape < HEAVY)
    if len(heavy):
        spread = rows.rng.uniform(0.3, 0.9, (len(heavy), 1)).astype(np.float32)
        mix = rows.rng.standard_normal((len(heavy), rows.columns), dtype=np.float32)
        z[heavy] *= np.exp(spread * mix - spread**2)
    skewed = np.flatnonzero((shape >= HEAVY) & (shape < HEAVY + SKEWED))
    if len(skewed):
        a = rows.rng.uniform(0.3, 0.8, (len(skewed), 1)).astype(np.float32)
        mean, variance = np.exp(a**2 / 2), (np.exp(a**2) - 1) * np.exp(a**2)
        z[skewed] = (np.exp(a * z[skewed]) - mean) / np.sqrt(variance)
    return z.astype(np.float64)


def coloured(rows: Rows, density: Floats) -> Floats:
    """Stationary Gaussian paths of variance 1 whose spectral density is ``density`` (rows, fft_size//2 + 1).

    Exact on a circle of ``fft_size`` steps, which is half as long again as the path.
    """
    size = fft_size(rows.columns)
    half = size // 2 + 1
    z = rows.rng.standard_normal((rows.count, 2 * half), dtype=np.float32)
    spectrum = z[:, :half] + 1j * z[:, half:]
    spectrum *= np.sqrt(density / density.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.fft.irfft(spectrum, size, axis=1)[:, : rows.columns].astype(np.float64) * (size / 2)


def fft_size(columns: int) -> int:
    return 1 << int(np.ceil(np.log2(1.5 * columns)))


def frequencies(columns: int) -> Floats:
    """Angular frequencies of the synthesis; the first is not zero, so that power laws stay finite."""
    size = fft_size(columns)
    omega = 2 * np.pi * np.arange(size // 2 + 1) / size
    omega[0] = omega[1] / 2
    return omega


def autoregressive(rows: Rows, phi: Floats) -> Floats:
    """AR(1) paths of variance 1 with the coefficients ``phi`` (rows, 1)."""
    return coloured(rows, 1 / (1 + phi**2 - 2 * phi * np.cos(frequencies(rows.columns))))


def memory(rows: Rows, steps: Floats) -> Floats:
    """AR(1) paths that forget in ``steps`` steps (rows, 1)."""
    return autoregressive(rows, np.exp(-1 / np.maximum(steps, 0.1)))


def smooth(rows: Rows, length: Floats) -> Floats:
    """Very smooth paths of variance 1: squared-exponential covariance with this length scale (rows, 1)."""
    omega = frequencies(rows.columns)
    return coloured(rows, np.exp(-((omega * length) ** 2) / 2) + 1e-12)


def arma(rows: Rows) -> Floats:
    """ARMA(2, 1) paths of variance 1: two real or complex poles, one zero."""
    omega = frequencies(rows.columns)
    z = np.exp(-1j * omega)[None, :]
    radius = 1 - rows.lognormal(0.3, 0.9).clip(0.005, 1.0)
    angle = np.where(rows.chance(0.5), 0.0, rows.uniform(0.02, np.pi))
    second = np.where(angle == 0, rows.uniform(-0.5, 0.5), radius)
    poles = (1 - radius * np.exp(1j * angle) * z) * (1 - second * np.exp(-1j * angle) * z)
    zero = 1 + np.where(rows.chance(0.5), rows.uniform(-0.9, 0.9), 0.0) * z
    return coloured(rows, np.abs(zero) ** 2 / np.maximum(np.abs(poles) ** 2, 1e-6))


def any_stationary(rows: Rows) -> Floats:
    """Stationary paths of variance 1 of every kind of spectrum: AR, ARMA, smooth, rough, power law."""
    omega = frequencies(rows.columns)[None, :]
    length = np.exp(rows.rng.uniform(0, np.log(rows.bucket / 2), (rows.count, 1)))
    kind = rows.rng.random((rows.count, 1))
    roughness = rows.uniform(0.5, 3.0)
    matern = (1 / length**2 + omega**2) ** -(roughness + 0.5)
    power = omega ** -rows.uniform(0.3, 2.2)
    squared = np.exp(-((omega * length) ** 2) / 2) + 1e-12
    pole = rows.uniform(0.02, 2.5)
    width = rows.lognormal(0.05, 0.8)
    bump = 1 / (width**2 + (omega - pole) ** 2)
    density = np.select([kind < 0.4, kind < 0.65, kind < 0.8], [matern, power, squared], bump)
    return coloured(rows, density)


def filtered(errors: Floats, phi: Floats) -> Floats:
    """x_t = phi x_{t-1} + e_t from x = 0, one coefficient for each row."""
    columns = np.ascontiguousarray(errors.T)
    weight = phi[:, 0]
    for t in range(1, len(columns)):
        columns[t] += weight * columns[t - 1]
    return columns.T


def walk(rows: Rows) -> Floats:
    """Random walks of unit steps that are zero where the context begins."""
    return start_at_zero(rows, np.cumsum(white(rows), axis=1))


def start_at_zero(rows: Rows, paths: Floats) -> Floats:
    first = np.take_along_axis(paths, (rows.bucket - rows.n)[:, None], axis=1)
    return paths - first


def unit(rows: Rows, paths: Floats) -> Floats:
    """The paths with mean 0 and standard deviation 1 over what is seen; constant rows become 0."""
    seen = rows.clock >= 0
    seen[:, rows.bucket :] = False
    weight = seen / rows.n[:, None]
    mean = (paths * weight).sum(axis=1, keepdims=True)
    centred = paths - mean
    sd = np.sqrt((centred**2 * weight).sum(axis=1, keepdims=True))
    return centred / np.where(sd > 1e-12, sd, 1.0)
