"""When to order how much: (s, S) levels of each series for the periods of the forecast."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from foreseal.decide.scenarios import Scenarios
from foreseal.decide.stock import Array, Levels, best_levels, chances, run_levels
from foreseal.errors import ModelError
from foreseal.records import Decision, Forecast, Option, RegretKind, Setting

PATHS = 1000


@dataclass(frozen=True, slots=True)
class Reorder:
    """Levels s and S of each series, held over the horizon; it starts with S in stock and nothing on order.

    ``over`` and ``under`` are paid per piece left and per piece owed at a period's end, ``fixed`` per order,
    which comes ``lead`` periods later. ``distribution`` plans with the forecast's distribution, ``point`` as
    if its mean, to the nearest piece, were certain. Costs follow from these prices, the observed demand and
    a start that is assumed.
    """

    over: float = 1.0
    under: float = 9.0
    fixed: float = 10.0
    lead: int = 1
    seed: int = 0

    cost_unit: ClassVar[str] = "{EUR}"
    regret_kind: ClassVar[RegretKind] = "modelled"

    def __post_init__(self) -> None:
        if min(self.over, self.under) <= 0 or min(self.fixed, self.lead) < 0:
            raise ValueError("over and under must be above 0, fixed and lead not below 0")

    def decide(self, prediction: Forecast, history: pl.DataFrame) -> Decision:
        del history
        names = sorted(prediction.frame["unique_id"].unique())
        actions: dict[str, list[Setting]] = {"distribution": [], "point": []}
        expected = dict.fromkeys(actions, 0.0)
        rng = np.random.default_rng(self.seed)
        for name in names:
            found = Scenarios.of(prediction, name)
            ds = found.ds[0]
            steps = [chances(row.tolist(), found.weights.tolist()) for row in found.values]
            demand = _mean(steps)
            mean = int(np.rint(demand @ np.arange(len(demand))))
            certain = np.zeros(mean + 1)
            certain[mean] = 1.0
            paths = np.stack([rng.choice(len(p), PATHS, p=p) for p in steps], axis=1)
            for option, known in (("distribution", demand), ("point", certain)):
                levels = best_levels(known, self.lead, self.fixed, self.over, self.under)
                actions[option] += _settings(name, ds, levels)
                expected[option] += float(self._costs((levels.reorder, levels.upto), paths).mean())
        options = tuple(Option(option, tuple(made), expected[option]) for option, made in actions.items())
        return Decision("reorder", "distribution", options, self.cost_unit, self.regret_kind)

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        found = {setting.key: float(setting.value) for setting in action}
        total = 0.0
        for (name,), rows in outcome.sort("ds").group_by("unique_id", maintain_order=True):
            if f"s {name}" not in found:
                raise ModelError(f"The decision has no levels for {name}.")
            levels = found[f"s {name}"], found[f"S {name}"]
            total += float(self._costs(levels, rows["y"].to_numpy()[None, :])[0])
        return total

    def _costs(self, levels: tuple[float, float], paths: npt.ArrayLike) -> Array:
        return run_levels(levels, paths, self.lead, self.fixed, self.over, self.under)


def _mean(steps: list[Array]) -> Array:
    """The distribution of a period drawn at random."""
    longest = max(map(len, steps))
    found: Array = np.mean([np.pad(each, (0, longest - len(each))) for each in steps], axis=0)
    return found


def _settings(name: str, ds: datetime, levels: Levels) -> list[Setting]:
    return [
        Setting(f"s {name}", float(levels.reorder), "{piece}", ds),
        Setting(f"S {name}", float(levels.upto), "{piece}", ds),
    ]
