"""Who neighbours whom in a network of sensors: told, measured, or learnt from the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foreseal.errors import ModelError
from foreseal.predict.grid import FloatArray

EARTH_KM = 6_371.0
# Neighbours that are learnt, or found by distance, for each sensor.
NEAREST = 6


def from_adjacency(adjacency: Any, sensors: Sequence[str] | None, ids: Sequence[str]) -> FloatArray:
    """Weights (series, series), rows summing to 1 or 0, from a square table of weights among ``sensors``.

    Raises `ModelError` for a table that is not one, or that names none of the series.
    """
    try:
        table = np.asarray(adjacency, np.float64)
    except (TypeError, ValueError):
        raise ModelError("The adjacency is no table of numbers.", hint=_HINT) from None
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise ModelError(f"The adjacency has shape {table.shape}; it must be square.", hint=_HINT)
    if not np.isfinite(table).all() or (table < 0.0).any():
        raise ModelError("The adjacency has weights that are negative or no numbers.", hint=_HINT)
    names = ids if sensors is None else [str(name) for name in sensors]
    if len(names) != len(table) or len(set(names)) < len(names):
        raise ModelError(
            f"The adjacency has {len(table)} rows for {len(names)} sensors.",
            hint="Name each row once, in order, with sensors=[...].",
        )
    place = {name: row for row, name in enumerate(names)}
    own = [row for row, name in enumerate(ids) if name in place]
    if not own:
        raise ModelError("The adjacency names none of the series.", hint="Compare sensors= with unique_id.")
    there = [place[ids[row]] for row in own]
    weights = np.zeros((len(ids), len(ids)))
    weights[np.ix_(own, own)] = table[np.ix_(there, there)]
    return _rows(weights)


def from_coordinates(places: Mapping[str, Sequence[float]], ids: Sequence[str]) -> FloatArray:
    """Weights (series, series) of the nearest sensors by their (latitude, longitude) in degrees.

    A neighbour weighs less the further it is, in units of the usual distance to the nearest ones.
    """
    known = [row for row, name in enumerate(ids) if name in places]
    try:
        at = np.array([[float(part) for part in places[ids[row]]] for row in known]).reshape(len(known), 2)
    except (TypeError, ValueError):
        raise ModelError("Coordinates must be pairs of numbers.", hint=_PAIRS) from None
    if not known:
        raise ModelError("The coordinates name none of the series.", hint=_PAIRS)
    if not np.isfinite(at).all() or (np.abs(at[:, 0]) > 90.0).any():
        raise ModelError("A latitude must lie between -90 and 90 degrees.", hint=_PAIRS)
    latitude, longitude = np.radians(at).T
    half = np.sin((latitude[:, None] - latitude) / 2.0) ** 2
    half += np.cos(latitude[:, None]) * np.cos(latitude) * np.sin((longitude[:, None] - longitude) / 2.0) ** 2
    distance = 2.0 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    np.fill_diagonal(distance, np.inf)
    kept = np.sort(distance, axis=1)[:, :NEAREST]
    usual = np.median(kept[np.isfinite(kept)]) if np.isfinite(kept).any() else 1.0
    near = np.where(distance <= kept[:, -1:], np.exp(-((distance / max(usual, 1e-9)) ** 2)), 0.0)
    weights = np.zeros((len(ids), len(ids)))
    weights[np.ix_(known, known)] = near
    return _rows(weights)


def from_past(z: FloatArray) -> FloatArray:
    """Weights (series, series) of the sensors whose change goes before a sensor's own, by the correlation of
    values (series, T) with the sensor's next; nobody where none correlates."""
    ahead, now = z[:, 1:], z[:, :-1]
    change = ahead - now
    change = change - change.mean(axis=1, keepdims=True)
    now = now - now.mean(axis=1, keepdims=True)
    size = np.sqrt((change**2).sum(axis=1))[:, None] * np.sqrt((now**2).sum(axis=1))
    link = np.divide(change @ now.T, size, out=np.zeros_like(size), where=size > 0.0)
    np.fill_diagonal(link, 0.0)
    link = np.maximum(link, 0.0)
    least = np.sort(link, axis=1)[:, -min(NEAREST, len(link))][:, None]
    return _rows(np.where(link >= least, link, 0.0))


def _rows(weights: FloatArray) -> FloatArray:
    """Without a sensor's own weight, rows summing to 1 where there is any."""
    np.fill_diagonal(weights, 0.0)
    total = weights.sum(axis=1, keepdims=True)
    shares: FloatArray = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0.0)
    return shares


_HINT = "Give one row and column of weights from 0 for each sensor."
_PAIRS = "Write coordinates={'773869': (34.15, -118.32), ...}."
