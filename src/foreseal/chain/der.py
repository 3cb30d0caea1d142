"""Putting the certificates of a timestamp into the order that DER asks for.

In DER the members of a SET ascend (X.690, 11.6). OpenSSL, and so many an authority, writes the certificates
of a timestamp as they come, and strict parsers refuse that. Nothing is signed over their order.
"""

from __future__ import annotations

from collections.abc import Iterator

_SEQUENCE, _CONTEXT_0 = 0x30, 0xA0
# TimeStampResp, its token, the token's content, SignedData, its certificates: which member, with which tag.
_PATH = ((1, _SEQUENCE), (1, _CONTEXT_0), (0, _SEQUENCE), (3, _CONTEXT_0))


def sort_certificates(response: bytes) -> bytes:
    """The same response with its certificates in order; as it is, if it has none or is no such response."""
    try:
        start, end, tag = _head(response, 0)
        if tag != _SEQUENCE or end != len(response):
            return response
        for member, tag in _PATH:
            found = list(_members(response, start, end))
            first, start, end = found[member]
            if response[first] != tag:
                return response
        parts = sorted(response[first:stop] for first, _, stop in _members(response, start, end))
    except (IndexError, ValueError):
        return response
    return response[:start] + b"".join(parts) + response[end:]


def _members(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Of each member: where it begins, where its content begins, where it ends."""
    while start < end:
        content, stop, _ = _head(data, start)
        if stop > end:
            raise ValueError
        yield start, content, stop
        start = stop


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Where the content of the value at ``at`` begins and ends, and its tag (of one byte)."""
    tag, length, content = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise ValueError
        length, content = int.from_bytes(data[content : content + count], "big"), content + count
    if content + length > len(data):
        raise ValueError
    return content, content + length, tag
