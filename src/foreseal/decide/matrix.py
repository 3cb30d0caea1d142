"""Acts for cases from a matrix of costs: accept, refer, reject; treat, refer, abstain.

For each case the act of least expected cost is taken: with probability ``p`` of the positive label an act
costs ``(1 - p) * c0 + p * c1`` (C. Elkan, *The Foundations of Cost-Sensitive Learning*, 2001). With two acts
this is a threshold on ``p``: an act that costs 5 for a positive case, against one that costs 1 for a negative
case, is taken below 1/6. With three, the one in the middle has a band of its own, or none. Net benefit at a
threshold ``t`` (Vickers and Elkin, 2006) is the matrix ``treat = [t / (1 - t), 0]``, ``leave = [0, 1]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from foreseal.errors import ModelError
from foreseal.records import Decision, Option, Probabilities, RegretKind, Setting


@dataclass(frozen=True, slots=True)
class CostMatrix:
    """``costs`` gives each act its cost for the negative and for the positive label, in ``cost_unit``.

    ``refer`` names the act that leaves a case to a person, if there is one. Options compared: ``expected``,
    the one chosen; ``likelier``, the act that is cheapest for the likelier label; ``all ACT`` for each act.
    """

    costs: Mapping[str, tuple[float, float]]
    refer: str = ""
    cost_unit: str = "1"

    regret_kind: ClassVar[RegretKind] = "observed"

    def __post_init__(self) -> None:
        if len(self.costs) < 2:
            raise ValueError("costs needs at least two acts, such as accept = [0, 5] and reject = [1, 0]")
        for act, pair in self.costs.items():
            if isinstance(pair, str) or len(pair) != 2 or not all(_is_number(each) for each in pair):
                raise ValueError(f"costs.{act} is not two numbers: its cost for label 0, and for label 1")
            if not act.isascii() or not act.replace("_", "").isalnum() or len(act) > 32:
                raise ValueError(f"{act!r} is no name of an act; use letters, digits and _")
        if self.refer and self.refer not in self.costs:
            raise ValueError(f"refer names {self.refer!r}, which has no costs")

    def expected(self, p: np.ndarray) -> np.ndarray:
        """Expected cost ``[case, act]`` at probabilities ``p``, acts in the order of ``costs``."""
        table = np.array([list(pair) for pair in self.costs.values()], float)
        return np.outer(1 - p, table[:, 0]) + np.outer(p, table[:, 1])

    def decide(self, prediction: Probabilities, history: pl.DataFrame) -> Decision:
        """An act for every case; ``history`` (``case_id, y`` as known at the cutoff) is not needed."""
        cases, p = prediction.frame["case_id"].to_list(), prediction.frame["p"].to_numpy().astype(float)
        if not ((p >= 0) & (p <= 1)).all():
            raise ModelError("A probability lies outside 0 to 1.", hint="Check the model that gave it.")
        acts, cost = list(self.costs), self.expected(p)
        rows = np.arange(len(p))
        # Of acts that cost the same the one stated first is taken.
        plans = {"expected": cost.argmin(axis=1), "likelier": self.expected(np.rint(p)).argmin(axis=1)}
        plans |= {f"all {act}": np.full(len(p), k) for k, act in enumerate(acts)}
        options = tuple(
            Option(
                name,
                tuple(Setting(case, acts[k]) for case, k in zip(cases, plan, strict=True)),
                float(cost[rows, plan].sum()),
            )
            for name, plan in plans.items()
        )
        counts = ", ".join(f"{act} {int((plans['expected'] == k).sum())}" for k, act in enumerate(acts))
        ran = {"acts": counts, "cases": str(len(cases))}
        return Decision("cost_matrix", "expected", options, self.cost_unit, self.regret_kind, ran=ran)

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        """What the acts cost, over all cases whose label (``case_id, y``) is known."""
        acts = {setting.key: str(setting.value) for setting in action}
        return sum(
            float(self.costs[acts[case]][int(y)])
            for case, y in outcome.select("case_id", "y").iter_rows()
            if case in acts and y is not None
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
