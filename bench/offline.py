"""Offline verification of a log of many forecasts, beside its Ed25519 signatures alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from bench.forecasts import make_log

from foreseal.seal import audit, history, verify
from foreseal.seal.entry import parse_entry
from foreseal.seal.keys import parse_author
from foreseal.seal.note import ed25519_verifies
from foreseal.seal.reader import read_log

# What reads payloads, decodes them, or computes scores from them.
PAYLOADS = (
    (audit, "_check_strays"),
    (history, "check_score"),
    (history.History, "_revealed"),
    (history.History, "_forecast_keys"),
    (history.History, "_table"),
    (history.History, "_payload"),
)


class Stopwatch:
    """CPU seconds inside the wrapped functions, nested calls counted once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = False

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside = True
            start = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - start
                self._inside = False

        return timed


def measure(folder: Path, forecasts: int, runs: int) -> Iterator[dict[str, Any]]:
    """Seconds of CPU time: signatures alone, everything but payloads and scores, and these."""
    folder.mkdir()
    keys = [make_log(folder, forecasts).verifier]
    messages: list[tuple[bytes, bytes, bytes]] = []

    def kept(public: bytes, message: bytes, signature: bytes) -> bool:
        messages.append((public, message, signature))
        return True

    raws = list(read_log(folder / "log", keys).entries())
    with mock.patch("foreseal.seal.entry.ed25519_verifies", kept):
        signed = [parse_entry(raw) for raw in raws]
    assert {public for public, _, _ in messages} == {parse_author(signed[0].author)}
    alone, whole, payloads = [], [], []
    for _ in range(runs):
        start = time.process_time()
        assert all(ed25519_verifies(*each) for each in messages)
        alone.append(time.process_time() - start)
        watch = Stopwatch()
        patches = [
            mock.patch.object(place, name, watch.wrap(getattr(place, name))) for place, name in PAYLOADS
        ]
        for patch in patches:
            patch.start()
        start = time.process_time()
        verdict = verify.verify_log(folder / "log", keys)
        taken = time.process_time() - start
        for patch in patches:
            patch.stop()
        assert verdict.ok, verdict.problems
        whole.append(taken - watch.seconds)
        payloads.append(watch.seconds)
    ratios = [a / b for a, b in zip(whole, alone, strict=True)]
    yield {
        "case": f"verify a log of {forecasts} forecasts, {len(raws)} entries: all but payloads and scores",
        "durability": "memory",
        "seconds": round(statistics.median(whole), 2),
        "signatures_alone_seconds": round(statistics.median(alone), 2),
        "to_signatures": round(statistics.median(ratios), 2),
        "aim": "1.5",
    }
    yield {
        "case": "the same: payload digests, tables, and all scores recomputed",
        "durability": "memory",
        "seconds": round(statistics.median(payloads), 2),
    }
