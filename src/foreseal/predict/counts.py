"""Distributions of counts: from weighted histories, and negative binomial with a mean and a spread."""

from __future__ import annotations

import numpy as np

from foreseal.predict.grid import FloatArray, IntArray

# Bounds of the negative binomial's size: from nearly all zeros to nearly Poisson.
SIZES = (0.05, 100.0)


def histogram(counts: IntArray, weight: FloatArray, top: int) -> FloatArray:
    """Probabilities (series, top + 1) of weighted counts (series, T); one without weight is certain of 0."""
    out = np.zeros((len(counts), top + 1))
    row = np.repeat(np.arange(len(counts)), counts.shape[1])
    np.add.at(out, (row, np.clip(counts, 0, top).ravel()), weight.ravel())
    total = out.sum(axis=1, keepdims=True)
    out[:, 0] += total[:, 0] == 0.0
    shares: FloatArray = out / np.where(total > 0.0, total, 1.0)
    return shares


def negative_binomial(mean: FloatArray, size: FloatArray, top: int) -> FloatArray:
    """Probabilities (series, top + 1) with a mean and a variance of mean + mean² / size; what lies above
    ``top`` counts there."""
    mean = np.maximum(mean, 1e-9)
    share = mean / (mean + size)
    # log p(k + 1) - log p(k) = log((k + size) / (k + 1) * share), from p(0) = (1 - share) ** size.
    k = np.arange(top, dtype=np.float64)
    ratio = np.log((k + size[:, None]) / (k + 1.0)) + np.log(share)[:, None]
    start = size * np.log1p(-share)
    logs = np.concatenate([start[:, None], start[:, None] + np.cumsum(ratio, axis=1)], axis=1)
    out = np.exp(logs)
    out[:, -1] += np.maximum(1.0 - out.sum(axis=1), 0.0)
    chances: FloatArray = out
    return chances


def quantiles(probabilities: FloatArray, levels: FloatArray) -> IntArray:
    """The smallest counts (series, levels) that reach each level."""
    reached = probabilities.cumsum(axis=1)
    found = [(reached < level - 1e-9).sum(axis=1) for level in levels]
    least: IntArray = np.minimum(np.stack(found, axis=1), probabilities.shape[1] - 1)
    return least


def pinball(probabilities: FloatArray, outcome: IntArray, levels: FloatArray) -> FloatArray:
    """Mean pinball loss of each series over the levels."""
    off = outcome[:, None] - quantiles(probabilities, levels)
    loss: FloatArray = np.maximum(levels * off, (levels - 1.0) * off).mean(axis=1)
    return loss
