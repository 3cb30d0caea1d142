"""GARCH: returns whose variance follows the shocks before it, and how the members of `volatility` are fitted.

    y = mu + sigma z,   sigma² = omega + (alpha + gamma [e < 0]) e² + beta sigma²,   e the deviation before

`z` has unit variance: points of a fitted density, or the residuals themselves (filtered historical
simulation, Barone-Adesi, Giannopoulos and Vosper 1999). The asymmetry is that of Glosten, Jagannathan and
Runkle (1993), the skewed t that of Hansen (1994). Likelihoods are maximised by the package arch.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from foreseal.errors import MissingExtra
from foreseal.predict.grid import FloatArray

FITTED = frozenset({"garch_t", "gjr_t", "gjr_fhs"})
"""Members whose parameters come from a likelihood, and need the extra."""

DECAY = 0.94
# Points that a density is held as, and paths drawn for steps further ahead.
POINTS, PATHS = 4000, 4000


@dataclass(frozen=True)
class Fitted:
    """``mu, omega, alpha, gamma, beta`` of a member, and its standardised residuals, ascending.

    ``start`` is the variance before the first return.
    """

    mu: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    start: float
    residuals: FloatArray = field(repr=False)

    def variances(self, y: FloatArray) -> FloatArray:
        """Variance of each return given those before it, and of the one after the last: (T + 1,)."""
        e = y - self.mu
        shock = (self.alpha + self.gamma * (e < 0)) * e**2
        out = np.empty(len(y) + 1)
        # Nothing is known of the sign of what came before the first return: half of it counts as negative.
        out[0] = now = self.omega + (self.alpha + 0.5 * self.gamma + self.beta) * self.start
        for t, pushed in enumerate(shock.tolist(), 1):
            out[t] = now = self.omega + pushed + self.beta * now
        return out

    def ahead(self, variance: float, steps: int, rng: np.random.Generator) -> FloatArray:
        """Paths (steps, paths) of returns from a first step of that variance."""
        at = (np.arange(PATHS) + 0.5) / PATHS
        z = np.quantile(self.residuals, at, method="hazen")
        spread = np.full(PATHS, variance)
        out = np.empty((steps, PATHS))
        for step in range(steps):
            e = np.sqrt(spread) * rng.permutation(z)
            out[step] = self.mu + e
            spread = self.omega + (self.alpha + self.gamma * (e < 0)) * e**2 + self.beta * spread
        return out


@functools.lru_cache(maxsize=2048)
def fit(name: str, data: bytes) -> Fitted | None:
    """``ewma`` or one of `FITTED`, fitted to returns; None where the likelihood has no proper maximum.

    ``data`` are float64s: bytes, so that a fit asked for again is not made again.
    """
    y = np.frombuffer(data)
    unit = float(y.std())
    if not unit:
        return None
    if name == "ewma":
        return _with_residuals(Fitted(0.0, 0.0, 1.0 - DECAY, 0.0, DECAY, unit**2, y), y)
    found = _maximised(name.startswith("gjr"), data)
    if found is None:
        return None
    mu, omega, alpha, gamma, beta, points = found
    made = Fitted(mu * unit, omega * unit**2, alpha, gamma, beta, unit**2, points)
    return _with_residuals(made, y) if name == "gjr_fhs" else made


def _with_residuals(fitted: Fitted, y: FloatArray) -> Fitted:
    """The same with the residuals that it leaves in ``y``."""
    return replace(fitted, residuals=np.sort((y - fitted.mu) / np.sqrt(fitted.variances(y)[:-1])))


@functools.lru_cache(maxsize=2048)
def _maximised(skewed: bool, data: bytes) -> tuple[float, float, float, float, float, FloatArray] | None:
    """``mu, omega, alpha, gamma, beta`` in units of the deviation, and points of the density."""
    y = np.frombuffer(data)
    kind = "skewt" if skewed else "t"
    model = arch().arch_model(y / y.std(), p=1, o=int(skewed), q=1, dist=kind, rescale=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.fit(disp="off", show_warning=False, backcast=1.0)
    values = [float(value) for value in found.params]
    if found.convergence_flag or not np.isfinite(values).all():
        return None
    mu, omega, alpha, *rest = values
    gamma = rest.pop(0) if skewed else 0.0
    beta, *shape = rest
    at = (np.arange(POINTS) + 0.5) / POINTS
    return mu, omega, alpha, gamma, beta, np.sort(model.distribution.ppf(at, np.array(shape)))


def arch() -> Any:
    try:
        import arch as package
    except ImportError:
        raise MissingExtra("finance", "The model 'volatility' with GARCH members") from None
    return package
