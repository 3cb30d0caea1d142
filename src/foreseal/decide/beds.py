"""Beds for an epidemic: how many each region keeps, week by week, when neighbours may take patients over.

A two-stage linear program. Beds are set before admissions are known; afterwards patients who find none at
home are moved to neighbours with free ones, and who finds none there goes short. Regions' admissions go
together: scenarios are drawn with one common factor (a Gaussian copula) and hit every region's own quantiles
evenly. Weeks are independent. HiGHS solves, by way of SciPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl

from foreseal.decide.moves import Array, Moves
from foreseal.decide.scenarios import Scenarios
from foreseal.errors import UsageError
from foreseal.pictures import Acted, Picture, Provision, latest
from foreseal.records import Decision, Forecast, Option, RegretKind, Setting

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "beds "


@dataclass(frozen=True, slots=True)
class Beds:
    """``neighbours`` names the regions and whom their patients may go to; other series are left out.

    A patient stays ``stay`` days, so that a week's admissions fill ``stay / 7`` times as many beds. A free
    bed costs ``idle`` a week, a patient without one ``short``, one who is moved ``transfer``. ``correlation``
    is that of regions' admissions given the forecast; ``scenarios`` are drawn by ``seed``.
    """

    neighbours: Mapping[str, tuple[str, ...]]
    stay: float = 5.0
    idle: float = 1.0
    short: float = 6.0
    transfer: float = 2.0
    correlation: float = 0.6
    scenarios: int = 24
    seed: int = 1

    cost_unit: ClassVar[str] = "{bed}.wk"
    regret_kind: ClassVar[RegretKind] = "modelled"

    def __post_init__(self) -> None:
        if not self.neighbours:
            raise ValueError("neighbours names no region")
        for region, others in self.neighbours.items():
            strange = [other for other in others if other not in self.neighbours or other == region]
            if strange:
                raise ValueError(f"neighbours of {region!r} has {strange[0]!r}, which is no other region")
        for name in ("stay", "idle", "short", "transfer"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be above 0")
        if not 0 <= self.correlation < 1:
            raise ValueError("correlation must lie in [0, 1)")
        if self.scenarios < 2:
            raise ValueError("scenarios must be at least 2")

    def decide(self, prediction: Forecast, history: pl.DataFrame) -> Decision:
        """The plan of least expected cost, and three to compare it with."""
        frame = prediction.frame.filter(pl.col("unique_id").is_in(list(self.neighbours)))
        regions = tuple(sorted(frame["unique_id"].unique().to_list()))
        if not regions:
            raise UsageError(
                "The forecast has none of the regions in neighbours.",
                hint="They are named as the series of the dataset.",
            )
        every = [Scenarios.of(prediction, region) for region in regions]
        weeks = every[0].ds
        if any(each.ds != weeks for each in every):
            raise UsageError("Regions were forecast for different weeks.")
        per_week = self.stay / 7.0
        levels = np.asarray(prediction.quantiles, float)
        ranks = self._ranks(len(regions))
        moves = Moves.among(regions, self.neighbours, self.idle, self.short, self.transfer)
        fractile = self.short / (self.short + self.idle)
        latest = self._latest(history, regions)
        plans: dict[str, list[Array]] = {
            name: [] for name in ("expected", "newsvendor", "point", "last_week")
        }
        costs = dict.fromkeys(plans, 0.0)
        for week in range(len(weeks)):
            values = [np.maximum(each.values[week], 0.0) * per_week for each in every]
            drawn = [np.interp(rank, levels, row) for rank, row in zip(ranks, values, strict=True)]
            demand = np.stack(drawn, axis=1)
            now = {
                "expected": moves.best(demand),
                "newsvendor": np.array([np.interp(fractile, levels, row) for row in values]),
                "point": np.array([np.interp(0.5, levels, row) for row in values]),
                "last_week": latest * per_week,
            }
            for name, beds in now.items():
                plans[name].append(np.rint(beds))
                costs[name] += float(moves.costs(plans[name][-1], demand).mean())
        options = tuple(
            Option(name, self._action(regions, weeks, plan), costs[name]) for name, plan in plans.items()
        )
        ran = {
            "solver": moves.solver(),
            "scenarios": f"{self.scenarios}, one factor, correlation {self.correlation:g}, seed {self.seed}",
        }
        return Decision("beds", "expected", options, self.cost_unit, self.regret_kind, ran=ran)

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        """Cost of the beds with the best moves that the observed admissions allow; regions and weeks without
        an outcome are left out. Raises `UsageError` if the action names no beds."""
        beds = {
            (setting.ds, setting.key.removeprefix(KEY)): float(setting.value)
            for setting in action
            if setting.key.startswith(KEY)
        }
        if not beds:
            raise UsageError("The action sets no beds.", hint="Judge it with the options it was made with.")
        total = 0.0
        seen = outcome.filter(pl.col("y").is_finite()).sort("ds", "unique_id")
        for (ds,), rows in seen.group_by("ds", maintain_order=True):
            regions = tuple(uid for uid in rows["unique_id"] if (ds, uid) in beds)
            if not regions:
                continue
            known = rows.filter(pl.col("unique_id").is_in(list(regions)))
            demand = np.maximum(known["y"].to_numpy(), 0.0) * self.stay / 7.0
            kept = np.array([beds[ds, region] for region in regions])
            moves = Moves.among(regions, self.neighbours, self.idle, self.short, self.transfer)
            total += float(moves.costs(kept, demand[None])[0])
        return total

    def pictures(self, acts: Sequence[Acted]) -> tuple[Picture, ...]:
        """Beds of each region and week, patients as forecast and as they came, and who was moved."""
        act = latest(acts)
        beds = pl.DataFrame(
            [(s.key.removeprefix(KEY), s.ds, float(s.value)) for s in act.action if s.key.startswith(KEY)],
            schema={"unique_id": pl.String, "ds": pl.Datetime("us", "UTC"), "provided": pl.Float64},
            orient="row",
        )
        patients = [(pl.col(name).clip(0.0) * self.stay / 7.0) for name in ("low", "middle", "high", "y")]
        weeks = []
        both = act.wanted().join(beds, on=["unique_id", "ds"]).with_columns(patients).sort("ds", "unique_id")
        for week in both.partition_by("ds", maintain_order=True):
            moved = {"moved_in": [None] * week.height, "moved_out": [None] * week.height}
            if week["y"].is_finite().fill_null(value=False).all():
                regions: list[str] = week["unique_id"].to_list()
                moves = Moves.among(regions, self.neighbours, self.idle, self.short, self.transfer)
                here, away = moves.moved(week["provided"].to_numpy(), week["y"].to_numpy())
                moved = {"moved_in": here.tolist(), "moved_out": away.tolist()}
            weeks.append(
                week.with_columns(pl.Series(name, values, pl.Float64) for name, values in moved.items())
            )
        names = {"unique_id": "name", "y": "asked"}
        return (Provision(act.cutoff, pl.concat(weeks).rename(names), "{bed}"),)

    def _ranks(self, regions: int) -> Array:
        """Probability levels (regions, scenarios): each region's are spread evenly over (0, 1)."""
        rng = np.random.default_rng(self.seed)
        common = rng.normal(size=self.scenarios)
        own = rng.normal(size=(regions, self.scenarios))
        z = np.sqrt(self.correlation) * common + np.sqrt(1.0 - self.correlation) * own
        ranks: Array = (z.argsort(axis=1).argsort(axis=1) + 0.5) / self.scenarios
        return ranks

    def _latest(self, history: pl.DataFrame, regions: Sequence[str]) -> Array:
        """The newest count of each region, zero where there is none."""
        known = history.filter(pl.col("y").is_finite()).sort("ds")
        last: dict[str, float] = dict(known.group_by("unique_id").agg(pl.col("y").last()).iter_rows())
        return np.array([max(last.get(region, 0.0), 0.0) for region in regions])

    def _action(
        self, regions: Sequence[str], weeks: Iterable[datetime], plan: Sequence[Array]
    ) -> tuple[Setting, ...]:
        return tuple(
            Setting(f"{KEY}{region}", float(beds[k]), "{bed}", ds)
            for ds, beds in zip(weeks, plan, strict=True)
            for k, region in enumerate(regions)
        )
