"""The event hash of GS1's Core Business Vocabulary 2.0, section 8.9.2: one name for an EPCIS event, whoever
computes it. Members of the event become one text in a fixed order, whose SHA-256 is written as an ni URI.

It agrees with the reference generator (epcis-event-hash-generator 1.9.3) on JSON-LD, also where that leaves
to the file what the standard does not: within a business transaction, source or destination, type and value
stay in the order of the file, and inside sensor elements only namespaces that end in a slash are taken as
such. Bare words of the vocabulary are looked up in the event alone; the reference looks in all its document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from foreseal.collect import gs1


def _terms(text: str) -> frozenset[str]:
    return frozenset(text.split())


BIZ_STEPS = _terms(
    "accepting arriving assembling collecting commissioning consigning creating_class_instance "
    "cycle_counting decommissioning departing destroying disassembling dispensing encoding "
    "entering_exiting holding inspecting installing killing loading other packing picking receiving "
    "removing repackaging repairing replacing reserving retail_selling sampling sensor_reporting "
    "shipping staging_outbound stock_taking stocking storing transporting unloading unpacking "
    "void_shipping"
)
DISPOSITIONS = _terms(
    "active available completeness_inferred completeness_verified conformant container_closed "
    "container_open damaged destroyed dispensed disposed encoded expired in_progress in_transit "
    "inactive mismatch_class mismatch_instance mismatch_quantity needs_replacement no_pedigree_match "
    "non_conformant non_sellable_other partially_dispensed recalled reserved retail_sold returned "
    "sellable_accessible sellable_not_accessible stolen unavailable unknown"
)
TRANSACTIONS = _terms("bol cert desadv inv pedigree po poc prodorder recadv rma testprd testres upevt")
PARTIES = _terms("location owning_party possessing_party")
REASONS = _terms("did_not_occur incorrect_data")
COMPONENTS = _terms(
    "altitude axial_distance azimuth easting elevation_angle height latitude longitude northing "
    "polar_angle spherical_radius x y z"
)
ALERTS = _terms("ALARM_CONDITION ERROR_CONDITION")
MEASUREMENTS = _terms(
    "AbsoluteHumidity AbsorbedDose AbsorbedDoseRate Acceleration Altitude AmountOfSubstance "
    "AmountOfSubstancePerUnitVolume Angle AngularAcceleration AngularMomentum AngularVelocity Area "
    "Capacitance Conductance Conductivity Count Density Dimensionless DoseEquivalent "
    "DoseEquivalentRate DynamicViscosity ElectricCharge ElectricCurrent ElectricCurrentDensity "
    "ElectricFieldStrength Energy Exposure Force Frequency Illuminance Inductance Irradiance "
    "KinematicViscosity Length LinearMomentum Luminance LuminousFlux LuminousIntensity MagneticFlux "
    "MagneticFluxDensity MagneticVectorPotential Mass MassConcentration MassFlowRate MassPerAreaTime "
    "MemoryCapacity MolalityOfSolute MolarEnergy MolarMass MolarVolume Power Pressure RadiantFlux "
    "RadiantIntensity Radioactivity RelativeHumidity Resistance Resistivity SolidAngle SpecificVolume "
    "Speed SurfaceDensity SurfaceTension Temperature Time Torque Voltage Volume VolumeFlowRate "
    "VolumeFraction VolumetricFlux Wavenumber"
)

_CBV, _VOC = "https://ref.gs1.org/cbv/", "https://gs1.org/voc/"
_OLD = {"bizstep": "BizStep", "disp": "Disp", "btt": "BTT", "sdt": "SDT", "er": "ER"}
# Where a bare word of a vocabulary may stand: (enclosing member, member) -> terms and what goes before them.
_WORDS: Mapping[tuple[str, str], tuple[frozenset[str], str]] = {
    ("", "bizStep"): (BIZ_STEPS, f"{_CBV}BizStep-"),
    ("", "disposition"): (DISPOSITIONS, f"{_CBV}Disp-"),
    ("persistentDisposition", "set"): (DISPOSITIONS, f"{_CBV}Disp-"),
    ("persistentDisposition", "unset"): (DISPOSITIONS, f"{_CBV}Disp-"),
    ("bizTransactionList", "type"): (TRANSACTIONS, f"{_CBV}BTT-"),
    ("sourceList", "type"): (PARTIES, f"{_CBV}SDT-"),
    ("destinationList", "type"): (PARTIES, f"{_CBV}SDT-"),
    ("errorDeclaration", "reason"): (REASONS, f"{_CBV}ER-"),
    ("sensorReport", "type"): (MEASUREMENTS, _VOC),
    ("sensorReport", "exception"): (ALERTS, _VOC),
    ("sensorReport", "component"): (COMPONENTS, f"{_CBV}Comp-"),
}
_QUANTITY = {"quantityElement": dict.fromkeys(("epcClass", "quantity", "uom"))}
_REPORT = (
    "type exception deviceID deviceMetadata rawData dataProcessingMethod time microorganism "
    "chemicalSubstance value component stringValue booleanValue hexBinaryValue uriValue minValue "
    "maxValue meanValue sDev percRank percValue uom coordinateReferenceSystem"
)
_METADATA = "time startTime endTime deviceID deviceMetadata rawData dataProcessingMethod bizRules"
# The order of the standard, section 8.9.2; lists of pairs follow later, as the reference generator has it.
_ORDER: Mapping[str, Any] = {
    "eventTime": None,
    "eventTimeZoneOffset": None,
    "certificationInfo": None,
    "parentID": None,
    "epcList": {"epc": None},
    "inputEPCList": {"epc": None},
    "childEPCs": {"epc": None},
    "quantityList": _QUANTITY,
    "childQuantityList": _QUANTITY,
    "inputQuantityList": _QUANTITY,
    "outputEPCList": {"epc": None},
    "outputQuantityList": _QUANTITY,
    "action": None,
    "transformationID": None,
    "bizStep": None,
    "disposition": None,
    "persistentDisposition": {"set": None, "unset": None},
    "readPoint": {"id": None},
    "bizLocation": {"id": None},
    "sensorElementList": {
        "sensorElement": {
            "sensorMetadata": dict.fromkeys(_METADATA.split()),
            "sensorReport": dict.fromkeys(_REPORT.split()),
        }
    },
}
_PAIRS = ("bizTransactionList", "sourceList", "destinationList")
_LEFT_OUT = ("recordTime", "eventID", "type", "errorDeclaration")
_SILENT = ("#text", "rdfs:comment", "comment", "@context")


@dataclass(slots=True)
class _Node:
    name: str
    text: str = ""
    below: list[_Node] = field(default_factory=list)
    paired: bool = False


def event_hash(event: Mapping[str, Any], context: object = ()) -> str:
    """``ni:///sha-256;<hex>?ver=CBV2.0`` of one event; ``context`` is its document's ``@context``."""
    return f"ni:///sha-256;{sha256(pre_hash(event, context).encode()).hexdigest()}?ver=CBV2.0"


def pre_hash(event: Mapping[str, Any], context: object = ()) -> str:
    """The text that is hashed."""
    spaces = _namespaces(context) | _namespaces(event.get("@context"))
    words = dict(_words(event))
    nodes = _shaped(_members(_spelt(event, words), spaces))
    head = f"eventType={event['type']}" + _ordered(nodes, _ORDER, top=True)
    return head + _rest([node for node in nodes if node.name not in _LEFT_OUT])


def full_word(enclosing: str, member: str, value: str) -> str | None:
    """The web URI of a vocabulary's bare word, of its compact form or of itself; None of anything else."""
    terms, before = _WORDS[enclosing, member]
    if value in terms:
        return before + value
    for short, full in (("cbv:", _CBV), ("gs1:", _VOC)):
        if value.startswith(short):
            return full + value[len(short) :]
    return value if value.startswith((_CBV, _VOC)) else None


def _words(event: object, enclosing: str = "") -> Iterator[tuple[str, str]]:
    """Every vocabulary word of an event, bare, with its web URI."""
    for member, value in event.items() if isinstance(event, Mapping) else ():
        below = member if member in ("sensorReport", *_PAIRS) or isinstance(value, Mapping) else enclosing
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and (enclosing, member) in _WORDS:
                full = full_word(enclosing, member, each)
                if full:
                    yield full.replace("-", "/").rpartition("/")[2], full
            else:
                yield from _words(each, below)


def _spelt(value: Any, words: Mapping[str, str]) -> Any:
    """The same with each bare word written out, wherever it stands."""
    if isinstance(value, str):
        return words.get(value, value)
    if isinstance(value, list):
        return [_spelt(each, words) for each in value]
    if isinstance(value, Mapping):
        return {name: _spelt(each, words) for name, each in value.items()}
    return value


def _namespaces(context: object) -> dict[str, str]:
    parts = context if isinstance(context, list) else [context]
    dicts = [part for part in parts if isinstance(part, Mapping)]
    return {name: uri for part in dicts for name, uri in part.items() if isinstance(uri, str)}


def _expand(text: str, spaces: Mapping[str, str], form: str) -> str:
    prefix, colon, rest = text.partition(":")
    return form.format(spaces[prefix]) + rest if colon and prefix in spaces else text


def _members(value: Mapping[str, Any], spaces: Mapping[str, str]) -> list[_Node]:
    made = []
    for name, each in value.items():
        if name not in _SILENT:
            key = _expand(name, spaces, "{{{}}}")
            made += [_node(key, one, spaces) for one in (each if isinstance(each, list) else [each])]
    return made


def _node(name: str, value: Any, spaces: Mapping[str, str]) -> _Node:
    if isinstance(value, Mapping):
        return _Node(name, str(value.get("#text", "")), _members(value, spaces))
    if isinstance(value, list):
        return _Node(name, "", [_node("", each, spaces) for each in value])
    return _Node(name, _expand(value, spaces, "{}") if isinstance(value, str) else str(value))


def _shaped(nodes: list[_Node]) -> list[_Node]:
    """Lists as the XML form of an event nests them, which is what the order speaks of."""
    kept: list[_Node] = []
    lists: dict[str, list[_Node]] = {}
    for node in nodes:
        if node.name.endswith("List"):
            lists.setdefault(node.name, []).append(_Node(node.name[:-4], node.text, node.below))
        elif node.name == "childEPCs":
            lists.setdefault(node.name, []).append(_Node("epc", node.text))
        else:
            kept.append(node)
    for name, items in lists.items():
        if name in _PAIRS:
            pairs = [_Node("", "", node.below[:2], paired=True) for node in items]
            kept.append(_Node(name, "", pairs))
        else:
            kept.append(_Node(name, "", items))
    for node in kept:
        if node.name not in _PAIRS:
            node.below = _shaped(node.below)
    return [_renamed(node) for node in kept]


def _renamed(node: _Node) -> _Node:
    if node.name in ("inputEPC", "outputEPC"):
        node.name = "epc"
    elif node.name in ("inputQuantity", "outputQuantity", "childQuantity") or (
        node.name == "quantity" and node.below
    ):
        node.name = "quantityElement"
    return node


def _ordered(nodes: list[_Node], order: Mapping[str, Any], top: bool = False) -> str:
    """What has a place in the order, and takes it out of ``nodes``; below the top, extensions follow it."""
    extensions: list[_Node] = []
    if not top and len(nodes) > 1:
        extensions = [node for node in nodes if "{" in node.name and "/}" in node.name]
        nodes[:] = [node for node in nodes if node not in extensions]
    text = ""
    for name, below in order.items():
        found = []
        for node in [each for each in nodes if each.name == name]:
            inner = _ordered(node.below, below) if below else ""
            value = _value(node.text, time="time" in name.lower() and "offset" not in name.lower())
            if value or inner:
                found.append(name + value + inner)
            if not node.below:
                nodes.remove(node)
        text += "".join(sorted(found))
    return text + _rest(extensions)


def _rest(nodes: list[_Node], ordered: bool = False) -> str:
    found = [node.name + _value(node.text) + _rest(node.below, node.paired) for node in nodes]
    return "".join(found if ordered else sorted(found))


def _value(text: str, time: bool = False) -> str:
    text = text.strip()
    if not text:
        return ""
    return "=" + (_instant(text) if time else _plain(text))


def _instant(text: str) -> str:
    try:
        when = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    # The reference rounds to milliseconds, half to even, and stops at .9995 and above: the last one is kept.
    micro = round(when.microsecond, -3)
    when = when.replace(microsecond=min(micro, 999_000))
    return when.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _plain(text: str) -> str:
    for old, new in _OLD.items():
        text = text.replace(f"urn:epcglobal:cbv:{old}:", f"{_CBV}{new}-")
    try:
        number = float(text)
        text = str(int(number)) if number == int(number) else str(number)
    except (ValueError, OverflowError):
        pass
    return gs1.canonical(text) or text


def read_json(data: bytes) -> Any:
    """JSON in which no object has a member twice, for readers differ on which one holds."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("an object has a member twice")
        return found

    return json.loads(data, object_pairs_hook=once)
