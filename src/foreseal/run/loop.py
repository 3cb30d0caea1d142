"""The loop: what is due, in the order of time, each step whole or absent.

What is due follows from the settings, the clock and the log alone, so a run that was cut off is continued by
running again, and running again with nothing due changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from foreseal.clock import Clock, LiveClock, ReplayClock
from foreseal.records import Target
from foreseal.run.anchoring import Anchored, anchor_log, next_anchor
from foreseal.run.erasure import seal_erasures
from foreseal.run.history import History
from foreseal.run.timekeeping import missed_at_once, say_missed
from foreseal.seal.schema import BASELINE
from foreseal.seal.tally import NO_BASELINE

if TYPE_CHECKING:
    from foreseal.run.collecting import Collected
    from foreseal.run.session import Session

SETTLE, FORECAST = 0, 1


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """Something to be done at an instant; what settles comes before what is forecast at the same instant."""

    at: datetime
    rank: int
    target: str
    seq: int

    @property
    def verb(self) -> str:
        return "forecast" if self.rank == FORECAST else "settle"


@dataclass(slots=True)
class Done:
    """What a run did. ``missed`` counts forecasts whose deadline had passed before the run came to them,
    ``withheld`` cases that nothing was decided about for want of consent. ``kept`` are targets of others'
    submissions, which no run settles."""

    collected: list[Collected] = field(default_factory=list)
    forecasts: int = 0
    decisions: int = 0
    withheld: int = 0
    settled: int = 0
    missed: int = 0
    waiting: int = 0
    failures: list[str] = field(default_factory=list)
    anchored: list[Anchored] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Whether nothing was due."""
        return not (
            self.forecasts or self.settled or self.failures or any(each.added for each in self.collected)
        )


def agenda(targets: Iterable[Target], history: History) -> list[Due]:
    """Everything that the targets ask for and the log does not hold yet, in the order of time."""
    found = []
    for target in targets:
        for seq, cutoff in enumerate(target.cutoffs):
            names = (*target.forecasters, BASELINE)
            settled = (target.name, seq) in history.scores
            sealed = all((target.name, name, seq) in history.forecasts for name in names)
            if not settled:
                found.append(Due(target.settles_at(cutoff), SETTLE, target.name, seq))
                if not sealed:
                    found.append(Due(cutoff, FORECAST, target.name, seq))
    return sorted(found)


def run(
    session: Session,
    *,
    verbs: tuple[str, ...] = ("collect", "forecast", "settle"),
    report: Callable[[str, int, int], None] | None = None,
) -> Done:
    """Do what is due once. ``report`` is called with (text, done, total) before each step.

    Live, a forecast is due from its cutoff to its deadline and never after it. In replay every declared
    cutoff is due, and *now* is set to each in turn.
    """
    done = Done()
    tell = report or (lambda text, count, total: None)
    session.restore_marks()
    if "collect" in verbs:
        tell("collect", 0, 1)
        done.collected = session.collect()
    session.declare()
    done.failures += [f"dataset {name}: {why}" for name, why in session.unread.items()]
    done.failures += [f"target {name}: {why}" for name, why in session.held_back.items()]
    seal_erasures(session)
    pending = [due for due in agenda(session.targets.values(), session.history) if due.verb in verbs]
    clock: Clock = LiveClock()
    present = clock.now()
    settling = [(due.target, due.seq) for due in pending if due.verb == "settle" and due.at <= present]
    doubtful: list[tuple[str, int]] = []
    if not (session.replay or session.sure_of_time):
        doubtful = missed_at_once(session.history, session.targets, settling)
    if doubtful:
        done.failures.append(say_missed(doubtful, present))
    replay = ReplayClock(pending[0].at) if session.replay and pending else None
    for count, due in enumerate(pending):
        tell(f"{due.verb} {due.target} {due.at:%Y-%m-%d}", count, len(pending))
        if due.at > present:
            # Live, it is not due yet; and what has not happened cannot be replayed.
            done.waiting += 1
            continue
        if replay is not None:
            replay.advance(due.at)
            clock = replay
        now = clock.now()
        target = session.targets[due.target]
        if due.verb == "settle" and target.dataset in session.unread:
            done.waiting += 1  # what it settles on may be in what could not be read
        elif due.verb == "settle" and (due.target, due.seq) in doubtful:
            done.waiting += 1
        elif due.verb == "settle":
            done.settled += session.settle(target, due.seq)
        elif now > due.at + target.deadline:
            done.missed += 1
        else:
            step = session.forecast(target, due.seq)
            done.forecasts += step.forecasts
            done.decisions += step.decisions
            done.withheld += step.withheld
            done.failures += step.failures
    done.kept = [
        name
        for name, said in session.history.targets.items()
        if name not in session.targets and str(said.body["baseline"]).startswith(NO_BASELINE)
    ]
    done.anchored = anchor_log(session.project, session.log)
    return done


def next_due(session: Session) -> datetime | None:
    """When the next thing falls due that is not overdue already; None if there is nothing left."""
    now = LiveClock().now()
    ahead = [due.at for due in agenda(session.targets.values(), session.history) if due.at > now]
    anchor = next_anchor(session.project, session.log)
    return min([*ahead, *([anchor] if anchor else [])], default=None)
