"""How much of what a target asks for has been said, and how well: in the same words by every verifier."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta

from foreseal.exact import divide, format_decimal, parse_decimal
from foreseal.seal.history import History
from foreseal.seal.schema import BASELINE
from foreseal.seal.scoring import total_scale
from foreseal.seal.track import Track

NO_BASELINE = "none: "
"""How a target's ``baseline`` begins if nobody gives one; why follows."""
_DIGITS = 2
"""Decimals of a mean score beyond those of the target."""


def tally(history: History, sealed: datetime | None) -> Iterator[str]:
    """What is settled of each target, how many forecasts were given of those due, and the mean scores.

    ``sealed`` is when witnesses saw the checkpoint; None if nobody says so: then *now* is the newest ``at``.
    """
    now = sealed or max((each.entry.at for each in history.entries.values()), default=None)
    for track in history.tracks.values():
        cutoffs = len(track.cutoffs)
        yield f"{track.name}: {len(track.scores)} of {cutoffs} cutoffs settled, each score recomputed"
        closed = _closed(track, now)
        for who in track.forecasters:
            none = who == BASELINE and _has_none(track)
            yield f"{track.name}, {who}: {'none was declared' if none else _given(track, who, closed)}"
        for who in track.forecasters:
            yield from _mean(track, who) if who != BASELINE else ()


def _closed(track: Track, now: datetime | None) -> int:
    """How many cutoffs are due: live, those whose deadline has passed; in replay, those it has come to."""
    if track.mode == "live" and now is not None:
        deadline = timedelta(seconds=track.declared.entry["deadline"])
        return bisect_right(track.cutoffs, now, key=lambda cutoff: cutoff + deadline)
    return 1 + max((*track.outcomes, *(seq for _, seq in track.forecasts)), default=-1)


def _has_none(track: Track) -> bool:
    """Whether the target says that nobody gives a baseline, and nobody did: others' words are only kept."""
    said = any(who == BASELINE for who, _ in track.forecasts)
    return str(track.declared.entry["baseline"]).startswith(NO_BASELINE) and not said and not track.scores


def _given(track: Track, who: str, closed: int) -> str:
    statuses = {
        seq: next(each["status"] for each in scores[0].entry["scores"] if each["forecaster"] == who)
        for seq, scores in track.scores.items()
    }
    open_ = {seq for name, seq in track.forecasts if name == who and seq not in statuses}
    due = closed + sum(seq >= closed for seq in (*statuses, *open_))
    given = len(open_) + sum(status == "scored" for status in statuses.values())
    missed, later = due - given, len(track.cutoffs) - due
    said = f"{given} of {due} forecasts due"
    said += f"; {missed} missed" if missed else ""
    return said + (f"; {later} not due yet" if later else "")


def _mean(track: Track, who: str) -> Iterator[str]:
    """The mean over all values of the cutoffs that have a score of both, beside the baseline's."""
    digits, levels = total_scale(track.terms)
    own = other = values = cutoffs = 0
    for scores in track.scores.values():
        item = {each["forecaster"]: each for each in scores[0].entry["scores"]}
        totals = item[who]["total"], item[BASELINE]["total"]
        if all(totals) and item[who]["n"]:
            own, other = own + parse_decimal(totals[0], digits), other + parse_decimal(totals[1], digits)
            values, cutoffs = values + item[who]["n"], cutoffs + 1
    if values:
        shown = track.terms.decimals + _DIGITS
        mean, baseline = (
            format_decimal(divide(total * 10**shown, values * levels * 10**digits), shown)
            for total in (own, other)
        )
        yield (
            f"{track.name}, {who}: mean {track.terms.rule} {mean} against {baseline} of the baseline, over "
            f"{cutoffs} cutoff{'' if cutoffs == 1 else 's'}"
        )
