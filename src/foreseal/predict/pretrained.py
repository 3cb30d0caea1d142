"""The compact pretrained model: a small network over the closed-form stage that has seen no real series.

`foreseal.predict.stage` makes candidates, tries them at earlier origins and describes what it finds;
`foreseal.predict.network` answers with weights over the candidates and a spread. Its weights are part of the
package, read when first used and held to their digest. Nothing is fitted to the panel.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from statistics import NormalDist
from typing import Self

import numpy as np

from foreseal.errors import ModelError
from foreseal.frame import Panel
from foreseal.predict.closed_form import periods_of, refuse_seasons, season_lengths
from foreseal.predict.contexts import Said, rolled, said
from foreseal.predict.decomposition import Flags, Float32
from foreseal.predict.features import LOCAL, timing
from foreseal.predict.grid import FloatArray, Grid, IntArray
from foreseal.predict.network import Network
from foreseal.predict.periods import detect
from foreseal.predict.stage import STAGE_VERSION, Stage, stage
from foreseal.records import Forecast

# How sharply the view of the seasons with the smaller backtest error is preferred.
PREFERENCE = 8.0
# Share of the growth of the spread that goes on beyond the trained steps, on top of the candidates' own.
FAR_GROWTH = 0.25
LARGEST = np.finfo(np.float64).max


@dataclass
class Pretrained:
    """A zero-shot forecaster.

    ``seasons`` in steps, shortest first, are taken as told. Without them the calendar's are one view and
    those that the history shows another; where they differ both are forecast and averaged by their backtest.
    Seasons are sought in all of the history, with the outcomes of that backtest, whose errors are so a little
    too small; the forecast itself sees nothing but the history.
    ``weights`` is the path of other weights (.npz, its .json beside it) than the package's own.
    """

    seasons: tuple[int, ...] | None = None
    weights: str | None = None
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        refuse_seasons(self.seasons)
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        if self.grid_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        made = self._of(grid, grid.y, grid.reach(h), quantiles)
        made.warn(self, grid)
        ran = self._ran() | made.told()
        return Forecast(grid.to_frame(made.values, h, quantiles), tuple(quantiles), ran)

    def roll(
        self, panel: Panel, backs: Sequence[int], columns: int, quantiles: Sequence[float]
    ) -> tuple[FloatArray, dict[str, str]]:
        """See `foreseal.predict.model.Rolling`."""
        refuse_seasons(self.seasons)
        grid = Grid.of(panel)
        out, now = rolled(grid, backs, columns, quantiles, self._of)
        now.warn(self, grid)
        return out, self._ran() | now.told()

    def origin(self) -> dict[str, str]:
        """See `foreseal.predict.model.Trained`."""
        facts = load(self.weights).facts
        return self._ran() | {
            "seed": str(facts.get("seed", "")),
            "batches": str(facts.get("batches", "")),
            "series": str(facts.get("series", "")),
            "plans": _told(facts.get("plans", [])),
            "training_log": str(facts.get("log_sha256", "")),
            "torch": str(facts.get("torch", "")),
        }

    def _ran(self) -> dict[str, str]:
        network = load(self.weights)
        mixes = network.facts.get("mixes", [])
        return {
            "weights": network.digest,
            "stage": str(STAGE_VERSION),
            "generators": ", ".join(f"{version} from batch {first}" for version, first in mixes),
        }

    def _of(self, grid: Grid, y: FloatArray, reach: int, quantiles: Sequence[float]) -> Said:
        """The next ``reach`` steps of histories that may end before the grid's do."""
        network = load(self.weights)
        levels = np.asarray(quantiles, np.float64)

        def decode(part: FloatArray, steps: IntArray) -> tuple[FloatArray, Flags]:
            told = periods_of(part, self.seasons, grid.freq)
            out, error, known = view(network, part, told, steps, levels)
            if self.seasons is None:
                seen = detect(part)
                again = np.flatnonzero((seen != told).any(axis=1) & (seen[:, 0] > 0))
                if len(again):
                    other, its_error, _ = view(network, part[again], seen[again], steps, levels)
                    share = _share(error[again], its_error)[:, None, None]
                    out[again] = share * out[again] + (1.0 - share) * other
            return out, known.constant

        return said(grid, y, reach, levels, season_lengths(self.seasons, grid.freq), decode)


@functools.lru_cache(maxsize=4)
def load(weights: str | None = None) -> Network:
    """The package's network, or that of another file; read once. Raises `ModelError`."""
    if weights is not None:
        return Network.read(Path(weights))
    return Network.read(Path(str(files("foreseal.predict") / "weights" / "compact.npz")))


def view(
    network: Network, y: FloatArray, periods: IntArray, steps: IntArray, levels: FloatArray
) -> tuple[FloatArray, FloatArray, Stage]:
    """Quantiles (B, S, levels) of series y (B, T) with these seasons, the backtest error (B,) of the stage's
    mixture in the series' own units, and what the stage knows."""
    asked = steps
    if steps[-1] > network.steps:
        # What lies beyond the trained steps is told from all of these.
        asked = np.union1d(np.arange(1, network.steps + 1), steps)
    known = stage(y, asked, periods)
    z = _beyond(network, known, asked)
    if len(asked) > len(steps):
        z = z[:, np.searchsorted(asked, steps)]
    z = at_levels(z, network.levels, levels)
    with np.errstate(over="ignore"):
        out: FloatArray = z * known.scale[:, None, None]
        out += known.centre[:, None, None]
    # Two views of what is beyond all numbers could not be averaged.
    np.clip(out, -LARGEST, LARGEST, out=out)
    out[known.constant] = known.centre[known.constant, None, None]
    size = np.abs(known.residuals)
    some = np.isfinite(size)
    count = some.sum(axis=(1, 2))
    error = np.where(some, size, np.float32(0.0)).sum(axis=(1, 2), dtype=np.float64) / np.maximum(count, 1)
    return out, np.where(count > 0, error, known.unit) * known.scale, known


def _beyond(network: Network, known: Stage, steps: IntArray) -> Float32:
    """Quantiles (B, S, own levels) in z units, also for steps beyond those that the network was trained on.

    There the candidates are those of the step itself; the network weighs them as it does at its last step.
    Its spread grows with theirs, and besides by a share of the power of the step by which it grew from the
    nearer half of the trained steps to the farther.
    """
    last = network.steps
    if steps[-1] <= last:
        return network(known)
    far = steps > last
    local = known.local.copy()
    for name, values in timing(np.full(int(far.sum()), last), known.span, known.horizon).items():
        local[:, far, LOCAL.index(name)] = values
    z = network(dataclasses.replace(known, local=local)).astype(np.float64)
    middle = z[:, :, network.levels.index(0.5), None]
    width = z[:, :, -1] - z[:, :, 0]
    near = steps <= last // 2
    halves = width[:, near].mean(axis=1), width[:, ~near & ~far].mean(axis=1)
    distance = np.log(steps[~near & ~far].mean() / steps[near].mean())
    power = np.clip(np.log(np.maximum(halves[1], 1e-9) / np.maximum(halves[0], 1e-9)) / distance, 0.0, 1.0)
    growth = np.maximum(steps / last, 1.0) ** (FAR_GROWTH * power[:, None])
    out: FloatArray = middle + (z - middle) * growth[:, :, None]
    return out


def at_levels(z: Float32, own: Sequence[float], levels: FloatArray) -> FloatArray:
    """Quantiles at other levels: straight lines over the normal distribution's quantiles, also beyond the
    outermost."""
    low, share = _between(tuple(own), tuple(levels.tolist()))
    below = z.take(low, axis=2).astype(np.float64)
    between = np.flatnonzero(share)
    if len(between):
        above = z.take(low[between] + 1, axis=2)
        below[:, :, between] += share[between] * (above - below[:, :, between])
    return below


@functools.lru_cache(maxsize=16)
def _between(own: tuple[float, ...], levels: tuple[float, ...]) -> tuple[IntArray, FloatArray]:
    """The level of ``own`` from which each of ``levels`` is reached, and the share of the way to the next."""
    normal = NormalDist()
    at = np.array([normal.inv_cdf(level) for level in own])
    wanted = np.array([normal.inv_cdf(level) for level in levels])
    low = np.clip(np.searchsorted(at, wanted, side="right") - 1, 0, len(at) - 2)
    share = (wanted - at[low]) / (at[low + 1] - at[low])
    # The last of its own is reached as such.
    return np.where(share == 1.0, low + 1, low), np.where(share == 1.0, 0.0, share)


def _told(plans: Sequence[tuple[Mapping[str, object], int]]) -> str:
    """The plans of the training with the batch after which each was in force: the first as a whole, of the
    others what changed."""
    said: list[str] = []
    before: Mapping[str, object] = {}
    for plan, first in plans:
        changed = [f"{key}={plan[key]}" for key in sorted(plan) if before.get(key) != plan[key]]
        said.append(f"from batch {first}: {' '.join(changed)}")
        before = plan
    return "; ".join(said)


def _share(error: FloatArray, other: FloatArray) -> FloatArray:
    """Weight of the first of two views, by their backtest errors."""
    ratio = (np.maximum(error, 1e-300) / np.maximum(other, 1e-300)) ** PREFERENCE
    return 1.0 / (1.0 + np.minimum(ratio, 1e30))
