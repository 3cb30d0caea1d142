"""What has been said: an index of the log's entries. Everything that is due follows from it and the clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One entry of the log: its index, its leaf hash in hex, and its parsed body."""

    index: int
    leaf: str
    body: Body


@dataclass(slots=True)
class History:
    """The first valid entry of each thing that is said once, and the latest of each that is revised.

    ``erasures`` are by commitment.
    """

    identities: dict[str, Said] = field(default_factory=dict)
    datasets: dict[str, Said] = field(default_factory=dict)
    targets: dict[str, Said] = field(default_factory=dict)
    models: dict[str, Said] = field(default_factory=dict)
    forecasts: dict[tuple[str, str, int], Said] = field(default_factory=dict)
    reveals: dict[str, Said] = field(default_factory=dict)
    outcomes: dict[tuple[str, int], Said] = field(default_factory=dict)
    scores: dict[tuple[str, int], Said] = field(default_factory=dict)
    decisions: dict[tuple[str, int], Said] = field(default_factory=dict)
    approvals: dict[str, Said] = field(default_factory=dict)
    erasures: dict[str, Said] = field(default_factory=dict)
    size: int = 0

    def add(self, said: Iterable[Said]) -> None:
        """Take note of further entries, in the order of the log."""
        for each in said:
            body, kind = each.body, each.body["kind"]
            self.size = each.index + 1
            if kind == "identity":
                self.identities.setdefault(body["author"], each)
            elif kind == "dataset":
                self.datasets[body["name"]] = each
            elif kind == "target":
                self.targets.setdefault(body["name"], each)
            elif kind == "model":
                self.models[body["name"]] = each
            elif kind == "forecast":
                self.forecasts.setdefault((body["target"], body["forecaster"], body["seq"]), each)
            elif kind == "reveal":
                self.reveals.setdefault(body["forecast"], each)
            elif kind == "outcome":
                self.outcomes.setdefault((body["target"], body["seq"]), each)
            elif kind == "score":
                self.scores.setdefault((body["target"], body["seq"]), each)
            elif kind == "decision":
                self.decisions.setdefault((body["name"], body["seq"]), each)
            elif kind == "approval":
                self.approvals.setdefault(body["decision"], each)
            elif kind == "erasure":
                self.erasures |= dict.fromkeys(body["subjects"], each)

    def state(self, decision: Said) -> str:
        """``proposed``, ``approved`` or ``rejected``: the decision's own state until a person has spoken."""
        approval = self.approvals.get(decision.leaf)
        return str(approval.body["verdict"] if approval else decision.body["state"])
