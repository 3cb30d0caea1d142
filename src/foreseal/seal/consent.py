"""Consent: who agreed that decisions about them are made, without saying who.

A ``consent`` entry names people by salted commitments, which only the operator of the data can open. A
decision about cases of a personal dataset states one for each case, in a row ``consent CASE`` of its chosen
option, and cites the entries that gave them. A commitment that was withdrawn stays so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from foreseal.errors import Malformed
from foreseal.seal.payload import THROUGHOUT, Row

if TYPE_CHECKING:
    from foreseal.seal.entry import Entry

PSEUDONYM = re.compile(rb"[0-9a-f]{32}")
"""How a person is called in a payload of a personal dataset; whole keys are matched."""
PREFIX = "consent "


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
        """Raise `Malformed` unless every person that a decision is about has a cited, standing consent."""
        if dataset not in self._personal:
            return
        given = {subject for each in cited for subject in each["subjects"]}
        stated = {row[2]: row[3] for row in rows if row[:2] == (chosen.encode(), THROUGHOUT)}
        for key in {row[2] for row in rows if PSEUDONYM.fullmatch(row[2])}:
            found = stated.get(PREFIX.encode() + key)
            if found is None or found not in given:
                raise Malformed(f"it decides about {key.decode()} without a consent that it cites.")
            if (dataset, found) in self._withdrawn:
                raise Malformed(f"it decides about {key.decode()}, whose consent was withdrawn before it.")
