"""Having the log witnessed: ask those who have not cosigned its checkpoint yet, and say how it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foreseal.errors import Tampered
from foreseal.seal.cosigned import cosigned_path, read_cosigned
from foreseal.seal.cosigning import Answer, ask
from foreseal.seal.log import Log
from foreseal.seal.note import parse_note
from foreseal.seal.reader import CHECKPOINT

if TYPE_CHECKING:
    from foreseal.run.project import Project


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Who has cosigned the checkpoint, whether that is the policy's quorum, and what the others said."""

    by: tuple[str, ...]
    of: int
    met: bool
    why: tuple[Answer, ...] = ()

    def __str__(self) -> str:
        if self.met:
            return f"cosigned by {len(self.by)} of {self.of} witnesses"
        return f"sealed, not yet witnessed: cosigned by {len(self.by)} of {self.of} witnesses"


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
    names = tuple(each.name for each in trust.witnesses if each.name in by)
    why = tuple(answer for answer in answers if answer.line is None)
    return Witnessed(names, len(trust.witnesses), trust.met(by), why)
