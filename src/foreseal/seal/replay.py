"""All entries of a log, from the first on, taken in order: what they prove together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from foreseal.errors import ProofError
from foreseal.seal.anchor import Times
from foreseal.seal.entry import Entry, parse_entries
from foreseal.seal.history import History
from foreseal.seal.identity import find_revocations
from foreseal.seal.problem import Problem
from foreseal.seal.tables import PayloadReader


def replay(
    entries: Iterable[bytes],
    read: PayloadReader,
    targets: Collection[str] = (),
    sealing: Times | None = None,
) -> History:
    """Everything that the entries of a log, from the first on, say and prove together."""
    entries = tuple(entries)
    history = History(read, revoked=find_revocations(entries), targets=targets, sealing=sealing)
    for index, each in enumerate(parse_entries(entries)):
        if isinstance(each, ProofError):
            history.skip(Problem.of(each, "canonical", f"entry {index}", index))
        else:
            history.add(each)
    _name_left_out(history)
    return history


def skipped_cutoffs(history: History) -> Iterator[Problem]:
    """Declared cutoffs before a settled one that are not settled: what was bad about them could be hidden."""
    for track in history.tracks.values():
        missing = [seq for seq in range(max(track.scores, default=0)) if seq not in track.scores]
        if missing:
            yield Problem(
                f"{track.name} skips {len(missing)} of its cutoffs: {', '.join(map(str, missing[:10]))}"
                f"{'...' if len(missing) > 10 else ''}; later ones are settled.",
                "gap",
            )


def _name_left_out(history: History) -> None:
    """Where no payload about a target is there, say that once, at its declaration."""
    if not any(problem.code == "payload-missing" for problem in history.problems):
        return
    for leaf, track in history.tracks.items():
        about = [each for each in history.entries.values() if each.entry.fields.get("declared") == leaf]
        needs = [each.entry for each in about if "payload" in each.entry.fields]
        if not needs or any(history.has_payload(entry) for entry in needs):
            continue
        history.left_out.add(leaf)
        rest = [each for each in history.problems if not _is_about(history, each, leaf)]
        at = track.declared.index
        rest.append(
            Problem(
                f"entry {at} (target): the declared target {track.name} is left out: "
                "no payload of its entries is there.",
                "target-missing",
                at,
            )
        )
        history.problems = sorted(rest, key=lambda each: -1 if each.entry is None else each.entry)
    for leaf in history.left_out:
        history.tracks.pop(leaf, None)


def _is_about(history: History, problem: Problem, leaf: str) -> bool:
    placed = next((each for each in history.entries.values() if each.index == problem.entry), None)
    return placed is not None and leaf in _declared(history, placed.entry)


def _declared(history: History, entry: Entry) -> Iterator[str]:
    """The targets that an entry is about, directly or by what it refers to."""
    for name in ("declared", "forecast", "decision"):
        reference = entry.fields.get(name)
        if name == "declared" and reference:
            yield reference
        elif isinstance(reference, str) and reference in history.entries:
            yield from _declared(history, history.entries[reference].entry)
