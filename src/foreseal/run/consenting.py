"""Who agreed to be decided about: what the data say of consent becomes entries, and decisions cite them.

A commitment stands for one person's consent, from the moment at which they gave it until they withdraw it::

    SHA-256("foreseal/consent/v1" || 0x00 || salt || about)
    about = JSON ["dataset","purpose","case_id",given at, in microseconds since 1970]
    salt  = HMAC-SHA256(the subject's secret, "foreseal/consent/v1" || 0x00 || about)

Whoever holds the secret can make it again and prove to that person which one is theirs; when the subject is
erased nobody can. What was withdrawn stays so: a person who agrees again has a new commitment.

Rows are read in the order of their claims, as in every read of the store, so that a late row which claims an
older time gives no consent back. An empty cell neither gives a consent nor ends it: while it is the latest,
nothing is decided about that person.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

from foreseal.clock import to_us
from foreseal.errors import DataError, SettingsError, UsageError
from foreseal.run.history import Said
from foreseal.seal.schema import MAX_CONSENTS

if TYPE_CHECKING:
    from foreseal.run.forecasting import Knowledge
    from foreseal.run.project import Project
    from foreseal.run.session import Session
    from foreseal.settings import ConsentTable
    from foreseal.store.subjects import Secret

_DOMAIN = b"foreseal/consent/v1\x00"


@dataclass(frozen=True, slots=True)
class Agreed:
    """The commitment of each case whose consent stands, and the leaves of the entries that gave them."""

    subjects: Mapping[str, str]
    cited: tuple[str, ...]


def commitment(secret: Secret, dataset: str, purpose: str, case: str, given_at: datetime) -> str:
    """What is sealed about one person's consent, in hexadecimal."""
    about = json.dumps([dataset, purpose, case, to_us(given_at)], ensure_ascii=False, separators=(",", ":"))
    salt = hmac.digest(secret.salt, _DOMAIN + about.encode(), "sha256")
    return sha256(_DOMAIN + salt + about.encode()).hexdigest()


def agreed(
    session: Session, knowledge: Knowledge, dataset: str, cutoff: datetime, cases: Iterable[str]
) -> Agreed:
    """The consents that stand for ``cases`` at a cutoff; what is new about anybody's is staged first."""
    table = _table(session, dataset)
    read = _read(session, dataset, table, cutoff, knowledge.n[dataset])
    sealed, gone = session.history.consents.keys(), {*session.history.withdrawn}
    ended = {each for one in read if one.ended for each in one.made if each in sealed}
    _say(session, dataset, table.purpose, "withdrawn", sorted(ended - gone))
    gone |= ended
    asked = set(cases)
    standing = {
        one.case: one.standing(sealed)
        for one in read
        if one.case in asked and one.stated and not one.ended and gone.isdisjoint(one.made)
    }
    leaves = {each: said.leaf for each, said in session.history.consents.items()}
    leaves |= _say(session, dataset, table.purpose, "given", sorted({*standing.values()} - leaves.keys()))
    cited = sorted({leaves[each] for each in standing.values()})
    if len(cited) > MAX_CONSENTS:
        raise UsageError(
            f"The cases rest on {len(cited)} consent entries; a decision can cite {MAX_CONSENTS}.",
            hint="Decide about fewer cases at once: more cutoffs.",
        )
    return Agreed(standing, tuple(cited))


def declared(project: Project, dataset: str) -> ConsentTable:
    """What the settings say of consent in a dataset. Raises `SettingsError` if they say nothing."""
    tables = {name: each.consent for name, each in project.settings.datasets.items() if each.consent}
    if dataset not in tables:
        raise SettingsError(
            f"There is no consent in a dataset {dataset!r}.",
            hint=f"There is in: {', '.join(tables)}."
            if tables
            else "[datasets.NAME] says where it is: consent = { column, purpose }",
        )
    return tables[dataset]


def withdraw(session: Session, dataset: str, ids: Iterable[str]) -> list[Said]:
    """Seal that people have withdrawn their consent; they are given by the source's ids or by pseudonyms.

    It holds until the data say that they withdrew and agreed again. Raises `DataError` for a subject that is
    not known.
    """
    table = _table(session, dataset)
    ids = list(ids)
    known = session.store.pseudonyms(dataset, ids)
    read = _read(session, dataset, table, None, session.store.latest_n(dataset))
    sealed, gone = session.history.consents.keys(), session.history.withdrawn.keys()
    subjects: set[str] = set()
    for each in ids:
        mine = [one for one in read if one.case == known.get(each, each)]
        if not mine:
            raise DataError(
                f"Nobody of that id has agreed to anything in {dataset!r}.",
                hint="Give the id as the source writes it, or the pseudonym.",
            )
        # The last row's, too: should more be learnt of what was before it, the withdrawal still holds.
        subjects |= {c for one in mine for c in one.made if c in sealed or c == one.made[-1]}
    _say(session, dataset, table.purpose, "withdrawn", sorted(subjects - gone))
    return session.commit()


def _table(session: Session, dataset: str) -> ConsentTable:
    settings = declared(session.project, dataset)
    history, purpose = session.history, settings.purpose
    every = (*history.consents.values(), *history.withdrawn.values())
    said = [each for each in every if each.body["dataset"] == dataset]
    before = max(said, key=lambda each: each.index).body["purpose"] if said else purpose
    if before != purpose:
        raise SettingsError(
            f"The people of {dataset!r} agreed to {before!r}; the settings say {purpose!r}.",
            hint="Put the purpose back. Who agrees to another belongs in a dataset of its own.",
        )
    return settings


@dataclass(slots=True)
class _Consent:
    """One consent of one person: from the row that gave it to the one that ended it, if one did.

    ``made`` holds the commitment of each row that says so, in the order of their claims, for a row that came
    late may be the first. ``stated`` is whether the latest row says anything.
    """

    case: str
    made: list[str]
    stated: bool = True
    ended: bool = False

    def standing(self, sealed: Container[str]) -> str:
        """The commitment that stands for it: one that was sealed, or else the first."""
        return next((each for each in self.made if each in sealed), self.made[0])


def _read(
    session: Session,
    dataset: str,
    table: ConsentTable,
    cutoff: datetime | None,
    n: int,
) -> list[_Consent]:
    """The consents of all, those that have ended and the one that has not, as known at a cutoff."""
    rows = session.store.vintages(dataset, "features", n=n, cutoff=cutoff)
    if table.column not in rows.columns:
        raise SettingsError(
            f"consent in [datasets.{dataset}] names the column {table.column!r}, which the source lacks.",
            hint="Name a feature of 0 and 1.",
        )
    rows = rows.with_columns(claimed=pl.coalesce("claimed_at", "known_at"))
    rows = rows.sort("case_id", "claimed", "known_at", "n")
    secrets = session.store.secrets(dataset, rows["case_id"].unique())
    found: list[_Consent] = []
    refused: datetime | None = None  # since the last agreement: when it was first known
    for case, claimed, at, value in rows.select("case_id", "claimed", "known_at", table.column).iter_rows():
        if case not in secrets:
            continue
        last = found[-1] if found and found[-1].case == case else None
        refused = refused if last else None
        if value is None or value == "":
            if last:
                last.stated = False
        elif value in (1, "1", "true", "yes"):
            made = commitment(secrets[case], dataset, table.purpose, case, claimed)
            # A withdrawal that became known only after the person had agreed again ended nothing.
            if last and (refused is None or refused > at):
                last.made.append(made)
                last.stated, last.ended = True, False
            else:
                found.append(_Consent(case, [made]))
            refused = None
        elif last:
            refused = at if refused is None else min(refused, at)
            last.stated, last.ended = True, True
    return found


def _say(session: Session, dataset: str, purpose: str, action: str, subjects: list[str]) -> dict[str, str]:
    """Stage entries about these commitments; returns the leaf of each commitment's entry."""
    leaves: dict[str, str] = {}
    for start in range(0, len(subjects), MAX_CONSENTS):
        part = subjects[start : start + MAX_CONSENTS]
        fields = {"dataset": dataset, "purpose": purpose, "action": action, "subjects": part}
        leaf = session.desk.say("consent", fields).entry.leaf
        leaves |= dict.fromkeys(part, leaf)
    return leaves
