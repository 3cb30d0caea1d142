"""EPCIS 2.0 documents in JSON-LD: their events, the rules of the standard that an event must keep, its hash.

Source: GS1 EPCIS 2.0, sections 7.3 and 7.4, and its JSON schema, whose verdicts on events these rules share;
a member of another name needs a namespace. XML documents are not read.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from foreseal.collect import cbv
from foreseal.errors import DataError

MAX_DOCUMENT = 1 << 30

_Check = Callable[[Any], str]

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_OFFSET = re.compile(r"[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00)", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_UNIT = re.compile(r"[A-Z0-9]{2,3}", re.ASCII)
_OLD_CBV = re.compile(r"urn:epcglobal:cbv|https?://ns\.gs1\.org/cbv/")
_COMMON = ("type", "eventTime", "recordTime", "eventTimeZoneOffset", "eventID", "certificationInfo")
_WHERE = ("bizStep", "disposition", "readPoint", "bizLocation")
_LISTS = ("bizTransactionList", "sourceList", "destinationList", "sensorElementList")
_ALWAYS = frozenset((*_COMMON, "errorDeclaration", "@context", *_WHERE, *_LISTS))
# Type: further members, those required, and groups of which one must be there unless the action is DELETE.
_TYPES: Mapping[str, tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]] = {
    "ObjectEvent": (
        frozenset(("action", "epcList", "quantityList", "persistentDisposition", "ilmd")),
        ("action",),
        (),
    ),
    "AggregationEvent": (
        frozenset(("action", "parentID", "childEPCs", "childQuantityList")),
        ("action",),
        ("childEPCs", "childQuantityList"),
    ),
    "AssociationEvent": (
        frozenset(("action", "parentID", "childEPCs", "childQuantityList")),
        ("action", "parentID"),
        ("childEPCs", "childQuantityList"),
    ),
    "TransactionEvent": (
        frozenset(("action", "parentID", "epcList", "quantityList")),
        ("action", "bizTransactionList"),
        ("epcList", "quantityList"),
    ),
    "TransformationEvent": (
        frozenset(
            ("inputEPCList", "inputQuantityList", "outputEPCList", "outputQuantityList", "transformationID")
        )
        | {"persistentDisposition", "ilmd"},
        (),
        (),
    ),
}


@dataclass(frozen=True, slots=True)
class Document:
    """The events of a document as they stand in it, its ``@context``, and when it says it was made."""

    events: tuple[Any, ...]
    context: object
    created: datetime | None


def read_document(data: bytes, name: str) -> Document:
    """A document, a query document or a single event, gzipped or not. `DataError` if it is none of these."""
    if data.startswith(b"\x1f\x8b"):
        try:
            data = zlib.decompressobj(31).decompress(data, MAX_DOCUMENT)
        except (zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{name} is damaged: {error}.", hint="Fetch the file again.") from error
    try:
        found = cbv.read_json(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is no JSON: {error}.", hint="EPCIS in XML is not read.") from error
    if not isinstance(found, dict):
        raise DataError(f"{name} is no EPCIS document.", hint="It needs a member type.")
    if found.get("type") in _TYPES:
        return Document((found,), found.get("@context"), None)
    body = found.get("epcisBody")
    if found.get("type") == "EPCISQueryDocument" and isinstance(body, dict):
        for member in ("queryResults", "resultsBody"):
            body = body.get(member) if isinstance(body, dict) else None
    events = (
        body.get("eventList", [body["event"]] if "event" in body else None)
        if isinstance(body, dict)
        else None
    )
    if not isinstance(events, list):
        raise DataError(
            f"{name} has no events at epcisBody.eventList.", hint='Its type must be "EPCISDocument".'
        )
    made = str(found.get("creationDate"))
    return Document(tuple(events), found.get("@context"), None if _time(made) else instant(made))


def instant(text: str) -> datetime:
    """The UTC instant of a time that `problem` accepts."""
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def event_id(event: Mapping[str, Any], context: object = ()) -> str:
    """The hash that names the event, see `foreseal.collect.cbv`."""
    return cbv.event_hash(event, context)


def problem(event: object) -> tuple[str, str]:
    """The first member that breaks a rule, and how; two empty texts where none does."""
    if not isinstance(event, Mapping):
        return "", "no object"
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        return "type", "unknown type of event"
    allowed, required, groups = _TYPES[kind]
    for name in ("eventTime", "eventTimeZoneOffset", *required):
        if name not in event:
            return name, "missing"
    for name, value in event.items():
        if name in _CHECKS and (name in _ALWAYS or name in allowed):
            if why := _CHECKS[name](value):
                return name, why
        elif name not in _ALWAYS and name not in allowed and ":" not in name:
            return name, "not a member of this type of event, and without a namespace"
    return _together(event, kind, groups)


def _together(event: Mapping[str, Any], kind: str, groups: tuple[str, ...]) -> tuple[str, str]:
    """Rules about several members."""
    if groups and event.get("action") != "DELETE" and not any(_filled(event, name) for name in groups):
        return groups[0], "missing"
    if kind == "TransactionEvent" and not event["bizTransactionList"]:
        return "bizTransactionList", "empty"
    if kind == "ObjectEvent":
        sensed = event.get("sensorElementList") and "readPoint" in event
        if "epcList" not in event and not event.get("quantityList") and not sensed:
            return "epcList", "missing"
        if "ilmd" in event and event["action"] != "ADD":
            return "ilmd", "only where the action is ADD"
    if kind == "TransformationEvent":
        sides = [
            any(event.get(f"{side}{what}") for what in ("EPCList", "QuantityList"))
            for side in ("input", "output")
        ]
        if not all(sides) and not (any(sides) and "transformationID" in event):
            return "inputEPCList", "inputs and outputs, or one of them and a transformationID"
    return "", ""


def _filled(event: Mapping[str, Any], name: str) -> bool:
    # An empty list of EPCs in a transaction says that there are none.
    return name in event if name == "epcList" else bool(event.get(name))


def _time(value: object) -> str:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return "no time with a zone"
    try:
        instant(value)
    except (ValueError, OverflowError):
        return "no such time"
    return ""


def _uri(value: object) -> str:
    return "" if isinstance(value, str) and _URI.fullmatch(value) else "no URI"


def _one_of(*values: str) -> _Check:
    return lambda value: "" if value in values else f"not one of {', '.join(values)}"


def _matching(pattern: re.Pattern[str]) -> _Check:
    return lambda value: (
        "" if isinstance(value, str) and pattern.fullmatch(value) else "not written as it must be"
    )


def _amount(value: object) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "no number"
    return ""


def _kind(kind: type, name: str) -> _Check:
    return lambda value: "" if isinstance(value, kind) else f"no {name}"


def _list(check: _Check, *, once: bool = False, least: int = 0) -> _Check:
    def checked(value: object) -> str:
        if not isinstance(value, list):
            return "no list"
        if len(value) < least:
            return "empty"
        if once and len({str(each) for each in value}) < len(value):
            return "the same twice"
        return next((why for why in map(check, value) if why), "")

    return checked


def _object(members: Mapping[str, _Check], needed: tuple[str, ...] = (), *, open_: bool = True) -> _Check:
    """``open_``: also members with a namespace."""

    def checked(value: object) -> str:
        if not isinstance(value, Mapping):
            return "no object"
        for name in needed:
            if name not in value:
                return f"{name} is missing"
        for name, each in value.items():
            if name not in members and not (open_ and ":" in name):
                return f"{name} does not belong there"
            if name in members and (why := members[name](each)):
                return f"{name}: {why}"
        return ""

    return checked


def _word(enclosing: str, member: str) -> _Check:
    """A bare word of the vocabulary, or a URI that is not an old form of one."""

    def checked(value: object) -> str:
        if not isinstance(value, str):
            return "no text"
        if cbv.full_word(enclosing, member, value) or (_URI.fullmatch(value) and not _OLD_CBV.match(value)):
            return ""
        return "not in the vocabulary"

    return checked


def _party(what: str, enclosing: str, needed: tuple[str, ...]) -> _Check:
    return _list(_object({"type": _word(enclosing, "type"), what: _uri}, needed, open_=False))


def _certificates(value: object) -> str:
    return _list(_uri)(value) if isinstance(value, list) else _uri(value)


_quantities = _list(
    _object({"epcClass": _uri, "quantity": _amount, "uom": _matching(_UNIT)}, ("epcClass",), open_=False)
)


def _place(value: object) -> str:
    # The schema lets a place have any other member.
    return (
        _object({"id": _uri}, ("id",))({"id": value["id"]} if "id" in value else {})
        if isinstance(value, Mapping)
        else "no object"
    )


_disposition = _word("persistentDisposition", "set")
_sets = dict.fromkeys(("set", "unset"), _list(_disposition, least=1))


def _dispositions(value: object) -> str:
    return _object(_sets, open_=False)(value) or ("" if value else "neither set nor unset")


_uris = dict.fromkeys(("deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules"), _uri)
_report = _object(
    {
        **_uris,
        **dict.fromkeys(
            ("microorganism", "chemicalSubstance", "coordinateReferenceSystem", "uriValue"), _uri
        ),
        **dict.fromkeys(
            ("value", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue"), _amount
        ),
        "type": _word("sensorReport", "type"),
        "exception": _word("sensorReport", "exception"),
        "component": _word("sensorReport", "component"),
        "time": _time,
        "stringValue": _kind(str, "text"),
        "uom": _kind(str, "text"),
        "booleanValue": _kind(bool, "boolean"),
        "hexBinaryValue": _matching(re.compile(r"[A-Fa-f0-9]+")),
    },
    ("type",),
)
_CHECKS: Mapping[str, _Check] = {
    "eventTime": _time,
    "recordTime": _time,
    "eventTimeZoneOffset": _matching(_OFFSET),
    "eventID": _uri,
    "certificationInfo": _certificates,
    "errorDeclaration": _object(
        {
            "declarationTime": _time,
            "reason": _word("errorDeclaration", "reason"),
            "correctiveEventIDs": _list(_uri),
        },
        ("declarationTime",),
    ),
    "action": _one_of("OBSERVE", "ADD", "DELETE"),
    "bizStep": _word("", "bizStep"),
    "disposition": _word("", "disposition"),
    "persistentDisposition": _dispositions,
    "readPoint": _place,
    "bizLocation": _place,
    "parentID": _uri,
    "transformationID": _uri,
    "epcList": _list(_uri, once=True),
    "inputEPCList": _list(_uri, once=True),
    "outputEPCList": _list(_uri, once=True),
    "childEPCs": _list(_uri),
    **dict.fromkeys(
        ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"), _quantities
    ),
    "bizTransactionList": _party("bizTransaction", "bizTransactionList", ("bizTransaction",)),
    "sourceList": _party("source", "sourceList", ("type", "source")),
    "destinationList": _party("destination", "destinationList", ("type", "destination")),
    "sensorElementList": _list(
        _object(
            {
                "sensorMetadata": _object(
                    {**_uris, **dict.fromkeys(("time", "startTime", "endTime"), _time)}
                ),
                "sensorReport": _list(_report, least=1),
            },
            ("sensorReport",),
        )
    ),
    "ilmd": _object({}),
}
