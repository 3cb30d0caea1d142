"""Alert or not: the cost-loss rule for events that a forecast gives a probability.

Protecting costs ``protect`` whether or not the event comes; an event without protection costs ``loss``.
Alerting wherever the probability exceeds ``protect / loss`` has the least expected cost (Murphy, *The value
of climatological, categorical and probabilistic forecasts in the cost-loss ratio situation*, Monthly Weather
Review 105, 1977).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from foreseal.errors import ModelError, UsageError
from foreseal.pictures import Acted, Alerts, Picture
from foreseal.records import Decision, Forecast, Option, RegretKind, Setting, quantile_column

if TYPE_CHECKING:
    from collections.abc import Mapping

Array: TypeAlias = npt.NDArray[np.float64]
KEY = "alert"


@dataclass(frozen=True, slots=True)
class CostLoss:
    """The event is a value above (or below) ``threshold``, at each step of each series by itself, or of the
    ``series`` named. ``protect`` and ``loss`` share a unit of money or effort; ``loss`` is larger."""

    threshold: float
    protect: float
    loss: float
    side: Literal["above", "below"] = "above"
    series: tuple[str, ...] = ()

    cost_unit: ClassVar[str] = "1"
    regret_kind: ClassVar[RegretKind] = "observed"

    def __post_init__(self) -> None:
        if not np.isfinite(self.threshold):
            raise ValueError("threshold must be a number")
        if not 0 < self.protect < self.loss < float("inf"):
            raise ValueError(
                f"protect is {self.protect:g} and loss {self.loss:g}; protecting must cost something, and "
                "less than the event does without it"
            )

    def decide(self, prediction: Forecast, history: pl.DataFrame) -> Decision:
        """Alerts where they are worth their cost; beside it all, none, and those of the median alone."""
        frame = self._mine(prediction.frame)
        if frame.is_empty():
            raise ModelError(
                f"The forecast has none of the series {', '.join(self.series)}.",
                hint="Leave the option 'series' out to use all of them.",
            )
        chance = self.chance(frame, prediction.quantiles)
        values = frame.select(map(quantile_column, prediction.quantiles)).to_numpy()
        median = np.array([np.interp(0.5, prediction.quantiles, row) for row in values])
        alerts = {
            "cost_loss": chance > self.protect / self.loss,
            "always": np.ones(len(chance), bool),
            "never": np.zeros(len(chance), bool),
            "median": median > self.threshold if self.side == "above" else median < self.threshold,
        }
        keys = list(frame.select("unique_id", "ds").iter_rows())
        several = frame["unique_id"].n_unique() > 1
        options = tuple(
            Option(
                name,
                tuple(
                    Setting(f"{KEY} {uid}" if several else KEY, float(on), "1", ds)
                    for (uid, ds), on in zip(keys, alert, strict=True)
                ),
                float(np.where(alert, self.protect, chance * self.loss).sum()),
            )
            for name, alert in alerts.items()
        )
        ran = {"rule": f"alert where the probability is above {self.protect / self.loss:g}"}
        return Decision("cost_loss", "cost_loss", options, self.cost_unit, self.regret_kind, ran=ran)

    def chance(self, frame: pl.DataFrame, levels: Sequence[float]) -> Array:
        """Probability (rows,) of the event from quantile columns; a value at the threshold is no event."""
        values = frame.select(map(quantile_column, levels)).to_numpy()
        if self.side == "above":
            return exceedance(values, levels, self.threshold)
        return exceedance(-values[:, ::-1], [1.0 - level for level in reversed(levels)], -self.threshold)

    def cost_of(self, alert: npt.NDArray[np.bool_], y: Array) -> Array:
        """Cost of each alert, or of none, under the values that came; missing values cost nothing."""
        event = y > self.threshold if self.side == "above" else y < self.threshold
        cost: Array = np.where(np.isfinite(y), np.where(alert, self.protect, event * self.loss), 0.0)
        return cost

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        """Raises `UsageError` for an outcome that the action says nothing about."""
        alerts: Mapping[tuple[str, datetime | None], float] = {
            (setting.key, setting.ds): float(setting.value) for setting in action
        }
        total = 0.0
        for uid, ds, y in self._mine(outcome).select("unique_id", "ds", "y").iter_rows():
            on = alerts.get((KEY, ds), alerts.get((f"{KEY} {uid}", ds)))
            if on is None:
                raise UsageError(f"The action has no alert for {uid!r} at {ds}.")
            total += float(self.cost_of(np.array([on > 0]), np.array([np.nan if y is None else y]))[0])
        return total

    def pictures(self, acts: Sequence[Acted]) -> tuple[Picture, ...]:
        """How often each option alerted rightly and wrongly, and the event's probability at each step."""
        counts = {acts[-1].chosen: [0] * 4} | {name: [0] * 4 for name in acts[-1].options}
        days: list[tuple[object, ...]] = []
        for act in acts:
            frame = self._mine(act.forecast)
            chance = self.chance(frame, act.levels)
            came = {
                (uid, ds): self.cost_of(np.array([False]), np.array([y]))[0] > 0
                for uid, ds, y in self._mine(act.outcome).select("unique_id", "ds", "y").iter_rows()
                if y is not None and np.isfinite(y)
            }
            keys = list(frame.select("unique_id", "ds").iter_rows())
            days += [(*key, float(p), came.get(key)) for key, p in zip(keys, chance, strict=True)]
            for name, action in act.options.items():
                said = {(setting.key, setting.ds): float(setting.value) > 0 for setting in action}
                for (uid, ds), event in came.items():
                    on = said.get((KEY, ds), said.get((f"{KEY} {uid}", ds)))
                    if on is not None:
                        counts[name][(0 if on else 1) if event else (2 if on else 3)] += 1
        frame = pl.DataFrame(
            [(name, *each) for name, each in counts.items()],
            schema=["option", "hits", "misses", "false_alarms", "quiet"],
            orient="row",
        )
        schema: dict[str, Any] = {
            "name": pl.String,
            "ds": pl.Datetime("us", "UTC"),
            "chance": pl.Float64,
            "event": pl.Boolean,
        }
        latest = pl.DataFrame(days, schema=schema, orient="row").unique(["name", "ds"], keep="last")
        return (Alerts(frame, latest.sort("name", "ds"), self.protect / self.loss),)

    def _mine(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.col("unique_id").is_in(self.series)) if self.series else frame


def exceedance(values: Array, levels: Sequence[float], threshold: float) -> Array:
    """Probability (rows,) of more than ``threshold``, from quantiles (rows, levels), which ascend.

    Between levels the distribution function is a straight line; beyond the outermost ones there is nothing.
    Where several levels share a value, its probability lies at that value.
    """
    at = np.asarray(levels, np.float64)
    above = (values <= threshold).sum(axis=1)
    chance = np.where(above == 0, 1.0, 0.0)
    inside = np.flatnonzero((above > 0) & (above < len(at)))
    row, k = inside, above[inside]
    low, high = values[row, k - 1], values[row, k]
    share = np.where(high > low, (threshold - low) / np.where(high > low, high - low, 1.0), 0.0)
    chance[inside] = 1.0 - (at[k - 1] + share * (at[k] - at[k - 1]))
    return chance
