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


def unknown_targets(history: History, targets: Iterable[str]) -> Iterator[Problem]:
    """Targets that were asked for, and that no entry declares."""
    declared = {each.entry["name"] for each in history.entries.values() if each.entry.kind == "target"}
    for name in targets:
        if name not in declared:
            yield Problem(f"no target {name} is declared in this log.", "target-missing")


def _name_left_out(history: History) -> None:
    """Where no payload about a target is there, say that once, at its declaration."""
    if not any(problem.code == "payload-missing" for problem in history.problems):
        return
    needs: dict[str, list[Entry]] = {}
    for each in history.entries.values():
        if "payload" in each.entry.fields:
            needs.setdefault(each.entry.fields.get("declared", ""), []).append(each.entry)
    left_out = [
        (leaf, track)
        for leaf, track in history.tracks.items()
        if leaf in needs and not any(map(history.has_payload, needs[leaf]))
    ]
    if not left_out:
        return
    gone = {leaf for leaf, _ in left_out}
    history.left_out |= gone
    at = {each.index: each.entry for each in history.entries.values()}
    rest = [
        problem
        for problem in history.problems
        if problem.entry not in at or gone.isdisjoint(_declared(history, at[problem.entry]))
    ]
    for leaf, track in left_out:
        index = track.declared.index
        text = f"entry {index} (target): the declared target {track.name} is left out: "
        rest.append(Problem(f"{text}no payload of its entries is there.", "target-missing", index))
        del history.tracks[leaf]
    history.problems = sorted(rest, key=lambda each: -1 if each.entry is None else each.entry)


def _declared(history: History, entry: Entry) -> Iterator[str]:
    """The targets that an entry is about: its own, or those of what it refers to, however long the chain."""
    waiting, seen = [entry], set[str]()
    while waiting:
        each = waiting.pop()
        if reference := each.fields.get("declared"):
            yield reference
        for name in ("forecast", "decision"):
            leaf = each.fields.get(name)
            if isinstance(leaf, str) and leaf in history.entries and leaf not in seen:
                seen.add(leaf)
                waiting.append(history.entries[leaf].entry)
