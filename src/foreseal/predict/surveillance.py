"""Weekly counts of an epidemic that are reported late and revised, forecast for all regions together.

The youngest values are first corrected by how young ones were revised before (`foreseal.predict.backfill`).
Then a few regressions on random features of growth, height and time of year say how the logarithm of the
count changes, each step ahead on its own. They learn from the panel's own history, whose features get the
errors that corrected values have, and from made-up epidemics (`foreseal.predict.epidemics`), for few panels
hold many seasons. Quantiles are those of past errors in units of their expected size; members' quantiles are
averaged in logarithms. Written for winter epidemics of the northern hemisphere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

import numpy as np
import polars as pl

from foreseal.errors import ModelError
from foreseal.frame import Panel
from foreseal.predict.backfill import Backfill
from foreseal.predict.grid import FloatArray, Grid
from foreseal.predict.growth import FLOOR, WEEKS, View, logs, view, windows
from foreseal.predict.outbreak_prior import FEATURES, NATIONS, REGIONS, Prior, prior, weights
from foreseal.predict.revisions import Revisions
from foreseal.records import Forecast

AGES = 4
# Made-up seasons say nothing of weeks farther ahead.
FARTHEST = 26
# The first weeks of a history have no past to be seen by.
WARM_UP = 8
# What made-up epidemics weigh in the regression, and in the spread, beside the panel's own.
PRIOR = 5.0
SPREAD_PRIOR = 0.3
# Weeks after which an example of the panel counts half.
HALF_LIFE = 52.0
# Smallest error that counts in the spread, and examples from which on quantiles are the panel's own.
TINY = 0.02
OWN = 500


@dataclass
class Surveillance:
    """``total`` names the series that is the sum of the others; without it they are added up. ``members`` are
    regressions that differ in their random features, drawn by ``seed``."""

    total: str = ""
    members: int = 4
    seed: int = 1
    grid_: Grid | None = field(default=None, init=False, repr=False)
    backfill_: Backfill | None = field(default=None, init=False, repr=False)
    z_: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), init=False, repr=False)
    newest_: int = field(default=0, init=False, repr=False)

    def fit(self, panel: Panel) -> Self:
        """Learn how values are revised. Raises `ModelError` for series that are not weekly."""
        if panel.freq.step != timedelta(weeks=1):
            raise ModelError(
                f"surveillance forecasts weekly counts, not steps of {panel.freq}.",
                hint='Add the counts up to weeks, and set freq = "1w".',
            )
        grid = Grid.of(panel)
        if not grid.shared:
            raise ModelError("surveillance needs series with the same weeks.", hint="Align their weeks.")
        if self.total and self.total not in grid.ids:
            raise ModelError(f"There is no series {self.total!r}.", hint="total names the sum of the others.")
        self.grid_ = grid
        known = np.isfinite(grid.y).mean(axis=0) >= 0.5
        self.newest_ = int(np.flatnonzero(known)[-1]) if known.any() else grid.y.shape[1] - 1
        self.z_ = _filled(logs(grid.y))[:, : self.newest_ + 1]
        found = Revisions.of(panel, grid, AGES)
        self.backfill_ = Backfill.none(len(grid.ids), AGES)
        if found is not None:
            self.backfill_ = Backfill.of(found, _filled(logs(grid.y)), FLOOR, self.newest_)
        ages = min(AGES, self.z_.shape[1])
        self.z_[:, -ages:] += self.backfill_.usual[:, :ages][:, ::-1]
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        """The next ``h`` weeks of every series; the sum is a series like the others."""
        assert self.grid_ is not None
        assert self.backfill_ is not None
        grid = self.grid_
        behind = grid.y.shape[1] - 1 - self.newest_
        if h + behind > FARTHEST:
            raise ModelError(
                f"surveillance looks {FARTHEST} weeks ahead, not {h + behind}.",
                hint=f"Ask for fewer steps; the newest week known lies {behind} weeks back.",
            )
        out = np.stack([self._ahead(step + behind, quantiles) for step in range(1, h + 1)], axis=1)
        values = np.maximum(np.exp(out) - FLOOR, 0.0)
        usual = np.expm1(np.median(self.backfill_.usual[:, 0]))
        ran = {
            "backfill": f"newest week {usual:+.1%} at the median, from {len(self.backfill_.weight)} cutoffs",
            "behind": f"{behind} weeks without a report",
            "members": f"{self.members} regressions on {FEATURES} random features",
            "prior": f"{NATIONS} made-up epidemics of {REGIONS} regions, weight {PRIOR:g}",
            "seed": str(self.seed),
        }
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)

    def _ahead(self, h: int, quantiles: Sequence[float]) -> FloatArray:
        """Quantiles (series, levels) of the logarithm ``h`` weeks after the newest one known."""
        z = self.z_
        assert self.grid_ is not None
        assert self.backfill_ is not None
        series, length = z.shape
        here = self._see(np.array([length - 1.0]), h, None)
        origins = np.arange(min(WARM_UP, length), length - h, dtype=np.float64)
        rng = np.random.default_rng([self.seed, length, h])
        errors = self.backfill_.errors(rng, len(origins))
        seen = self._see(origins, h, errors)
        at = origins.astype(np.int64)
        change = (z[:, at + h].T - z[:, at].T - errors[:, :, 0]).ravel()
        traits = seen.traits.reshape(-1, seen.traits.shape[-1])
        real = np.isfinite(self.grid_.y)[:, at + h].T & np.isfinite(self.grid_.y)[:, at].T
        weight = np.repeat(0.5 ** ((length - origins) / HALF_LIFE), series) * real.ravel()
        weight = weight * weights(h, traits[:, 1])
        weight /= max(weight.sum(), np.finfo(float).tiny)
        kept = weight > 0.0
        members = []
        for member in range(self.members):
            known = prior(h, self.seed, member)
            own, now = known.bend(seen.x.reshape(-1, seen.x.shape[-1])), known.bend(here.x[0])
            gram = (own * weight[:, None]).T @ own + PRIOR * known.gram
            moment = (own * weight[:, None]).T @ change + PRIOR * known.moment
            slope = np.linalg.solve(gram + (1.0 + PRIOR) * np.diag(known.penalty), moment)
            members.append(
                (z[:, -1] + now @ slope)[:, None]
                + _spread(change[kept] - (own @ slope)[kept], traits[kept], known, slope, here, quantiles)
            )
        mean: FloatArray = np.mean(members, axis=0)
        return mean

    def _see(self, origins: FloatArray, h: int, errors: FloatArray | None) -> View:
        assert self.grid_ is not None
        z = self.z_
        own = windows(z, origins).copy()
        if errors is not None:
            own[:, :, -AGES:] += errors[:, :, ::-1]
        if self.total:
            row = self.grid_.ids.index(self.total)
            nation = own[:, row : row + 1]
        else:
            nation = logs((np.exp(own) - FLOOR).sum(axis=1, keepdims=True))
        behind = self.grid_.y.shape[1] - z.shape[1]
        first = pl.Series([self.grid_.instants(-1 - behind)[0]])
        week = first.dt.ordinal_day()[0] / 7.0 + origins - (z.shape[1] - 1)
        return view(own, np.broadcast_to(nation, own.shape), week % WEEKS, h)


def _spread(
    errors: FloatArray,
    traits: FloatArray,
    known: Prior,
    slope: FloatArray,
    here: View,
    quantiles: Sequence[float],
) -> FloatArray:
    """Quantiles (series, levels) of the error now: those of errors in units of their size as expected from
    traits, in which made-up epidemics have a say."""
    made_up = known.change - known.bend(known.x) @ slope
    count = max(len(errors), OWN)
    trust = SPREAD_PRIOR * count / len(made_up)
    gram = traits.T @ traits + trust * known.traits.T @ known.traits
    gram += 1e-3 * count * np.eye(traits.shape[1])
    moment = traits.T @ np.log(np.abs(errors) + TINY)
    moment += trust * known.traits.T @ np.log(np.abs(made_up) + TINY)
    size = np.linalg.solve(gram, moment)
    unit = errors / np.exp(traits @ size)
    if len(errors) < OWN:
        unit = made_up / np.exp(known.traits @ size)
    spread: FloatArray = np.exp(here.traits[0] @ size)[:, None] * np.quantile(unit, quantiles)
    return spread


def _filled(z: FloatArray) -> FloatArray:
    """Gaps hold the value before them, or the first one after; a series without any is at zero."""
    known = np.isfinite(z)
    column = np.arange(z.shape[1])
    before = np.maximum.accumulate(np.where(known, column, -1), axis=1)
    first = np.where(known.any(axis=1), known.argmax(axis=1), 0)
    held = np.take_along_axis(z, np.where(before >= 0, before, first[:, None]), axis=1)
    return np.where(np.isfinite(held), held, np.log(FLOOR))
