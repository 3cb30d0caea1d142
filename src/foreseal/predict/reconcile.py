"""``foreseal.reconcile(result, summing)``: forecasts of sums and of their parts that add up.

Quantiles of a sum are not the sum of quantiles. So draws are made of all series together, every draw is
reconciled, and quantiles are read from the reconciled draws. What adds up exactly are the draws, and with
them their means; medians and other quantiles cannot.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from foreseal.errors import DataError, ModelError
from foreseal.frame import Kind
from foreseal.predict import draws as drawing
from foreseal.predict import projection
from foreseal.predict.base import Base, Errors
from foreseal.predict.grid import FloatArray
from foreseal.predict.structure import Structure
from foreseal.records import Forecast, quantile_column

METHODS = ("wls", "mint", "ols", "bottom_up", "top_down")
DEPENDENCE = ("past", "implied", "independent", "comonotone")
FEWEST_DRAWS = 100


@dataclass(frozen=True)
class Reconciled:
    """Forecasts that add up.

    ``samples`` (series, steps, draws) holds the reconciled draws of ``ids``, which are sorted: every draw of
    a sum is the sum of that draw of its parts, to rounding. ``forecast`` holds the draws' quantiles.
    """

    forecast: Forecast
    ids: tuple[str, ...]
    samples: FloatArray = field(repr=False)
    kind: Kind = field(repr=False)
    history: pl.DataFrame = field(repr=False)

    @functools.cached_property
    def frame(self) -> Any:
        """The quantiles, and the ``mean``, which adds up, as the user's kind of frame."""
        mean = pl.Series("mean", self.samples.mean(axis=2).ravel())
        names = ["unique_id", "ds", "cutoff", mean.name, *map(quantile_column, self.quantiles)]
        return self.kind.give(self.forecast.frame.with_columns(mean).select(names))

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The levels, ascending."""
        return self.forecast.quantiles

    @property
    def ran(self) -> Mapping[str, str]:
        """What ran before, and how it was reconciled."""
        return self.forecast.ran


def reconcile(
    result: Any,
    summing: Any,
    *,
    method: str = "wls",
    past: Any = None,
    forecaster: str | None = None,
    dependence: str | None = None,
    draws: int = 1000,
    seed: int = 0,
    id_col: str = "unique_id",
    time_col: str = "ds",
) -> Reconciled:
    """Make forecasts of sums and of their parts add up.

    ``result`` is what `foreseal.forecast` returned, or its frame. ``summing`` maps each sum to its parts, or
    is a frame with a row per leaf (``id_col``) whose other columns name the sums that it is part of. Every
    leaf must have been forecast; a sum that has not been is added. ``past`` is what
    `foreseal.cross_validation` returned for the same series, or its frame; ``forecaster`` says whose errors
    count, where there is more than one beside the baseline.

    ``method``: ``wls`` (variances of past errors, or else of the forecasts), ``mint`` (shrunk covariance of
    past errors), ``ols``, ``bottom_up``, ``top_down`` (shares of forecast means). ``dependence``, how leaves
    are drawn together: ``past`` (the order of past errors; the default with ``past``), ``implied`` (one
    correlation, at which the leaves' sums vary as the sums were forecast to; the default without),
    ``independent``, ``comonotone``. Draws of different steps are independent.

    Leaves whose forecast has no negative quantile have no negative draw. The same arguments and ``seed`` give
    the same draws. Raises `DataError` (structure, series, past) or `ModelError` (the other arguments).
    """
    dependence = dependence or ("past" if past is not None else "implied")
    _check(method, dependence, draws, past is not None)
    structure = Structure.of(summing, id_col)
    base = Base.of(result, structure, id_col, time_col)
    errors = None if past is None else Errors.of(past, base.ids, forecaster, id_col, time_col)
    row = {name: k for k, name in enumerate(structure.ids)}
    matrix = structure.matrix[[row[name] for name in base.ids]]
    values, said = _drawn(base, matrix, dependence, None if errors is None else errors.unit, draws, seed)
    ran = {"reconciled": method, "dependence": said, "draws": str(draws), "seed": str(seed)}
    if method == "top_down":
        leaves = _shares(structure, base, values)
    else:
        weights, told = _weights(method, matrix, values, errors)
        leaves = (weights @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:])
        ran |= told
    bounded = base.bounded[base.sums :]
    leaves = np.where(bounded[:, None, None], np.maximum(leaves, 0.0), leaves)
    every = (structure.matrix @ leaves.reshape(len(leaves), -1)).reshape(-1, *leaves.shape[1:])
    order = np.argsort(np.array(structure.ids, object), kind="stable")
    ids = tuple(structure.ids[k] for k in order)
    samples = every[order]
    found = np.quantile(samples, base.levels, axis=2, method="hazen")
    count = len(ids)
    frame = pl.DataFrame(
        {
            "unique_id": [name for name in ids for _ in range(samples.shape[1])],
            "ds": pl.concat([base.times["ds"]] * count),
            "cutoff": pl.concat([base.times["cutoff"]] * count),
            **{quantile_column(level): found[k].ravel() for k, level in enumerate(base.levels)},
        }
    )
    kind = base.kind if count == len(base.ids) else replace(base.kind, id=pl.String())
    made = Forecast(frame, base.levels, {**base.ran, **ran})
    return Reconciled(made, ids, samples, kind, base.history)


def _drawn(
    base: Base, matrix: FloatArray, dependence: str, errors: FloatArray | None, draws: int, seed: int
) -> tuple[FloatArray, str]:
    """Draws (series, steps, draws) of the base forecasts, and how they hang together.

    Without past errors a sum is drawn in the order of what its leaves add up to, for outcomes do add up.
    """
    chance = np.random.default_rng(seed)
    values = drawing.quantile_function(base.values, np.array(base.levels), draws)
    values = np.where(base.bounded[:, None, None], np.maximum(values, 0.0), values)
    if errors is not None and dependence == "past":
        for step in range(values.shape[1]):
            order = drawing.like_past(errors, draws, chance)
            values[:, step] = np.take_along_axis(values[:, step], order, axis=1)
        return values, f"past ({len(errors)} rows)"
    sums, parts = base.sums, matrix[: base.sums]
    correlation = {"independent": 0.0, "comonotone": 1.0}.get(dependence)
    said = dependence
    if correlation is None:
        if not sums:
            raise ModelError(
                "No sum has been forecast, so that nothing implies how its parts hang together.",
                hint="Give past=, or dependence='independent' or 'comonotone'.",
            )
        spread = values.var(axis=2)
        correlation = drawing.implied_correlation(parts, spread[sums:], spread[:sums])
        said = f"implied ({correlation:.2f})"
    for step in range(values.shape[1]):
        order = drawing.alike(len(values) - sums, draws, correlation, chance)
        values[sums:, step] = np.take_along_axis(values[sums:, step], order, axis=1)
        order = drawing.ranks(parts @ values[sums:, step])
        values[:sums, step] = np.take_along_axis(values[:sums, step], order, axis=1)
    return values, said


def _weights(
    method: str, matrix: FloatArray, values: FloatArray, errors: Errors | None
) -> tuple[FloatArray, dict[str, str]]:
    """The matrix (leaves, base forecasts) that reconciles, and what to say of it."""
    leaves = matrix.shape[1]
    if method == "bottom_up":
        return np.eye(len(matrix))[len(matrix) - leaves :], {}
    if method == "mint" and errors is not None:
        covariance, shrinkage = projection.shrunk(errors.raw, errors.origin)
        return projection.least_squares(matrix, covariance), {"shrinkage": f"{shrinkage:.3f}"}
    if method == "ols":
        return projection.least_squares(matrix, np.ones(len(matrix))), {}
    spread = values.var(axis=2).mean(axis=1) if errors is None else (errors.raw**2).mean(axis=0)
    return projection.least_squares(matrix, projection.variances(spread)), {}


def _shares(structure: Structure, base: Base, values: FloatArray) -> FloatArray:
    """Draws (leaves, steps, draws) that are shares of those of their roots."""
    roots = structure.roots()
    row = {name: k for k, name in enumerate(base.ids)}
    absent = sorted({structure.ids[root] for root in roots} - set(row))
    if absent:
        raise DataError(
            f"There is no forecast of the sum {absent[0]!r}, whose shares are wanted.",
            hint="Forecast it, or choose another method.",
        )
    means = values[base.sums :].mean(axis=2)
    negative = np.flatnonzero((means < 0.0).any(axis=1))
    if len(negative):
        raise DataError(
            f"The forecast mean of {structure.leaves[negative[0]]!r} is negative: that is no share of a sum.",
            hint="Choose another method.",
        )
    share = projection.top_down(means, (roots[:, None] == roots).astype(np.float64))
    return share[:, :, None] * values[[row[structure.ids[root]] for root in roots]]


def _check(method: str, dependence: str, draws: int, has_past: bool) -> None:
    """Raise `ModelError` for arguments that do not exist, or need what is not there."""
    for name, value, known in (("method", method, METHODS), ("dependence", dependence, DEPENDENCE)):
        if value not in known:
            raise ModelError(f"There is no {name} {value!r}.", hint=f"One of {', '.join(known)}.")
    for name, value, needing in (("method", method, "mint"), ("dependence", dependence, "past")):
        if value == needing and not has_past:
            raise ModelError(
                f"{name}={value!r} needs past errors.", hint="Give past=foreseal.cross_validation(...)."
            )
    if not isinstance(draws, int) or isinstance(draws, bool) or draws < FEWEST_DRAWS:
        raise ModelError(f"draws={draws!r} is too few.", hint=f"Give a whole number from {FEWEST_DRAWS}.")
