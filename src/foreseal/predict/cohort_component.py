"""Population by sex and age, a step at a time: deaths, migration and births, as sampled paths.

What becomes of a cohort is survival times migration. Where death rates are known, they go on along their own
trend, and migration is what survival leaves unexplained; else the two stay together. Migration returns half
way to its mean, children per woman go on along a damped trend. Errors that this rule would have made before,
of all ages and sexes together, are drawn anew at each step and stay, so that a path is a history that could
happen. Logarithms throughout. Without the error part this is the cohort-component method of Whelpton (1928).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict import empirical
from foreseal.predict.cohorts import Cohorts
from foreseal.predict.grid import FloatArray, Grid
from foreseal.records import Forecast

# Chosen on countries' counts up to 2000 (`python -m bench.apps population`).
MEAN_OF_MIGRATION = 0.5
MEAN_OF_BOTH = 0.25
TREND_OF_MIGRATION = 0.3
TREND_OF_BIRTHS = 0.6
DAMPING = 0.7
TREND_OF_DEATHS = 0.7
BACK = 4
# Changes of which the rule has no past to speak of, and the least that a cell's logarithm errs by.
WARM_UP = 3
LEAST_ERROR = 0.003
# Few past steps say too little of how far errors can go; but no step drives out or brings in half of a
# cohort again and again, as a famine, or the few who are very old, would have it in logarithms.
WIDEN = 1.4
MOST_ERROR = 0.3


@dataclass
class CohortComponent:
    """``rates`` is how the covariates with yearly death rates start, as in ``deaths/`` for
    ``deaths/female/20``; without it survival and migration are one. ``paths`` are drawn with ``seed``."""

    rates: str = ""
    paths: int = 500
    seed: int = 1
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)
    panel_: Panel | None = field(default=None, init=False, repr=False, compare=False)
    cohorts_: Cohorts | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        """Raises `ModelError` if the panel is no population by sex and age with at least three counts."""
        if self.paths < 1:
            raise ModelError(f"{self.paths} paths are too few.", hint="Give 500 or so.")
        self.grid_, self.panel_ = Grid.of(panel), panel
        if not self.grid_.shared:
            raise ModelError("A population needs groups counted at the same times.")
        self.cohorts_ = Cohorts.of(self.grid_.ids, panel.freq)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        """The next ``h`` counts of every group."""
        if self.grid_ is None or self.panel_ is None or self.cohorts_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid, cohorts, reach = self.grid_, self.cohorts_, self.grid_.reach(h)
        counts = grid.y[cohorts.place].transpose(2, 0, 1)
        whole = np.flatnonzero(np.isfinite(counts).all(axis=(1, 2)))
        if len(whole) < 3:
            raise ModelError(
                f"Only {len(whole)} counts hold every group; cohort_component needs 3.",
                hint="Look for gaps in single groups, or for zeros that mean a missing value.",
            )
        newest = int(whole[-1])
        counts, steps = counts[: newest + 1], reach + len(counts) - 1 - newest
        if (counts[newest] <= 0.0).any():
            warnings.warn(
                f"{int((counts[newest] <= 0.0).sum())} groups are zero in the newest count; cohorts passing "
                "through them stay empty.",
                ModelWarning,
                stacklevel=2,
            )
        deaths = self._deaths(cohorts, newest)
        change = cohorts.changes(counts)
        errors = self._errors(cohorts, change, deaths)
        rng = np.random.default_rng([self.seed, newest, steps])
        now = np.broadcast_to(counts[newest], (self.paths, *counts.shape[1:]))
        drift = np.zeros_like(now)
        made = np.empty((self.paths, steps, *counts.shape[1:]))
        for step in range(steps):
            mix = rng.normal(size=(self.paths, len(errors))) / np.sqrt(len(errors))
            own = LEAST_ERROR * rng.normal(size=(self.paths, *counts.shape[1:]))
            drift = drift + np.tensordot(mix, errors, axes=1) + own
            now = cohorts.advance(now, expected(cohorts, change, deaths, step + 1) + drift)
            made[:, step] = now
        values = np.empty((len(grid.ids), reach, len(quantiles)))
        cells = made[:, steps - reach :].transpose(2, 3, 1, 0)
        values[cohorts.place] = empirical.quantiles(np.ascontiguousarray(cells), quantiles)
        ran = {
            "components": "deaths, migration, births" if deaths is not None else "cohort change, births",
            "counts": str(len(whole)),
            "errors": f"{len(errors)} past steps",
            "paths": str(self.paths),
            "seed": str(self.seed),
        }
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)

    def _deaths(self, cohorts: Cohorts, newest: int) -> FloatArray | None:
        """Logarithms of death rates (steps up to the newest count, sexes, groups), if they are wanted."""
        if not self.rates:
            return None
        assert self.grid_ is not None
        assert self.panel_ is not None
        found = self.grid_.covariates(self.panel_, 0)
        table = np.full((newest, *cohorts.place.shape), np.nan)
        for i, sex in enumerate(cohorts.sexes):
            for k, age in enumerate(cohorts.ages):
                name = f"{self.rates}{sex}/{age}"
                if name not in found:
                    raise ModelError(
                        f"There is no covariate {name!r} with death rates.",
                        hint="Name their dataset in covariates = [...] of the target.",
                    )
                table[:, i, k] = found[name][0, :newest]
        logs = np.log(np.where(table > 0.0, table, np.nan))
        if not np.isfinite(logs).all(axis=(1, 2)).any():
            raise ModelError("No year has death rates of every group.", hint="Leave rates out.")
        return _held(logs)

    def _errors(self, cohorts: Cohorts, change: FloatArray, deaths: FloatArray | None) -> FloatArray:
        """What the rule got wrong one step ahead, (past steps, sexes, groups)."""
        first = min(WARM_UP, len(change) - 1)
        made = [
            change[n] - expected(cohorts, change[:n], None if deaths is None else deaths[:n], 1)
            for n in range(first, len(change))
        ]
        errors = np.clip(np.nan_to_num(np.stack(made), nan=0.0), -MOST_ERROR, MOST_ERROR)
        widened: FloatArray = WIDEN * errors * np.sqrt(1.0 + 2.0 / len(errors))
        return widened


def expected(cohorts: Cohorts, change: FloatArray, deaths: FloatArray | None, ahead: int) -> FloatArray:
    """Logarithms (sexes, groups) of `Cohorts.changes` that are expected ``ahead`` steps after those known."""
    damped = sum(DAMPING**k for k in range(1, ahead + 1)) / DAMPING
    filled = _held(change)
    survived, known = np.zeros_like(filled), np.zeros_like(filled[0])
    if deaths is not None:
        survived = cohorts.survival(np.exp(deaths))
        back = min(BACK, len(deaths) - 1)
        yearly = (deaths[-1] - deaths[-1 - back]) / max(back, 1)
        known = cohorts.survival(np.exp(deaths[-1] + TREND_OF_DEATHS * ahead * yearly))
    migration = filled - survived
    weight = MEAN_OF_BOTH if deaths is None else MEAN_OF_MIGRATION
    out: FloatArray = (1.0 - weight) * migration[-1] + weight * migration[-BACK:].mean(axis=0)
    out = out + TREND_OF_MIGRATION * damped * _trend(migration) + known
    out[:, 0] = filled[-1, :, 0] + TREND_OF_BIRTHS * damped * _trend(filled)[:, 0]
    return out


def _trend(logs: FloatArray) -> FloatArray:
    """Change per step over the last two steps, or zero."""
    back = min(2, len(logs) - 1)
    trend: FloatArray = (logs[-1] - logs[-1 - back]) / max(back, 1)
    return trend


def _held(logs: FloatArray) -> FloatArray:
    """Missing values hold the one before them, or the first one after; zero where there is none at all."""
    seen = np.isfinite(logs)
    at = np.maximum.accumulate(np.where(seen, np.arange(len(logs))[:, None, None], -1), axis=0)
    first = np.where(seen.any(axis=0), seen.argmax(axis=0), 0)
    held = np.take_along_axis(logs, np.where(at >= 0, at, first[None]), axis=0)
    return np.where(np.isfinite(held), held, 0.0)
