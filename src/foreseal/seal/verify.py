"""Verification by anyone, offline: a receipt alone, or a whole log.

Imports the standard library, `cryptography` and the lower layers only. Trust comes from the keys that the
caller names; nothing that is shipped with the evidence is an authority.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from foreseal.errors import ProofError
from foreseal.seal.audit import audit_files
from foreseal.seal.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from foreseal.seal.disk import read_file
from foreseal.seal.entry import Entry, parse_entry
from foreseal.seal.history import History
from foreseal.seal.note import MAX_NOTE, Verifier
from foreseal.seal.payload import Payloads
from foreseal.seal.reader import CHECKPOINT
from foreseal.seal.receipt import parse_receipt
from foreseal.seal.track import Track

UNNAMED = "consistent, but by a key you have not named"
SEALED = "sealed, time not attested"
REPLAYED = "replay: order proven, time not attested"
INCLUDED = "included: one entry is in the log; nothing is said about what else is"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was checked and what it shows.

    ``ok`` only if nothing is wrong and a key that the caller named has signed. ``statements`` say what is
    proven and at which level, ``problems`` name every damaged or impossible thing, ``notes`` the rest that is
    worth knowing. ``entry`` and ``index`` are set for a receipt, ``kinds`` (number of entries) for a log.
    """

    ok: bool
    statements: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    origin: str = ""
    size: int = 0
    index: int | None = None
    entry: Entry | None = None
    kinds: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [*self.statements, *(f"problem: {each}" for each in self.problems)]
        return "\n".join([*lines, *(f"note: {each}" for each in self.notes)])


def verify_receipt(data: bytes, keys: Iterable[Verifier]) -> Verdict:
    """Check a receipt: its entry, the author's signature, the path to the root, and the log's signature."""
    keys = tuple(keys)
    try:
        receipt = parse_receipt(data)
        checkpoint = receipt.check()
        if keys:
            open_checkpoint(receipt.checkpoint, keys)
        entry = parse_entry(receipt.entry)
    except ProofError as error:
        return Verdict(ok=False, statements=("not verified",), problems=(error.message,))
    mode = REPLAYED if entry.fields.get("mode") == "replay" else SEALED
    return Verdict(
        ok=bool(keys),
        statements=(mode, INCLUDED) if keys else (UNNAMED, INCLUDED),
        origin=checkpoint.origin,
        size=checkpoint.size,
        index=receipt.index,
        entry=entry,
    )


def verify_log(folder: Path, keys: Iterable[Verifier]) -> Verdict:
    """Check a whole published log: every file, every entry, every payload, every score recomputed."""
    keys = tuple(keys)
    try:
        signed = read_file(folder / CHECKPOINT, MAX_NOTE)
        checkpoint = open_checkpoint(signed, keys) if keys else read_checkpoint(signed)
    except ProofError as error:
        return Verdict(ok=False, statements=("not verified",), problems=(f"{CHECKPOINT}: {error.message}",))
    audit = audit_files(folder, checkpoint)
    problems, notes = list(audit.problems), list(audit.notes)
    history = History(Payloads(folder).get)
    kinds: Counter[str] = Counter()
    # A tree that is not the signed one proves nothing about its entries, so they are not judged.
    if not problems or len(audit.entries) == checkpoint.size:
        for index, raw in enumerate(audit.entries):
            try:
                entry = parse_entry(raw)
            except ProofError as error:
                problems.append(f"entry {index}: {error.message}")
                history.skip()
            else:
                kinds[entry.kind] += 1
                history.add(entry)
    problems += history.problems
    return Verdict(
        ok=bool(keys) and not problems,
        statements=_statements(checkpoint, history, signed=bool(keys), sound=not problems),
        problems=tuple(dict.fromkeys(problems)),
        notes=(*notes, *history.notes),
        origin=checkpoint.origin,
        size=checkpoint.size,
        kinds=dict(kinds),
    )


def _statements(checkpoint: Checkpoint, history: History, *, signed: bool, sound: bool) -> tuple[str, ...]:
    if not sound:
        return ("not verified",)
    lines = [] if signed else [UNNAMED]
    modes = {track.mode for track in history.tracks.values()}
    if "replay" in modes:
        lines.append(REPLAYED)
    if "live" in modes or not modes:
        lines.append(SEALED)
    lines.append(
        f"complete within this log, up to {checkpoint.size} entries, and for the closed set of identities "
        "that each target names"
    )
    return (*lines, *map(_summary, history.tracks.values()))


def _summary(track: Track) -> str:
    """How much of what was declared has been said, per forecaster."""
    total = len(track.cutoffs)
    parts = []
    for name in track.forecasters:
        said = {seq for forecaster, seq in track.forecasts if forecaster == name}
        missing = sorted(set(track.outcomes) - said)
        gap = f" (missing: {', '.join(map(str, missing[:10]))}{'...' if len(missing) > 10 else ''})"
        parts.append(f"{name} {len(said)} of {total}{gap if missing else ''}")
    return (
        f"{track.name}: forecasts {', '.join(parts)}; {len(track.outcomes)} outcomes, "
        f"{len(track.scores)} scores recomputed"
    )
