"""A timestamp authority as an anchor: asked over HTTP (RFC 3161, 3.4), its answers published beside the log.

The reference of a timestamp is its path in the log's folder. An authority answers at once, so what it has
signed is final as soon as it has been checked.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from foreseal.chain.rfc3161 import EXTRA, Authority, available, check_token
from foreseal.clock import LiveClock
from foreseal.errors import Malformed, MissingExtra, ProofError, SetupError
from foreseal.options import build
from foreseal.seal.anchor import MAX_TOKEN, Attestation, Place, Status, token_path
from foreseal.seal.checkpoint import parse_checkpoint
from foreseal.seal.deadline import open_until
from foreseal.seal.disk import is_temporary, read_file, remove_files, write_file
from foreseal.seal.note import parse_note

TIMEOUT_SECONDS = 10.0
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"

_WHERE = "timestamp in [seal]"

Post = Callable[[str, bytes], bytes]


def _url(value: Any) -> str:
    parts = urllib.parse.urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value!r} is not the address of an authority; one begins with https:// or http://")
    return str(value)


@dataclass(frozen=True, slots=True)
class AuthorityTable:
    """``timestamp`` in ``[seal]``: where the authority is asked, and the PEM file with its certificates."""

    url: str = field(metadata={"convert": _url})
    certificate: str


def post_query(url: str, body: bytes) -> bytes:
    """Send a query and return the answer, within `TIMEOUT_SECONDS` in all and `MAX_TOKEN` bytes."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    request = urllib.request.Request(url, data=body, headers={"Content-Type": QUERY, "Accept": REPLY})
    try:
        with open_until(request, deadline) as reply:
            found = bytearray()
            while chunk := reply.read1(MAX_TOKEN):
                found += chunk
                if len(found) > MAX_TOKEN:
                    raise Malformed(f"{url} answers with more than {MAX_TOKEN} bytes.")
    except urllib.error.HTTPError as error:
        with error:
            raise SetupError(f"{url} answers {error.code} {error.reason}.") from None
    except TimeoutError:
        raise SetupError(f"{url} does not answer within {TIMEOUT_SECONDS:g} seconds.") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise SetupError(f"{url} does not answer within {TIMEOUT_SECONDS:g} seconds.") from None
        raise SetupError(f"{url} cannot be reached: {reason}.") from None
    return bytes(found)


def make_anchor(options: Mapping[str, Any], place: Place) -> TimestampAnchor:
    """The authority that a project's settings name. Raises `SettingsError` or `MissingExtra`."""
    table = build(AuthorityTable, options, _WHERE)
    if not available():
        raise MissingExtra(EXTRA, "A timestamp")
    return TimestampAnchor(table.url, load_authority(options, place.project), place.log)


def load_authority(options: Mapping[str, Any], project: Path) -> Authority:
    """Whose timestamps a project's settings believe. Raises `SettingsError`."""
    return Authority.load(project / build(AuthorityTable, options, _WHERE).certificate)


@dataclass(frozen=True, slots=True)
class TimestampAnchor:
    """Gets timestamps from ``url`` and keeps them in ``log``; believes those of ``authority``."""

    url: str
    authority: Authority
    log: Path
    clock: Callable[[], datetime] = LiveClock().now
    post: Post = post_query

    def submit(self, checkpoint: bytes) -> str:
        """Ask for a timestamp and publish it; one that is there already and holds is kept."""
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

        text = parse_note(checkpoint).text
        reference = token_path(parse_checkpoint(text).size)
        path = self.log / reference
        with suppress(ProofError):
            check_token(read_file(path, MAX_TOKEN), text, self.authority, latest=self.clock())
            return reference
        builder = TimestampRequestBuilder().data(text.encode()).hash_algorithm(HashAlgorithm.SHA256)
        request, asked = builder.build(), self.clock()
        answer = self.post(self.url, request.as_bytes())
        try:
            check_token(
                answer,
                text,
                self.authority,
                nonce=request.nonce,
                earliest=asked,
                latest=self.clock(),
            )
        except ProofError as error:
            raise type(error)(f"{self.url}: {error.message}", hint=error.hint) from None
        if path.parent.is_dir():
            remove_files([each for each in path.parent.iterdir() if is_temporary(each)])
        write_file(path, answer)
        return reference

    def status(self, reference: str) -> Status:
        """Final, or lost if the file is not there; what it says is for `verify` to tell."""
        return Status("final" if (self.log / reference).is_file() else "lost")

    def verify(self, reference: str, checkpoint: bytes) -> Attestation:
        """Check the timestamp that is published against the checkpoint."""
        token = read_file(self.log / reference, MAX_TOKEN)
        return check_token(token, parse_note(checkpoint).text, self.authority, latest=self.clock())
