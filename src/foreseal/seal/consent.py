"""Consent: who agreed that decisions about them are made, without saying who.

A ``consent`` entry names people by salted commitments, which only the operator of the data can open. A
decision about cases of a personal dataset states one for each case, in a row ``consent CASE`` of its chosen
option, and cites the entries that gave them. A commitment that was withdrawn stays so. Its rows speak of
pseudonyms and of nothing else, and no two of them share a commitment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from foreseal.errors import Malformed
from foreseal.seal.payload import THROUGHOUT, Row

if TYPE_CHECKING:
    from foreseal.seal.entry import Entry

KEY = re.compile(rb"(?:consent |reasons )?([0-9a-f]{32})")
"""What a decision about a personal dataset may speak of beside its cost: a person, called by a pseudonym."""
PREFIX = b"consent "
COST = b"expected_cost"


class Consents:
    """What the entries so far say of consent."""

    def __init__(self) -> None:
        self._personal: set[str] = set()
        self._withdrawn: set[tuple[str, str]] = set()

    def declare(self, dataset: Entry) -> None:
        """A dataset that was personal once stays so."""
        if dataset["personal"]:
            self._personal.add(dataset["name"])

    def take(self, consent: Entry) -> None:
        """Take note of a consent entry."""
        if consent["action"] == "withdrawn":
            self._withdrawn |= {(consent["dataset"], each) for each in consent["subjects"]}

    def check_cited(self, dataset: str, cited: Iterable[Entry]) -> None:
        """Raise `Malformed` unless the entries that a decision cites gave consent for this dataset."""
        if any(each["dataset"] != dataset or each["action"] != "given" for each in cited):
            raise Malformed(f"a consent that it cites does not give one for {dataset}.")

    def check_rows(self, dataset: str, cited: Iterable[Entry], chosen: str, rows: Sequence[Row]) -> None:
        """Raise `Malformed` unless every person that a decision is about has a cited, standing consent.

        It must be a consent of their own, and whoever it is about goes by a pseudonym.
        """
        if dataset not in self._personal:
            return
        people = people_in(dataset, (row[2] for row in rows if row[2] != COST))
        given = {subject for each in cited for subject in each["subjects"]}
        stated = {row[2]: row[3] for row in rows if row[:2] == (chosen.encode(), THROUGHOUT)}
        for key in people:
            found = stated.get(PREFIX + key)
            if found is None or found not in given:
                raise Malformed(f"it decides about {key.decode()} without a consent that it cites.")
            if (dataset, found) in self._withdrawn:
                raise Malformed(f"it decides about {key.decode()}, whose consent was withdrawn before it.")
        if len({stated[PREFIX + key] for key in people}) < len(people):
            raise Malformed("it decides about two people with the consent of one.")


def people_in(dataset: str, keys: Iterable[bytes]) -> set[bytes]:
    """The pseudonyms that keys of a decision speak of. Raises `Malformed` if one is anything else."""
    called = [KEY.fullmatch(key) for key in keys]
    if None in called:  # which may be somebody's name
        raise Malformed(f"its payload speaks of somebody of {dataset} by what is no pseudonym.")
    return {found[1] for found in called if found}
