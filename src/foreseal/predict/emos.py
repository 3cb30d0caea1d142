"""Ensemble model output statistics: a weather model's ensemble turned into a calibrated distribution of rain.

A power of the amount follows a logistic distribution left-censored at zero, so that a dry day has a
probability of its own. Its location is linear in the mean of the members' powers, the share of dry members
and the time of the year; the logarithm of its scale in the logarithm of the members' spread, their mean and
the time of the year. Coefficients maximise the likelihood on a rolling window of what was observed and the
ensembles that were known. After Messner, Mayr, Wilks and Zeileis, *Extending extended logistic regression*,
Monthly Weather Review 142 (2014); Gneiting et al., MWR 133 (2005), for the idea.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from foreseal.errors import MissingExtra, ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict.climatology import YEAR, day_of_year
from foreseal.predict.ensemble import members_of, without_ensemble
from foreseal.predict.grid import FloatArray, Grid
from foreseal.records import Forecast

# Pairs of forecast and observation below which ten coefficients are not learnt.
LEAST_PAIRS = 90
# Members below this amount are dry; a spread of zero has a logarithm.
DRY = 0.1
TINY = 0.1


@dataclass
class Emos:
    """``members`` is how the covariates that hold the ensemble start; ``window`` how many steps are learnt
    from; ``power`` the transformation of amounts. Amounts must not be negative. Extra ``weather``."""

    members: str
    window: int = 1461
    power: float = 0.6
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)
    panel_: Panel | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        """Raises `ModelError` for negative amounts and impossible options."""
        if not 0.0 < self.power <= 1.0 or self.window < LEAST_PAIRS:
            raise ModelError(
                f"emos takes a power in (0, 1] and a window of at least {LEAST_PAIRS} steps.",
                hint="Leave them out for 0.6 and 1461.",
            )
        self.grid_, self.panel_ = Grid.of(panel), panel
        for name, y in zip(self.grid_.ids, self.grid_.y, strict=True):
            if (y < 0.0).any():
                raise ModelError(
                    f"emos is for amounts, and series {name!r} has negative ones.",
                    hint="Reject them at the source; some files write -1 for a missing value.",
                )
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        """Steps without an ensemble get climatology, with a `ModelWarning`."""
        if self.grid_ is None or self.panel_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        reach, length = grid.reach(h), grid.y.shape[1]
        members = members_of(self.panel_, grid, self.members, reach)
        location, scale = predictors(members, day_of_year(grid.local(-length, reach)), self.power)
        levels = np.asarray(quantiles, np.float64)
        logit = np.log(levels / (1.0 - levels))
        values = np.empty((len(grid.ids), reach, len(levels)))
        pairs, unfinished = [], 0
        for row, y in enumerate(grid.y):
            x, z = (each[min(row, len(each) - 1)] for each in (location, scale))
            known = np.flatnonzero(np.isfinite(y) & np.isfinite(x[:length]).all(axis=1))
            known = known[known >= length - self.window]
            if len(known) < LEAST_PAIRS:
                raise ModelError(
                    f"Series {grid.ids[row]!r} has {len(known)} pairs of ensemble and observation in the "
                    f"window; emos needs {LEAST_PAIRS}.",
                    hint="Start later, or use climatology until then.",
                )
            pairs.append(len(known))
            b, c, stopped = fit_censored_logistic(x[known], z[known], y[known] ** self.power)
            if stopped:
                unfinished += 1
                warnings.warn(
                    f"emos: the search for the likelihood of series {grid.ids[row]!r} stopped before its "
                    f"maximum ({stopped}). Look at the ensemble's unit.",
                    ModelWarning,
                    stacklevel=2,
                )
            centre, width = x[length:] @ b, np.exp(z[length:] @ c)
            values[row] = np.maximum(centre[:, None] + width[:, None] * logit, 0.0) ** (1.0 / self.power)
        values, ran = without_ensemble(grid, values, quantiles)
        ran |= {"members": str(members.shape[2]), "pairs": ", ".join(map(str, dict.fromkeys(pairs)))}
        if unfinished:
            ran["unfinished"] = f"{unfinished} of {len(grid.ids)} series"
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)


def predictors(members: FloatArray, day: FloatArray, power: float) -> tuple[FloatArray, FloatArray]:
    """Those of location and of log scale, (series or 1, columns, predictors); NaN without an ensemble."""
    known = np.isfinite(members)
    count = np.maximum(known.sum(axis=2), 1)
    z = np.where(known, np.maximum(members, 0.0), 0.0) ** power
    mean = np.where(known.any(axis=2), z.sum(axis=2) / count, np.nan)
    spread = np.sqrt((np.where(known, z - mean[:, :, None], 0.0) ** 2).sum(axis=2) / count)
    dry = (known & (members < DRY)).sum(axis=2) / count
    angle = np.broadcast_to(2.0 * np.pi * day / YEAR, mean.shape)
    one, cos, sin = np.ones(mean.shape), np.cos(angle), np.sin(angle)
    location = np.stack([one, mean, dry, cos, sin], axis=2)
    scale = np.stack([one, np.log(spread + TINY), mean, cos, sin], axis=2)
    return location, scale


def fit_censored_logistic(x: FloatArray, z: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray, str]:
    """Coefficients of location and of log scale that maximise the likelihood of ``t`` (n,), which is a
    logistic variable where it is above zero and says only that this one is not, where it is zero. Third,
    why the search stopped before the maximum, or nothing.

    Raises `MissingExtra`, or `ModelError` if there is no maximum.
    """
    try:
        from scipy.optimize import minimize
        from scipy.special import expit, log_expit
    except ImportError:
        raise MissingExtra("weather", "emos") from None
    wet, k = t > 0.0, x.shape[1]

    def loss(beta: FloatArray) -> tuple[float, FloatArray]:
        log_scale = np.clip(z @ beta[k:], -10.0, 10.0)
        scale = np.exp(log_scale)
        u = (t - x @ beta[:k]) / scale
        below = expit(u)
        log_likelihood = np.where(wet, log_expit(u) + log_expit(-u) - log_scale, log_expit(u))
        slope = np.where(wet, 1.0 - 2.0 * below, 1.0 - below)
        by_location = -slope / scale
        by_scale = -slope * u - wet
        gradient = np.concatenate([x.T @ by_location, z.T @ by_scale])
        return -float(log_likelihood.mean()), -gradient / len(t)

    start = np.zeros(k + z.shape[1])
    start[1] = 0.5
    found = minimize(loss, start, jac=True, method="L-BFGS-B")
    if not np.isfinite(found.x).all() or not np.isfinite(found.fun):
        raise ModelError("The likelihood of emos has no maximum.", hint="Look at the ensemble's values.")
    return found.x[:k], found.x[k:], "" if found.success else str(found.message).strip(" :")
