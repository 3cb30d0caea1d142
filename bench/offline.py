"""Offline verification of a log of many forecasts, beside its Ed25519 signatures alone."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.forecasts import make_log
from foreseal.seal import jcs
from foreseal.seal.audit import audit_files
from foreseal.seal.entry import Entry, parse_entries, parse_entry
from foreseal.seal.history import History
from foreseal.seal.identity import find_revocations
from foreseal.seal.keys import parse_author
from foreseal.seal.note import Verifier, ed25519_verifies
from foreseal.seal.payload import Payloads
from foreseal.seal.policy import Policy
from foreseal.seal.reader import CHECKPOINT, read_log
from foreseal.seal.verify import Verdict, conclude, open_head, verify_log

Signed = tuple[bytes, bytes, bytes]


def measure(folder: Path, forecasts: int, runs: int) -> Iterator[dict[str, Any]]:
    """Seconds of CPU time: signatures alone, everything but what payloads hold, and everything."""
    folder.mkdir()
    keys, log = [make_log(folder, forecasts).verifier], folder / "log"
    signed = [_signed(parse_entry(raw)) for raw in read_log(log, keys).entries()]
    alone, most, whole = [], [], []
    for _ in range(runs):
        alone.append(_seconds(lambda: all(ed25519_verifies(*each) for each in signed)))
        most.append(_seconds(lambda: _without_contents(log, keys).ok))
        whole.append(_seconds(lambda: verify_log(log, keys).ok))
    assert _without_contents(log, keys).kinds == verify_log(log, keys).kinds
    ratios = [a / b for a, b in zip(most, alone, strict=True)]
    yield {
        "case": f"verify a log of {forecasts} forecasts, {len(signed)} entries: all but payloads and scores",
        "durability": "memory",
        "seconds": round(statistics.median(most), 2),
        "signatures_alone_seconds": round(statistics.median(alone), 2),
        "to_signatures": round(statistics.median(ratios), 2),
        "aim": "1.5",
    }
    yield {
        "case": "the same, and payload digests, tables, and all scores recomputed",
        "durability": "memory",
        "seconds": round(statistics.median(whole), 2),
        "payloads_seconds": round(statistics.median(a - b for a, b in zip(whole, most, strict=True)), 2),
    }


def _without_contents(folder: Path, keys: Sequence[Verifier]) -> Verdict:
    """What `verify_log` does, by the same functions, but that no payload except the schedule is opened."""
    policy = Policy.of(keys)
    head = open_head((folder / CHECKPOINT).read_bytes, policy)
    audit = audit_files(folder, head.checkpoint)
    history = History(Payloads(folder).get, revoked=find_revocations(audit.entries))
    for each in parse_entries(audit.entries):
        assert isinstance(each, Entry)
        history.add(each, contents=False)
    return conclude(policy, head, history, audit.problems, audit.notes)


def _signed(entry: Entry) -> Signed:
    """Public key, message and signature of an entry, as docs/evidence.md defines them."""
    unsigned = {name: value for name, value in entry.fields.items() if name != "sig"}
    message = b"foreseal/entry/v1\n" + jcs.encode(unsigned)
    return parse_author(entry.author), message, bytes.fromhex(entry["sig"])


def _seconds(action: Callable[[], bool]) -> float:
    gc.collect()
    start = time.process_time()
    assert action()
    return time.process_time() - start
