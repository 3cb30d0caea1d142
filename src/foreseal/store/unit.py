"""Is this a UCUM unit? A parser for the case-sensitive codes of the Unified Code for Units of Measure.

    {vehicles}/h    km/h    ug/m3    mm[Hg]    Cel    10*3/uL    kW.h    %

It follows the grammar of UCUM, section 2.1 (terms, ``.`` and ``/``, exponents, annotations in braces), with
its metric prefixes and unbracketed atoms. A code in square brackets is taken as it is: there are too many.
"""

from __future__ import annotations

import difflib
import re

from foreseal.errors import SettingsError

MAX_UNIT_LENGTH = 100

_PREFIX_CODES = "Y Z E P T G M k h da d c m u n p f a z y Ki Mi Gi Ti"
_METRIC_ATOMS = """
    m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar t bar u eV pc Gal dyn erg
    P Bi St Mx G Oe Gb sb Lmb ph Ci R RAD REM Np B kat U bit By Bd eq osm st tex cal cal_th cal_IT
"""
_PLAIN_ATOMS = """
    % gon deg ' '' min h d a a_t a_j a_g wk mo mo_s mo_j mo_g AU Ky att g% sph circ bit_s
"""
_PREFIXES = frozenset(_PREFIX_CODES.split())
_METRIC = frozenset(_METRIC_ATOMS.split())
_PLAIN = frozenset(_PLAIN_ATOMS.split())
# What people write instead, and the code it has.
_MEANT = {
    "hour": "h", "hours": "h", "hr": "h", "sec": "s", "second": "s", "seconds": "s", "day": "d", "days": "d",
    "week": "wk", "month": "mo", "year": "a", "yr": "a", "°C": "Cel", "degC": "Cel", "°F": "[degF]",
    "mph": "[mi_i]/h", "kmh": "km/h", "kph": "km/h", "ppm": "[ppm]", "percent": "%", "psi": "[psi]",
    "ft": "[ft_i]", "inch": "[in_i]", "lb": "[lb_av]", "µg": "ug", "ohm": "Ohm",
    "minute": "min", "minutes": "min", "weeks": "wk", "months": "mo", "years": "a", "meter": "m",
    "meters": "m", "metre": "m", "metres": "m", "liter": "L", "liters": "L", "litre": "L", "litres": "L",
    "gram": "g", "grams": "g", "watt": "W", "watts": "W", "celsius": "Cel", "kelvin": "K", "tons": "t",
    "tonnes": "t", "Wh": "W.h", "kWh": "kW.h", "MWh": "MW.h", "GWh": "GW.h", "TWh": "TW.h",
}  # fmt: skip
_OFTEN = ("kg", "mg", "km", "cm", "mm", "kW", "MW", "kW.h", "MW.h", "hPa", "kPa")
_COUNTED = re.compile(r"[A-Za-z]?[a-z]{3,}")  # a word: what is counted, in place of a unit

_TOKEN = re.compile(
    r"(?P<annotation>\{[!-z|~]*\})"
    r"|(?P<power>10[*^](?:[+-]?\d+)?)"
    r"|(?P<atom>(?:[A-Za-z_%'°µ]|\[[!-Z\\^-~]+\])+)(?P<exponent>[+-]?\d+)?"
    r"|(?P<number>\d+)"
    r"|(?P<operator>[./()])"
)


def check_unit(code: str) -> str:
    """``code`` itself if it is a UCUM unit, else `SettingsError` that says what is wrong with it."""
    if not isinstance(code, str) or not code or len(code) > MAX_UNIT_LENGTH:
        raise _not_a_unit(code, "it is empty or too long")
    depth, position, operand = 0, 0, False
    while position < len(code):
        match = _TOKEN.match(code, position)
        if not match:
            raise _not_a_unit(code, f"{code[position]!r} at position {position + 1} has no meaning")
        token = match[0]
        if token == "(":
            if operand:
                raise _not_a_unit(code, "an operator is missing before '('")
            depth += 1
        elif token == ")":
            depth -= 1
            if depth < 0 or not operand:
                raise _not_a_unit(code, "its parentheses do not match")
        elif token in "./":
            if not operand and (token == "." or position > 0):
                raise _not_a_unit(code, f"a unit is missing before {token!r}")
            operand = False
        elif match["annotation"] is not None:
            operand = True  # {x} stands alone as 1{x}, or annotates the unit before it
        else:
            if operand:
                raise _not_a_unit(code, f"an operator is missing before {token!r}")
            if match["atom"] is not None:
                _check_atom(code, match["atom"])
            operand = True
        position = match.end()
    if depth or not operand:
        raise _not_a_unit(code, "it ends too early")
    return code


def _check_atom(code: str, atom: str) -> None:
    if atom in _METRIC or atom in _PLAIN:
        return
    if atom in _MEANT:  # some are codes, but a milliphot was never meant by mph, nor a femtotonne by ft
        why = "" if atom == code else f"{atom!r} is not how UCUM writes it"
        raise _not_a_unit(code, why, _MEANT[atom])
    stem = re.sub(r"\[[^\]]*\]", "", atom)
    if stem != atom and (not stem or stem in _PREFIXES or _prefixed(stem) or stem in _METRIC):
        return
    if not _prefixed(atom):
        why = "" if atom == code else f"{atom!r} is not a unit"
        if _COUNTED.fullmatch(atom) and not _nearest(atom, 0.8):
            raise _not_a_unit(code, why, re.sub(rf"(?<![A-Za-z]){atom}(?![A-Za-z])", f"{{{atom}}}", code))
        raise _not_a_unit(code, why, _nearest(atom, 0.6))


def _prefixed(atom: str) -> bool:
    return any(atom.startswith(prefix) and atom[len(prefix) :] in _METRIC for prefix in _PREFIXES)


def _nearest(atom: str, cutoff: float) -> str:
    known = sorted(_METRIC | _PLAIN | {*_OFTEN})
    near = difflib.get_close_matches(atom, known, n=1, cutoff=cutoff)
    return near[0] if near else ""


def _not_a_unit(code: str, why: str, meant: str = "") -> SettingsError:
    hint = f"Did you mean {meant!r}?" if meant else "Examples: 'km/h', '{vehicles}/h', 'Cel', 'ug/m3', '%'."
    return SettingsError(f"{code!r} is not a UCUM unit{f': {why}' if why else ''}.", hint=hint)
