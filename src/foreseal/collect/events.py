"""``source = "epcis"``: what happened to goods, as EPCIS events, counted into series of pieces."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from itertools import product
from typing import Any

import polars as pl

from foreseal.clock import EPOCH, Frequency, to_us
from foreseal.collect import epcis, gs1
from foreseal.collect.source import Batch, Context
from foreseal.errors import DataError, DataWarning
from foreseal.records import Rejected
from foreseal.settings import KnownAt

MONDAY = datetime(1970, 1, 5, tzinfo=EPOCH.tzinfo)
SHOWN = (
    *("type", "action", "eventTime", "eventTimeZoneOffset", "recordTime"),
    *("bizStep", "bizLocation", "readPoint", "epcList", "quantityList"),
)
"""Members whose value is kept with an event that they had refused. Others may tell of people: parties do."""

ROWS: Mapping[str, Any] = {
    "unique_id": pl.String,
    "ds": pl.Int64,
    "y": pl.Float64,
    "source": pl.String,
    "quality": pl.String,
    "row": pl.Int64,
    "known_at": pl.Int64,
    "several": pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class _Event:
    """A sound event, the ``step`` it lies in, and from when ``until`` when it counts, in microseconds."""

    event: Mapping[str, Any]
    name: str
    number: int
    step: int
    since: int | None
    until: int | None = None

    def counts(self, when: int | None) -> bool:
        """Whether it was known at an instant and not declared erroneous; without one, whether it ever was."""
        if when is None:
            return self.until is None
        return (self.since is None or self.since <= when) and (self.until is None or when < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Pieces per step of ``freq``, class of goods and place, from the ObjectEvents of a business step.

    ``places`` and ``goods`` map GS1 identifiers (EPC URI or Digital Link) to names; a series is called
    ``goods@place``. Every pair is a series, 0 in steps without an event, from the first step of the documents
    to the last one that was over when they were made. Fixed steps are counted from a Monday, in UTC.

    An event counts once, however often it stands there, and not at all if it has been declared erroneous.
    With a delay, the first vintage of a step is what was known by then: an event recorded later
    (``recordTime``), or named as the corrective of another, counts from that time on, and one declared
    erroneous until its declaration, each as a later vintage. Events that do not say when they were recorded
    are taken to be known in time.

    Refused, by its number in the document: an event that breaks a rule of the standard, happens after its
    document was made, or names an unknown place, unknown goods or a negative quantity. Parties, documents and
    members of other namespaces are not kept. A row's ``source`` is the SHA-256 over the hashes of its events
    in ascending order, one a line; of one event, its hash.
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
        rule = context.known_at
        delay = to_us(EPOCH + rule.delay) if rule.kind == "delay" else None
        events, rejected = self._sound(document)
        # What was declared erroneous before it could count at all never did.
        events = [each for each in events if any(map(each.counts, self._changes([each], each.step, delay)))]
        if not events:
            raise DataError(f"{self.path} has no sound event.", hint=f"{len(rejected)} were refused.")
        rows = self._rows(document, events, delay)
        several = rows["several"]
        once = rows.filter(~several).drop("several", "known_at")
        yield Batch(once, self.path, "series", rule, tuple(rejected))
        if several.any():
            claimed = KnownAt("column", column="known_at")
            yield Batch(rows.filter(several).drop("several"), self.path, "series", claimed)

    def _sound(self, document: epcis.Document) -> tuple[list[_Event], list[Rejected]]:
        """Events with what is known of their times, and the refused."""
        sound: dict[str, _Event] = {}
        void: dict[str, int] = {}
        correct: dict[str, int] = {}
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
            recorded = _instant(event, "recordTime")
            if "errorDeclaration" in event:
                declared = event["errorDeclaration"]
                at = max(_instant(declared, "declarationTime") or 0, recorded or 0)
                void[name] = min(at, void.get(name, at))
                for other in declared.get("correctiveEventIDs", ()):
                    correct[other] = min(at, correct.get(other, at))
            elif name in sound:
                # Recorded twice, it was known from the first time on; without a time, in time.
                both = sound[name].since, recorded
                since = None if None in both else min(at for at in both if at is not None)
                sound[name] = replace(sound[name], since=since)
            else:
                step = ((_instant(event, "eventTime") or 0) - to_us(MONDAY)) // self._span
                sound[name] = _Event(event, name, number, step, recorded)
        if renamed:
            warnings.warn(
                f"{self.path}: {renamed} events bear the hash of another event; they were changed, or hashed "
                f"otherwise. They are counted.",
                DataWarning,
                stacklevel=2,
            )
        for name, each in sound.items():
            late = correct.get(str(each.event.get("eventID")))
            since = max((at for at in (each.since, late) if at is not None), default=None)
            sound[name] = replace(each, since=since, until=void.get(name))
        return list(sound.values()), rejected

    @property
    def _span(self) -> int:
        return to_us(EPOCH + (self.freq.step or EPOCH - EPOCH))

    def _changes(self, events: Sequence[_Event], step: int, delay: int | None) -> list[int | None]:
        """When what is known of a step may have changed, the first time first; none without a delay."""
        if delay is None:
            return [None]
        first = step * self._span + to_us(MONDAY) + delay
        later = {at for each in events for at in (each.since, each.until) if at is not None and at > first}
        return [first, *sorted(later)]

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

    def _rows(self, document: epcis.Document, events: Sequence[_Event], delay: int | None) -> pl.DataFrame:
        """A row for each vintage of each series and step; ``several`` marks steps with more than one."""
        span = self._span
        places, goods = _links(self.places), _links(self.goods)
        behind: dict[tuple[str, int], dict[str, _Event]] = {}
        pieces: Counter[tuple[str, str]] = Counter()
        for each in events:
            if self._counts(each.event):
                place = places[_link(each.event["bizLocation"]["id"])]
                for link, quantity in _contents(each.event):
                    uid = f"{goods[link]}@{place}"
                    behind.setdefault((uid, each.step), {})[each.name] = each
                    pieces[uid, each.name] += quantity  # type: ignore[assignment]
        last = max(each.step for each in events)
        if document.created:
            last = (to_us(document.created) - to_us(MONDAY)) // span - 1
        found: dict[str, list[Any]] = {name: [] for name in ROWS}
        for part, place in product(sorted(set(goods.values())), sorted(set(places.values()))):
            uid = f"{part}@{place}"
            for at in range(min(each.step for each in events), last + 1):
                mine = list(behind.get((uid, at), {}).values())
                whens = self._changes(mine, at, delay)
                for when in whens:
                    alive = [each for each in mine if each.counts(when)]
                    y = float(sum(pieces[uid, each.name] for each in alive))
                    source = _behind(sorted({each.name for each in alive})) or self.path
                    row = min((each.number for each in alive), default=0)
                    values = (uid, at * span + to_us(MONDAY), y, source, "", row, when, len(whens) > 1)
                    for column, value in zip(found.values(), values, strict=True):
                        column.append(value)
        return pl.DataFrame(found, schema=ROWS).with_columns(
            pl.col("ds", "known_at").cast(pl.Datetime("us", "UTC"))
        )


def _instant(event: Mapping[str, Any], name: str) -> int | None:
    return to_us(epcis.instant(event[name])) if name in event else None


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
