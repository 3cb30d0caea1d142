"""A portfolio of least expected shortfall (CVaR), within limits on single positions and on the whole.

Scenarios are joint: each past session gives the ranks that its returns had among the last ``scenarios``, and
the forecast's quantiles give each rank a value (an empirical copula). On them the linear program of
Rockafellar and Uryasev (2000) finds the weights of least CVaR. If its CVaR is above ``limit``, every position
is cut alike and the rest is cash.

The cost of an action is the loss whose expectation is CVaR, ``v + max(loss - v, 0) / (1 - level)`` with the
``v`` that was sealed, and ``limit`` on the share in cash: so the choice is judged by what it was made for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from foreseal.errors import MissingExtra, ModelError, UsageError
from foreseal.pictures import Acted, Exceedances, Picture
from foreseal.records import Decision, Forecast, Option, RegretKind, Setting, quantile_column

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

LEAST = 100
BASEL = 0.01
"""The level of the VaR that supervisors count violations of."""

CASH, TAIL, MEAN_TAIL = "cash", "VaR", "CVaR"


@dataclass(frozen=True, slots=True)
class CvarPortfolio:
    """``level`` is the confidence of CVaR, ``limit`` its bound in percent of the whole and step,
    ``max_weight`` that of one position; ``scenarios`` counts past sessions. Long only.
    """

    limit: float
    level: float = 0.975
    max_weight: float = 1.0
    scenarios: int = 500

    cost_unit: ClassVar[str] = "%"
    regret_kind: ClassVar[RegretKind] = "observed"

    def __post_init__(self) -> None:
        if not 0.5 <= self.level < 1:
            raise ValueError("level must lie between 0.5 and 1")
        if not 0 < self.limit < float("inf"):
            raise ValueError("limit must be above 0, in percent")
        if not 0 < self.max_weight <= 1:
            raise ValueError("max_weight must lie between 0 and 1")
        if self.scenarios < LEAST:
            raise ValueError(f"scenarios must be at least {LEAST}")

    def decide(self, prediction: Forecast, history: pl.DataFrame) -> Decision:
        """The weights of least CVaR, equal weights and weights by inverse spread, all within both limits."""
        names, start, returns, spread = self.joint(prediction, history)
        if self.max_weight * len(names) < 1:
            raise ModelError(
                f"{len(names)} series of at most {self.max_weight:g} each cannot hold the whole.",
                hint=f"Set max_weight to at least {math.ceil(1000 / len(names)) / 1000:g}.",
            )
        weights = {
            "least_cvar": least_cvar(returns, self.level, self.max_weight),
            "equal": np.full(len(names), 1 / len(names)),
            "inverse_spread": bounded(1 / spread, self.max_weight),
        }
        options = tuple(self._option(name, w, names, returns, start) for name, w in weights.items())
        chosen = min(options, key=lambda option: option.expected_cost).name
        ran = {
            "scenarios": f"{len(returns)} of ranks of past sessions and forecast quantiles",
            "solver": "HiGHS by scipy.optimize.linprog",
        }
        return Decision("cvar", chosen, options, self.cost_unit, self.regret_kind, ran=ran)

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        """Mean over days of the loss that CVaR is the expectation of, in percent of the whole.

        A position without a value on a day has not moved; a day without any counts nothing.
        """
        held = {s.key.removeprefix("weight "): float(s.value) for s in action if s.key.startswith("weight ")}
        other = {s.key: float(s.value) for s in action if s.key in (CASH, TAIL)}
        if not held or len(other) < 2:
            raise UsageError(
                "The action is no portfolio.", hint="Judge an action with the policy that it was decided by."
            )
        seen = outcome.filter(pl.col("y").is_finite() & pl.col("unique_id").is_in(list(held)))
        if seen.is_empty():
            return 0.0
        share = pl.col("unique_id").replace_strict(held, return_dtype=pl.Float64) / 100
        daily = seen.group_by("ds").agg(part=(share * pl.col("y")).sum()).sort("ds")["part"]
        return float(self._loss(-daily.to_numpy(), other[TAIL]).mean() + self.limit * other[CASH] / 100)

    def pictures(self, acts: Sequence[Acted]) -> tuple[Picture, ...]:
        """Returns of the whole against the VaR that was sealed, and of each series against its quantiles at
        ``1 - level`` and at 1 %."""
        level = round(1.0 - self.level, 10)
        rows: list[tuple[object, ...]] = []
        for act in acts:
            seen = act.outcome.filter(pl.col("y").is_finite())
            held = {
                s.key.removeprefix("weight "): float(s.value)
                for s in act.action
                if s.key.startswith("weight ")
            }
            tail = next(float(s.value) for s in act.action if s.key == TAIL)
            mine = seen.filter(pl.col("unique_id").is_in(list(held)))
            share = pl.col("unique_id").replace_strict(held, return_dtype=pl.Float64) / 100
            whole = mine.group_by("ds").agg((share * pl.col("y")).sum())
            rows += [("", level, ds, y, -tail) for ds, y in whole.iter_rows()]
            for p in sorted({level, BASEL} & set(act.levels)):
                limits = seen.join(act.forecast, on=["unique_id", "ds"]).select(
                    "unique_id", pl.lit(p), "ds", "y", quantile_column(p)
                )
                rows += limits.rows()
        schema: dict[str, Any] = {"name": pl.String, "level": pl.Float64, "ds": pl.Datetime("us", "UTC")}
        frame = pl.DataFrame(rows, schema={**schema, "y": pl.Float64, "limit": pl.Float64}, orient="row")
        return (Exceedances(frame.sort("name", "level", "ds"), self.cost_unit),)

    def joint(self, prediction: Forecast, history: pl.DataFrame) -> tuple[list[str], datetime, Array, Array]:
        """Names, first instant, scenarios (scenarios x steps, series) in percent, and each series' spread."""
        frame = prediction.frame.sort("ds", "unique_id")
        names: list[str] = frame["unique_id"].unique().sort().to_list()
        columns = [quantile_column(level) for level in prediction.quantiles]
        wide = history.filter(pl.col("unique_id").is_in(names) & pl.col("y").is_finite())
        wide = wide.pivot("unique_id", index="ds", values="y").sort("ds")
        absent = [name for name in names if name not in wide.columns]
        past = pl.DataFrame() if absent else wide.select(names).drop_nulls().tail(self.scenarios)
        if past.height < LEAST:
            raise ModelError(
                f"The series have {past.height} days in common; {LEAST} are needed for their joint ranks.",
                hint=f"Leave out {absent[0]!r}."
                if absent
                else "Start later, or leave out the shortest series.",
            )
        rank = (past.to_numpy().argsort(axis=0).argsort(axis=0) + 0.5) / past.height
        quantiles = frame.select(columns).to_numpy().reshape(-1, len(names), len(columns))
        returns = np.stack(
            [
                np.column_stack(
                    [np.interp(rank[:, k], prediction.quantiles, row) for k, row in enumerate(step)]
                )
                for step in quantiles
            ]
        )
        spread = np.maximum(returns.std(axis=1).mean(axis=0), 1e-12)
        return names, frame["ds"][0], returns.reshape(-1, len(names)), spread

    def _option(
        self, name: str, weights: Array, names: Sequence[str], returns: Array, start: datetime
    ) -> Option:
        loss = np.sort(-returns @ weights)
        tail = float(loss[min(int(np.ceil(self.level * len(loss))), len(loss)) - 1])
        shortfall = float(self._loss(loss, tail).mean())
        held = min(1.0, self.limit / shortfall) if shortfall > 0 else 1.0
        percent = {f"weight {each}": 100 * held * float(w) for each, w in zip(names, weights, strict=True)}
        percent |= {CASH: 100 * (1 - held), TAIL: held * tail, MEAN_TAIL: held * shortfall}
        action = tuple(Setting(key, round(value, 6), "%", start) for key, value in percent.items())
        return Option(name, action, held * shortfall + self.limit * (1 - held))

    def _loss(self, loss: Array, tail: float) -> Array:
        """``v + max(loss - v, 0) / (1 - level)``."""
        return tail + np.maximum(loss - tail, 0.0) / (1.0 - self.level)


def bounded(wanted: Array, most: float) -> Array:
    """Weights (series,) in proportion to ``wanted``, above 0, none above ``most``; they add up to 1.

    What is cut goes to the others in proportion, until none is above. ``most * series`` is at least 1.
    """
    cut = np.zeros(len(wanted), bool)
    while True:
        rest = 1.0 - most * cut.sum()
        weights: Array = np.where(cut, most, rest * wanted / wanted[~cut].sum())
        more = weights > most + 1e-12
        if not more.any():
            return np.minimum(weights, most)
        cut |= more


def least_cvar(returns: Array, level: float, max_weight: float = 1.0) -> Array:
    """Long-only weights (series,) that add up to 1, of least CVaR on equally likely ``returns``
    (scenarios, series); Rockafellar and Uryasev's linear program, by HiGHS."""
    try:
        from scipy.optimize import linprog
        from scipy.sparse import eye_array, hstack
    except ImportError:
        raise MissingExtra("finance", "The policy 'cvar'") from None
    count, series = returns.shape
    # Variables: weights, v, and each scenario's loss beyond v.
    cost = np.concatenate([np.zeros(series), [1.0], np.full(count, 1 / (count * (1 - level)))])
    beyond = hstack([-returns, np.full((count, 1), -1.0), -eye_array(count)], format="csr")
    whole = np.concatenate([np.ones(series), np.zeros(count + 1)])[None]
    bounds = [(0.0, max_weight)] * series + [(None, None)] + [(0.0, None)] * count
    found = linprog(cost, beyond, np.zeros(count), whole, [1.0], bounds, method="highs")
    if found.status:
        raise ModelError(f"There is no portfolio within these limits: {found.message}", hint="Relax a limit.")
    weights: Array = np.maximum(found.x[:series], 0.0)
    weights /= weights.sum()
    return weights
