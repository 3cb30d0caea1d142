"""What has been said and counts, by the verifier's own rules: an index of the log's entries.

Everything that is due follows from it and the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from foreseal.errors import ProofError
from foreseal.seal.entry import parse_entry
from foreseal.seal.history import History as Replay
from foreseal.seal.identity import find_revocations
from foreseal.seal.track import Placed

if TYPE_CHECKING:
    from foreseal.seal.anchor import Times
    from foreseal.seal.reader import LogReader

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One entry of the log: its index, its leaf hash in hex, and its parsed body."""

    index: int
    leaf: str
    body: Body

    @classmethod
    def of(cls, placed: Placed) -> Said:
        """An entry as the verifier's replay has it."""
        return cls(placed.index, placed.entry.leaf, dict(placed.entry.fields))


def replayed(log: LogReader, sealing: Times | None) -> Replay:
    """The verifier's replay of a log whose payloads are taken as they are. Raises what cannot be parsed."""
    raws = list(log.entries())
    found = Replay(log.payloads.get, revoked=find_revocations(raws), sealing=sealing)
    for raw in raws:
        found.add(parse_entry(raw), contents=False)
    return found


@dataclass(slots=True)
class History:
    """The entry that counts of each thing that is said once, and the latest of each that is revised.

    ``erasures``, ``consents`` given and those ``withdrawn`` are by commitment, ``words`` on single cases by
    the decision's leaf and the case.
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
    words: dict[tuple[str, str], Said] = field(default_factory=dict)
    consents: dict[str, Said] = field(default_factory=dict)
    withdrawn: dict[str, Said] = field(default_factory=dict)
    erasures: dict[str, Said] = field(default_factory=dict)
    size: int = 0

    @classmethod
    def of(cls, replay: Replay) -> History:
        """What counts in a replay of the log; of several forecasts, the one that stands."""
        found = cls()
        found.add(map(Said.of, replay.counted))
        found.size = replay.size
        for track in replay.tracks.values():
            for (name, seq), placed in track.forecasts.items():
                if len(placed) == 1:
                    continue
                try:
                    counts = replay.standing(track, name, seq).forecast
                except ProofError:
                    continue  # its payload is at fault, which whoever reads it is told
                if counts is not None:
                    found.forecasts[track.name, name, seq] = Said.of(counts)
        return found

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
            elif kind == "approval" and "case" in body:
                self.words.setdefault((body["decision"], body["case"]), each)
            elif kind == "consent":
                said_of = self.consents if body["action"] == "given" else self.withdrawn
                for subject in body["subjects"]:
                    said_of.setdefault(subject, each)
            elif kind == "approval":
                self.approvals.setdefault(body["decision"], each)
            elif kind == "erasure":
                self.erasures |= dict.fromkeys(body["subjects"], each)

    def state(self, decision: Said) -> str:
        """``proposed``, ``approved`` or ``rejected``: the decision's own state until a person has spoken."""
        approval = self.approvals.get(decision.leaf)
        return str(approval.body["verdict"] if approval else decision.body["state"])
