"""Having the log witnessed: ask those who have not cosigned its checkpoint yet, and say how it went."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from foreseal.errors import Refused, Tampered
from foreseal.seal.checkpoint import Checkpoint
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

    ``lacks`` says what a quorum lacks, or is empty. ``forked``: more witnesses than may lie hold another
    history of this log. ``times``: what those who have just answered, and are run by others, say that it is.
    """

    by: tuple[str, ...]
    absent: tuple[str, ...]
    lacks: str = ""
    why: tuple[Answer, ...] = ()
    forked: bool = False
    times: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, trust: Policy, by: Collection[str], answers: Iterable[Answer] = ()) -> Witnessed:
        """What these cosignatures, and the answers that were given, are to a policy."""
        answers, keys = tuple(answers), {each.name: each.key for each in trust.witnesses}
        return cls(
            tuple(name for name in keys if name in by),
            tuple(name for name in keys if name not in by),
            trust.missing(by),
            tuple(each for each in answers if each.alarm or (each.line is None and each.witness not in by)),
            sum(each.alarm for each in answers) > trust.tolerate,
            {
                each.witness: keys[each.witness].time(each.line.signature)
                for each in answers
                if each.line is not None and each.witness not in trust.own
            },
        )

    @property
    def met(self) -> bool:
        """Whether it is the quorum."""
        return not self.lacks

    def refuse_fork(self) -> None:
        """Raise `Refused` if the log has another history elsewhere: what is sealed now would fork it."""
        if self.forked:
            said = "; ".join(f"{each.witness}: {each.why}" for each in self.why if each.alarm)
            raise Refused(
                f"Nothing is sealed, because witnesses hold another history of this log. {said}",
                hint="This copy is old, or its key signs elsewhere, too. Find the newest copy; "
                "`foreseal monitor` compares, and writes down what proves a fork.",
            )

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
    """Ask the witnesses to cosign, and publish what they give. None if there are none.

    Those who have cosigned already are asked, too: they may have seen more of this log than there is here.
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
    answers = _answers(project, log)
    if answers:
        log.cosign(answer.line for answer in answers if answer.line is not None)
        by = trust.cosignatures(parse_note(log.signed))
    return Witnessed.of(trust, by, answers)


def adopt(project: Project, checkpoint: bytes) -> tuple[Checkpoint, Witnessed | None]:
    """Take a restored log into use after comparing it with a checkpoint from elsewhere, and with witnesses.

    Raises `Refused` as `Log.adopt` does, and where witnesses hold another history. Where none answers, the
    next session asks them before it seals anything.
    """
    signer, witnessed = project.signer(), None
    if project.settings.seal.witnesses is not None:
        trust, reader = project.trust(), project.reader()
        witnessed = Witnessed.of(
            trust, trust.cosignatures(parse_note(reader.signed)), _answers(project, reader)
        )
        witnessed.refuse_fork()
    return Log.adopt(project.log_folder, signer, checkpoint), witnessed


def _answers(project: Project, log: LogReader) -> list[Answer]:
    table = project.settings.seal.witnesses
    found = [each for each in project.trust().witnesses if each.url]
    if table is None or not found or not log.size:
        return []
    return ask(log, found, table.wait.total_seconds(), max(read_cosigned(log.folder), default=0))
