"""``source = "epcis"``: what happened to goods, as EPCIS events, counted into series of pieces."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import polars as pl

from foreseal.clock import EPOCH, Frequency, to_us
from foreseal.collect import epcis, gs1
from foreseal.collect.source import Batch, Context
from foreseal.errors import DataError, DataWarning
from foreseal.records import Rejected

MONDAY = datetime(1970, 1, 5, tzinfo=EPOCH.tzinfo)
SHOWN = (
    *("type", "action", "eventTime", "eventTimeZoneOffset", "recordTime"),
    *("bizStep", "bizLocation", "readPoint", "epcList", "quantityList"),
)
"""Members whose value is kept with an event that they had refused. Others may tell of people: parties do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Pieces per step of ``freq``, class of goods and place, from the ObjectEvents of a business step.

    ``places`` and ``goods`` map GS1 identifiers (EPC URI or Digital Link) to names; a series is called
    ``goods@place``. Every pair is a series, 0 in steps without an event, from the first step of the documents
    to the last one that was over when they were made. Fixed steps are counted from a Monday, in UTC.

    An event counts once, however often it stands there, and not at all if it has been declared erroneous.
    Refused, by its number in the document: one that breaks a rule of the standard, happens after its document
    was made, or names an unknown place, unknown goods or a negative quantity. Parties, documents and members
    of other namespaces are not kept. A row's ``source`` is the SHA-256 over the hashes of its events in
    ascending order, one a line; of one event, its hash.
    """

    path: str
    places: Mapping[str, str]
    goods: Mapping[str, str]
    step: str = "dispensing"
    freq: Frequency = field(default=Frequency(1, "w"), metadata={"convert": Frequency.parse})

    def __post_init__(self) -> None:
        for name, table in (("places", self.places), ("goods", self.goods)):
            if not table or not all(gs1.canonical(key) for key in table):
                raise ValueError(f"{name} must map GS1 identifiers (urn:epc:... or a Digital Link) to names")
        if self.freq.step is None:
            raise ValueError(f"freq = {self.freq} must be a fixed span, such as 1w")

    def read(self, context: Context) -> Iterator[Batch]:
        path = context.folder / self.path
        if not path.is_file():
            raise DataError(
                f"There is no file {path}.", hint="Paths start at the folder that holds foreseal.toml."
            )
        document = epcis.read_document(path.read_bytes(), self.path)
        events, rejected = self._sound(document)
        if not events:
            raise DataError(f"{self.path} has no sound event.", hint=f"{len(rejected)} were refused.")
        yield Batch(self._rows(document, events), self.path, "series", context.known_at, tuple(rejected))

    def _sound(self, document: epcis.Document) -> tuple[dict[str, tuple[Any, int]], list[Rejected]]:
        """Events by hash with their numbers, those declared erroneous left out, and the refused."""
        sound: dict[str, tuple[Any, int]] = {}
        void: set[str] = set()
        places, goods = _links(self.places), _links(self.goods)
        rejected, renamed = [], 0
        for number, event in enumerate(document.events, 1):
            column, why = epcis.problem(event) if isinstance(event, Mapping) else ("", "no object")
            if not why:
                column, why = self._doubt(event, document, places, goods)
            if why:
                shown = isinstance(event, Mapping) and column in SHOWN
                value = str(event.get(column, ""))[:200] if shown else ""
                rejected.append(Rejected(self.path, number, column, value, why))
                continue
            name = epcis.event_id(event, document.context)
            given = str(event.get("eventID", ""))
            renamed += given.startswith("ni:") and given.partition("?")[0] != name.partition("?")[0]
            if "errorDeclaration" in event:
                void.add(name)
            else:
                sound.setdefault(name, (event, number))
        if renamed:
            warnings.warn(
                f"{self.path}: {renamed} events bear the hash of another event; they were changed, or hashed "
                f"otherwise. They are counted.",
                DataWarning,
                stacklevel=2,
            )
        return {name: each for name, each in sound.items() if name not in void}, rejected

    def _doubt(
        self,
        event: Mapping[str, Any],
        document: epcis.Document,
        places: Mapping[str, str],
        goods: Mapping[str, str],
    ) -> tuple[str, str]:
        if document.created and epcis.instant(event["eventTime"]) > document.created:
            return "eventTime", "after the document was made"
        if not self._counts(event):
            return "", ""
        if _link(event.get("bizLocation", {}).get("id", "")) not in places:
            return "bizLocation", "unknown place"
        for link, quantity in _contents(event):
            if link not in goods:
                return "quantityList" if "quantityList" in event else "epcList", "unknown goods"
            if quantity < 0:
                return "quantityList", "negative quantity"
        return "", ""

    def _counts(self, event: Mapping[str, Any]) -> bool:
        step = str(event.get("bizStep", "")).replace(":", "-").rpartition("-")[2]
        return event["type"] == "ObjectEvent" and step == self.step

    def _rows(self, document: epcis.Document, events: Mapping[str, tuple[Any, int]]) -> pl.DataFrame:
        span = to_us(EPOCH + (self.freq.step or EPOCH - EPOCH))
        places, goods = _links(self.places), _links(self.goods)
        total: Counter[tuple[str, int]] = Counter()
        behind: dict[tuple[str, int], list[tuple[str, int]]] = {}
        steps = []
        for name, (event, number) in events.items():
            at = (to_us(epcis.instant(event["eventTime"])) - to_us(MONDAY)) // span
            steps.append(at)
            if self._counts(event):
                place = places[_link(event["bizLocation"]["id"])]
                for link, quantity in _contents(event):
                    key = (f"{goods[link]}@{place}", at)
                    total[key] += quantity  # type: ignore[assignment]
                    behind.setdefault(key, []).append((name, number))
        last = max(steps)
        if document.created:
            last = (to_us(document.created) - to_us(MONDAY)) // span - 1
        rows = [
            (f"{part}@{place}", at)
            for part in sorted(set(goods.values()))
            for place in sorted(set(places.values()))
            for at in range(min(steps), last + 1)
        ]
        names = [sorted({name for name, _ in behind.get(key, ())}) for key in rows]
        return pl.DataFrame(
            {
                "unique_id": [uid for uid, _ in rows],
                "ds": pl.Series([at * span + to_us(MONDAY) for _, at in rows], dtype=pl.Int64).cast(
                    pl.Datetime("us", "UTC")
                ),
                "y": pl.Series([float(total[key]) for key in rows], dtype=pl.Float64),
                "source": [_behind(each) or self.path for each in names],
                "quality": [""] * len(rows),
                "row": [min((number for _, number in behind.get(key, ())), default=0) for key in rows],
            },
            schema_overrides={"row": pl.Int64},
        )


def _behind(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return "sha-256;" + sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()


def _links(table: Mapping[str, str]) -> dict[str, str]:
    return {gs1.canonical(key) or key: name for key, name in table.items()}


def _link(uri: str) -> str:
    return gs1.canonical(uri) or uri


def _contents(event: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Class of goods, without lot or serial number, and how many."""
    parts = [(_link(epc), 1.0) for epc in event.get("epcList", ())]
    parts += [
        (_link(each["epcClass"]), float(each.get("quantity", 1))) for each in event.get("quantityList", ())
    ]
    return [(_class(link), quantity) for link, quantity in parts]


def _class(link: str) -> str:
    head = f"{gs1.HOME}/01/"
    return link[: len(head) + 14] if link.startswith(head) else link
