"""What a log says, entry by entry: who may say what, what counts, and what it scores.

Entries are added in the order of the log. Each is checked against those before it, so that *declared before*,
*forecast before its outcome* and *first valid entry wins* are matters of position, not of claimed times.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Mapping

from foreseal.clock import format_instant, parse_instant
from foreseal.errors import Malformed, ProofError, Tampered
from foreseal.seal import payload
from foreseal.seal.anchor import Times
from foreseal.seal.consent import Consents
from foreseal.seal.counting import Standings
from foreseal.seal.entry import Entry, commitment
from foreseal.seal.identity import JUDGING, Revoked
from foreseal.seal.payload import THROUGHOUT
from foreseal.seal.problem import Problem
from foreseal.seal.recompute import check_regret, check_score
from foreseal.seal.scoring import Terms
from foreseal.seal.tables import PayloadReader
from foreseal.seal.track import Placed, Track


class History(Standings):
    """The state of a log after the entries added so far.

    ``read`` gives payload bytes by digest and size (`foreseal.seal.payload.Payloads.get`). ``problems`` are
    entries that no honest writer makes; they count for nothing. ``notes`` are worth knowing. ``revoked`` is
    what later entries revoke; with ``targets``, entries about others are not judged. ``sealing`` says when
    entries were sealed; without it nobody but the author does. ``counted`` are the entries that are neither
    set aside nor repeated nor at fault; ``aside`` are indices of those that a revocation sets aside.
    """

    def __init__(
        self,
        read: PayloadReader,
        *,
        revoked: Revoked | None = None,
        targets: Collection[str] = (),
        sealing: Times | None = None,
    ) -> None:
        super().__init__(read, revoked, sealing)
        self._targets = targets
        self._judged = -1
        self._contents = True
        self.size = 0
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.left_out: set[str] = set()
        self.kinds: Counter[str] = Counter()
        self.datasets: set[str] = set()
        self.consents = Consents()
        self.approvals: dict[str, list[Placed]] = {}
        self.agreements: list[Placed] = []
        self.counted: list[Placed] = []
        self.aside: list[int] = []

    def add(self, entry: Entry, *, contents: bool = True) -> None:
        """Take the next entry of the log.

        Without ``contents``, payloads are not opened but for schedules, and scores are not computed again:
        what one's own log holds was judged when it was sealed.
        """
        placed, kind = Placed(self.size, entry), entry.kind
        self._contents = contents
        self.size += 1
        self.kinds[kind] += 1
        first = self.entries.setdefault(entry.leaf, placed)
        if first is not placed:
            self.notes.append(f"entry {placed.index} repeats entry {first.index} and counts for nothing.")
            return
        try:
            if kind == "identity":
                counts = self.identities.take(placed.index, entry, self._judged)
            else:
                counts = self.identities.check(entry.author, placed.index) or self._stands(placed)
            if not counts:
                self.aside.append(placed.index)
                self.notes.append(f"entry {placed.index} ({_what(entry)}) is set aside by a revocation.")
            elif kind == "identity" or (
                self._is_asked(entry) and self._take[kind](self, placed) is not False
            ):
                self.counted.append(placed)
        except ProofError as error:
            where = f"entry {placed.index} ({kind})"
            self.problems.append(Problem.of(error, "rule", where, placed.index))
        if kind in JUDGING:
            self._judged = placed.index

    def skip(self, problem: Problem) -> None:
        """Count an entry that could not be parsed, and so says nothing."""
        self.problems.append(problem)
        self.size += 1

    def has_payload(self, entry: Entry) -> bool:
        """Whether the payload of an entry can be read."""
        try:
            self._tables.data(entry["payload"])
        except ProofError:
            return False
        return True

    def track(self, name: str) -> Track | None:
        """The track of the latest target declared under a name."""
        return next((track for track in reversed(self.tracks.values()) if track.name == name), None)

    def _is_asked(self, entry: Entry) -> bool:
        """Whether an entry is to be judged: not if it is about a target that is left out."""
        if not self.left_out and not self._targets:
            return True
        while entry.kind in ("reveal", "approval"):
            reference = self.entries.get(entry["forecast" if entry.kind == "reveal" else "decision"])
            if reference is None:
                return True
            entry = reference.entry
        about = entry
        if entry.kind == "decision" and entry["forecast"] in self.entries:
            about = self.entries[entry["forecast"]].entry
        if about.fields.get("declared") in self.left_out:
            return False
        name = entry["name"] if entry.kind == "target" else entry.fields.get("target")
        return name is None or not self._targets or name in self._targets

    def _at(self, placed: Placed, *, own: bool) -> Track:
        """The track that an entry about a target and cutoff belongs to."""
        entry, fields = placed.entry, placed.entry.fields
        track = self.tracks.get(fields["declared"])
        if track is None or track.name != fields["target"]:
            raise Malformed(f"the target {fields['target']} is not declared before it.", code="reference")
        if fields["seq"] >= len(track.cutoffs):
            raise Malformed(
                f"{track.name} has {len(track.cutoffs)} cutoffs, none numbered {fields['seq']}.",
                code="reference",
            )
        cutoff = track.cutoffs[fields["seq"]]
        if parse_instant(fields["cutoff"]) != cutoff:
            raise Malformed(
                f"cutoff {fields['seq']} of {track.name} is {format_instant(cutoff)}, "
                f"not {fields['cutoff']}.",
                code="reference",
            )
        if fields["mode"] != track.mode:
            raise Malformed(f"{track.name} is declared as {track.mode}, not {fields['mode']}.")
        if own and not self.identities.same(entry.author, track.declared.entry.author):
            raise Malformed(f"only the author of {track.name} settles it.")
        return track

    def _reference(self, leaf: str, kind: str) -> Placed:
        placed = self.entries.get(leaf)
        if placed is None or placed.entry.kind != kind:
            raise Malformed(
                f"the {kind} it refers to, {leaf[:16]}..., is not in the log before it.", code="reference"
            )
        return placed

    def _dataset(self, placed: Placed) -> None:
        self.datasets.add(placed.entry["name"])
        self.consents.declare(placed.entry)

    def _model(self, placed: Placed) -> None:
        pass

    def _target(self, placed: Placed) -> None:
        entry = placed.entry
        if entry["dataset"] not in self.datasets:
            raise Malformed(f"the dataset {entry['dataset']} is not declared before it.", code="reference")
        try:
            rows = self._tables.rows(payload.schedule(), entry["schedule"])
        except ProofError as error:
            if error.code != "payload-missing":
                raise
            self.left_out.add(entry.leaf)
            raise Tampered(
                f"the declared target {entry['name']} is left out: {error.message}", code="target-missing"
            ) from None
        if [row[0] for row in rows] != list(range(entry["cutoffs"])):
            raise Malformed(f"its schedule does not count {entry['cutoffs']} cutoffs from 0.")
        cutoffs = tuple(row[1] for row in rows)
        if any(before >= after for before, after in itertools.pairwise(cutoffs)):
            raise Malformed("the cutoffs of its schedule do not ascend.")
        if self.track(entry["name"]) is not None:
            self.notes.append(f"entry {placed.index} declares the target {entry['name']} again.")
        track = Track(placed, Terms.of(entry.fields), cutoffs)
        if not track.ends:
            raise Malformed("it settles after the year 9999.")
        if track.mode == "live" and not track.foresees:
            raise Malformed("its deadline lies after the end of its horizon, when the outcome is known.")
        self.tracks[entry.leaf] = track

    def _forecast(self, placed: Placed) -> None:
        entry, track = placed.entry, self._at(placed, own=False)
        name, seq = entry["forecaster"], entry["seq"]
        if not self.identities.same(track.forecasters.get(name), entry.author):
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
        if self._contents and self._revealed(track, placed).status == "malformed":
            self.notes.append(f"entry {placed.index} is a forecast by {name} that is not well formed.")

    def _reveal(self, placed: Placed) -> bool:
        entry = placed.entry
        forecast = self._reference(entry["forecast"], "forecast").entry
        digest = bytes.fromhex(entry["payload"]["sha256"])
        opened = commitment(forecast.author, bytes.fromhex(entry["salt"]), digest)
        author = self.identities.same(forecast.author, entry.author)
        if not author or forecast.fields.get("commitment") != opened:
            raise Tampered("it does not open the commitment that it refers to.", code="commitment")
        track = self.tracks.get(forecast["declared"])
        if track is not None and forecast["seq"] in track.scores:
            track.belated.append((forecast["forecaster"], forecast["seq"]))
            self.notes.append(
                f"entry {placed.index} reveals a forecast after its score; it counts for nothing."
            )
            return False
        if self._contents:
            self._tables.data(entry["payload"])
        self.reveals.setdefault(forecast.leaf, placed)
        return True

    def _outcome(self, placed: Placed) -> None:
        entry, track = placed.entry, self._at(placed, own=True)
        if self._contents:
            self._look_into_outcome(track, placed)
        before = track.outcomes.setdefault(entry["seq"], [])
        if before:
            self.notes.append(f"entry {placed.index} revises the outcome in entry {before[-1].index}.")
        before.append(placed)

    def _look_into_outcome(self, track: Track, placed: Placed) -> None:
        entry = placed.entry
        rows = self._tables.rows(track.terms.outcome, entry["payload"])
        if len(rows) != entry["rows"]:
            raise Malformed(f"its payload has {len(rows)} rows, not {entry['rows']}.")
        forecast = len(self.forecast_keys(track, entry["seq"]))
        if entry["expected"] < forecast:
            raise Malformed(f"it expects {entry['expected']} values, but {forecast} were forecast.")
        if entry["rows"] < entry["expected"]:
            gap = entry["expected"] - entry["rows"]
            self.notes.append(f"entry {placed.index}: values not known: {gap} of {entry['expected']}.")
        fixed, cutoff = track.settles_at(entry["seq"]), track.cutoffs[entry["seq"]]
        if any(row[-1] > fixed for row in rows):
            raise Malformed(f"it holds values that became known after {format_instant(fixed)}.")
        early = sum(row[-1] <= cutoff for row in rows)
        if early:
            self.notes.append(f"entry {placed.index}: values known at the cutoff already: {early}.")

    def _score(self, placed: Placed) -> bool:
        entry, track = placed.entry, self._at(placed, own=True)
        outcome = self._reference(entry["outcome"], "outcome")
        if outcome not in track.outcomes.get(entry["seq"], ()):
            raise Malformed("the outcome it refers to is not of this target and cutoff.")
        before = track.scores.get(entry["seq"], [])
        if any(each.entry["outcome"] == entry["outcome"] for each in before):
            track.again.append(entry["seq"])
            self.notes.append(
                f"entry {placed.index} is a second score of one outcome, of cutoff {entry['seq']} of "
                f"{track.name}; entry {before[0].index} counts."
            )
            return False
        if self._contents:
            check_score(self, track, outcome, entry, self._tables.data(entry["payload"]))
        for each in entry["decisions"]:
            check_regret(entry, self._reference(each["decision"], "decision").entry, each)
        if self._contents and track.mode == "live" and not before:
            self._look_back(track, outcome, entry)
        track.scores[entry["seq"]] = [*before, placed]
        return True

    def _decision(self, placed: Placed) -> None:
        entry = placed.entry
        forecast = self._reference(entry["forecast"], "forecast").entry
        if any(entry[each] != forecast[each] for each in ("target", "seq", "cutoff", "mode")):
            raise Malformed("the forecast it rests on is of another target or cutoff.")
        cited = [self._reference(leaf, "consent").entry for leaf in entry.fields.get("consents", ())]
        track = self.tracks.get(forecast["declared"])
        dataset = str(track.declared.entry["dataset"]) if track else ""
        self.consents.check_cited(dataset, cited)
        if self._contents:
            rows = self._tables.rows(payload.decision(), entry["payload"])
            self.consents.check_rows(dataset, cited, entry["chosen"], rows)
            key = (entry["chosen"].encode(), THROUGHOUT, b"expected_cost")
            if [row[3] for row in rows if row[:3] == key] != [entry["expected_cost"]]:
                raise Malformed(
                    f"its payload does not give {entry['chosen']} the expected cost that it states."
                )

    def _approval(self, placed: Placed) -> None:
        decision = self._reference(placed.entry["decision"], "decision")
        self.approvals.setdefault(decision.entry.leaf, []).append(placed)

    def _consent(self, placed: Placed) -> None:
        entry = placed.entry
        if entry["dataset"] not in self.datasets:
            raise Malformed(f"the dataset {entry['dataset']} is not declared before it.", code="reference")
        self.consents.take(entry)

    def _erasure(self, placed: Placed) -> None:
        name = placed.entry["dataset"]
        if name not in self.datasets:
            raise Malformed(f"the dataset {name} is not declared before it.", code="reference")
        count = len(placed.entry["subjects"])
        self.notes.append(f"entry {placed.index}: erased from {name}, as its author says: {count}.")

    def _agreement(self, placed: Placed) -> None:
        entry = placed.entry
        if not any(self.identities.same(each["key"], entry.author) for each in entry["parties"]):
            raise Malformed("its author is none of its parties.")
        if self._contents:
            try:
                self._tables.data(entry["terms"])
            except ProofError as error:
                # Terms may be kept among the parties; those that are shown are the ones that were signed.
                if error.code != "payload-missing":
                    raise
        self.agreements.append(placed)

    # False: it is noted, and counts for nothing.
    _take: Mapping[str, Callable[[History, Placed], bool | None]] = {
        "dataset": _dataset,
        "model": _model,
        "target": _target,
        "forecast": _forecast,
        "reveal": _reveal,
        "outcome": _outcome,
        "score": _score,
        "decision": _decision,
        "approval": _approval,
        "agreement": _agreement,
        "consent": _consent,
        "erasure": _erasure,
    }


def _what(entry: Entry) -> str:
    about = [f"{name} {entry[name]}" for name in ("forecaster", "target", "seq") if name in entry.fields]
    return ", ".join([entry.kind, *about])
