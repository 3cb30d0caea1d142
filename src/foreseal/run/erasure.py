"""Forget a person: destroy what makes their records readable, then say in the log that it was done.

The keys go first, so that nothing that fails afterwards can keep them. An entry ``erasure`` holds, for each
subject, a salted commitment to the pseudonym: ``SHA-256("foreseal/erasure/v1" || 0x00 || salt || dataset ||
0x00 || pseudonym)``. The salt (32 bytes) stays in the key database, with which the operator can prove to that
person, and to nobody else, which entry is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from foreseal.collect.source import Context
from foreseal.errors import ForesealError, Refused, SettingsError, Tampered
from foreseal.run.history import History, Said
from foreseal.seal.schema import MAX_ERASED
from foreseal.store.subjects import Erasure

if TYPE_CHECKING:
    from foreseal.run.project import Project
    from foreseal.run.session import Session
    from foreseal.store.store import Store

_DOMAIN = b"foreseal/erasure/v1\x00"


@dataclass(frozen=True, slots=True)
class Erased:
    """Someone whose records nobody can read any more.

    ``named_in`` are files of the source that still hold them, so that the next collect would bring them back;
    None if the source could not be read.
    """

    case_id: str
    named_in: tuple[str, ...] | None


def erase(project: Project, dataset: str, cases: Iterable[str]) -> list[Erased]:
    """Destroy the keys of subjects, given by the source's ids or by pseudonyms; durable on return.

    Raises `DataError` if the dataset is not personal or a subject is not known; those before it are erased.
    """
    done = []
    with project.store() as store:
        for case in cases:
            named_in = _named_in(project, store, dataset, case)
            done.append(Erased(store.erase(dataset, case).case_id, named_in))
    return done


def commitment(erasure: Erasure) -> str:
    """What is sealed about an erasure, in hexadecimal."""
    about = f"{erasure.dataset}\0{erasure.case_id}".encode()
    return sha256(_DOMAIN + erasure.salt + about).hexdigest()


def seal_erasures(session: Session) -> list[Said]:
    """Finish what was interrupted, and seal every erasure from a declared dataset that the log lacks."""
    session.store.sweep_keys()
    for name in _personal(session.store):
        if name not in session.history.datasets:
            continue
        said = {commitment(each) for each in session.store.erasures(name)}
        left = sorted(said - session.history.erasures.keys())
        for start in range(0, len(left), MAX_ERASED):
            session.desk.say("erasure", {"dataset": name, "subjects": left[start : start + MAX_ERASED]})
    found = session.desk.commit()
    session.history.add(found)
    return found


def check_erasures(project: Project, store: Store, history: History) -> str:
    """Whether keys and log agree on who is erased. Raises `Tampered` if keys have come back."""
    known = {commitment(each) for name in _personal(store) for each in store.erasures(name)}
    lost = history.erasures.keys() - known
    if lost:
        raise Tampered(
            f"The log tells of {len(lost)} erasures that keys/subjects.db does not know: it is an older "
            "copy, in which erased subjects may be readable again.",
            hint="Put the latest keys/subjects.db in its place, or erase these subjects once more.",
        )
    path = project.subjects_file
    if path.exists() and path.stat().st_mode & 0o077:
        raise Refused(f"{path} can be read by others.", hint=f"chmod 600 {path}")
    waiting = len(known - history.erasures.keys())
    rest = f", {waiting} not sealed yet" if waiting else ""
    return f"{len(known)} subjects erased{rest}"


def check_outside(project: Project, dataset: str) -> None:
    """Refuse personal data that lies in plain text in the project folder, of which backups are made."""
    named = getattr(project.sources[dataset], "named", None)
    inside = project.folder.resolve()
    for path, name in named(_context(project, dataset)) if named else ():
        if path.resolve().is_relative_to(inside):
            raise SettingsError(
                f"{name} holds the personal dataset {dataset!r} in plain text inside the project folder.",
                hint="Move it to a folder outside, and give that as its path in foreseal.toml.",
            )


def _personal(store: Store) -> list[str]:
    return [name for name in store.catalogue()["dataset"] if store.schema(name).personal]


def _context(project: Project, dataset: str) -> Context:
    table = project.settings.datasets[dataset]
    return Context(project.folder, table.timezone or project.timezone, table.known_at, table.personal)


def _named_in(project: Project, store: Store, dataset: str, case: str) -> tuple[str, ...] | None:
    """The files in which the source still has a subject."""
    if dataset not in project.sources:
        return None
    case = store.pseudonyms(dataset, [case]).get(case, case)
    found: dict[str, None] = {}
    try:
        for batch in project.sources[dataset].read(_context(project, dataset)):
            ids = {str(each) for each in batch.rows["case_id"].drop_nulls()}
            if case in store.pseudonyms(dataset, ids).values():
                found[batch.file] = None
    except ForesealError:
        return None
    return tuple(found)
