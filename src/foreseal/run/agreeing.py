"""Agreeing with others: propose terms, sign them, and seal what all parties have signed in one's own log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from foreseal.errors import Tampered, UsageError
from foreseal.run.anchoring import Anchored, anchor_log
from foreseal.run.history import Said
from foreseal.run.session import Session
from foreseal.seal.agreement import Agreement
from foreseal.seal.keys import author_id, public_bytes

if TYPE_CHECKING:
    from foreseal.run.project import Project


def propose(
    project: Project, name: str, terms: bytes, others: Mapping[str, str], made: datetime
) -> Agreement:
    """An agreement of the author with ``others`` (author ids by name), signed by the author alone so far."""
    key = project.author_key()
    parties = {**others, project.name: author_id(public_bytes(key))}
    if len(parties) != len(others) + 1:
        raise UsageError(f"another party is called {project.name!r}, as this project is.")
    return sign(project, Agreement.of(name, terms, made, parties), terms)


def sign(project: Project, agreement: Agreement, terms: bytes) -> Agreement:
    """With the author's signature. Raises `Tampered` if these are other terms, `UsageError` if no party."""
    _check_terms(agreement, terms)
    return agreement.signed(project.author_key())


def seal(project: Project, agreement: Agreement, terms: bytes) -> tuple[Said, list[Anchored]]:
    """Seal an agreement that all have signed, keep its terms among the payloads, and anchor what is due."""
    _check_terms(agreement, terms)
    if agreement.lacks:
        raise UsageError(
            f"the agreement {agreement.name} is not signed by {', '.join(agreement.lacks)}.",
            hint="Send them the file and the terms; they sign with `foreseal agree sign`.",
        )
    with Session.begin(project) as session:
        session.identify()
        session.put(terms)
        session.desk.say("agreement", agreement.fields)
        said = session.commit()[-1]
        return said, anchor_log(project, session.log)


def _check_terms(agreement: Agreement, terms: bytes) -> None:
    if (sha256(terms).hexdigest(), len(terms)) != (agreement.sha256, agreement.size):
        raise Tampered(f"these are not the terms of the agreement {agreement.name}.")
