"""How forecasts of all series become forecasts of the leaves: matrices that reconcile.

Wickramasuriya, Athanasopoulos and Hyndman (2019): with the covariance W of the errors of the base forecasts,
``(S' W^-1 S)^-1 S' W^-1`` gives the leaves whose sums vary least among all that leave coherent forecasts as
they are. S has a row per base forecast and a column per leaf.
"""

from __future__ import annotations

import numpy as np

from foreseal.predict.grid import FloatArray, IntArray

# Variances below this share of the mean one are taken for it: nobody is infallible.
LEAST_VARIANCE = 1e-8
# Shrinkage at least, so that errors that add up exactly still have an inverse.
LEAST_SHRINKAGE = 1e-3


def least_squares(matrix: FloatArray, covariance: FloatArray) -> FloatArray:
    """Generalised least squares, (leaves, base forecasts), for ``matrix`` (base forecasts, leaves) and a
    covariance, or variances (base forecasts,)."""
    if covariance.ndim == 1:
        weight = 1.0 / np.sqrt(covariance)
        left, right = matrix * weight[:, None], np.diag(weight)
    else:
        lower = np.linalg.cholesky(covariance)
        right = np.linalg.inv(lower)
        left = right @ matrix
    # By orthogonal factors, not normal equations, which would square the condition.
    q, r = np.linalg.qr(left)
    out: FloatArray = np.linalg.solve(r, q.T @ right)
    return out


def variances(values: FloatArray) -> FloatArray:
    """Variances (series,) kept away from zero."""
    mean = values.mean()
    return np.maximum(values, LEAST_VARIANCE * mean) if mean > 0.0 else np.ones_like(values)


def shrunk(errors: FloatArray, origin: IntArray) -> tuple[FloatArray, float]:
    """Second moments of errors (rows, series) with correlations shrunk to none, and by how much.

    The shrinkage is that of least expected squared error (Schaefer and Strimmer, 2005), about zero, for a
    bias is an error too. Rows of one ``origin`` (rows,) share their fate: how far correlations may be off is
    told by how they differ between origins. From a single origin nothing is known of them.
    """
    rows = len(errors)
    spread = np.sqrt(variances((errors**2).mean(axis=0)))
    unit = errors / spread
    correlation = unit.T @ unit / rows
    origins = np.unique(origin)
    noise = np.zeros_like(correlation)
    for each in origins:
        own = unit[origin == each]
        noise += (own.T @ own - len(own) * correlation) ** 2
    noise *= len(origins) / max(len(origins) - 1, 1) / rows**2
    apart = ~np.eye(errors.shape[1], dtype=bool)
    squares = float((correlation[apart] ** 2).sum())
    unknown = squares <= 0.0 or len(origins) < 2
    share = 1.0 if unknown else float(np.clip(noise[apart].sum() / squares, LEAST_SHRINKAGE, 1.0))
    out = (1.0 - share) * correlation * np.outer(spread, spread)
    np.fill_diagonal(out, spread**2)
    return out, share


def top_down(means: FloatArray, parts: FloatArray) -> FloatArray:
    """Shares (leaves, steps) of each leaf in the sum of all leaves of its root, from forecast means; equal
    ones where all means are zero. ``parts`` (leaves, leaves) is 1 where two leaves have the same root."""
    whole = parts @ means
    flat = whole == 0.0
    return np.where(flat, 1.0 / parts.sum(axis=1)[:, None], means / np.where(flat, 1.0, whole))
