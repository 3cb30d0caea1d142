"""What is no problem, and to be told: counted and named the same by every verifier (docs/evidence.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from foreseal.seal.history import History
from foreseal.seal.track import Track

_SHOWN = 10


def listed(history: History) -> Iterator[str]:
    """One statement for each kind of thing that there is: of every target, then of the whole log."""
    tracks = list(history.tracks.values())
    for track in tracks:
        for what, names in _of_track(track):
            yield from line(f"{track.name}: {what}", names)
        for who, (early, of) in track.hindsight.items():
            if early:
                known = "outcome values were known before the forecast was sealed"
                yield f"{track.name}, {who}: {early} of {of} {known}"
    names = [track.name for track in tracks]
    yield from line("targets declared again", [name for i, name in enumerate(names) if name in names[:i]])
    yield from line("entries set aside by a revocation", history.aside)
    signed = [f"{each.index} {each.entry['name']}" for each in history.agreements]
    yield from line("agreements signed by all of their parties", signed)


def _of_track(track: Track) -> Iterator[tuple[str, Iterable[object]]]:
    yield (
        "missed deadlines",
        [
            f"{each['forecaster']} {seq} {each['status']}"
            for seq, scores in sorted(track.scores.items())
            for each in scores[0].entry["scores"]
            if each["status"] != "scored"
        ],
    )
    said = sorted(track.forecasts.items(), key=lambda item: (item[0][1], item[0][0].encode()))
    yield "second forecasts", [f"{who} {seq}" for (who, seq), given in said for _ in given[1:]]
    yield "reveals after the score", [f"{who} {seq}" for who, seq in track.belated]
    fixed = [(seq, each, each[0].entry) for seq, each in sorted(track.outcomes.items())]
    yield "revised outcomes", [seq for seq, each, _ in fixed for _ in each[1:]]
    gaps = [(seq, first["expected"] - first["rows"], first["expected"]) for seq, _, first in fixed]
    yield "outcomes with values not known", [f"{seq}: {gap} of {of}" for seq, gap, of in gaps if gap]
    yield "second scores of one outcome", track.again
    yield "cutoffs not settled", [seq for seq in range(len(track.cutoffs)) if seq not in track.scores]


def line(what: str, names: Iterable[object]) -> Iterator[str]:
    """How many there are, and the first ten; nothing if there are none."""
    found = list(map(str, names))
    if found:
        more = "..." if len(found) > _SHOWN else ""
        yield f"{what}: {len(found)} ({', '.join(found[:_SHOWN])}{more})"
