"""The quick way to read canonical JSON takes exactly what the slow way to write it gives."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from foreseal.clock import format_instant, parse_instant
from foreseal.errors import Malformed, Tampered
from foreseal.seal import jcs
from foreseal.seal.entry import parse_entry, sign_entry

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8) | st.text(
    'ab"\\\n\x00\x7f/é\U0001f600｡null', max_size=8
)
VALUES = st.recursive(
    TEXTS | st.booleans() | st.none() | st.integers(-(2**54), 2**54) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def read_slowly(data: bytes) -> object:
    """What the definition says: JSON that encodes back to the same bytes."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Malformed("no JSON") from None
    if jcs.encode(value) != data:
        raise Malformed("not canonical")
    return value


def verdict(read: object, data: bytes) -> object:
    try:
        return read(data)  # type: ignore[operator]
    except Malformed:
        return Malformed


@settings(max_examples=600, deadline=None)
@given(VALUES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]), st.data())
def test_bytes_are_read_as_they_are_written_or_refused(
    value: object, ascii_only: bool, separators: tuple[str, str], data: st.DataObject
) -> None:
    text = json.dumps(
        value, ensure_ascii=ascii_only, separators=separators, sort_keys=data.draw(st.booleans())
    )
    raw = text.encode("utf-8", "surrogatepass")
    if data.draw(st.booleans()) and raw:
        at = data.draw(st.integers(0, len(raw) - 1))
        raw = raw[:at] + data.draw(st.binary(max_size=2)) + raw[at + 1 :]
    assert verdict(jcs.decode, raw) == verdict(read_slowly, raw)


@settings(deadline=None)
@given(VALUES)
def test_what_is_written_is_read_back_and_is_what_the_reference_writes(value: object) -> None:
    try:
        raw = jcs.encode(value)
    except Malformed:
        return
    assert jcs.decode(raw) == value
    assert raw == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [8, 9])
def test_depth_is_bounded_alike_on_both_ways(depth: int) -> None:
    for leaf, (left, right) in itertools.product(("1", '"a"', '"é"', "true"), (("[", "]"), ('{"a":', "}"))):
        raw = (left * depth + leaf + right * depth).encode()
        if depth < 9:
            assert jcs.encode(jcs.decode(raw)) == raw
        else:
            with pytest.raises(Malformed, match="nested more than 8"):
                jcs.decode(raw)


def test_a_field_that_looks_like_the_signature_is_signed_like_any_other(author: Ed25519PrivateKey) -> None:
    fields = {"name": "n", "spec": "s", "code": "ab" * 32, "versions": {}, "parameters": {"sig": "ab" * 64}}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    raw = sign_entry("model", fields, key=author, at=at)
    assert parse_entry(raw)["parameters"] == {"sig": "ab" * 64}
    signature = parse_entry(raw)["sig"].encode()
    for forged in (
        raw.replace(b"ab" * 64, signature),
        raw.replace(signature, b"ab" * 64),
        raw.replace(b'"spec":"s"', b'"spec":"t"'),
        raw.replace(b'{"sig":"' + b"ab" * 64 + b'"}', b"{}"),
    ):
        assert forged != raw
        with pytest.raises(Tampered):
            parse_entry(forged)


@settings(deadline=None)
@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30))])))
def test_an_instant_is_spelt_in_one_way(instant: datetime) -> None:
    try:
        utc = instant.astimezone(UTC)
    except OverflowError:
        return
    fraction = f".{utc.microsecond:06d}" if utc.microsecond else ""
    day, time = (
        f"{utc.year:04d}-{utc.month:02d}-{utc.day:02d}",
        f"{utc.hour:02d}:{utc.minute:02d}:{utc.second:02d}",
    )
    assert format_instant(instant) == f"{day}T{time}{fraction}Z"
    assert parse_instant(format_instant(instant)) == instant
