"""When to order how much: (s, S) levels of each series for the periods of the forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from foreseal.decide.scenarios import Scenarios
from foreseal.decide.stock import Array, best_levels, chances, ledger, long_run, run_levels
from foreseal.errors import ModelError
from foreseal.pictures import Acted, Picture, latest
from foreseal.pictures import Ledger as Book
from foreseal.records import Decision, Forecast, Option, RegretKind, Setting

_KEYS = ("start", "s", "S")


@dataclass(frozen=True, slots=True)
class Reorder:
    """Levels s and S of each series, held over the horizon, from a start with nothing on order.

    ``over`` and ``under`` are paid per piece left and per piece owed at a period's end, ``fixed`` per order,
    which comes ``lead`` periods later. ``distribution`` plans with the forecast's distribution, ``point`` as
    if its mean, to the nearest piece, were certain. Costs follow from these prices, the observed demand and
    an assumed start, the same for both: the S of ``distribution``. Expected is the long run's cost per
    period, times the periods, which does not depend on the start.
    """

    over: float = 1.0
    under: float = 9.0
    fixed: float = 10.0
    lead: int = 1

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
        for name in names:
            found = Scenarios.of(prediction, name)
            ds = found.ds[0]
            steps = [chances(row.tolist(), found.weights.tolist()) for row in found.values]
            demand = _mean(steps)
            point = int(np.rint(demand @ np.arange(len(demand))))
            certain = np.zeros(point + 1)
            certain[point] = 1.0
            plans = {
                option: best_levels(known, self.lead, self.fixed, self.over, self.under)
                for option, known in (("distribution", demand), ("point", certain))
            }
            start = float(plans["distribution"].upto)
            for option, levels in plans.items():
                both = levels.reorder, levels.upto
                actions[option] += [
                    Setting(f"{key} {name}", float(value), "{piece}", ds)
                    for key, value in zip(_KEYS, (start, *both), strict=True)
                ]
                mean = long_run(both, demand, self.lead, self.fixed, self.over, self.under)
                expected[option] += mean * len(steps)
        options = tuple(Option(option, tuple(made), expected[option]) for option, made in actions.items())
        chosen = min(expected, key=expected.__getitem__)
        return Decision("reorder", chosen, options, self.cost_unit, self.regret_kind)

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        found = {setting.key: float(setting.value) for setting in action}
        total = 0.0
        for (name,), rows in outcome.sort("ds").group_by("unique_id", maintain_order=True):
            if f"s {name}" not in found:
                raise ModelError(f"The decision has no levels for {name}.")
            start, low, high = (found[f"{key} {name}"] for key in _KEYS)
            total += float(self._costs((low, high), rows["y"].to_numpy()[None, :], start)[0])
        return total

    def pictures(self, acts: Sequence[Acted]) -> tuple[Picture, ...]:
        """Stock, orders and levels of each series under the demand that came, or under the middle of the
        forecast while some of it is not known."""
        act = latest(acts)
        found = {setting.key: float(setting.value) for setting in act.action}
        wanted = act.wanted().sort("unique_id", "ds")
        known = wanted["y"].is_finite().fill_null(value=False).all()
        frames = []
        for (name,), rows in wanted.group_by("unique_id", maintain_order=True):
            start, low, high = (found[f"{key} {name}"] for key in _KEYS)
            demand = rows["y" if known else "middle"].to_list()
            stock, orders = ledger((low, high), demand, start, self.lead)
            frames.append(
                rows.select(
                    pl.col("unique_id").alias("name"),
                    "ds",
                    pl.Series("stock", stock),
                    pl.Series("ordered", orders),
                    pl.lit(low).alias("reorder"),
                    pl.lit(high).alias("upto"),
                    "low",
                    "middle",
                    "high",
                    pl.col("y").alias("asked"),
                )
            )
        return (Book(act.cutoff, pl.concat(frames), "{piece}", known=known),)

    def _costs(self, levels: tuple[float, float], paths: npt.ArrayLike, start: float) -> Array:
        return run_levels(levels, paths, start, self.lead, self.fixed, self.over, self.under)


def _mean(steps: list[Array]) -> Array:
    """The distribution of a period drawn at random."""
    longest = max(map(len, steps))
    found: Array = np.mean([np.pad(each, (0, longest - len(each))) for each in steps], axis=0)
    return found
