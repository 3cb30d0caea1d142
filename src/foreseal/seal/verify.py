"""Verification by anyone, offline: a receipt alone, or a whole log.

Imports the standard library, `cryptography` and the lower layers only. Trust comes from the keys that the
caller names; nothing that is shipped with the evidence is an authority.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from foreseal.errors import ProofError, Tampered
from foreseal.merkle import leaf_hash
from foreseal.seal.anchor import Attested, Attestor, Earliest, read_tokens, unchecked
from foreseal.seal.audit import audit_files, audit_rest
from foreseal.seal.box import Folder
from foreseal.seal.checkpoint import read_checkpoint
from foreseal.seal.cosigned import check_heads, read_cosigned, time_statements
from foreseal.seal.disk import read_file
from foreseal.seal.entry import Entry, parse_entry
from foreseal.seal.history import History
from foreseal.seal.listing import listed
from foreseal.seal.note import MAX_NOTE, Verifier
from foreseal.seal.payload import Payloads
from foreseal.seal.policy import Cosigned, Policy
from foreseal.seal.problem import Problem
from foreseal.seal.reader import CHECKPOINT
from foreseal.seal.receipt import parse_receipt
from foreseal.seal.replay import replay, skipped_cutoffs, unknown_targets
from foreseal.seal.tally import tally
from foreseal.seal.track import Track

UNNAMED = "consistent, but by a key you have not named"
SEALED = "sealed, time not attested"
REPLAYED = "replay: order proven, time not attested"
REPLAYED_ALONE = "replay: order and time are not shown by a receipt alone"
INCLUDED = "included: one entry is in the log; nothing is said about what else is"
UNREVOKED = "revocations: not known from a receipt alone"
NOT_SHOWN = (
    "not shown: that the data are true, or that these people keep no other log and no other name in this one"
)
LEVELS = ("none", "included", "log", "identities")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was checked and what it shows.

    ``ok`` only if nothing is wrong and a key that the caller named has signed. ``statements`` say what is
    proven and at which level, ``problems`` name every damaged or impossible thing, ``notes`` the rest that is
    worth knowing. ``level`` is one of `LEVELS`: what is shown to be there, and to be complete
    (docs/evidence.md). ``entry`` and ``index`` are set for a receipt, ``kinds`` (entry counts) for a log.
    """

    ok: bool
    statements: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    origin: str = ""
    size: int = 0
    index: int | None = None
    entry: Entry | None = None
    kinds: Mapping[str, int] = field(default_factory=dict)
    level: str = "none"

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each problem."""
        return tuple(problem.code for problem in self.problems)

    def __str__(self) -> str:
        lines = [*self.statements, *(f"problem: {each}" for each in self.problems)]
        return "\n".join([*lines, *(f"note: {each}" for each in self.notes)])


def verify_receipt(data: bytes, trust: Policy | Iterable[Verifier]) -> Verdict:
    """Check a receipt: its entry, the author's signature, the path to the root, and who signed that.

    ``trust`` is a policy, or keys of logs; with witnesses in it, a quorum of them must have cosigned.
    """
    policy = Policy.of(trust)
    code = "receipt"
    try:
        receipt = parse_receipt(data)
        receipt.check()
        head = open_head(lambda: receipt.checkpoint, policy)
        code = "canonical"
        entry = parse_entry(receipt.entry)
    except ProofError as error:
        return refused(Problem.of(error, code))
    replayed = entry.fields.get("mode") == "replay"
    sealed = [REPLAYED_ALONE] if replayed else time_statements(policy, head, SEALED)
    return Verdict(
        ok=bool(policy.logs),
        statements=(*(sealed if policy.logs else [UNNAMED]), INCLUDED, UNREVOKED),
        origin=head.checkpoint.origin,
        size=head.checkpoint.size,
        index=receipt.index,
        entry=entry,
        level="included",
    )


def verify_log(
    folder: Path,
    trust: Policy | Iterable[Verifier],
    targets: Collection[str] = (),
    attest: Attestor = unchecked,
) -> Verdict:
    """Check a whole published log: every file, every entry, every payload, every score recomputed.

    ``trust`` is a policy, or keys of logs; with witnesses in it, a quorum of them must have cosigned the
    checkpoint, and they say when forecasts were sealed. With ``targets``, entries about others are not
    judged. ``attest`` checks the timestamps and chain anchors beside the log; unless it is given
    they have no weight.
    """
    policy = Policy.of(trust)
    try:
        if folder.is_dir():
            Folder(folder)  # no links, no names that another reader would take for others
    except ProofError as error:
        return refused(Problem.of(error, "container"))
    try:
        head = open_head(lambda: read_file(folder / CHECKPOINT, MAX_NOTE), policy)
        kept = read_cosigned(folder) if policy.logs else {}
    except ProofError as error:
        return refused(Problem.of(error, "checkpoint", CHECKPOINT))
    audit = audit_files(folder, head.checkpoint)
    # A tree that is not the signed one proves nothing about its entries, so they are not judged.
    sound = not audit.problems or len(audit.entries) == head.checkpoint.size
    entries = audit.entries if sound else ()
    sealing, beside = check_heads(policy, head, kept, [leaf_hash(entry) for entry in entries] if kept else ())
    attested = attest(read_tokens(folder), head.checkpoint.origin, entries)
    # Anchors come at intervals: they can date what witnesses saw too late, and condemn nothing.
    times = Earliest(sealing, attested.times) if policy.witnesses else None
    payloads, held = Payloads(folder), set[str]()

    def read(digest: str, size: int) -> bytes:
        data = payloads.get(digest, size)
        held.add(digest)
        return data

    found = replay(entries, read, targets, times)
    audit_rest(audit, folder, head.checkpoint.size, held)
    beside = [*beside, *unknown_targets(found, targets)] if sound else []
    return conclude(policy, head, found, audit.problems, audit.notes, beside, attested)


def refused(*problems: Problem) -> Verdict:
    """The verdict on what is wrong before anything in it can be believed."""
    return Verdict(ok=False, statements=("not verified",), problems=problems)


def open_head(read: Callable[[], bytes], policy: Policy) -> Cosigned:
    """The checkpoint that ``read`` gives: of a log of the policy, if it names any, and with its quorum."""
    signed = read()
    checkpoint = read_checkpoint(signed)
    if not policy.logs:
        return Cosigned(checkpoint, {}, signed)
    try:
        head = policy.open(signed)
    except Tampered as error:
        raise Tampered(error.message, code="signature") from None
    lacks = policy.missing(head.by)
    if lacks:
        raise Tampered(f"{lacks}.", code="quorum")
    return head


def conclude(
    policy: Policy,
    head: Cosigned,
    history: History,
    before: Iterable[Problem],
    notes: Iterable[str],
    beside: Iterable[Problem] = (),
    attested: Attested = Attested(),  # noqa: B008 - it is frozen
    seen: Iterable[str] = (),
) -> Verdict:
    """The verdict: problems of the files come first, then those of entries, then of what lies beside them.

    ``seen`` says what else was looked at.
    """
    problems = tuple(dict.fromkeys((*before, *history.problems, *skipped_cutoffs(history), *beside)))
    level = "none" if problems else _level(history)
    return Verdict(
        ok=bool(policy.logs) and not problems,
        statements=_statements(policy, head, history, level, attested, seen),
        problems=problems,
        notes=(*notes, *attested.notes, *history.notes),
        origin=head.checkpoint.origin,
        size=head.checkpoint.size,
        kinds=dict(history.kinds),
        level=level,
    )


def _level(history: History) -> str:
    authors = [author for track in history.tracks.values() for author in track.forecasters.values()]
    return "identities" if authors and all(each in history.identities.lines for each in authors) else "log"


def _statements(
    policy: Policy, head: Cosigned, history: History, level: str, attested: Attested, seen: Iterable[str]
) -> tuple[str, ...]:
    if level == "none":
        return ("not verified",)
    size, lines = head.checkpoint.size, [] if policy.logs else [UNNAMED]
    modes = {track.mode for track in history.tracks.values()}
    if "replay" in modes:
        lines.append(REPLAYED)
    if "live" in modes or not modes:
        lines += time_statements(policy, head, SEALED)
    if attested.found:
        lines = [*(line for line in lines if line != SEALED), *attested.statements]
        lines += [_in_time(track, attested) for track in history.tracks.values() if track.mode == "live"]
    lines.append(
        f"complete within this log, up to {size} entries: they give the signed root, and each was replayed"
    )
    for track in history.tracks.values():
        unbound = [name for name, each in track.forecasters.items() if each not in history.identities.lines]
        if unbound:
            lines.append(
                f"not complete for a closed set of identities: {', '.join(unbound)} of {track.name} is a key "
                "without an identity in this log"
            )
        else:
            lines.append(
                f"complete for the closed set of identities named in {track.name} "
                f"({', '.join(track.forecasters)}): entry {track.declared.index} declared it before its "
                "forecasts, nobody else can forecast it, and no cutoff up to the last settled one is left out"
            )
    if size:
        lines.append(f"revocations known up to entry {size - 1}")
    return (*lines, *tally(history, policy.time(head.by)), *listed(history), *seen, NOT_SHOWN)


def _in_time(track: Track, attested: Attested) -> str:
    """How many forecasts are shown by anchors alone to have existed before their deadline."""
    deadline, times = timedelta(seconds=track.declared.entry["deadline"]), attested.times
    said = [(track.cutoffs[seq], placed) for (_, seq), each in track.forecasts.items() for placed in each]
    dated = [(cutoff, times.time(placed.index)) for cutoff, placed in said]
    early = sum(at is not None and at <= cutoff + deadline for cutoff, at in dated)
    return f"{track.name}: {early} of {len(said)} forecasts existed before their deadline, by anchors alone"
