"""Is the machine's clock right? What is settled by a wrong one cannot be taken back.

The log's own entries say when the last one was made; witnesses, where there are any, say what time it is now.
A replay asks neither: it claims nothing about when it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from foreseal.clock import format_instant, parse_instant
from foreseal.errors import SetupError
from foreseal.records import Target
from foreseal.run.history import History, Said
from foreseal.seal.schema import BASELINE

if TYPE_CHECKING:
    from foreseal.run.witnessing import Witnessed

# Clocks that are kept right by the network still move back a little.
SLACK = timedelta(minutes=1)
FAR = timedelta(minutes=5)
MANY = 10

_TRUST = "foreseal run --trust-clock"


def check_clock(now: datetime, last: str, witnessed: Witnessed | None) -> bool:
    """Whether witnesses confirm that it is ``now``; False where none has said so.

    ``last`` is the time that the log's newest entry claims, or empty. Raises `SetupError` where the machine's
    clock lies before it, or is far from that of the witnesses that somebody else runs.
    """
    if last and now < parse_instant(last) - SLACK:
        raise SetupError(
            f"the machine's clock says {format_instant(now.replace(microsecond=0))}, which is before {last}, "
            "when the newest entry of the log was made.",
            hint=f"Set the clock right. If it is, and was wrong when that was sealed: {_TRUST}",
        )
    times = witnessed.times if witnessed else {}
    if not times:
        return False
    ahead = timedelta(seconds=median((at - now).total_seconds() for at in times.values()))
    if abs(ahead) > FAR:
        said = ", ".join(f"{name} {format_instant(at)}" for name, at in times.items())
        raise SetupError(
            f"the machine's clock says {format_instant(now.replace(microsecond=0))}, but its witnesses say "
            f"otherwise: {said}.",
            hint=f"Set the clock right. If it is, and they are wrong: {_TRUST}",
        )
    return True


def missed_at_once(
    history: History, targets: Mapping[str, Target], settling: Iterable[tuple[str, int]]
) -> list[tuple[str, int]]:
    """Of the cutoffs to be settled now, those that nobody forecast in their time; none unless they are many.

    Many at once are what a machine leaves that was off, and what a clock leaves that has jumped ahead. What
    had passed when its target was declared was never to be forecast.
    """
    found = []
    for name, seq in settling:
        target = targets[name]
        declared = parse_instant(history.targets[name].body["at"])
        names = (*target.forecasters, BASELINE)
        if target.cutoffs[seq] + target.deadline > declared and not any(
            (name, who, seq) in history.forecasts for who in names
        ):
            found.append((name, seq))
    return found if len(found) >= MANY else []


def say_missed(missed: list[tuple[str, int]], now: datetime) -> str:
    """Why these cutoffs are not settled, and what to do."""
    names = ", ".join(dict.fromkeys(name for name, _ in missed))
    return (
        f"{len(missed)} cutoffs of {names} have passed without a forecast, by the machine's clock "
        f"({format_instant(now.replace(microsecond=0))}). They are not settled as missed: that could not be "
        f"taken back if the clock has jumped. If it is right: {_TRUST}"
    )


def check_times(entries: Iterable[Said], now: datetime) -> tuple[list[str], list[str]]:
    """Entries that claim to be from the future, and entries that claim to be from before the one below."""
    future, backwards, last = [], [], ""
    for each in entries:
        at = each.body["at"]
        if parse_instant(at) > now + SLACK:
            future.append(f"entry {each.index} ({at})")
        elif last and parse_instant(at) < parse_instant(last) - SLACK:
            backwards.append(f"entry {each.index} ({at} after {last})")
        last = at
    return future, backwards
