"""When somebody is to be seen next: the earliest visit by which the risk exceeds a threshold.

Visits lie at the ends of the steps of a survival curve. Planned at step ``k``, visits go on every ``k`` steps
until the event; one that happens between two visits is found at the later. A visit costs ``visit``, a step of
delay until an event is found ``late``, an event lying in the middle of its step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from foreseal.errors import ModelError
from foreseal.records import Curves, Decision, Option, RegretKind, Setting


@dataclass(frozen=True, slots=True)
class NextVisit:
    """``threshold`` is the risk by the visit at which it is due, ``longest`` the most steps until then.

    Options compared: ``threshold``, the one chosen; ``least``, the visit of least expected cost for each;
    ``every K`` for each of ``fixed``, everybody at the same step. Costs are in ``cost_unit``.
    """

    threshold: float = 0.1
    longest: int = 4
    visit: float = 1.0
    late: float = 2.0
    fixed: tuple[int, ...] = (1, 2)
    cost_unit: str = "{visits}"

    regret_kind: ClassVar[RegretKind] = "modelled"

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"threshold {self.threshold} does not lie between 0 and 1")
        if self.longest < 1 or any(not 1 <= k <= self.longest for k in self.fixed):
            raise ValueError("longest and every number in fixed count steps, from 1 to longest")
        if self.visit < 0.0 or self.late < 0.0:
            raise ValueError("visit and late are costs: not below 0")

    def decide(self, prediction: Curves, history: pl.DataFrame) -> Decision:
        """A step for everybody; ``history`` (``case_id, time, event``) is not needed."""
        frame = prediction.frame.sort("case_id", "step")
        cases = frame["case_id"].unique(maintain_order=True).to_list()
        steps = max(frame["step"].to_list(), default=0)
        if cases and (frame.height != steps * len(cases) or steps < self.longest):
            raise ModelError(
                f"A curve has fewer than {self.longest} steps.",
                hint="Ask for a longer horizon, or set longest lower.",
            )
        survival = frame["survival"].to_numpy().reshape(len(cases), steps) if cases else np.ones((0, 1))
        choices = np.arange(1, self.longest + 1)
        expected = np.array([self._expected(survival, int(k)) for k in choices]).T.reshape(-1, self.longest)
        # A risk of exactly the threshold reaches it, whatever rounding makes of it.
        above = 1.0 - survival[:, : self.longest] >= self.threshold - 1e-12
        plans = {
            "threshold": np.where(above.any(axis=1), above.argmax(axis=1) + 1, self.longest),
            "least": choices[expected.argmin(axis=1)],
        }
        plans |= {f"every {k}": np.full(len(cases), k) for k in self.fixed}
        days = prediction.days
        options = tuple(
            Option(
                name,
                tuple(Setting(case, float(k) * days, "d") for case, k in zip(cases, plan, strict=True)),
                float(expected[np.arange(len(cases)), plan - 1].sum()),
            )
            for name, plan in plans.items()
        )
        seen = ", ".join(f"{k * days:g} d {int((plans['threshold'] == k).sum())}" for k in choices)
        ran = {"visits": seen, "days": f"{days:g}", "cases": str(len(cases))}
        return Decision("next_visit", "threshold", options, self.cost_unit, self.regret_kind, ran=ran)

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        """Visits and delay of everybody who was watched for a step or more.

        ``outcome`` has ``case_id, step, y`` and ``days``, the length of a step.
        """
        plan = {each.key: float(each.value) for each in action if each.unit == "d"}
        total = 0.0
        watched = outcome.group_by("case_id").agg(
            pl.col("step").max(), pl.col("days").first(), event=pl.col("step").filter(pl.col("y") == 1).min()
        )
        for case, last, days, event in watched.sort("case_id").iter_rows():
            if case in plan:
                k = round(plan[case] / days)
                total += self.visit * last / k if event is None else self._found(k, event)
        return total

    def _found(self, k: int, step: int) -> float:
        """Cost until an event in ``step`` is found, with visits every ``k`` steps."""
        visits = -(-step // k)
        return self.visit * visits + self.late * (visits * k - step + 0.5)

    def _expected(self, survival: np.ndarray, k: int) -> np.ndarray:
        steps = survival.shape[1]
        before = np.concatenate([np.ones((len(survival), 1)), survival[:, :-1]], axis=1)
        costs = np.array([self._found(k, step) for step in range(1, steps + 1)])
        found: np.ndarray = (before - survival) @ costs + survival[:, -1] * self.visit * steps / k
        return found
