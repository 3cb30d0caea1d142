"""What a log says, entry by entry: who may say what, what counts, and what it scores.

Entries are added in the order of the log. Each is checked against those before it, so that *declared before*,
*forecast before its outcome* and *first valid entry wins* are matters of position, not of claimed times.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from foreseal.clock import format_instant, parse_instant
from foreseal.errors import Malformed, ProofError, Tampered
from foreseal.exact import format_decimal, parse_decimal
from foreseal.seal import payload
from foreseal.seal.entry import Entry, commitment
from foreseal.seal.payload import THROUGHOUT
from foreseal.seal.scoring import Terms, score_sheet
from foreseal.seal.track import Placed, Standing, Track, score_fields

PayloadReader = Callable[[str, int], bytes]


class History:
    """The state of a log after the entries added so far.

    ``read`` gives payload bytes by digest and size (`foreseal.seal.payload.Payloads.get`). ``problems`` are
    entries that no honest writer makes; they count for nothing. ``notes`` are worth knowing. With
    ``recompute``, every score entry is computed again from its payloads.
    """

    def __init__(self, read: PayloadReader, *, recompute: bool = True) -> None:
        self._read = read
        self._recompute = recompute
        self.size = 0
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.entries: dict[str, Placed] = {}
        self.identities: set[str] = set()
        self.datasets: set[str] = set()
        self.tracks: dict[str, Track] = {}
        self.reveals: dict[str, Placed] = {}
        self.approvals: dict[str, list[Placed]] = {}

    def add(self, entry: Entry) -> None:
        """Take the next entry of the log."""
        placed = Placed(self.size, entry)
        self.size += 1
        first = self.entries.setdefault(entry.leaf, placed)
        if first is not placed:
            self.notes.append(f"entry {placed.index} repeats entry {first.index} and counts for nothing.")
            return
        try:
            if entry.kind != "identity" and entry.author not in self.identities:
                raise Malformed(f"its author {entry.author} has no identity in this log.")
            self._take[entry.kind](self, placed)
        except ProofError as error:
            self.problems.append(f"entry {placed.index} ({entry.kind}): {error.message}")

    def skip(self) -> None:
        """Count an entry that could not be parsed, and so says nothing."""
        self.size += 1

    def track(self, name: str) -> Track | None:
        """The track of the latest target declared under a name."""
        return next((track for track in reversed(self.tracks.values()) if track.name == name), None)

    def standing(self, track: Track, forecaster: str, seq: int) -> Standing:
        """The first valid forecast of a forecaster at a cutoff, or why there is none.

        Later ones never count. Without witnesses the time of sealing is the author's own word, so lateness is
        decided by position (after the outcome) and, in live mode, by the time the author claims.
        """
        outcomes = track.outcomes.get(seq)
        deadline = track.cutoffs[seq] + timedelta(seconds=track.declared.entry["deadline"])
        fallback = Standing("missing")
        for placed in track.forecasts.get((forecaster, seq), ()):
            late = outcomes is not None and placed.index > outcomes[0].index
            if late or (track.mode == "live" and placed.entry.at > deadline):
                standing = Standing("late", placed)
            else:
                standing = self._revealed(track, placed)
            if standing.status == "scored":
                return standing
            if fallback.status == "missing":
                fallback = standing
        return fallback

    def settle(self, track: Track, outcome: Placed) -> tuple[dict[str, Any], bytes]:
        """Fields (without ``decisions`` and the payload's digest) and payload of the score of an outcome."""
        seq = outcome.entry["seq"]
        standings = {name: self.standing(track, name, seq) for name in track.forecasters}
        given = {name: each.status if each.data is None else each.data for name, each in standings.items()}
        sheet = score_sheet(track.terms, self._payload(outcome.entry), given)
        return score_fields(track, outcome, standings, sheet), sheet.payload

    def _forecast_keys(self, track: Track, seq: int) -> set[tuple[Any, ...]]:
        """Every row for which a forecast that counts so far gives a distribution."""
        given = (self.standing(track, name, seq).data for name in track.forecasters)
        rows = (row for data in given if data is not None for row in track.terms.forecast.decode(data))
        return {row[: track.terms.keys] for row in rows}

    def _revealed(self, track: Track, placed: Placed) -> Standing:
        entry = placed.entry
        if "commitment" in entry.fields:
            reveal = self.reveals.get(entry.leaf)
            if reveal is None:
                return Standing("unrevealed", placed)
            entry = reveal.entry
        data = self._payload(entry)
        try:
            track.terms.forecast.decode(data)
        except Malformed:
            return Standing("malformed", placed)
        return Standing("scored", placed, data)

    def _payload(self, entry: Entry, field: str = "payload") -> bytes:
        reference = entry[field]
        return self._read(reference["sha256"], reference["size"])

    def _at(self, placed: Placed, *, own: bool) -> Track:
        """The track that an entry about a target and cutoff belongs to."""
        entry = placed.entry
        track = self.tracks.get(entry["declared"])
        if track is None or track.name != entry["target"]:
            raise Malformed(f"the target {entry['target']} is not declared before it.")
        if entry["seq"] >= len(track.cutoffs):
            raise Malformed(f"{track.name} has {len(track.cutoffs)} cutoffs, none numbered {entry['seq']}.")
        cutoff = format_instant(track.cutoffs[entry["seq"]])
        if entry["cutoff"] != cutoff:
            raise Malformed(f"cutoff {entry['seq']} of {track.name} is {cutoff}, not {entry['cutoff']}.")
        if entry["mode"] != track.mode:
            raise Malformed(f"{track.name} is declared as {track.mode}, not {entry['mode']}.")
        if own and entry.author != track.declared.entry.author:
            raise Malformed(f"only the author of {track.name} settles it.")
        return track

    def _reference(self, leaf: str, kind: str) -> Placed:
        placed = self.entries.get(leaf)
        if placed is None or placed.entry.kind != kind:
            raise Malformed(f"the {kind} it refers to, {leaf[:16]}..., is not in the log before it.")
        return placed

    def _identity(self, placed: Placed) -> None:
        self.identities.add(placed.entry["key"])

    def _dataset(self, placed: Placed) -> None:
        self.datasets.add(placed.entry["name"])

    def _model(self, placed: Placed) -> None:
        pass

    def _target(self, placed: Placed) -> None:
        entry = placed.entry
        if entry["dataset"] not in self.datasets:
            raise Malformed(f"the dataset {entry['dataset']} is not declared before it.")
        rows = payload.schedule().decode(self._payload(entry, "schedule"))
        if [row[0] for row in rows] != list(range(entry["cutoffs"])):
            raise Malformed(f"its schedule does not count {entry['cutoffs']} cutoffs from 0.")
        cutoffs = tuple(row[1] for row in rows)
        if any(before >= after for before, after in itertools.pairwise(cutoffs)):
            raise Malformed("the cutoffs of its schedule do not ascend.")
        if self.track(entry["name"]) is not None:
            self.notes.append(f"entry {placed.index} declares the target {entry['name']} again.")
        self.tracks[entry.leaf] = Track(placed, Terms.of(entry.fields), cutoffs)

    def _forecast(self, placed: Placed) -> None:
        entry, track = placed.entry, self._at(placed, own=False)
        name, seq = entry["forecaster"], entry["seq"]
        if track.forecasters.get(name) != entry.author:
            raise Malformed(f"{name} with the key {entry.author} is no forecaster of {track.name}.")
        if track.declared.entry["commit"] != ("commitment" in entry.fields):
            raise Malformed(
                f"{track.name} asks for {'commitments' if 'payload' in entry.fields else 'payloads'}."
            )
        self._reference(entry["model"], "model")
        before = track.forecasts.setdefault((name, seq), [])
        if before:
            self.notes.append(
                f"entry {placed.index} is a second forecast by {name} for cutoff {seq} of {track.name}; "
                f"the first valid one counts."
            )
        before.append(placed)
        if self._revealed(track, placed).status == "malformed":
            self.notes.append(f"entry {placed.index} is a forecast by {name} that is not well formed.")

    def _reveal(self, placed: Placed) -> None:
        entry = placed.entry
        forecast = self._reference(entry["forecast"], "forecast").entry
        digest = bytes.fromhex(entry["payload"]["sha256"])
        opened = commitment(forecast.author, bytes.fromhex(entry["salt"]), digest)
        if entry.author != forecast.author or forecast.fields.get("commitment") != opened:
            raise Tampered("it does not open the commitment that it refers to.")
        self._payload(entry)
        self.reveals.setdefault(forecast.leaf, placed)

    def _outcome(self, placed: Placed) -> None:
        entry, track = placed.entry, self._at(placed, own=True)
        rows = track.terms.outcome.decode(self._payload(entry))
        if len(rows) != entry["rows"]:
            raise Malformed(f"its payload has {len(rows)} rows, not {entry['rows']}.")
        forecast = len(self._forecast_keys(track, entry["seq"]))
        if entry["expected"] < forecast:
            raise Malformed(f"it expects {entry['expected']} values, but {forecast} were forecast.")
        if entry["rows"] < entry["expected"]:
            gap = entry["expected"] - entry["rows"]
            self.notes.append(f"entry {placed.index}: {gap} of {entry['expected']} outcomes are not known.")
        fixed, cutoff = track.settles_at(entry["seq"]), parse_instant(entry["cutoff"])
        if any(row[-1] > fixed for row in rows):
            raise Malformed(f"it holds values that became known after {format_instant(fixed)}.")
        early = sum(row[-1] <= cutoff for row in rows)
        if early:
            self.notes.append(f"entry {placed.index}: {early} outcomes were already known at the cutoff.")
        before = track.outcomes.setdefault(entry["seq"], [])
        if before:
            self.notes.append(f"entry {placed.index} revises the outcome in entry {before[-1].index}.")
        before.append(placed)

    def _score(self, placed: Placed) -> None:
        entry, track = placed.entry, self._at(placed, own=True)
        outcome = self._reference(entry["outcome"], "outcome")
        if outcome not in track.outcomes.get(entry["seq"], ()):
            raise Malformed("the outcome it refers to is not of this target and cutoff.")
        data = self._payload(entry)
        if self._recompute:
            fields, again = self.settle(track, outcome)
            for name, value in fields.items():
                if entry[name] != value:
                    raise Tampered(
                        f"its {name} are not what the payloads give: {_difference(entry[name], value)}."
                    )
            if data != again:
                raise Tampered("its payload is not what the forecasts and the outcome give.")
        for each in entry["decisions"]:
            self._check_regret(placed, each)
        track.scores.setdefault(entry["seq"], []).append(placed)

    def _check_regret(self, placed: Placed, said: Mapping[str, Any]) -> None:
        decision, costs = self._reference(said["decision"], "decision").entry, said["costs"]
        if (decision["target"], decision["seq"]) != (placed.entry["target"], placed.entry["seq"]):
            raise Malformed("it scores a decision of another target or cutoff.")
        if decision["chosen"] not in costs or decision["regret"] != said["kind"]:
            raise Malformed("it lacks the cost of the chosen option, or changes the kind of regret.")
        places = len(said["regret"].partition(".")[2])
        value = {option: parse_decimal(cost, places) for option, cost in costs.items()}
        regret = format_decimal(value[decision["chosen"]] - min(value.values()), places)
        if regret != said["regret"]:
            raise Tampered(f"the regret of {decision['name']} is {regret}, not {said['regret']}.")

    def _decision(self, placed: Placed) -> None:
        entry = placed.entry
        forecast = self._reference(entry["forecast"], "forecast").entry
        if any(entry[each] != forecast[each] for each in ("target", "seq", "cutoff", "mode")):
            raise Malformed("the forecast it rests on is of another target or cutoff.")
        rows = payload.decision().decode(self._payload(entry))
        key = (entry["chosen"].encode(), THROUGHOUT, b"expected_cost")
        if [row[3] for row in rows if row[:3] == key] != [entry["expected_cost"]]:
            raise Malformed(f"its payload does not give {entry['chosen']} the expected cost that it states.")

    def _approval(self, placed: Placed) -> None:
        decision = self._reference(placed.entry["decision"], "decision")
        self.approvals.setdefault(decision.entry.leaf, []).append(placed)

    _take: Mapping[str, Callable[[History, Placed], None]] = {
        "identity": _identity,
        "dataset": _dataset,
        "model": _model,
        "target": _target,
        "forecast": _forecast,
        "reveal": _reveal,
        "outcome": _outcome,
        "score": _score,
        "decision": _decision,
        "approval": _approval,
    }


def _difference(said: Any, computed: Any) -> str:
    if isinstance(said, list) and isinstance(computed, list) and len(said) == len(computed):
        pairs = [(a, b) for a, b in zip(said, computed, strict=True) if a != b]
        said, computed = pairs[0]
    return f"{said} is sealed, {computed} is computed"
