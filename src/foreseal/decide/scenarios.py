"""A predictive distribution as weighted scenarios, so that an expectation is a weighted sum.

Between neighbouring levels the quantile function is taken as a straight line, beyond the outermost levels as
flat, and ``E[f(V)] = integral of f(Q(u)) du`` is summed by the trapezoidal rule. A level weighs half the
distance between its neighbours; the first and the last also carry the probability beyond them. The levels
``(k - 1/2) / K`` weigh ``1 / K`` each.

The rule is about marginal distributions. It is exact for costs that add up over instants, as delay does, and
says nothing about costs that depend on several instants together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from foreseal.errors import ModelError
from foreseal.records import Forecast, quantile_column

if TYPE_CHECKING:
    import numpy.typing as npt


def quantile_weights(levels: Sequence[float]) -> npt.NDArray[np.float64]:
    """Weight of each level; positive and adding up to 1. Levels lie in (0, 1) and ascend."""
    inner = np.asarray(levels, float)
    if inner.size == 0 or inner[0] <= 0 or inner[-1] >= 1 or np.any(np.diff(inner) <= 0):
        raise ModelError(f"Quantile levels {tuple(levels)} must lie in (0, 1) and ascend.")
    edges = np.concatenate([[0.0], (inner[1:] + inner[:-1]) / 2, [1.0]])
    return np.diff(edges)


@dataclass(frozen=True, slots=True)
class Scenarios:
    """Values ``[instant, scenario]`` of one series, the scenarios' weights, and the instants (UTC)."""

    ds: tuple[datetime, ...]
    values: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    median: npt.NDArray[np.float64]

    @classmethod
    def of(cls, forecast: Forecast, unique_id: str = "") -> Scenarios:
        """The scenarios of one series of a forecast; ``unique_id`` may be left out if there is only one."""
        frame = forecast.frame
        ids = frame["unique_id"].unique(maintain_order=True).to_list()
        if not unique_id and len(ids) != 1:
            raise ModelError(
                f"The forecast has {len(ids)} series, and the policy was not told which one to use.",
                hint=f"Set the option 'series' to one of: {', '.join(map(str, ids[:5]))}.",
            )
        rows = frame.filter(frame["unique_id"] == (unique_id or ids[0])).sort("ds")
        if rows.is_empty():
            raise ModelError(
                f"The forecast has no series {unique_id!r}.",
                hint=f"Set the option 'series' to one of: {', '.join(map(str, ids[:5]))}.",
            )
        values = rows.select(quantile_column(level) for level in forecast.quantiles).to_numpy().astype(float)
        if not np.isfinite(values).all():
            raise ModelError(f"The forecast of {unique_id or ids[0]!r} has values that are not finite.")
        median = np.array([np.interp(0.5, forecast.quantiles, row) for row in values])
        return cls(tuple(rows["ds"]), values, quantile_weights(forecast.quantiles), median)
