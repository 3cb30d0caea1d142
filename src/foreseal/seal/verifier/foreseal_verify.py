"""Verify Foreseal evidence offline: one file, the standard library and `cryptography`.

    python foreseal_verify.py FILE --policy POLICY | --key VKEY  [--target NAME] [--json]

FILE is a receipt (.tlog-proof), the folder of a published log, or an evidence folder or zip. Exit code 0 says
verified, 1 not verified, 2 that the question cannot be answered (a policy too weak, no such file). Whom to trust
comes from you, never from the evidence; take this file, too, from where you trust it.

It imports nothing of Foreseal and is written apart from it, to find its mistakes. Formats: c2sp.org/signed-note,
tlog-checkpoint, tlog-cosignature, tlog-policy, tlog-proof, tlog-tiles; RFC 6962 trees; RFC 8785 JSON.
To read it, begin at the end: `main`, `judge`, `Replay`. What comes before are formats.
"""

# fmt: off
# ruff: noqa
from __future__ import annotations

import argparse
import base64
import json
import re
import stat
import struct
import sys
import zlib
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# ================================================================ bytes, numbers, instants

class Wrong(Exception):
    """A check said no: ``code`` is one of docs/evidence.md, the text says what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

class Unusable(Exception):
    """The question itself is wrong: a policy or key that says nothing, or too little."""

def need(holds: object, code: str, message: str) -> None:
    if not holds:
        raise Wrong(code, message)

MAX_SAFE = 2**53 - 1
US = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 (runs on older Pythons, too)
BEGINNING, LAST = -62_135_596_800 * 10**6, 253_402_300_800 * 10**6 - 1
STEP = {"us": 1, "ms": 10**3, "s": 10**6, "min": 6 * 10**7, "h": 36 * 10**8, "d": 864 * 10**8, "w": 6048 * 10**8}
MONTHS = {"mo": 1, "q": 3, "y": 12}
# Points of small order, without the sign bit: what is signed with one of them is signed by nobody.
WEAK = [bytes.fromhex(point) for point in (
    "00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")]

def digest(data: bytes) -> bytes:
    return sha256(data).digest()

def signed_by(public: bytes, message: bytes, signature: bytes) -> bool:
    if len(public) != 32 or len(signature) != 64:
        return False
    if any(point[:31] + bytes([point[31] & 0x7F]) in WEAK for point in (public, signature[:32])):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True

def utf8(data: bytes, code: str = "canonical") -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Wrong(code, "it is not UTF-8.") from None

def unbase64(text: str, code: str) -> bytes:
    """Only the one spelling that encoding gives."""
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except ValueError:
        data = b""
    need(base64.b64encode(data).decode() == text, code, f"{text[:60]!r} is not canonical base64.")
    return data

def whole(text: str, code: str) -> int:
    fits = re.fullmatch(r"0|[1-9][0-9]{0,15}", text) and int(text) <= MAX_SAFE
    need(fits, code, f"{text[:40]!r} is not a size or an index.")
    return int(text)

def places(text: str) -> int:
    return len(text.partition(".")[2])

def decimal(text: str, decimals: int) -> int:
    """The value times 10**decimals. Each value has one spelling."""
    match = re.fullmatch(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?", text) if len(text) <= 40 else None
    if not match or len(match[3] or "") != decimals or (match[1] and not text.strip("-0.")):
        raise Wrong("canonical", f"{text[:40]!r} is not a number with {decimals} decimals.")
    return int(match[1] + match[2] + (match[3] or ""))

def scorable(text: str, decimals: int) -> int:
    """A number that is scored: at most 14 digits before the point, so that every score can be written down."""
    value = decimal(text, decimals)
    need(abs(value) < 10 ** (14 + decimals), "canonical", f"{text[:40]!r} has more than 14 digits before the point.")
    return value

def show(value: int, decimals: int) -> str:
    digits = f"{abs(value):0{decimals + 1}d}"
    return "-" * (value < 0) + (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)

def half_even(top: int, bottom: int) -> int:
    low, rest = divmod(top, bottom)
    return low + (2 * rest > bottom or (2 * rest == bottom and low % 2 == 1))

def instant(text: Any) -> int:
    """Microseconds since 1970."""
    pattern = r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{6}))?Z"
    match = re.fullmatch(pattern, text) if isinstance(text, str) else None
    if match and match[7] != "000000":
        try:
            year, month, day, hour, minute, second = map(int, match.groups()[:6])
            moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)  # noqa: UP017
            return (moment - EPOCH) // US + int(match[7] or 0)
        except ValueError:
            pass
    raise Wrong("canonical", f"{str(text)[:40]!r} is not an instant such as 2018-08-01T05:00:00Z.")

def shift(us: int, freq: str, steps: int) -> int:
    """An instant some steps later; the last day of a month stays the last day."""
    unit = freq.lstrip("0123456789")
    steps *= int(freq.removesuffix(unit))
    if unit in STEP:
        return us + steps * STEP[unit]
    start = EPOCH + us * US
    year, month = divmod(start.year * 12 + start.month - 1 + steps * MONTHS[unit], 12)
    if year > 9999:
        return LAST + 1
    last, was_last = monthrange(year, month + 1)[1], start.day == monthrange(start.year, start.month)[1]
    moved = start.replace(year=year, month=month + 1, day=last if was_last else min(start.day, last))
    return (moved - EPOCH) // US

# ================================================================ canonical JSON (RFC 8785; no fractions, no null)

def to_json(value: Any, depth: int = 0) -> str:
    need(depth <= 8, "canonical", "JSON is nested more than 8 levels deep.")
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) <= MAX_SAFE:
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(to_json(each, depth + 1) for each in value)}]"
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{to_json(name)}:{to_json(value[name], depth + 1)}" for name in names) + "}"
    raise Wrong("canonical", "JSON may hold no null and no number with a fraction.")

def from_json(data: bytes) -> Any:
    """The value. What would not print back to the same bytes is refused, so nothing has two spellings."""
    try:
        value = json.loads(utf8(data))
        same = to_json(value).encode() == data
    except (ValueError, RecursionError):
        same = False
    need(same, "canonical", "this is not JSON in its canonical form.")
    return value

# ================================================================ what each kind of entry holds

Check = Callable[[Any], bool]
CONTROL = "[\x00-\x1f\x7f-\x9f]"

def text(limit: int, least: int = 1) -> Check:
    return lambda v: isinstance(v, str) and least <= len(v) <= limit and not re.search(CONTROL, v)

def number(low: int, high: int) -> Check:
    return lambda v: type(v) is int and low <= v <= high

def one_of(*words: str) -> Check:
    return lambda v: isinstance(v, str) and v in words

def like(pattern: str) -> Check:
    return lambda v: isinstance(v, str) and re.fullmatch(pattern, v) is not None

def list_of(item: Check, limit: int) -> Check:
    return lambda v: isinstance(v, list) and len(v) <= limit and all(map(item, v))

def dict_of(item: Check, limit: int) -> Check:
    return lambda v: isinstance(v, dict) and len(v) <= limit and all(NAME(k) and item(v[k]) for k in v)

def record(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    known = {**required, **(optional or {})}
    return lambda v: isinstance(v, dict) and required.keys() <= v.keys() <= known.keys() and all(known[k](v[k]) for k in v)

def readable(read: Callable[[Any], object]) -> Check:
    def check(value: Any) -> bool:
        try:
            read(value)
        except Wrong:
            return False
        return True
    return check

def scaled(levels: list[str]) -> tuple[list[int], int]:
    """Quantile levels as integers over 10**digits."""
    digits = max(map(places, levels))
    values = [decimal(level, places(level)) * 10 ** (digits - places(level)) for level in levels]
    ascend = all(a < b for a, b in zip([0, *values], [*values, 10**digits]))  # noqa: B905
    need(ascend, "fields", "quantile levels do not ascend within (0, 1).")
    return values, digits

def flag(v: Any) -> bool:
    return isinstance(v, bool)

def number_text(v: Any) -> bool:
    return isinstance(v, str) and readable(lambda _: decimal(v, places(v)))(v)

def maybe_number(v: Any) -> bool:
    return v == "" or number_text(v)

def levels(v: Any) -> bool:
    return list_of(text(8), 99)(v) and not any(t.endswith("0") for t in v) and (v == [] or readable(scaled)(v))

RULES = ("wis", "brier", "log")
JUDGING = ("outcome", "score")  # no revocation reaches back behind these
NAME, LINE, HASH, AUTHOR = text(64), text(1024), like("[0-9a-f]{64}"), like("ed25519:[0-9a-f]{64}")
COUNT, SEQ, SPAN = number(0, 1 << 24), number(0, 10**7 - 1), number(0, 366 * 86_400 * 100)
FORM, RULE, MODE = one_of("series", "cases"), one_of(*RULES), one_of("live", "replay")
AT, REGRET, STRINGS = readable(instant), one_of("observed", "modelled", "randomised"), dict_of(text(2048, 0), 64)
FREQ = like("|[1-9][0-9]{0,5}(us|ms|s|min|h|d|w|mo|q|y)")
PAYLOAD = record({"sha256": HASH, "size": number(0, 1 << 26)})
DATA = list_of(record({"dataset": NAME, "n": COUNT, "digest": HASH, "rows": COUNT, "witnessed": COUNT}), 16)
ABOUT = {"target": NAME, "declared": HASH, "seq": SEQ, "cutoff": AT, "mode": MODE}
SCORES = list_of(record({
    "forecaster": NAME, "author": AUTHOR, "status": one_of("scored", "missing", "late", "unrevealed", "malformed"),
    "forecast": like("|[0-9a-f]{64}"), "total": maybe_number, "n": COUNT, "mean": maybe_number}), 32)
COSTS = record({"decision": HASH, "costs": dict_of(number_text, 32), "regret": number_text, "kind": REGRET})
COMMON = {"v": number(1, 1), "kind": NAME, "author": AUTHOR, "at": AT, "sig": like("[0-9a-f]{128}")}
KINDS: dict[str, dict[str, Check]] = {
    "identity": {"name": NAME, "key": AUTHOR, "action": one_of("add", "rotate", "revoke"), "role": NAME},
    "dataset": {
        "name": NAME, "form": FORM, "units": dict_of(NAME, 64), "schema": dict_of(NAME, 64), "source": LINE,
        "licence": LINE, "timezone": NAME, "known_at": LINE, "personal": flag},
    "model": {"name": NAME, "spec": LINE, "code": HASH, "versions": STRINGS, "parameters": STRINGS},
    "target": {
        "name": NAME, "dataset": NAME, "form": FORM, "unit": NAME, "horizon": number(1, 100_000), "freq": FREQ,
        "schedule": PAYLOAD, "cutoffs": number(1, 10**7), "deadline": SPAN, "quantiles": levels,
        "decimals": number(0, 9), "rule": RULE, "also": list_of(RULE, 3), "baseline": LINE,
        "missing": one_of("baseline", "bound"), "score_bound": maybe_number,
        "outcome": record({"vintage": one_of("latest_at_deadline"), "deadline": SPAN}),
        "forecasters": list_of(record({"name": NAME, "author": AUTHOR}), 32), "covariates": list_of(NAME, 32),
        "commit": flag, "mode": MODE},
    "forecast": {**ABOUT, "forecaster": NAME, "data": DATA, "model": HASH, "ran": STRINGS},
    "reveal": {"forecast": HASH, "salt": HASH, "payload": PAYLOAD},
    "outcome": {**ABOUT, "payload": PAYLOAD, "expected": COUNT, "rows": COUNT, "witnessed": COUNT, "data": DATA},
    "score": {
        **ABOUT, "rule": RULE, "outcome": HASH, "payload": PAYLOAD, "scores": SCORES,
        "also": list_of(record({"rule": RULE, "forecaster": NAME, "mean": maybe_number}), 96),
        "decisions": list_of(COSTS, 16)},
    "decision": {
        "name": NAME, "target": NAME, "forecast": HASH, "seq": SEQ, "cutoff": AT, "mode": MODE, "policy": LINE,
        "options": HASH, "chosen": NAME, "expected_cost": number_text, "cost_unit": NAME, "regret": REGRET,
        "state": one_of("proposed", "approved"), "payload": PAYLOAD},
    "approval": {"decision": HASH, "verdict": one_of("approved", "rejected"), "by": NAME, "reason": text(512, 0)},
    "agreement": {
        "name": NAME, "terms": PAYLOAD, "made": AT,
        "parties": list_of(record({"name": NAME, "key": AUTHOR, "signature": like("[0-9a-f]{128}")}), 16)},
    "consent": {"dataset": NAME, "purpose": NAME, "action": one_of("given", "withdrawn"), "subjects": list_of(HASH, 64)},
    "erasure": {"dataset": NAME, "subjects": list_of(HASH, 64)},
}
CHECKS = {kind: record({**COMMON, **own}) for kind, own in KINDS.items()}
CHECKS["decision"] = record({**COMMON, **KINDS["decision"]}, {"consents": list_of(HASH, 64)})
CHECKS["approval"] = record({**COMMON, **KINDS["approval"]}, {"case": NAME})
CHECKS["forecast"] = record({**COMMON, **KINDS["forecast"]}, {"payload": PAYLOAD, "commitment": HASH})
CHECKS["identity"] = record({**COMMON, **KINDS["identity"]}, {
    "recovery": AUTHOR, "previous": AUTHOR, "previous_sig": like("[0-9a-f]{128}"), "from": number(0, MAX_SAFE)})

def sensible(e: dict[str, Any]) -> bool:
    """What the fields of one entry say of each other."""
    kind = e["kind"]
    if kind == "identity":
        own = {"add": set[str](), "rotate": {"previous", "previous_sig"}, "revoke": {"from"}}[e["action"]]
        fits = {"previous", "previous_sig", "from"} & e.keys() == own
        return fits and ("recovery" not in e if e["action"] == "revoke" else e["author"] == e["key"])
    if kind == "target":
        series, rules, bound = e["form"] == "series", [e["rule"], *e["also"]], e["score_bound"]
        names = [each["name"] for each in e["forecasters"]]
        return (
            all(series == bool(each) for each in (e["rule"] == "wis", e["quantiles"], e["freq"]))
            and not (e["also"] and (series or "wis" in rules or len({*rules}) < len(rules)))
            and len(bound.partition(".")[0]) <= 14 and (not e["commit"] or e["missing"] == "bound")
            and (decimal(bound, places(bound)) > 0 if bound else e["missing"] != "bound" and "log" not in rules)
            and len({*names}) == len(names) and "baseline" in names)
    if kind == "outcome":
        return bool(e["witnessed"] <= e["rows"] <= e["expected"])
    if kind == "score":
        return all(len({*map(places, (each["regret"], *each["costs"].values()))}) == 1 for each in e["decisions"])
    if kind == "agreement":
        called, keys = ([each[name] for each in e["parties"]] for name in ("name", "key"))
        return len(keys) > 1 and keys == sorted({*keys}) and len({*called}) == len(called)
    if kind in ("erasure", "consent", "decision"):
        listed = e["subjects"] if kind != "decision" else e.get("consents", [""])
        return bool(listed) and listed == sorted({*listed})
    return kind != "forecast" or ("payload" in e) != ("commitment" in e)

class Entry(NamedTuple):
    place: int
    leaf: str
    body: dict[str, Any]

    def of(self, name: str) -> Any:
        return self.body[name]

def read_entry(raw: bytes, index: int) -> Entry:
    """An entry of a known kind in its canonical form, signed by its author."""
    need(len(raw) <= 8192, "canonical", f"it has {len(raw)} bytes; the limit is 8192.")
    body = from_json(raw)
    kind = body.get("kind") if isinstance(body, dict) else None
    fits = isinstance(kind, str) and kind in CHECKS and CHECKS[kind](body) and sensible(body)
    need(fits, "fields", f"its fields are not those of a kind of entry ({str(kind)[:40]}).")
    unsigned = to_json({name: value for name, value in body.items() if name != "sig"}).encode()
    signed = signed_by(hex_key(body["author"]), b"foreseal/entry/v1\n" + unsigned, bytes.fromhex(body["sig"]))
    need(signed, "signature", f"its signature is not by its author {body['author']}.")
    if kind == "agreement":
        agreed = {name: body[name] for name in ("name", "terms", "made")}
        agreed["parties"] = [{"name": each["name"], "key": each["key"]} for each in body["parties"]]
        message = b"foreseal/agree/v1\n" + to_json(agreed).encode()
        for each in body["parties"]:
            holds = signed_by(hex_key(each["key"]), message, bytes.fromhex(each["signature"]))
            need(holds, "signature", f"the agreement is not signed by its party {each['name']}.")
    return Entry(index, digest(b"\0" + raw).hex(), body)

def hex_key(author: str) -> bytes:
    return bytes.fromhex(author.removeprefix("ed25519:"))

# ================================================================ payloads: canonical CSV

Row = tuple[Any, ...]
Table = dict[Row, Row]
Readers = list[Callable[[str], Any]]

def cells(line: str, width: int) -> list[str]:
    """The cells of a line, at most one too many; the caller refuses what prints back otherwise."""
    found: list[str] = []
    at = 0
    while at <= len(line) and len(found) <= width:
        quoted = line.startswith('"', at)
        end = line.find('"' if quoted else ",", at + quoted)
        while quoted and end >= 0 and line[end + 1 : end + 2] == '"': end = line.find('"', end + 2)
        need(end >= 0 or not quoted, "canonical", "a quote never ends.")
        after = end + quoted if end >= 0 else len(line)
        need(line[after : after + 1] in ("", ","), "canonical", "a quote stands where none may.")
        found.append(line[at + quoted : after - quoted].replace('""', '"' if quoted else '""'))
        at = after + 1
    return found

def table(data: bytes, header: list[str], readers: Readers, keys: int) -> list[Row]:
    """Rows of a payload. One spelling: quotes only where needed, rows in the order of their keys."""
    need(data.count(b"\n") <= (1 << 20) + 1, "canonical", "it has more than 1048576 rows.")
    content = utf8(data)
    clean = content.endswith("\n") and not re.search(CONTROL, content.replace("\n", ""))
    need(clean, "canonical", "it does not end with a newline, or holds a control character.")
    rows: list[Row] = []
    for at, line in enumerate(content[:-1].split("\n")):
        said = cells(line, len(header))
        again = ['"' + cell.replace('"', '""') + '"' if '"' in cell or "," in cell else cell for cell in said]
        fits = ",".join(again) == line and (len(said) == len(header) if at else said == header)
        need(fits, "canonical", f"line {at + 1} is not one of {','.join(header)[:200]}.")
        if at:
            rows.append(tuple([read(cell) for read, cell in zip(readers, said)]))  # noqa: B905
            ascends = len(rows) < 2 or rows[-2][:keys] < rows[-1][:keys]
            need(ascends, "canonical", f"line {at + 1} is out of order, or its key appears twice.")
    return rows

def key(cell: str) -> str:
    need(cell, "canonical", "a key is empty.")
    return cell  # texts are ordered by code points, which is the order of their UTF-8 bytes

def label(cell: str) -> int:
    need(cell in ("0", "1"), "canonical", "a label is 0 or 1.")
    return int(cell)

def read_forecast(target: dict[str, Any], data: bytes) -> dict[Row, Row]:
    """What is said of each row, in integers."""
    def value(cell: str) -> int:
        return scorable(cell, target["decimals"])
    if target["form"] == "series":
        names = [f"q{level}" for level in target["quantiles"]]
        rows = table(data, ["unique_id", "ds", *names], [key, instant, *[value] * len(names)], 2)
        need(all(list(row[2:]) == sorted(row[2:]) for row in rows), "canonical", "quantiles cross.")
        return {row[:2]: row[2:] for row in rows}
    rows = table(data, ["case_id", "p"], [key, value], 1)
    need(all(0 <= p <= 10 ** target["decimals"] for _, p in rows), "canonical", "it is no probability.")
    return {row[:1]: row[1:] for row in rows}

def read_outcome(target: dict[str, Any], data: bytes) -> list[Row]:
    """Rows of keys, value, known_at."""
    if target["form"] == "cases":
        return table(data, ["case_id", "y", "known_at"], [key, label, instant], 1)
    readers: Readers = [key, instant, lambda cell: scorable(cell, target["decimals"]), instant]
    return table(data, ["unique_id", "ds", "y", "known_at"], readers, 2)

# ================================================================ scores, in integers

def natural_log(top: int, bottom: int, scale: int) -> int:
    """``scale * ln(top / bottom)`` for top >= bottom, a few units off at most: ln m + k ln 2, by series."""
    def twice_atanh(a: int, b: int) -> int:
        total, power, odd = 0, scale * a // b, 1
        while power:
            total, power, odd = total + power // odd, power * a * a // (b * b), odd + 2
        return 2 * total
    k = max(top.bit_length() - bottom.bit_length() - 1, 0)
    return twice_atanh(top - (bottom << k), top + (bottom << k)) + k * twice_atanh(1, 3)

class Rule(NamedTuple):
    """Row scores in units of 10**-places; the score is their mean over rows and levels, with ``mean`` places."""

    row: Callable[[Row, int], int]
    places: int
    mean: int
    levels: int = 1

def rule_of(name: str, target: dict[str, Any]) -> Rule:
    decimals, unit = target["decimals"], 10 ** target["decimals"]
    if name == "wis":
        ts, digits = scaled(target["quantiles"])
        one = 10**digits
        def wis(said: Row, y: int) -> int:
            return sum(2 * (t * (y - q) if y >= q else (one - t) * (q - y)) for t, q in zip(ts, said))  # noqa: B905
        return Rule(wis, decimals + digits, decimals + 6, len(ts))
    if name == "brier":
        return Rule(lambda said, y: (said[0] - unit * y) ** 2, 2 * decimals, decimals + 6)
    known = {0: bound_of(target, 9)}
    def log(said: Row, y: int) -> int:
        given = said[0] if y else unit - said[0]
        if given not in known:
            known[given] = half_even(natural_log(unit, given, 10**60), 10**51)
        return known[given]
    return Rule(log, 9, 9)

def bound_of(target: dict[str, Any], digits: int) -> int:
    bound = target["score_bound"]
    return half_even(decimal(bound, places(bound)) * 10**digits, 10 ** places(bound))

def spell(us: int) -> str:
    moment = (EPOCH + us * US).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds") + "Z"

def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if '"' in cell or "," in cell else cell

Given = dict[str, tuple[str, "Entry | None", Table]]

def apply_rule(name: str, target: dict[str, Any], happened: list[Row], given: Given) -> tuple[Rule, dict[str, Any], dict[str, Any]]:
    """The rule, each forecaster's row scores if there are any, and (status, total, n, mean) of each."""
    rule, n, width = rule_of(name, target), len(happened), 2 if target["form"] == "series" else 1
    rows = {
        who: [rule.row(said[row[:width]], row[width]) for row in happened]
        for who, (status, _, said) in given.items()
        if status == "scored" and all(row[:width] in said for row in happened)}
    instead = None
    if target["missing"] == "baseline" and "baseline" in rows: instead = sum(rows["baseline"])
    elif target["score_bound"]: instead = bound_of(target, rule.places) * rule.levels * n
    found = {}
    for who, (status, _, _) in given.items():
        total = sum(rows[who]) if who in rows else instead
        status = "malformed" if status == "scored" and who not in rows else status
        if total is None: found[who] = status, "", n, ""
        else:
            mean = show(half_even(total * 10**rule.mean, n * rule.levels * 10**rule.places), rule.mean) if n else ""
            found[who] = status, show(total, rule.places), n, mean
    return rule, rows, found

def score_sheet(target: dict[str, Any], happened: list[Row], given: Given) -> tuple[list[Any], list[Any], bytes]:
    """Items, further rules and payload of a score entry."""
    rule, rows, found = apply_rule(target["rule"], target, happened, given)
    author = {each["name"]: each["author"] for each in target["forecasters"]}
    items = [
        {"forecaster": who, "author": author[who], "status": status, "forecast": entry.leaf if entry else "",
         "total": total, "n": n, "mean": mean}
        for (who, (_, entry, _)), (status, total, n, mean) in zip(given.items(), found.values())]
    also = [
        {"rule": name, "forecaster": who, "mean": mean}
        for name in target["also"] for who, (*_, mean) in apply_rule(name, target, happened, given)[2].items()]
    series = target["form"] == "series"
    header = ["forecaster", "unique_id", "ds", "score"] if series else ["forecaster", "case_id", "score"]
    lines = [header] + [
        [who, row[0], *([spell(row[1])] if series else []), show(value, rule.places)]
        for who in sorted(rows) for row, value in zip(happened, rows[who])]
    return items, also, "".join(",".join(map(quoted, line)) + "\n" for line in lines).encode()

# ================================================================ trees (RFC 6962), tiles, archives

def root_of(row: list[bytes]) -> bytes:
    while len(row) > 1:
        # An odd one out moves up as it is: there the tree splits at the largest power of two below its size.
        pairs = [digest(b"\1" + left + right) for left, right in zip(row[::2], row[1::2])]  # noqa: B905
        row = pairs + row[2 * len(pairs) :]
    return row[0] if row else digest(b"")

def roots_at(leaves: list[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The roots of the first so many leaves, for many sizes in one pass: ``peaks`` are complete subtrees."""
    peaks: list[tuple[int, bytes]] = []
    found, done = {}, 0
    for size in sorted(size for size in sizes if size <= len(leaves)):
        for leaf in leaves[done:size]:
            height = 0
            while peaks and peaks[-1][0] == height:
                height, leaf = height + 1, digest(b"\1" + peaks.pop()[1] + leaf)
            peaks.append((height, leaf))
        done, root = size, peaks[-1][1] if peaks else digest(b"")
        for _, peak in reversed(peaks[:-1]): root = digest(b"\1" + peak + root)
        found[size] = root
    return found

def climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that an inclusion proof leads to."""
    need(index < size, "receipt", f"there is no leaf {index} in a tree of {size} leaves.")
    at, last, result = index, size - 1, leaf
    for sibling in path:
        while at == last and at % 2 == 0 and last:
            at, last = at // 2, last // 2
        need(last, "receipt", "its path is too long.")
        result = digest(b"\1" + (sibling + result if at % 2 else result + sibling))
        at, last = at // 2, last // 2
    need(not last, "receipt", "its path is too short.")
    return result

def tile(level: int | str, index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join(["tile", str(level), *("x" + group for group in groups[:-1]), groups[-1]]) + f".p/{width}" * (width < 256)

def unbundle(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        need(at + 2 <= len(data) >= end, "entries", "it ends in the middle of an entry.")
        found.append(data[at + 2 : end])
        at = end
    return found

# ================================================================ signed notes, checkpoints, receipts, policies

class Key(NamedTuple):
    """A verifier key: type 1 signs the text of a note, type 4 (a witness) the time and the text."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        return digest(self.name.encode() + b"\n" + bytes([self.kind]) + self.public)[:4]

    def holds(self, message: bytes, signature: bytes) -> bool:
        if self.kind == 1:
            return signed_by(self.public, message, signature)
        seconds = int.from_bytes(signature[:8], "big")
        message = f"cosignature/v1\ntime {seconds}\n".encode() + message
        return seconds * 10**6 <= LAST and signed_by(self.public, message, signature[8:])

def is_name(name: str) -> bool:
    spaces = "[\0-\x20+\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
    return 0 < len(name) <= 255 and not re.search(spaces, name)

def read_key(vkey: str, kind: int) -> Key:
    name, _, rest = vkey.partition("+")
    identity, _, blob = rest.partition("+")
    data = unbase64(blob, "fields")
    found = Key(name, kind, data[1:])
    fits = is_name(name) and data[:1] == bytes([kind]) and len(data) == 33 and found.id.hex() == identity
    need(fits, "fields", f"{vkey[:80]!r} is not a verifier key of type {kind}.")
    return found

class Note(NamedTuple):
    text: str
    lines: list[tuple[str, bytes]]

    def signed(self, keys: list[Key]) -> list[tuple[Key, bytes]]:
        """Signatures by these keys. One that does not hold refuses the whole note."""
        known, found = {(each.name, each.id): each for each in keys}, []
        for name, blob in self.lines:
            if who := known.get((name, blob[:4])):
                need(who.holds(self.text.encode(), blob[4:]), "signature", f"the signature by {name} does not hold.")
                found.append((who, blob[4:]))
        return found

def read_note(data: bytes, code: str) -> Note:
    need(len(data) <= 1 << 20, code, "it is too large.")
    content = utf8(data, code)
    text, gap, rest = content.rpartition("\n\n")
    lines, dash = rest[:-1].split("\n"), "\N{EM DASH} "
    fits = gap and rest.endswith("\n") and len(lines) <= 64 and not re.search("[\0-\x09\x0b-\x1f]", content)
    need(fits, code, "it is not a signed note.")
    signatures = []
    for line in lines:
        name, space, blob = line.removeprefix(dash).rpartition(" ")
        need(line.startswith(dash) and space and is_name(name), code, f"{line[:80]!r} is not a signature line.")
        signatures.append((name, unbase64(blob, code)))
        need(len(signatures[-1][1]) > 4, code, f"the signature by {name} is too short.")
    return Note(text + "\n", signatures)

class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes

def read_checkpoint(data: bytes, code: str) -> tuple[Note, Checkpoint]:
    """A checkpoint that nobody is yet known to have signed."""
    note = read_note(data, code)
    lines = note.text.split("\n")
    need(len(lines) > 3 and "" not in (lines[0], *lines[3:-1]), code, "it is not a checkpoint.")
    size, root = whole(lines[1], code), unbase64(lines[2], code)
    need(len(root) == 32 and (size or root == digest(b"")), code, "its root cannot be.")
    return note, Checkpoint(lines[0], size, root)

def trust(note: Note, found: Checkpoint, policy: Policy, quorum: bool = True, witnesses: bool = True) -> dict[str, int]:
    """Refuse what no trusted log has signed; who cosigned it when. If no log is named, nobody is asked."""
    if not policy.logs: return {}
    signers = [each.name for each, _ in note.signed(policy.logs)]
    need(found.origin in signers, "signature", f"no key that you named for {found.origin} has signed it.")
    by = policy.times(note) if witnesses else {}
    need(not quorum or policy.met(policy.quorum, by), "quorum", f"the quorum {policy.quorum} has not cosigned it.")
    return by

class Receipt(NamedTuple):
    entry: bytes
    place: int
    path: list[bytes]
    checkpoint: bytes

NO_RECEIPT = "it is no receipt (.tlog-proof); evidence is a folder or ends in .zip."
LONGEST = (1 << 20) + 2 * 65535 + 64 * 67

def read_receipt(data: bytes) -> Receipt:
    need(len(data) <= LONGEST, "receipt", "it is too large.")
    head, gap, checkpoint = data.partition(b"\n\n")
    lines = utf8(head, "receipt").split("\n")
    shape = gap and 3 <= len(lines) <= 66 and lines[0] == "c2sp.org/tlog-proof@v1"
    need(shape and lines[1].startswith("extra ") and lines[2].startswith("index "), "receipt", NO_RECEIPT)
    entry, index = unbase64(lines[1][6:], "receipt"), whole(lines[2][6:], "receipt")
    path = [unbase64(line, "receipt") for line in lines[3:]]
    fits = 0 < len(entry) <= 65535 and all(len(each) == 32 for each in path)
    need(fits, "receipt", "its entry is empty or too long, or a hash is not 32 bytes.")
    return Receipt(entry, index, path, checkpoint)

class Policy:
    """The logs and witnesses that you trust. Without a log nothing is verified, only found consistent."""

    def __init__(self) -> None:
        self.logs: list[Key] = []
        self.witnesses: dict[str, Key] = {}
        self.groups: dict[str, tuple[int, list[str]]] = {}
        self.quorum, self.tolerate, self.own = "", 0, list[str]()
        self.stated = False

    def read(self, content: str) -> None:
        try:
            # An editor may have put a byte order mark before it, and CR LF at the ends of lines.
            content = content.removeprefix("\ufeff").replace("\r\n", "\n")
            need(len(content) <= 1 << 16, "fields", "it is too long.")
            for line in content.split("\n"):
                words = re.split("[ \t]+", line.strip(" \t"))
                if words[0] and not words[0].startswith("#"):
                    known = not re.search("[\0-\x08\x0a-\x1f]", line) and self.take(*words)
                    need(known, "fields", f"this line is not understood, or contradicts another: {line[:80]!r}.")
            need(self.quorum, "fields", "it has no quorum line.")
            need(all(name in self.witnesses for name in self.own), "fields", "`own` names what is no witness.")
        except Wrong as error:
            raise Unusable(f"the policy cannot be used: {error}") from None
        if self.quorum != "none" and (self.overlap(self.quorum) or 0) <= self.tolerate:
            raise Unusable(
                f"the quorum {self.quorum} is too weak if {self.tolerate} witnesses collude with the log: two "
                f"different trees could both get it. k of n witnesses, none of them `own`, need k > (n + {self.tolerate}) / 2.")

    def take(self, word: str, *rest: str) -> bool:
        names = {"none", *self.witnesses, *self.groups}
        if word == "log" and len(rest) in (1, 2):
            self.logs.append(read_key(rest[0], 1))
            return len({each.public for each in self.logs}) == len(self.logs)
        if word == "witness" and len(rest) in (2, 3) and rest[0] not in names:
            self.witnesses[rest[0]] = read_key(rest[1], 4)
            return len({each.public for each in self.witnesses.values()}) == len(self.witnesses) < 64
        if word == "group" and len(rest) >= 3 and rest[0] not in names:
            members, used = list(rest[2:]), [name for _, group in self.groups.values() for name in group]
            least = {"any": 1, "all": len(members)}.get(rest[1]) or small(rest[1])
            self.groups[rest[0]] = least, members
            apart = len({*members, *used}) == len(members) + len(used)
            return apart and {*members} <= names - {"none"} and 1 <= least <= len(members) and len(self.groups) < 64
        if word == "quorum" and len(rest) == 1 and not self.quorum:
            self.quorum = rest[0]
            return self.quorum in names
        if word == "tolerate" and len(rest) == 1 and not self.stated:
            self.tolerate, self.stated = small(rest[0]), True
            return True
        self.own += rest
        return word == "own" and len(rest) > 0

    def overlap(self, name: str) -> int | None:
        """The fewest witnesses that any two quorums share; None if there is none without the operator's own."""
        if name in self.witnesses:
            return None if name in self.own else 1
        least, members = self.groups[name]
        shared = sorted(each for each in map(self.overlap, members) if each is not None)
        return sum(shared[: max(2 * least - len(shared), 0)]) if len(shared) >= least else None

    def met(self, name: str, by: dict[str, int]) -> bool:
        if name in self.groups:
            return sum(self.met(member, by) for member in self.groups[name][1]) >= self.groups[name][0]
        return name in ("", "none") or (name in by and name not in self.own)

    def times(self, note: Note) -> dict[str, int]:
        """When each witness first cosigned, in microseconds."""
        found: dict[str, int] = {}
        names = {each: name for name, each in self.witnesses.items()}
        for each, signature in note.signed(list(names)):
            at = int.from_bytes(signature[:8], "big") * 10**6
            found[names[each]] = min(at, found.get(names[each], at))
        return found

    def sealed(self, by: dict[str, int]) -> int | None:
        """The (f+1)-th smallest time among the witnesses that the log's operator does not run."""
        times = sorted(at for name, at in by.items() if name not in self.own)
        return times[self.tolerate] if len(times) > self.tolerate else None

def small(word: str) -> int:
    need(re.fullmatch("0|[1-9][0-9]{0,3}", word), "fields", f"{word[:40]!r} is not a count.")
    return int(word)

# ================================================================ replay: what counts, entry by entry

class Track:
    """A declared target and what was said about it, by number of cutoff."""

    def __init__(self, entry: Entry, cutoffs: list[int]) -> None:
        self.entry, self.cutoffs = entry, cutoffs
        self.forecasts: dict[tuple[str, int], list[Entry]] = {}
        self.outcomes: dict[int, list[Entry]] = {}
        self.scores: dict[int, list[Entry]] = {}
        self.again, self.belated, self.hindsight = list[int](), list[str](), dict[str, tuple[int, int]]()

    def closes(self, seq: int) -> int:
        return self.cutoffs[seq] + int(self.entry.of("deadline")) * 10**6

    def ends(self, seq: int) -> int:
        """When the horizon of a cutoff is over; of cases, when they settle."""
        target = self.entry.body
        if target["form"] == "cases": return self.settles(seq)
        return shift(self.cutoffs[seq], target["freq"], target["horizon"])

    def settles(self, seq: int) -> int:
        start = self.ends(seq) if self.entry.of("form") == "series" else self.cutoffs[seq]
        return start + int(self.entry.of("outcome")["deadline"]) * 10**6

Void = dict[str, list[tuple[int, Entry]]]  # key: from which index on it is void, and which entry says so

class Keys:
    """Whose key is whose: a key, what replaced it, and from where on it is void."""

    def __init__(self, void: Void) -> None:
        self.void, self.first, self.now = void, dict[str, str](), dict[str, str]()
        self.recovery: dict[str, set[str]] = {}
        self.rotated, self.handed = dict[str, int](), dict[str, tuple[str, int]]()

    def same(self, one: str | None, other: str) -> bool:
        return one is not None and self.first.get(one, one) == self.first.get(other, other)

    def current(self, author: str) -> bool:
        return self.now.get(self.first.get(author, "")) == author

    def voids(self, author: str, index: int) -> list[Entry]:
        return [said for holds, said in self.void.get(author, []) if holds <= index]

    def speaks(self, author: str, index: int) -> bool:
        """As far as the entries before tell."""
        return self.current(author) and all(said.place >= index for _, said in self.void.get(author, []))

    def revoke(self, subject: str, holds: int, said: Entry) -> None:
        """Who held a key by then is not its owner, and neither is who they handed it to."""
        self.void[subject] = [*self.void.get(subject, []), (holds, said)]
        for following, (previous, at) in self.handed.items():
            if previous == subject and holds <= at: self.revoke(following, at, said)

    def admit(self, author: str, index: int) -> bool:
        """Whether an entry counts; False if a later revocation sets it aside."""
        need(author in self.first, "identity", "its author has no identity in this log.")
        void = self.voids(author, index)
        need(all(said.place >= index for said in void), "revoked", "its author's key was revoked before.")
        if void: return False
        need(self.current(author), "revoked", "its author's key was replaced.")
        return True

    def take(self, entry: Entry, judged: int) -> bool:
        e, index, subject = entry.body, entry.place, entry.of("key")
        known = subject in self.first
        if e["action"] == "add" and not known:
            self.first[subject] = self.now[subject] = subject
            self.recovery[subject] = {e["recovery"]} if "recovery" in e else set()
        elif e["action"] == "rotate":
            need(not known and e["previous"] in self.first, "identity", "it replaces no key, or by a known one.")
            line, previous = self.first[e["previous"]], e["previous"]
            unsigned = {name: e[name] for name in e if name not in ("sig", "previous_sig")}
            message = b"foreseal/rotate/v1\n" + to_json(unsigned).encode()
            consent = [previous] * self.speaks(previous, index) + sorted(self.recovery[line])
            by = [each for each in consent if signed_by(hex_key(each), message, bytes.fromhex(e["previous_sig"]))]
            need(by, "signature", "neither the key before nor a recovery key has signed the rotation.")
            self.first[subject], self.now[line], self.rotated[line] = line, subject, index
            if by[0] == previous: self.handed[subject] = previous, index
            if by[0] == previous and self.voids(previous, index): return False
            if "recovery" in e: self.recovery[line].add(e["recovery"])
        elif e["action"] == "revoke":
            need(known, "identity", "the key it revokes has no identity in this log.")
            line, author = self.first[subject], e["author"]
            recovers, void = author in self.recovery[line], self.voids(author, index)
            if not recovers and void and void[0].place > index: return False
            right = recovers or (self.same(author, subject) and self.speaks(author, index))
            need(right and e["from"] <= index, "identity", "its author has no right to revoke, or not from there.")
            least = judged if recovers else max(judged, self.rotated.get(line, -1))
            if all(said.place != index for _, said in self.void.get(subject, [])):
                self.revoke(subject, max(e["from"], least + 1), entry)
        return True

class Replay:
    """The state of a log after the entries added so far. Position decides, not the times that authors claim."""

    def __init__(
        self, box: Box, void: Void, targets: set[str], time: Callable[[Entry], int]
    ) -> None:
        self.box, self.targets, self.keys, self.time = box, targets, Keys(void), time
        self.problems: list[tuple[int, str, str]] = []
        self.entries: dict[str, Entry] = {}
        self.tracks: dict[str, Track] = {}
        self.reveals: dict[str, Entry] = {}
        self.datasets, self.left_out, self.aside, self.judged = set[str](), set[str](), list[int](), -1
        self.personal, self.withdrawn = set[str](), set[tuple[str, str]]()
        self.agreements: list[str] = []

    def add(self, entry: Entry) -> None:
        kind = entry.of("kind")
        if self.entries.setdefault(entry.leaf, entry) is not entry: return
        judged, self.judged = self.judged, entry.place if kind in JUDGING else self.judged
        if kind == "identity": counts = self.keys.take(entry, judged)
        else: counts = self.keys.admit(entry.of("author"), entry.place) or self.stands(entry)
        if not counts: self.aside.append(entry.place)
        elif kind != "identity" and self.asked(entry):
            if kind == "dataset":
                self.datasets.add(entry.of("name"))
                if entry.of("personal"): self.personal.add(entry.of("name"))
            elif kind == "erasure": need(entry.of("dataset") in self.datasets, "reference", "its dataset is not declared.")
            elif kind == "approval": self.refer(entry.of("decision"), "decision")
            elif kind != "model": getattr(self, kind)(entry)

    def consent(self, entry: Entry) -> None:
        need(entry.of("dataset") in self.datasets, "reference", "its dataset is not declared.")
        if entry.of("action") == "withdrawn":
            self.withdrawn |= {(entry.of("dataset"), each) for each in entry.of("subjects")}

    def agreement(self, entry: Entry) -> None:
        """Terms may be kept among the parties; those that are shown are the ones that were signed."""
        parties = entry.of("parties")
        ours = any(self.keys.same(each["key"], entry.of("author")) for each in parties)
        need(ours, "rule", "its author is none of its parties.")
        if f"payload/sha256/{entry.of('terms')['sha256']}" in self.box.members: self.read(entry.of("terms"))
        self.agreements.append(f"{entry.place} {entry.of('name')}")

    def stands(self, entry: Entry) -> bool:
        """Whether a forecast counts although its key is void: live, it was revoked when its outcome could be known."""
        track = self.tracks.get(entry.of("declared")) if entry.of("kind") == "forecast" else None
        if track is None or track.entry.of("mode") != "live" or entry.of("seq") >= len(track.cutoffs): return False
        void = self.keys.voids(entry.of("author"), entry.place)
        late = all(self.time(said) > track.closes(entry.of("seq")) for said in void)
        return late and self.keys.current(entry.of("author"))

    def asked(self, entry: Entry) -> bool:
        """Whether the entry is about targets that are to be judged."""
        while (kind := entry.of("kind")) in ("reveal", "approval"):
            found = self.entries.get(entry.of("forecast" if kind == "reveal" else "decision"))
            if found is None: return True
            entry = found
        about = self.entries.get(entry.of("forecast"), entry) if kind == "decision" else entry
        name = entry.body.get("name" if kind == "target" else "target")
        return about.body.get("declared") not in self.left_out and (not self.targets or name in {None, *self.targets})

    def read(self, reference: dict[str, Any]) -> bytes:
        name = f"payload/sha256/{reference['sha256']}"
        need(name in self.box.members, "payload-missing", f"{name} is missing.")
        data = self.box.read(name, reference["size"], "payload-differs")
        fits = len(data) == reference["size"] and digest(data).hex() == reference["sha256"]
        need(fits, "payload-differs", f"the payload {reference['sha256']} is another.")
        return data

    def refer(self, leaf: str, kind: str) -> Entry:
        found = self.entries.get(leaf)
        if found is None or found.of("kind") != kind:
            raise Wrong("reference", f"the {kind} {leaf[:16]}... is not in the log before it.")
        return found

    def track_of(self, entry: Entry, own: bool) -> Track:
        track, seq, name = self.tracks.get(entry.of("declared")), entry.of("seq"), entry.of("target")
        if track is None or track.entry.of("name") != name:
            raise Wrong("reference", f"the target {name} is not declared before it.")
        fits = seq < len(track.cutoffs) and instant(entry.of("cutoff")) == track.cutoffs[seq]
        need(fits, "reference", f"{name} has no such cutoff {seq}.")
        need(entry.of("mode") == track.entry.of("mode"), "rule", f"{name} has another mode.")
        owner = not own or self.keys.same(entry.of("author"), track.entry.of("author"))
        need(owner, "rule", f"only the author of {name} settles it.")
        return track

    def target(self, entry: Entry) -> None:
        need(entry.of("dataset") in self.datasets, "reference", "its dataset is not declared before it.")
        if f"payload/sha256/{entry.of('schedule')['sha256']}" not in self.box.members:
            self.left_out.add(entry.leaf)
            raise Wrong("target-missing", f"the declared target {entry.of('name')} is left out.")
        rows = table(self.read(entry.of("schedule")), ["seq", "cutoff"], [lambda cell: decimal(cell, 0), instant], 1)
        cutoffs = [cutoff for _, cutoff in rows]
        counts = [seq for seq, _ in rows] == list(range(entry.of("cutoffs")))
        need(counts and cutoffs == sorted({*cutoffs}), "rule", "its schedule does not count ascending cutoffs from 0.")
        track = Track(entry, cutoffs)
        last = len(cutoffs) - 1
        need(max(track.settles(last), track.closes(last)) <= LAST, "rule", "it settles after the year 9999.")
        in_time = entry.of("mode") == "replay" or all(track.closes(seq) <= track.ends(seq) for seq in range(len(cutoffs)))
        need(in_time, "rule", "its deadline lies after the end of its horizon, when the outcome is known.")
        self.tracks[entry.leaf] = track

    def forecast(self, entry: Entry) -> None:
        track, name = self.track_of(entry, own=False), entry.of("forecaster")
        named = {each["name"]: each["author"] for each in track.entry.of("forecasters")}
        need(self.keys.same(named.get(name), entry.of("author")), "rule", f"{name} with this key is no forecaster.")
        need(track.entry.of("commit") == ("commitment" in entry.body), "rule", "commitments are asked for, or not.")
        self.refer(entry.of("model"), "model")
        track.forecasts.setdefault((name, entry.of("seq")), []).append(entry)
        self.opened(track, entry)

    def reveal(self, entry: Entry) -> None:
        forecast = self.refer(entry.of("forecast"), "forecast")
        parts = hex_key(forecast.of("author")), bytes.fromhex(entry.of("salt") + entry.of("payload")["sha256"])
        right = forecast.body.get("commitment") == digest(b"foreseal/commit/v1\0" + b"".join(parts)).hex()
        right = right and self.keys.same(forecast.of("author"), entry.of("author"))
        need(right, "commitment", "it does not open the commitment that it refers to.")
        track = self.tracks.get(forecast.of("declared"))
        if track and forecast.of("seq") in track.scores:  # after the score it counts for nothing
            track.belated.append(f"{forecast.of('forecaster')} {forecast.of('seq')}")
            return
        self.read(entry.of("payload"))
        self.reveals.setdefault(forecast.leaf, entry)

    def opened(self, track: Track, entry: Entry) -> tuple[str, Table]:
        shown = self.reveals.get(entry.leaf) if "commitment" in entry.body else entry
        if shown is None: return "unrevealed", {}
        data = self.read(shown.of("payload"))
        try: return "scored", read_forecast(track.entry.body, data)
        except Wrong: return "malformed", {}

    def counts(self, track: Track, name: str, seq: int) -> tuple[str, Entry | None, Table]:
        """The first valid forecast, or why there is none."""
        fallback: tuple[str, Entry | None, Table] = ("missing", None, {})
        outcomes, target = track.outcomes.get(seq), track.entry.body
        for entry in track.forecasts.get((name, seq), []):
            late = outcomes and entry.place > outcomes[0].place
            if target["mode"] == "live":
                late = late or self.time(entry) > track.closes(seq)
            status, said = ("late", {}) if late else self.opened(track, entry)
            # What a commitment hides could be chosen among after the outcome, so the first in time is final.
            if status == "scored" or (not late and "commitment" in entry.body): return status, entry, said
            if fallback[1] is None: fallback = status, entry, {}
        return fallback

    def outcome(self, entry: Entry) -> None:
        track, seq = self.track_of(entry, own=True), entry.of("seq")
        target = track.entry.body
        rows = read_outcome(target, self.read(entry.of("payload")))
        need(len(rows) == entry.of("rows"), "rule", f"its payload has {len(rows)} rows.")
        said = {row for each in target["forecasters"] for row in self.counts(track, each["name"], seq)[2]}
        need(entry.of("expected") >= len(said), "rule", f"{len(said)} values were forecast; it expects fewer.")
        need(all(row[-1] <= track.settles(seq) for row in rows), "rule", "it holds values known after its deadline.")
        track.outcomes.setdefault(seq, []).append(entry)

    def score(self, entry: Entry) -> None:
        track, seq = self.track_of(entry, own=True), entry.of("seq")
        target = track.entry.body
        outcome = self.refer(entry.of("outcome"), "outcome")
        need(outcome in track.outcomes.get(seq, []), "rule", "the outcome is not of this target and cutoff.")
        before = track.scores.get(seq, [])
        if any(each.of("outcome") == outcome.leaf for each in before):  # the first score of an outcome stands
            track.again.append(seq)
            return
        data = self.read(entry.of("payload"))
        counts = {each["name"]: self.counts(track, each["name"], seq) for each in target["forecasters"]}
        happened = read_outcome(target, self.read(outcome.of("payload")))
        items, also, payload = score_sheet(target, happened, counts)
        need([each["forecaster"] for each in entry.of("scores")] == list(counts), "score-differs", "its forecasters differ.")
        for said, right in zip(entry.of("scores"), items):
            if said == right: continue
            shown, who = said["forecast"], said["forecaster"]
            need(not shown or shown in self.entries, "gap", f"the forecast by {who} that it shows is not in the log.")
            others = [each.leaf for each in track.forecasts.get((who, seq), [])]
            need(shown == right["forecast"] or shown not in others, "duplicate", f"another forecast by {who} counts.")
            late = right["status"] == "late" and said["status"] == "scored"
            need(not late, "late", f"it counts the forecast by {who}, which came too late.")
            raise Wrong("score-differs", f"{said} is sealed, {right} is computed.")
        same = entry.of("also") == also and entry.of("rule") == target["rule"] and data == payload
        need(same, "score-differs", "its further scores or its payload are not what the payloads give.")
        for each in entry.of("decisions"): self.regret(entry, each)
        track.scores[seq] = [*before, entry]
        for each in items if target["mode"] == "live" and not before else ():
            _, forecast, _ = counts[each["forecaster"]]
            if forecast and each["status"] == "scored":
                early, of = track.hindsight.get(each["forecaster"], (0, 0))
                early += sum(row[-1] < self.time(forecast) for row in happened)
                track.hindsight[each["forecaster"]] = early, of + len(happened)

    def regret(self, score: Entry, said: dict[str, Any]) -> None:
        decision, costs = self.refer(said["decision"], "decision"), said["costs"]
        fits = all(decision.of(name) == score.of(name) for name in ("target", "seq")) and decision.of("chosen") in costs
        need(fits and decision.of("regret") == said["kind"], "rule", "it lacks the chosen option, or is of another kind.")
        cost = {option: decimal(value, places(value)) for option, value in costs.items()}
        right = cost[decision.of("chosen")] - min(cost.values())
        need(decimal(said["regret"], places(said["regret"])) == right, "regret-differs", "a regret is not what costs give.")

    def decision(self, entry: Entry) -> None:
        forecast = self.refer(entry.of("forecast"), "forecast")
        fits = all(entry.of(name) == forecast.of(name) for name in ("target", "seq", "cutoff", "mode"))
        need(fits, "rule", "the forecast it rests on is of another target or cutoff.")
        cited = [self.refer(leaf, "consent") for leaf in entry.body.get("consents", [])]
        track = self.tracks.get(forecast.of("declared"))
        about = track.entry.of("dataset") if track else ""
        fits = all((each.of("dataset"), each.of("action")) == (about, "given") for each in cited)
        need(fits, "rule", "a consent that it cites does not give one for its dataset.")
        readers: Readers = [key, lambda cell: instant(cell) if cell else BEGINNING, key, str, str]
        rows = table(self.read(entry.of("payload")), ["option", "ds", "key", "value", "unit"], readers, 3)
        cost = [row[3] for row in rows if row[:3] == (entry.of("chosen"), BEGINNING, "expected_cost")]
        need(cost == [entry.of("expected_cost")], "rule", "its payload does not give the expected cost that it states.")
        if about not in self.personal: return
        given = {each for consent in cited for each in consent.of("subjects")}
        stated = {row[2]: row[3] for row in rows if row[:2] == (entry.of("chosen"), BEGINNING)}
        own: dict[str, str] = {}
        for row_key in {row[2] for row in rows} - {"expected_cost"}:  # people are called by 32 hexadecimal digits
            called, case = re.fullmatch("(consent |reasons )?[0-9a-f]{32}", row_key), row_key[-32:]
            need(called is not None, "rule", "it speaks of somebody by what is no pseudonym.")
            told = stated.get(f"consent {case}", "")
            stands = told in given and (about, told) not in self.withdrawn
            need(stands, "rule", f"it decides about {case} without a standing consent that it cites.")
            need(own.setdefault(told, case) == case, "rule", "it decides about two people with the consent of one.")

    def name_left_out(self) -> None:
        """Where no payload about a target is there, say that once, at its declaration."""
        def there(entry: Entry) -> bool:
            return readable(self.read)(entry.of("payload"))
        def about(entry: Entry) -> set[str]:
            """The targets that an entry is about: itself, or what it refers to, however long the chain."""
            waiting, seen, found = [entry], set[str](), set[str]()
            while waiting:
                each = waiting.pop()
                found.add(each.body.get("declared", ""))
                leaves = {str(each.body.get(name)) for name in ("forecast", "decision")} & self.entries.keys() - seen
                seen |= leaves
                waiting += [self.entries[leaf] for leaf in leaves]
            return found
        places = {entry.place: entry for entry in self.entries.values()}
        for leaf, track in self.tracks.items():
            own = [each for each in self.entries.values() if each.body.get("declared") == leaf and "payload" in each.body]
            if own and not any(map(there, own)):
                self.left_out.add(leaf)
                rest = [each for each in self.problems if each[0] not in places or leaf not in about(places[each[0]])]
                name = track.entry.of("name")
                rest.append((track.entry.place, "target-missing", f"the declared target {name} is left out."))
                self.problems = sorted(rest, key=lambda each: each[0])
        for leaf in self.left_out: self.tracks.pop(leaf, None)

# ================================================================ the files: a folder, or a zip read strictly

def check_name(name: str) -> None:
    safe = 0 < len(name) <= 1024 and not re.search(r"[\0-\x1f\x7f\\:]", name) and not {"", ".", ".."} & {*name.split("/")}
    need(safe, "container", f"{name[:80]!r} is no safe name of a file.")

def inflate(data: bytes, method: int, size: int, crc: int) -> bytes:
    if method:
        engine = zlib.decompressobj(-15)
        try: data, rest = engine.decompress(data, size + 1), engine.unused_data + engine.unconsumed_tail
        except zlib.error: raise Wrong("container", "a member cannot be inflated.") from None
        need(engine.eof and not rest, "container", "a member is compressed otherwise than it says.")
    need(len(data) == size and zlib.crc32(data) == crc, "container", "a member is not what the archive says.")
    return data

class Box:
    """Files by name. Members of a zip are looked at when they are asked for."""

    def __init__(self, path: Path) -> None:
        self.members: dict[str, tuple[int, Callable[[], bytes]]] = {}
        if path.is_dir():
            for each in sorted(path.rglob("*")):
                about, name = each.lstat(), each.relative_to(path).as_posix()
                check_name(name)
                plain = stat.S_ISREG(about.st_mode)
                need(plain or stat.S_ISDIR(about.st_mode), "container", f"{each} is neither file nor folder.")
                if plain: self.members[name] = about.st_size, each.read_bytes
        else: self.unzip(path.read_bytes())

    def unzip(self, data: bytes) -> None:
        need(data[-22:-18] == b"PK\5\6" and data[-2:] == b"\0\0", "container", "it is no zip file, or there is something behind its end.")
        disk, start_disk, here, count, size, at = struct.unpack("<4H2L", data[-18:-2])
        end, names, total = len(data) - 22, set[str](), 0
        need((disk, start_disk, here) == (0, 0, count) and at + size == end, "container", "its directory is elsewhere.")
        while at < end:
            need(data[at : at + 4] == b"PK\1\2" and at + 46 <= end, "container", "its directory is damaged.")
            flags, method, _, crc, packed, size, n, extra, comment, part, _, mode, start = struct.unpack(
                "<2HL3L5H2L", data[at + 8 : at + 46])
            name = utf8(data[at + 46 : at + 46 + n], "container")
            check_name(name.removesuffix("/"))
            fits = method in (0, 8) and not flags & ~0x080E and not part and at + 46 + n + extra + comment <= end
            fits = fits and (name.isascii() or flags & 0x800)
            kind = stat.S_IFMT(mode >> 16)
            need(fits and kind in (0, stat.S_IFREG, stat.S_IFDIR), "container", f"{name} is no plain file.")
            need(name.removesuffix("/") not in names, "container", f"{name} is there twice.")
            names.add(name.removesuffix("/"))
            if not name.endswith("/"):
                self.members[name] = size, self.member(data, start, data[at + 46 : at + 46 + n], method, packed, size, crc)
            at, count, total = at + 46 + n + extra + comment, count - 1, total + size
        need(at == end and count == 0 and total <= 1 << 34, "container", "its directory is damaged.")

    def member(self, data: bytes, at: int, name: bytes, method: int, packed: int, size: int, crc: int) -> Callable[[], bytes]:
        def read() -> bytes:
            head = data[at : at + 30]
            fits = head[:4] == b"PK\3\4" and len(head) == 30 and struct.unpack("<H", head[8:10])[0] == method
            need(fits, "container", "a member is not where the archive says.")
            n, extra = struct.unpack("<2H", head[26:30])
            start = at + 30 + n + extra
            need(data[at + 30 : at + 30 + n] == name and start + packed <= len(data) - 22, "container", "a member has two names.")
            return inflate(data[start : start + packed], method, size, crc)
        return read

    def read(self, name: str, limit: int, code: str) -> bytes:
        need(name in self.members, code, f"{name} is missing.")
        need(self.members[name][0] <= limit, code, f"{name} has more than {limit} bytes.")
        return self.members[name][1]()

# ================================================================ the verdict

class Verdict:
    def __init__(self) -> None:
        self.ok, self.level = False, "none"
        self.problems: list[tuple[str, str]] = []
        self.says: list[str] = []

UNNAMED = "consistent, but by a key you have not named"
REPLAYED_ALONE = "replay: order and time are not shown by a receipt alone"
UNTIMED = {"live": "sealed, time not attested", "replay": "replay: order proven, time not attested"}

def judge_receipt(data: bytes, policy: Policy) -> Verdict:
    verdict = Verdict()
    receipt = read_receipt(data)
    note, checkpoint = read_checkpoint(receipt.checkpoint, "receipt")
    root = climb(digest(b"\0" + receipt.entry), receipt.place, checkpoint.size, receipt.path)
    need(root == checkpoint.root, "receipt", "its path does not lead to the root.")
    by = trust(note, checkpoint, policy)
    entry = read_entry(receipt.entry, receipt.place)
    verdict.ok, verdict.level = bool(policy.logs), "included"
    alone = [REPLAYED_ALONE] if entry.body.get("mode") == "replay" else timing(policy, by, ["live"])
    verdict.says += alone if policy.logs else [UNNAMED]
    verdict.says.append(
        f"included: this {entry.of('kind')} is entry {receipt.place} of {checkpoint.origin}; nothing is said about "
        "what else is in the log, nor whether the key was revoked later")
    return verdict

def timing(policy: Policy, by: dict[str, int], modes: list[str]) -> list[str]:
    says = [UNTIMED["replay"]] if "replay" in modes else []
    if "live" in modes or not modes:
        at = policy.sealed(by)
        says.append(UNTIMED["live"] if at is None else f"the checkpoint was cosigned by {spell(at)}")
    own = [name for name in by if name in policy.own]
    return says + [f"{', '.join(own)}: run by the log's own operator, no evidence of time"] * bool(own)

def judge_files(box: Box, policy: Policy, targets: set[str], is_log: bool) -> Verdict:
    """A published log, or evidence: all entries, all that they say, and what lies beside them."""
    verdict = Verdict()
    note, checkpoint = read_checkpoint(box.read("checkpoint", 1 << 20, "checkpoint"), "checkpoint")
    by = trust(note, checkpoint, policy)
    raws: list[bytes] = []
    while len(raws) < checkpoint.size:
        width = min(checkpoint.size - len(raws), 256)
        found = unbundle(box.read(tile("entries", len(raws) // 256, width), 256 * 65537, "entries"))
        need(len(found) == width, "entries", f"a bundle holds {len(found)} entries, not {width}.")
        raws += found
    leaves = [digest(b"\0" + raw) for raw in raws]
    if is_log: check_tiles(box, leaves, checkpoint.root)
    need(root_of(leaves) == checkpoint.root, "root", "the entries do not give the signed root.")
    if is_log: check_strays(box, len(raws))
    heads, beside = [(checkpoint.size, by)], []
    sizes = [int(name[9:]) for name in box.members if re.fullmatch("cosigned/(0|[1-9][0-9]{0,15})", name)]
    roots = roots_at(leaves, {*sizes})
    for size in sorted(size for size in sizes if size <= MAX_SAFE and policy.logs):
        try:
            data = box.read(f"cosigned/{size}", 1 << 20, "checkpoint")
            heads.append((size, check_head(data, policy, checkpoint, size, roots)))
        except Wrong as error:
            need(error.code != "container", error.code, str(error))
            beside.append((error.code, f"cosigned/{size}: {error}"))
    sealed = [(size, policy.sealed(each)) for size, each in heads if policy.met(policy.quorum, each)]
    times = sorted(((size, at) for size, at in sealed if at is not None), key=lambda pair: pair[0])
    until = [size for size, _ in times]
    def time(entry: Entry) -> int:
        if not policy.witnesses: return instant(entry.of("at"))
        first = bisect_right(until, entry.place)
        return times[first][1] if first < len(times) else LAST + 1
    replay = run(raws, box, targets, time)
    declared = {entry.of("name") for entry in replay.entries.values() if entry.of("kind") == "target"}
    verdict.problems = [(code, message) for _, code, message in replay.problems]
    for track in replay.tracks.values():
        skipped = sorted(set(range(max(track.scores, default=0))) - {*track.scores})
        if skipped: verdict.problems.append(("gap", f"{track.entry.of('name')} skips its cutoffs {str(skipped)[1:60]}..."))
    verdict.problems += beside
    if not is_log: verdict.problems += check_receipts(box, policy, raws, leaves, replay)
    lost = sorted(targets - declared)
    verdict.problems += [("target-missing", f"no target {name} is declared in this log.") for name in lost]
    if not verdict.problems: conclude(verdict, policy, checkpoint, by, replay, is_log)
    return verdict

def conclude(
    verdict: Verdict, policy: Policy, checkpoint: Checkpoint, by: dict[str, int], replay: Replay, is_log: bool
) -> None:
    tracks = list(replay.tracks.values())
    authors = [each["author"] for track in tracks for each in track.entry.of("forecasters")]
    closed = authors and all(author in replay.keys.first for author in authors)
    verdict.ok, verdict.level = bool(policy.logs), "identities" if closed else "log"
    verdict.says = [UNNAMED] * (not policy.logs) + timing(policy, by, [track.entry.of("mode") for track in tracks])
    verdict.says.append(f"complete within this log, up to {checkpoint.size} entries: each was replayed")
    verdict.says += ["complete for the closed set of identities that each target names"] * bool(closed)
    now = policy.sealed(by) or max((instant(entry.of("at")) for entry in replay.entries.values()), default=0)
    verdict.says += [each for track in tracks for each in tally(track, now)] + listed(tracks, replay.aside)
    verdict.says += line("agreements signed by all of their parties", replay.agreements)
    if not is_log: verdict.says += lying_beside(replay.box, checkpoint.size)
    if any(name.startswith("timestamp/") for name in replay.box.members):
        verdict.says.append("timestamp present, not checked here")
    if any(name.startswith("chain/") for name in replay.box.members):
        verdict.says.append("chain anchor present, not checked here")

def tally(track: Track, now: int) -> list[str]:
    """How much of what a target asks for has been said, and how well: in the same words by every verifier."""
    target, name, of = track.entry.body, track.entry.of("name"), len(track.cutoffs)
    says = [f"{name}: {len(track.scores)} of {of} cutoffs settled, each score recomputed"]
    closed = 1 + max((*track.outcomes, *(seq for _, seq in track.forecasts)), default=-1)
    if target["mode"] == "live": closed = sum(cutoff + target["deadline"] * 10**6 <= now for cutoff in track.cutoffs)
    items = {seq: {each["forecaster"]: each for each in said[0].of("scores")} for seq, said in track.scores.items()}
    names = [each["name"] for each in target["forecasters"]]
    for who in names:
        unsaid = not items and all(name != who for name, _ in track.forecasts)
        if who == "baseline" and unsaid and target["baseline"].startswith("none: "):
            says.append(f"{name}, {who}: none was declared")
            continue
        waiting = [seq for name, seq in track.forecasts if name == who and seq not in items]
        due = closed + sum(seq >= closed for seq in (*items, *waiting))
        given = len(waiting) + sum(item[who]["status"] == "scored" for item in items.values())
        rest = [f"{due - given} missed"] * (due > given) + [f"{of - due} not due yet"] * (of > due)
        says.append("; ".join([f"{name}, {who}: {given} of {due} forecasts due", *rest]))
    rule, shown = rule_of(target["rule"], target), target["decimals"] + 2
    for who in names:
        pairs = [(item[who], item["baseline"]) for item in items.values() if who != "baseline"]
        both = [pair for pair in pairs if pair[0]["total"] and pair[1]["total"] and pair[0]["n"]]
        values, means = sum(own["n"] for own, _ in both) * rule.levels * 10**rule.places, list[str]()
        for side in (0, 1) if both else ():
            total = sum(decimal(pair[side]["total"], rule.places) for pair in both)
            means.append(show(half_even(total * 10**shown, values), shown))
        over = f"over {len(both)} cutoff{'s' * (len(both) != 1)}"
        if both: says.append(f"{name}, {who}: mean {target['rule']} {means[0]} against {means[1]} of the baseline, {over}")
    return says

def lying_beside(box: Box, size: int) -> list[str]:
    """How many receipts were checked, and which files were not read."""
    known = {tile("entries", at // 256, min(size - at, 256)) for at in range(0, size, 256)}
    known |= {"checkpoint", "README.txt", "foreseal_verify.py", "verify.html"}
    receipts = [name for name in box.members if re.fullmatch(r"(?s)receipts/.+\.tlog-proof", name)]
    rest = sorted({*box.members} - known - {*receipts})
    rest = [name for name in rest if not is_kept(name) and not re.fullmatch("payload/sha256/[0-9a-f]{64}", name)]
    says = [f"receipts that prove entries of this log: {len(receipts)}"]
    return says + line("files that are no part of evidence, and were not read", rest)

def is_kept(name: str) -> bool:
    """Whether it is an earlier checkpoint, a timestamp or a chain anchor, by its name."""
    size = re.fullmatch("(?:cosigned/N|timestamp/N[.]tsr|chain/N[.]json)".replace("N", "(0|[1-9][0-9]{0,15})"), name)
    return size is not None and int("".join(filter(None, size.groups()))) <= MAX_SAFE

def listed(tracks: list[Track], aside: list[int]) -> list[str]:
    """What is no problem, and to be told: counted and named the same by every verifier."""
    says, declared = list[str](), [track.entry.of("name") for track in tracks]
    for track, name in zip(tracks, declared):
        items = [(seq, each) for seq, said in sorted(track.scores.items()) for each in said[0].of("scores")]
        missed = [f"{each['forecaster']} {seq} {each['status']}" for seq, each in items if each["status"] != "scored"]
        second = sorted((seq, who) for (who, seq), said in track.forecasts.items() for _ in said[1:])
        fixed = [(seq, said[0].body) for seq, said in sorted(track.outcomes.items())]
        gaps = [(seq, first["expected"] - first["rows"], first["expected"]) for seq, first in fixed]
        for what, names in (
            ("missed deadlines", missed), ("second forecasts", [f"{who} {seq}" for seq, who in second]),
            ("reveals after the score", track.belated),
            ("revised outcomes", [seq for seq, _ in fixed for _ in track.outcomes[seq][1:]]),
            ("outcomes with values not known", [f"{seq}: {gap} of {of}" for seq, gap, of in gaps if gap]),
            ("second scores of one outcome", track.again),
            ("cutoffs not settled", [seq for seq in range(len(track.cutoffs)) if seq not in track.scores]),
        ): says += line(f"{name}: {what}", names)
        known = "outcome values were known before the forecast was sealed"
        says += [f"{name}, {who}: {early} of {of} {known}" for who, (early, of) in track.hindsight.items() if early]
    says += line("targets declared again", [name for i, name in enumerate(declared) if name in declared[:i]])
    return says + line("entries set aside by a revocation", aside)

def line(what: str, names: Sequence[object]) -> list[str]:
    shown = ", ".join(map(str, names[:10])) + "..." * (len(names) > 10)
    return [f"{what}: {len(names)} ({shown})"] * bool(names)

def run(raws: list[bytes], box: Box, targets: set[str], time: Callable[[Entry], int]) -> Replay:
    """Replay all entries: revocations reach back, so they are collected first."""
    parsed: list[Entry | Wrong] = []
    for index, raw in enumerate(raws):
        try: parsed.append(read_entry(raw, index))
        except Wrong as error: parsed.append(error)
    before, judged = Keys({}), -1
    for entry in parsed:
        if isinstance(entry, Entry) and entry.of("kind") in JUDGING: judged = entry.place
        if isinstance(entry, Entry) and entry.of("kind") == "identity":
            try: before.take(entry, judged)
            except Wrong: continue  # the replay names it
    replay = Replay(box, before.void, targets, time)
    for index, entry in enumerate(parsed):
        try:
            if isinstance(entry, Wrong): raise entry
            replay.add(entry)
        except Wrong as error:
            replay.problems.append((index, error.code, f"entry {index}: {error}"))
    if any(code == "payload-missing" for _, code, _ in replay.problems): replay.name_left_out()
    return replay

def check_tiles(box: Box, leaves: list[bytes], root: bytes) -> None:
    level, row = 0, leaves
    wrong = ""
    while row:
        for at in range(0, len(row), 256):
            name, hashes = tile(level, at // 256, len(row[at : at + 256])), b"".join(row[at : at + 256])
            data = box.read(name, 8192, "tile")
            need(len(data) == len(hashes), "tile", f"{name} does not hold {len(hashes) // 32} hashes.")
            if data != hashes and not wrong: wrong = name
        level, row = level + 1, [root_of(row[at : at + 256]) for at in range(0, len(row) - 255, 256)]
    need(not wrong or root_of(leaves) != root, "tile", f"{wrong} does not hold the hashes of the entries.")

def check_strays(box: Box, size: int) -> None:
    """Files that the checkpoint does not account for: remains of an interrupted write may stay."""
    for name in sorted(box.members, key=lambda name: name.split("/")):
        if name == "checkpoint" or is_kept(name): continue
        if re.search(r"(^|/)\.[^/]*\.tmp$", name): continue
        if re.fullmatch("payload/sha256/[^/]*", name):
            holds = digest(box.read(name, 1 << 26, "payload-differs")).hex() == name[15:]
            need(holds, "payload-differs", f"{name} is another payload.")
            continue
        match = re.fullmatch(r"tile/(entries|0|[1-9]\d?)/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", name, re.ASCII)
        level, index, width = (str(match[1]), int(re.sub("[x/]", "", match[2])), int(match[3] or 256)) if match else ("", 0, 0)
        need(match and width <= 256 and tile(level, index, width) == name, "stray", f"{name} does not belong to a log.")
        reach = size if level == "entries" else size >> (8 * int(level))
        present = min(reach - index * 256, 256)
        if width < present:
            current = box.read(tile(level, index, present), 256 * 65537, "tile")
            need(current.startswith(box.read(name, 256 * 65537, "stray")), "stray", f"{name} is of another log.")

def check_head(
    data: bytes, policy: Policy, newest: Checkpoint, size: int, roots: dict[int, bytes]
) -> dict[str, int]:
    """Who cosigned an earlier checkpoint of this log when."""
    note, found = read_checkpoint(data, "checkpoint")
    by = trust(note, found, policy, quorum=False)
    need((found.origin, found.size) == (newest.origin, size), "checkpoint", "it is of another log or size.")
    need(roots.get(size) == found.root, "fork", "it has a root that the entries do not give.")
    return by

def check_receipts(box: Box, policy: Policy, raws: list[bytes], leaves: list[bytes], replay: Replay) -> list[tuple[str, str]]:
    """Receipts prove entries of this very log, and not only the better one of two forecasts."""
    problems: dict[str, tuple[str, str]] = {}
    proven: dict[str, tuple[Receipt, Checkpoint]] = {}
    for name in sorted(box.members):
        if not (name.startswith("receipts/") and name.endswith(".tlog-proof")): continue
        try:
            receipt = read_receipt(box.read(name, 1 << 21, "receipt"))
            note, head = read_checkpoint(receipt.checkpoint, "receipt")
            trust(note, head, policy, quorum=False, witnesses=False)
            root = climb(digest(b"\0" + receipt.entry), receipt.place, head.size, receipt.path)
            need(root == head.root, "receipt", "its path does not lead to the root.")
            proven[name] = receipt, head
        except Wrong as error:
            need(error.code != "container", error.code, str(error))
            problems[name] = "receipt", f"{name}: {error}"
    roots = roots_at(leaves, {head.size for _, head in proven.values()})
    for name, (receipt, head) in proven.items():
        if head.size not in roots: problems[name] = "receipt", f"{name}: it is of a later checkpoint."
        elif roots[head.size] != head.root: problems[name] = "fork", f"{name}: the entries do not give its root."
        elif raws[receipt.place] != receipt.entry: problems[name] = "receipt", f"{name}: it does not hold its entry."
    shown = {digest(b"\0" + receipt.entry).hex() for receipt, _ in proven.values()}
    found = [problems[name] for name in sorted(problems)]
    for track in replay.tracks.values():
        for (who, seq), said in track.forecasts.items():
            if len(said) < 2: continue
            try: _, counts, _ = replay.counts(track, who, seq)
            except Wrong: continue  # its payload is at fault, which the replay has named
            hidden = counts and counts.leaf not in shown and any(each.leaf in shown for each in said)
            if hidden: found.append(("receipt", f"the receipts show not the forecast by {who} that counts for cutoff {seq}."))
    return found

# ================================================================ the command

def verify(path: Path, policy: Policy, targets: set[str]) -> Verdict:
    if path.suffix == ".disclosure": raise Unusable("disclosed rows (.disclosure) are checked by `foreseal verify` alone.")
    try:
        is_log = path.is_dir() and (path / "tile" / "0").is_dir()
        plain = path.is_dir() or stat.S_ISREG(path.stat().st_mode)
        need(plain, "container" if path.suffix == ".zip" else "receipt", "it is not a regular file.")
        if path.is_dir() or path.suffix == ".zip": return judge_files(Box(path), policy, targets, is_log)
        need(path.stat().st_size <= LONGEST, "receipt", "it is too large.")
        return judge_receipt(path.read_bytes(), policy)
    except Wrong as error:
        verdict = Verdict()
        verdict.problems.append((error.code, str(error)))
        return verdict

def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Verify a Foreseal receipt, log or evidence, offline.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--policy", type=Path, help="a policy file (c2sp.org/tlog-policy)")
    parser.add_argument("--key", action="append", default=[], help="a verifier key of the log")
    parser.add_argument("--target", action="append", default=[], help="judge only this target")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    try:
        policy = Policy()
        if given.policy:
            about = given.policy.stat()
            plain = stat.S_ISREG(about.st_mode) and about.st_size <= 1 << 18
            need(plain, "fields", f"{given.policy} is too large for a policy, or no regular file.")
            policy.read(utf8(given.policy.read_bytes()))
        policy.logs += [read_key(each, 1) for each in given.key]
        verdict = verify(given.file, policy, {*given.target})
    except (Unusable, Wrong, OSError) as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 2
    says = verdict.says or ["not verified"]
    if given.json: print(json.dumps({"ok": verdict.ok, "level": verdict.level, "problems": verdict.problems, "statements": says}))
    else:
        print("\n".join(["VERIFIED" if verdict.ok else "NOT VERIFIED", *says, *(f"problem ({c}): {t}" for c, t in verdict.problems)]))
    return 0 if verdict.ok else 1

if __name__ == "__main__":
    sys.exit(main())
