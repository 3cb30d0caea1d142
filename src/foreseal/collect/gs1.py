"""GS1 identifiers in one form: EPC URIs and Digital Links become constrained canonical Digital Links.

Rules 17 and 18 of the event hash in GS1's Core Business Vocabulary 2.0: domain id.gs1.org, the finest level
of identification only, no query, check digits added. EPC URIs: EPC Tag Data Standard, sections 6 and 8.
"""

from __future__ import annotations

import re

HOME = "https://id.gs1.org"

_CHARS = r"(?:%[2-7][0-9A-Fa-f]|[!')(*+,.0-9:;=A-Za-z_-])"
_REFERENCE = r"(?:%[2-7][0-9A-Fa-f]|[0-9A-Z-])"
_CODED = str.maketrans({c: f"%{ord(c):02X}" for c in "!()*+,:"})
# Scheme: key of the Digital Link, digits of company prefix and reference together, whether the reference's
# first digit comes first, what stands before, and what is left in the EPC URI.
_SCHEMES: dict[str, tuple[str, int, bool, str, str]] = {
    "id:sgtin": ("01", 13, True, "", "/21/"),
    "id:upui": ("01", 13, True, "", "/235/"),
    "class:lgtin": ("01", 13, True, "", "/10/"),
    "idpat:sgtin": ("01", 13, True, "", "*"),
    "idpat:upui": ("01", 13, True, "", "*"),
    "id:sscc": ("00", 17, True, "", ""),
    "id:sgln": ("414", 12, False, "", "/254/"),
    "id:pgln": ("417", 12, False, "", ""),
    "id:gsrn": ("8018", 17, False, "", ""),
    "id:gsrnp": ("8017", 17, False, "", ""),
    "id:gsin": ("402", 16, False, "", ""),
    "id:grai": ("8003", 12, False, "0", "serial"),
    "idpat:grai": ("8003", 12, False, "0", "*"),
    "id:gdti": ("253", 12, False, "", "serial"),
    "idpat:gdti": ("253", 12, False, "", "*"),
    "id:sgcn": ("255", 12, False, "", "serial"),
    "idpat:sgcn": ("255", 12, False, "", "*"),
}
_EPC = re.compile(r"urn:epc:((?:id|class|idpat):[a-z]+):(\d{6,12})\.(.*)", re.DOTALL)
_FREE = re.compile(rf"urn:epc:id:(giai|ginc):(\d{{6,12}})\.({_CHARS}+)")
_PART = re.compile(rf"urn:epc:(?:id|idpat):cpi:(\d{{6,12}})\.({_REFERENCE}+)\.(\d{{1,12}}|\*)")
_PIECE = re.compile(
    rf"urn:epc:(?:id|idpat):itip:(\d{{6,12}})\.(\d{{1,7}})\.(\d\d)\.(\d\d)\.({_CHARS}{{1,20}}|\*)"
)

_NAMES = {
    "gtin": "01", "itip": "8006", "cpid": "8010", "gln": "414", "party": "417", "gsrnp": "8017",
    "gsrn": "8018", "gcn": "255",
    "sscc": "00", "gdti": "253", "ginc": "401", "gsin": "402", "grai": "8003", "giai": "8004",
    "cpv": "22", "lot": "10", "ser": "21",
}  # fmt: skip
_SAFE = r"[\"'.0-9;<=>?A-Z_a-z-]"
_VALUES = {
    "00": r"\d{18}", "01": r"\d{14}", "253": rf"\d{{13}}{_SAFE}{{0,17}}", "255": r"\d{13,25}",
    "401": rf"{_SAFE}{{0,30}}", "402": r"\d{17}", "414": r"\d{13}", "417": r"\d{13}",
    "8003": rf"\d{{14}}{_SAFE}{{0,16}}", "8004": rf"{_SAFE}{{0,30}}", "8006": r"\d{18}",
    "8010": r"[#0-9A-Z-]{0,30}", "8017": r"\d{18}", "8018": r"\d{18}",
}  # fmt: skip
# Of several qualifiers the first one listed here is the finest.
_QUALIFIERS = {
    "01": {"21": 20, "10": 20, "235": 28, "22": 0},
    "8006": {"21": 20, "10": 20, "22": 0},
    "414": {"254": 20},
    "8010": {"8011": 12},
}
_LINK = re.compile(
    r"https?://[^?#]*?/(0[01]|25[35]|40[12]|41[47]|800[346]|8010|801[78]|gtin|itip|cpid|gln|party|gsrnp?|gcn|"
    r"sscc|gdti|ginc|gsin|grai|giai)/(\d{4}[^/?#]+)((?:/[^/?#]+/[^/?#]+)*)/?(?:[?#].*)?"
)


def check_digit(digits: str) -> str:
    """The check digit of a GS1 key without one: weights 3 and 1 from the right, modulo ten."""
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def canonical(uri: str) -> str | None:
    """The constrained canonical Digital Link of a GS1 identifier; None if it is none."""
    if uri.startswith("urn:epc:"):
        return _from_epc(uri)
    return _from_link(uri) if uri.startswith("http") else None


def _from_epc(uri: str) -> str | None:
    if free := _FREE.fullmatch(uri):
        key = {"giai": "8004", "ginc": "401"}[free[1]]
        return f"{HOME}/{key}/{free[2]}{free[3].translate(_CODED)}"
    if part := _PART.fullmatch(uri):
        return f"{HOME}/8010/{part[1]}{part[2]}" + ("" if part[3] == "*" else f"/8011/{part[3]}")
    if piece := _PIECE.fullmatch(uri):
        company, reference, number, of, serial = piece.groups()
        key = f"{HOME}/8006/{_gtin(company, reference)}{number}{of}"
        good = len(company) + len(reference) == 13
        return (key + ("" if serial == "*" else f"/21/{serial.translate(_CODED)}")) if good else None
    found = _EPC.fullmatch(uri)
    if not found or found[1] not in _SCHEMES:
        return None
    key, total, first, before, rest = _SCHEMES[found[1]]
    company = found[2]
    own = found[3][: total - len(company)]
    left = found[3][len(own) :]
    if len(own) != total - len(company) or (own and not own.isdecimal()):
        return None
    digits = before + (own[:1] + company + own[1:] if first else company + own)
    made = f"{HOME}/{key}/{digits}{check_digit(digits)}"
    if rest == "":
        return made if left in ("", ".") and (not left or not own) else None
    if rest == "*":
        return made if left == ".*" else None
    longest = {"/235/": 28, "serial": 12 if key == "255" else 16 if key == "8003" else 20}.get(rest, 20)
    chars = r"\d" if key == "255" else _CHARS
    if not re.fullmatch(rf"\.{chars}{{1,{longest}}}", left):
        return None
    serial = left[1:].translate(_CODED)
    if key == "414" and serial == "0":
        return made
    return made + (serial if rest == "serial" else rest + serial)


def _gtin(company: str, reference: str) -> str:
    digits = reference[:1] + company + reference[1:]
    return digits + check_digit(digits)


def _from_link(uri: str) -> str | None:
    found = _LINK.fullmatch(uri)
    if not found:
        return None
    key, value = _NAMES.get(found[1], found[1]), found[2]
    if key == "01" and value.isdecimal() and len(value) in (8, 12, 13):
        value = value.zfill(14)
    if not re.fullmatch(_VALUES[key], value):
        return None
    parts = found[3].split("/")[1:]
    given = {_NAMES.get(name, name): each for name, each in zip(parts[::2], parts[1::2], strict=True)}
    allowed = _QUALIFIERS.get(key, {})
    if any(name not in allowed for name in given):
        return None
    finest = next((name for name in allowed if name in given and allowed[name]), "")
    chars = r"\d" if finest == "8011" else _SAFE
    if finest and not re.fullmatch(rf"{chars}{{0,{allowed[finest]}}}", given[finest]):
        return None
    return f"{HOME}/{key}/{value}" + (f"/{finest}/{given[finest]}" if finest else "")
