"""What a decision turned out to cost, beside what its alternatives would have cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from foreseal.decide.policy import Policy
    from foreseal.records import Decision, RegretKind


@dataclass(frozen=True, slots=True)
class Regret:
    """Costs of every listed option under one outcome, in ``unit``.

    ``kind`` says how the costs are known, as in `foreseal.records.Decision`.
    """

    chosen: str
    costs: Mapping[str, float]
    unit: str
    kind: RegretKind

    @property
    def cost(self) -> float:
        """Cost of the chosen option."""
        return self.costs[self.chosen]

    @property
    def best(self) -> str:
        """The option that turned out cheapest; the chosen one if it is among equals."""
        return min(self.costs, key=lambda name: (self.costs[name], name != self.chosen))

    @property
    def value(self) -> float:
        """Cost of the chosen option less that of the best one listed; 0 if the choice was the best."""
        return self.cost - self.costs[self.best]


def regret(policy: Policy, decision: Decision, outcome: pl.DataFrame) -> Regret:
    """Judge ``decision`` by ``outcome`` (``unique_id, ds, y``)."""
    costs = {option.name: policy.cost(option.action, outcome) for option in decision.options}
    return Regret(decision.chosen, costs, decision.cost_unit, decision.regret_kind)
