"""Tables: payloads that entries refer to, each read, checked and decoded once while it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foreseal.errors import Malformed
from foreseal.seal.payload import Layout, Row

PayloadReader = Callable[[str, int], bytes]

MAX_KEPT = 1 << 23
"""Bytes of payloads that are kept decoded: those of the cutoffs that are not settled yet, usually."""


class Tables:
    """Payloads by the reference ``{"sha256": ..., "size": ...}`` of an entry.

    ``read`` gives the bytes by digest and size, and raises `ProofError` unless they are there and right.
    """

    def __init__(self, read: PayloadReader) -> None:
        self._read = read
        self._kept: dict[tuple[str, int, Layout], Sequence[Row]] = {}
        self._wrong: dict[tuple[str, int, Layout], str] = {}
        self._bytes = 0

    def data(self, reference: Mapping[str, Any]) -> bytes:
        """The bytes of a payload."""
        return self._read(reference["sha256"], reference["size"])

    def rows(self, layout: Layout, reference: Mapping[str, Any]) -> Sequence[Row]:
        """The rows of a payload. `Malformed` with code ``canonical`` if it is not of this layout."""
        digest, size = reference["sha256"], reference["size"]
        key = (digest, size, layout)
        found = self._kept.get(key)
        if found is None:
            data = b"" if key in self._wrong else self._read(digest, size)
            try:
                if key in self._wrong:
                    raise Malformed(self._wrong[key])
                found = layout.decode(data)
            except Malformed as error:
                self._wrong[key] = error.message
                raise Malformed(error.message, code="canonical") from None
            self._keep(key, found)
        return found

    def _keep(self, key: tuple[str, int, Layout], rows: Sequence[Row]) -> None:
        self._kept[key] = rows
        self._bytes += key[1]
        while self._bytes > MAX_KEPT:
            oldest = next(iter(self._kept))
            del self._kept[oldest]
            self._bytes -= oldest[1]
