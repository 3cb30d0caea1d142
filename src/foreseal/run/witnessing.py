"""Having the log witnessed: ask those who have not cosigned its checkpoint yet, and say how it went."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foreseal.errors import Tampered
from foreseal.seal.cosigned import cosigned_path, read_cosigned
from foreseal.seal.cosigning import Answer, ask
from foreseal.seal.log import Log
from foreseal.seal.note import parse_note
from foreseal.seal.policy import Policy
from foreseal.seal.reader import CHECKPOINT, LogReader

if TYPE_CHECKING:
    from foreseal.run.project import Project


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Who has cosigned the checkpoint and who has not, whether that is the policy's quorum, and why not.

    ``lacks`` says what a quorum lacks, or is empty.
    """

    by: tuple[str, ...]
    absent: tuple[str, ...]
    lacks: str = ""
    why: tuple[Answer, ...] = ()

    @classmethod
    def of(cls, trust: Policy, by: Collection[str], why: Iterable[Answer] = ()) -> Witnessed:
        """What these cosignatures are to a policy."""
        names = [each.name for each in trust.witnesses]
        there = tuple(name for name in names if name in by)
        return cls(there, tuple(name for name in names if name not in by), trust.missing(by), tuple(why))

    @property
    def met(self) -> bool:
        """Whether it is the quorum."""
        return not self.lacks

    def __str__(self) -> str:
        if self.met:
            return f"cosigned by {len(self.by)} of {len(self.by) + len(self.absent)} witnesses"
        return f"sealed, not yet witnessed: {self.lacks}"


def witnessed_so_far(project: Project, log: LogReader) -> Witnessed | None:
    """Who has cosigned the published checkpoint, without asking anybody. None if there are no witnesses."""
    if project.settings.seal.witnesses is None:
        return None
    trust = project.trust()
    return Witnessed.of(trust, trust.cosignatures(parse_note(log.signed)))


def get_witnessed(project: Project, log: Log) -> Witnessed | None:
    """Ask the witnesses whose cosignature is missing, and publish what they give. None if there are none.

    Nothing that a witness does or fails to do raises: the log is sealed without it, and asking again later
    catches up.
    """
    table, trust = project.settings.seal.witnesses, project.trust()
    if table is None:
        return None
    try:
        by = trust.cosignatures(parse_note(log.signed))
    except Tampered as error:
        raise Tampered(
            f"{log.folder / CHECKPOINT}, of {log.size} entries: {error.message}",
            hint=f"Restore {cosigned_path(log.size)} from a copy of the log.",
        ) from None
    absent = [each for each in trust.witnesses if each.name not in by and each.url]
    answers: list[Answer] = []
    if absent and log.size:
        answers = ask(log, absent, table.wait.total_seconds(), max(read_cosigned(log.folder), default=0))
        log.cosign(answer.line for answer in answers if answer.line is not None)
        by = trust.cosignatures(parse_note(log.signed))
    return Witnessed.of(trust, by, (answer for answer in answers if answer.line is None))
