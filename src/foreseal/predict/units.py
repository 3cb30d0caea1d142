"""Centre and scale of series: what the stage's numbers are counted from, and in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foreseal.predict.decomposition import Flags, Float32
from foreseal.predict.histories import CONTEXT

Floats = NDArray[np.float64]


def largest(y: Floats) -> Floats:
    """The largest absolute value of each row, 1 where there is none: keeps squares and sums in range."""
    size = np.fmax.reduce(np.abs(y), axis=1, initial=0.0)
    return np.where(size > 0.0, size, 1.0)


def units(y: Floats) -> tuple[Floats, Floats, Flags]:
    """Centre, scale and whether values hardly differ, of rows that are at most 1 in size.

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


def differ(y: Floats) -> Flags:
    """Rows that hold two different values."""
    differ: Flags = np.fmin.reduce(y, axis=1, initial=np.inf) < np.fmax.reduce(y, axis=1, initial=-np.inf)
    return differ


def close(y: Floats) -> tuple[Float32, Floats, Floats]:
    """Rows in z units, with centre and scale, whose values differ too little for a share of their size to
    tell: as differences from one of them, which are exact."""
    recent = y[:, -CONTEXT:]
    first = recent[np.arange(len(y)), np.isfinite(recent).argmax(axis=1)]
    apart = y - first[:, None]
    unit = largest(apart[:, -CONTEXT:])
    apart /= unit[:, None]
    centre, scale, _ = units(apart[:, -CONTEXT:])
    z = ((apart - centre[:, None]) / scale[:, None]).astype(np.float32)
    return z, first + centre * unit, scale * unit
