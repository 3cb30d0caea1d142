"""Asking witnesses to cosign the present checkpoint of a log, all at once and not for ever.

A witness that is down, slow or wrong costs its cosignature and nothing else: the log is sealed already, and
the next one who asks brings the witness up to date from wherever it stopped.
"""

from __future__ import annotations

import http.client
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from foreseal.errors import ForesealError, Malformed, Refused, SetupError, Tampered
from foreseal.seal.checkpoint import parse_index
from foreseal.seal.deadline import open_until
from foreseal.seal.note import Note, Signature, parse_note, parse_signature
from foreseal.seal.quorum import Witness
from foreseal.seal.reader import LogReader
from foreseal.seal.witness import SIZE, Request, origin_path

MAX_ANSWER = 1 << 16

# Once with the size that it is thought to hold, once with the one that it says; a third for a race.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """A witness's cosignature, verified; or why there is none, and whether that looks like a fork."""

    witness: str
    line: Signature | None = None
    why: str = ""
    alarm: bool = False


def ask(log: LogReader, witnesses: Sequence[Witness], wait: float, old: int = 0) -> list[Answer]:
    """Ask all ``witnesses`` to cosign the present checkpoint; at most ``wait`` seconds pass.

    ``old`` is the size that they are thought to have cosigned last. Nothing is written.
    """
    note = parse_note(log.signed)
    signed = bytes(Note(note.text, note.signatures[:1]))
    answers: queue.Queue[Answer] = queue.Queue()
    old = min(old, log.size)
    proofs = _Proofs(log)
    end = time.monotonic() + wait

    def one(witness: Witness) -> None:
        try:
            answers.put(Answer(witness.name, _cosignature(proofs, note, signed, witness, old, end)))
        except Refused as error:
            answers.put(Answer(witness.name, None, error.message, alarm=True))
        except ForesealError as error:
            answers.put(Answer(witness.name, None, error.message))

    for each in witnesses:
        threading.Thread(target=one, args=(each,), name=f"ask {each.name}", daemon=True).start()
    found: dict[str, Answer] = {}
    while len(found) < len(witnesses):
        try:
            answer = answers.get(timeout=max(end - time.monotonic(), 0))
        except queue.Empty:
            break
        found[answer.witness] = answer
    proofs.close()
    late = f"no answer within {wait:g} s"
    return [found.get(each.name, Answer(each.name, None, late)) for each in witnesses]


def fetch_checkpoint(witness: Witness, origin: str, wait: float) -> bytes | None:
    """The checkpoint that a witness holds of a log, or None if it has none. **Nobody has checked it.**"""
    status, _, body = fetch(f"{witness.url.rstrip('/')}/{origin_path(origin)}", wait)
    if status == 404:
        return None
    if status != 200:
        raise SetupError(f"it answers {status}: {_shown(body)}")
    return body


def fetch(url: str, wait: float, data: bytes | None = None) -> tuple[int, str, bytes]:
    """GET, or POST ``data``: status, content type and a bounded body, all within ``wait`` seconds.

    Raises `SetupError` if it is not to be had.
    """
    if not url.startswith(("http://", "https://")):
        raise SetupError(f"{url!r} is not an address that begins with http:// or https://.")
    headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "foreseal"}
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        answer: http.client.HTTPResponse | urllib.error.HTTPError
        try:
            answer = open_until(request, time.monotonic() + wait)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            body = answer.read(MAX_ANSWER + 1)
            kind, status = answer.headers.get("Content-Type", ""), answer.status or 0
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise SetupError(f"it cannot be reached: {reason}.") from None
    if len(body) > MAX_ANSWER:
        raise SetupError(f"it answers with more than {MAX_ANSWER} bytes.")
    return status, kind, body


class _Proofs:
    """Proofs from a log for several threads; none is made once the log may have gone on."""

    def __init__(self, log: LogReader) -> None:
        self.size = log.size
        self._log: LogReader | None = log
        self._lock = threading.Lock()

    def consistency(self, old: int) -> tuple[bytes, ...]:
        with self._lock:
            if self._log is None:
                raise SetupError("it answered too late.")
            return tuple(self._log.consistency(old)) if old else ()

    def close(self) -> None:
        with self._lock:
            self._log = None


def _cosignature(
    proofs: _Proofs, note: Note, signed: bytes, witness: Witness, old: int, end: float
) -> Signature:
    for _ in range(_ATTEMPTS):
        request = Request(old, proofs.consistency(old), signed)
        url = f"{witness.url.rstrip('/')}/add-checkpoint"
        status, kind, body = fetch(url, end - time.monotonic(), bytes(request))
        if status == 200:
            return _verified(note, witness, body)
        if status == 409 and kind == SIZE:
            held = _held(body)
            if held > proofs.size:
                raise Refused(
                    f"it has cosigned {held} entries of this log, more than the {proofs.size} here."
                )
            if held != old:
                old = held
                continue
        if status in (409, 422):
            raise Refused(f"it holds another history of this log ({status}: {_shown(body)})")
        raise SetupError(f"it answers {status}: {_shown(body)}")
    raise SetupError("it says another size each time.")


def _verified(note: Note, witness: Witness, body: bytes) -> Signature:
    for line in _lines(body):
        if (line.name, line.key_id) == (witness.key.name, witness.key.key_id):
            if not witness.key.verifies(note.text.encode(), line.signature):
                raise Tampered("its cosignature does not fit the checkpoint.")
            return line
    raise Tampered("it answers without a cosignature by the key that the policy names.")


def _lines(body: bytes) -> Iterable[Signature]:
    try:
        return [parse_signature(line) for line in body.decode().removesuffix("\n").split("\n")]
    except UnicodeDecodeError:
        raise Malformed("it answers with bytes that are not UTF-8.") from None


def _held(body: bytes) -> int:
    return parse_index(body.decode("ascii", "replace").removesuffix("\n"))


def _shown(body: bytes) -> str:
    return body.decode(errors="replace").strip()[:200]
