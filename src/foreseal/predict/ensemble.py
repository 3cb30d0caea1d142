"""The members of a weather model's ensemble as covariates, and the ensemble uncorrected, as a reference."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict import empirical
from foreseal.predict.climatology import climate_quantiles
from foreseal.predict.grid import FloatArray, Grid
from foreseal.records import Forecast

# An ensemble of which less is known says nothing about its spread.
LEAST_MEMBERS = 2


def members_of(panel: Panel, grid: Grid, prefix: str, columns: int) -> FloatArray:
    """Members (series or 1, T + columns, members) of the covariates that start with ``prefix``; NaN where
    fewer than `LEAST_MEMBERS` are known. Raises `ModelError` if there are no such covariates."""
    found = grid.covariates(panel, columns)
    names = sorted(name for name in found if name.startswith(prefix))
    if len(names) < LEAST_MEMBERS:
        raise ModelError(
            f"There are no members of an ensemble: {len(names)} covariates start with {prefix!r}.",
            hint="Name the dataset of the ensemble in covariates = [...] of the target, one series a member.",
        )
    values = np.stack([found[name] for name in names], axis=2)
    few = np.isfinite(values).sum(axis=2) < LEAST_MEMBERS
    values[few] = np.nan
    return values


@dataclass
class RawEnsemble:
    """The quantiles of the members of an ensemble, uncorrected; ``members`` is how their covariates start."""

    members: str
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)
    panel_: Panel | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        self.grid_, self.panel_ = Grid.of(panel), panel
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        """Steps without an ensemble get climatology, with a `ModelWarning`."""
        if self.grid_ is None or self.panel_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid, reach = self.grid_, self.grid_.reach(h)
        members = members_of(self.panel_, grid, self.members, reach)[:, -reach:]
        values = empirical.quantiles(np.broadcast_to(members, (len(grid.ids), *members.shape[1:])), quantiles)
        values, ran = without_ensemble(grid, values, quantiles)
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)


def without_ensemble(
    grid: Grid, values: FloatArray, quantiles: Sequence[float]
) -> tuple[FloatArray, dict[str, str]]:
    """``values`` (series, columns, levels) with climatology where they are NaN, and what to say of it."""
    absent = np.logical_not(np.isfinite(values).all(axis=2))
    if not absent.any():
        return values, {}
    warnings.warn(
        f"No ensemble is known for {int(absent.sum())} steps; they get climatology.",
        ModelWarning,
        stacklevel=3,
    )
    climate = climate_quantiles(grid, values.shape[1], quantiles)
    return np.where(absent[:, :, None], climate, values), {"climatology": f"{int(absent.sum())} steps"}
