"""Disclosures: some rows of a dataset, and the proof that a sealed forecast rested on them.

A file in canonical JSON: the bytes of one chunk of rows (docs/data.md), the path from its leaf hash to the
root of the append's prefix, the path from there to the digest of the snapshot, and the receipt of the
forecast entry that sealed this digest.
"""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from foreseal.clock import format_instant, parse_instant
from foreseal.errors import Malformed, ProofError, Tampered
from foreseal.merkle import leads_to, leaf_hash
from foreseal.seal import jcs
from foreseal.seal.entry import Entry
from foreseal.seal.fields import hexadecimal, instant, integer, listing, record, text
from foreseal.seal.note import Verifier, encode_base64
from foreseal.seal.policy import Policy
from foreseal.seal.problem import Problem
from foreseal.seal.schema import MAX_ROWS
from foreseal.seal.verify import Verdict, refused, verify_receipt

SUFFIX = ".disclosure"
MAX_DISCLOSURE = 1 << 25
MAX_CHUNK_ROWS = 256

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAGIC = "foreseal rows v1"
_hashes = listing(hexadecimal(32), 63)
_check = record(
    {
        "v": integer(1, 1),
        "dataset": text(64),
        "cutoff": instant,
        "n": integer(1, MAX_ROWS),
        "append": integer(1, MAX_ROWS),
        "chunks": integer(1, MAX_ROWS),
        "index": integer(0, MAX_ROWS),
        "inner": _hashes,
        "outer": _hashes,
        "chunk": text(MAX_DISCLOSURE),
        "receipt": text(MAX_DISCLOSURE),
        "series": text(1024),
        "ds": instant,
    }
)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One chunk of rows, and what proves it. ``series`` and ``ds`` say which row is meant."""

    fields: Mapping[str, Any]
    chunk: bytes
    receipt: bytes

    def digest(self) -> str:
        """The digest of the snapshot that the proof leads to, in hexadecimal."""
        inner, outer = (tuple(map(bytes.fromhex, self.fields[name])) for name in ("inner", "outer"))
        prefix = leads_to(leaf_hash(self.chunk), self.fields["index"], self.fields["chunks"], inner)
        return leads_to(leaf_hash(prefix), self.fields["append"] - 1, self.fields["n"], outer).hex()


def write_disclosure(fields: Mapping[str, Any], chunk: bytes, receipt: bytes) -> bytes:
    """The file; ``fields`` are the others of a disclosure, without ``v``."""
    whole = {**fields, "v": 1, "chunk": encode_base64(chunk), "receipt": encode_base64(receipt)}
    _check(whole, "disclosure")
    return jcs.encode(whole)


def parse_disclosure(data: bytes) -> Disclosure:
    """Parse a disclosure strictly. Raises `Malformed`."""
    if len(data) > MAX_DISCLOSURE:
        raise Malformed(f"a disclosure has {len(data)} bytes; the limit is {MAX_DISCLOSURE}.")
    fields = jcs.decode(data)
    try:
        _check(fields, "disclosure")
        assert isinstance(fields, dict)
        found = Disclosure(fields, *(b64decode(fields[name], validate=True) for name in ("chunk", "receipt")))
    except (Malformed, ValueError) as error:
        raise Malformed(str(error), code="fields") from None
    if any(encode_base64(each) != fields[name] for name, each in _parts(found)):
        raise Malformed("a disclosure is not in its canonical form.")
    return found


def _parts(found: Disclosure) -> tuple[tuple[str, bytes], ...]:
    return ("chunk", found.chunk), ("receipt", found.receipt)


def verify_disclosure(data: bytes, trust: Policy | Iterable[Verifier]) -> Verdict:
    """Check that disclosed rows lie in the snapshot that a sealed forecast names. Offline."""
    try:
        found = parse_disclosure(data)
    except ProofError as error:
        return refused(Problem.of(error, "canonical"))
    verdict = verify_receipt(found.receipt, trust)
    if verdict.problems or verdict.entry is None:
        return verdict
    try:
        _check_snapshot(found, verdict.entry)
        rows = read_chunk(found.chunk)
        said = _row(found, rows)
    except ProofError as error:
        return replace(verdict, ok=False, level="none", problems=(Problem.of(error, "canonical"),))
    asked = found.fields
    lines = (
        f"disclosed: {len(rows)} rows of {asked['dataset']}, chunk {asked['index']} of append "
        f"{asked['append']}; the forecast in entry {verdict.index} rests on them (cutoff {asked['cutoff']})",
        f"{asked['series']} at {asked['ds']}: {', '.join(f'{k} = {_show(v)}' for k, v in said.items())}",
        "nothing is shown about the rows of other chunks, or that the data are true",
    )
    return replace(verdict, statements=(*verdict.statements, *lines))


def _check_snapshot(found: Disclosure, entry: Entry) -> None:
    asked = found.fields
    if entry.kind != "forecast" or entry["cutoff"] != asked["cutoff"]:
        raise Malformed("the receipt is not of a forecast at this cutoff.", code="reference")
    snapshots = [
        each for each in entry["data"] if (each["dataset"], each["n"]) == (asked["dataset"], asked["n"])
    ]
    if not snapshots:
        raise Malformed("the forecast does not rest on this snapshot.", code="reference")
    try:
        digest = found.digest()
    except ProofError as error:
        raise Malformed(error.message, code="root") from None
    if digest != snapshots[0]["digest"]:
        raise Tampered("the rows do not lead to the digest of the snapshot that was sealed.", code="root")


def _row(found: Disclosure, rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The latest value of the row that is meant; every row was known at the cutoff."""
    cutoff, ds = parse_instant(found.fields["cutoff"]), parse_instant(found.fields["ds"])
    meant: Mapping[str, Any] | None = None
    for row in rows:
        known = row.get("known_at")
        if not isinstance(known, datetime) or known > cutoff:
            raise Malformed("it holds a row that was not known at the cutoff.", code="rule")
        if row.get("unique_id") == found.fields["series"] and row.get("ds") == ds:
            meant = row
    if meant is None:
        raise Malformed("the row that is meant is not among those disclosed.", code="reference")
    return {name: value for name, value in meant.items() if name in ("y", "known_at", "source", "quality")}


def read_chunk(chunk: bytes) -> list[dict[str, Any]]:
    """Rows of a chunk, in its order; the layout is described in docs/data.md. Raises `Malformed`."""
    head, gap, body = chunk.partition(b"\n\n")
    try:
        magic, title, *columns = head.decode("utf-8").split("\n")
        part, _, count = title.rpartition(" ")
        rows = int(count)
    except ValueError:
        raise Malformed("a chunk has no header.") from None
    if not gap or magic != _MAGIC or not part or str(rows) != count or not 0 < rows <= MAX_CHUNK_ROWS:
        raise Malformed("a chunk has a wrong header.")
    found: dict[str, list[Any]] = {}
    reader = _Reader(body)
    for column in columns:
        kind, _, name = column.partition(" ")
        valid = reader.take(rows) if kind.endswith("?") else b"\x01" * rows
        values = reader.column(kind.removesuffix("?"), rows)
        found[name] = [value if there else None for value, there in zip(values, valid, strict=True)]
    if reader.at != len(body) or len(found) != len(columns):
        raise Malformed("a chunk has bytes left over, or a column twice.")
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def take(self, size: int) -> bytes:
        self.at += size
        if self.at > len(self._data):
            raise Malformed("a chunk is cut short.")
        return self._data[self.at - size : self.at]

    def column(self, kind: str, rows: int) -> list[Any]:
        if kind == "str":
            lengths = struct.unpack(f"<{rows}I", self.take(4 * rows))
            try:
                return [self.take(length).decode("utf-8") for length in lengths]
            except UnicodeDecodeError:
                raise Malformed("a chunk holds a text that is not UTF-8.") from None
        if kind not in ("time", "int", "float", "bool"):
            raise Malformed(f"a chunk has a column of the unknown type {kind[:20]!r}.")
        code, width = {"float": ("d", 8), "bool": ("?", 1)}.get(kind, ("q", 8))
        values = struct.unpack(f"<{rows}{code}", self.take(width * rows))
        if kind != "time":
            return list(values)
        try:
            return [_EPOCH + timedelta(microseconds=value) for value in values]
        except OverflowError:
            raise Malformed("a chunk holds an impossible instant.") from None


def _show(value: Any) -> str:
    return format_instant(value) if isinstance(value, datetime) else str(value)
