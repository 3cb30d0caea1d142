"""Who agreed to be decided about: what the data say of consent becomes entries, and decisions cite them.

A commitment stands for one person's consent, from the moment at which they gave it until they withdraw it::

    SHA-256("foreseal/consent/v1" || 0x00 || salt || about)
    about = JSON ["dataset","purpose","case_id",given at, in microseconds since 1970]
    salt  = HMAC-SHA256(the subject's secret, "foreseal/consent/v1" || 0x00 || about)

Whoever holds the secret can make it again and prove to that person which one is theirs; when the subject is
erased nobody can. What was withdrawn stays so: a person who agrees again has a new commitment.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
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
    given, ended = _read(session, dataset, table, cutoff, knowledge.n[dataset])
    history = session.history
    withdrawn = sorted(each for each in ended if each in history.consents and each not in history.withdrawn)
    _say(session, dataset, table.purpose, "withdrawn", withdrawn)
    wanted = {case: given[case] for case in cases if case in given}
    standing = {case: each for case, each in wanted.items() if each not in history.withdrawn}
    leaves = {each: said.leaf for each, said in history.consents.items()}
    leaves |= _say(session, dataset, table.purpose, "given", sorted({*standing.values()} - leaves.keys()))
    cited = sorted({leaves[each] for each in standing.values()})
    if len(cited) > MAX_CONSENTS:
        raise UsageError(
            f"The cases rest on {len(cited)} consent entries; a decision can cite {MAX_CONSENTS}.",
            hint="Decide about fewer cases at once: more cutoffs.",
        )
    return Agreed(standing, tuple(cited))


def withdraw(session: Session, dataset: str, ids: Iterable[str]) -> list[Said]:
    """Seal that people have withdrawn their consent; they are given by the source's ids or by pseudonyms.

    It holds until the data say that they withdrew and agreed again. Raises `DataError` for a subject that is
    not known.
    """
    table = _table(session, dataset)
    ids = list(ids)
    known = session.store.pseudonyms(dataset, ids)
    now = session.desk.now()
    given, ended = _read(session, dataset, table, now, session.store.latest_n(dataset))
    subjects = []
    for each in ids:
        case = known.get(each, each)
        mine = [c for c, who in ended.items() if who == case] + ([given[case]] if case in given else [])
        if not mine:
            raise DataError(
                f"Nobody of that id has agreed to anything in {dataset!r}.",
                hint="Give the id as the source writes it, or the pseudonym.",
            )
        subjects += [c for c in mine if c not in session.history.withdrawn]
    _say(session, dataset, table.purpose, "withdrawn", sorted(set(subjects)))
    return session.commit()


def _table(session: Session, dataset: str) -> ConsentTable:
    settings = session.project.settings.datasets.get(dataset)
    if settings is None or settings.consent is None:
        raise SettingsError(
            f"There is no consent in a dataset {dataset!r}.",
            hint="[datasets.NAME] says where it is: consent = { column, purpose }",
        )
    return settings.consent


def _read(
    session: Session,
    dataset: str,
    table: ConsentTable,
    cutoff: datetime,
    n: int,
) -> tuple[dict[str, str], dict[str, str]]:
    """By case the commitment of the consent in force, and by commitment the case of those that have ended."""
    rows = session.store.vintages(dataset, "features")
    if table.column not in rows.columns:
        raise SettingsError(
            f"consent in [datasets.{dataset}] names the column {table.column!r}, which the source lacks.",
            hint="Name a feature of 0 and 1.",
        )
    rows = rows.filter((pl.col("known_at") <= cutoff) & (pl.col("n") <= n)).sort("case_id", "known_at", "n")
    secrets = session.store.secrets(dataset, rows["case_id"].unique())
    given: dict[str, str] = {}
    ended: dict[str, str] = {}
    for case, at, value in rows.select("case_id", "known_at", table.column).iter_rows():
        if case not in secrets:
            continue
        if value in (1, "1", "true", "yes") and case not in given:
            given[case] = commitment(secrets[case], dataset, table.purpose, case, at)
        elif value not in (1, "1", "true", "yes") and case in given:
            ended[given.pop(case)] = case
    return given, ended


def _say(session: Session, dataset: str, purpose: str, action: str, subjects: list[str]) -> dict[str, str]:
    """Stage entries about these commitments; returns the leaf of each commitment's entry."""
    leaves: dict[str, str] = {}
    for start in range(0, len(subjects), MAX_CONSENTS):
        part = subjects[start : start + MAX_CONSENTS]
        fields = {"dataset": dataset, "purpose": purpose, "action": action, "subjects": part}
        leaf = session.desk.say("consent", fields).entry.leaf
        leaves |= dict.fromkeys(part, leaf)
    return leaves
