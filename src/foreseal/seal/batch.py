"""Group commit: what many threads append at about the same time is made durable together.

An append costs a fixed number of disk syncs, whatever it holds. So entries wait for company, at most
``wait`` seconds, and go into the log with one append. Each caller still returns only once its own entries are
sealed and durable.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Protocol

from foreseal.errors import UsageError
from foreseal.seal.tiles import write_bundle

WAIT = 0.1
FULL = 1000


class Appends(Protocol):
    """Where batches go: a `foreseal.seal.log.Log`."""

    def append(self, entries: Iterable[bytes]) -> list[int]:
        """Add entries durably and return their indices."""
        ...


class Batcher:
    """Lets many threads append to one log. Use it as a context manager; it does not close the log.

    A batch is appended once its first entry has waited ``wait`` seconds, or as soon as it holds ``full``
    entries; while one is being written, the next one gathers. The entries of one call stay together and in
    order, and calls of one thread come in the order in which it makes them. While it is open, nothing else
    may use the log: read with `foreseal.seal.reader.read_log`.
    """

    def __init__(self, log: Appends, *, wait: float = WAIT, full: int = FULL) -> None:
        if not 0 <= wait <= threading.TIMEOUT_MAX or full < 1:
            raise UsageError(f"a batch cannot wait {wait} seconds for {full} entries.")
        self._log, self._wait, self._full = log, wait, full
        self._changed = threading.Condition()
        self._waiting: deque[tuple[list[bytes], Future[list[int]], float]] = deque()
        self._count = 0
        self._closed = False
        self._writer = threading.Thread(target=self._write, name="foreseal-batches", daemon=True)
        self._writer.start()

    def append(self, entries: Iterable[bytes]) -> list[int]:
        """Add entries and return their indices; they are sealed and durable when this returns.

        Raises `Refused` at once for an entry that no log takes, and whatever the log raises for the batch:
        then the entries may or may not be in it. Later batches are tried anew; where it is not
        known what an append has signed, the log refuses them all until it is opened again.
        """
        fresh = list(entries)
        write_bundle(fresh)
        if not fresh:
            return []
        done: Future[list[int]] = Future()
        with self._changed:
            if self._closed:
                raise UsageError("this log takes no more entries: it is being closed.")
            self._waiting.append((fresh, done, time.monotonic()))
            self._count += len(fresh)
            self._changed.notify_all()
        return done.result()

    def close(self) -> None:
        """Refuse what comes from now on, and return when all that came before is done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._writer.join()

    def __enter__(self) -> Batcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self) -> None:
        while batch := self._gather():
            try:
                first, *_ = self._log.append([entry for entries, _ in batch for entry in entries])
            except BaseException as error:  # noqa: BLE001 - it is raised where it matters, in every caller
                for _, done in batch:
                    done.set_exception(error)
            else:
                for entries, done in batch:
                    done.set_result(list(range(first, first + len(entries))))
                    first += len(entries)

    def _gather(self) -> list[tuple[list[bytes], Future[list[int]]]]:
        """The next batch, in the order of arrival; empty only when closed and done."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            while self._waiting and self._count < self._full and not self._closed:
                rest = self._waiting[0][2] + self._wait - time.monotonic()
                if rest <= 0:
                    break
                self._changed.wait(rest)
            batch, held = [], 0
            while self._waiting and held < self._full:
                entries, done, _ = self._waiting.popleft()
                batch.append((entries, done))
                held += len(entries)
            self._count -= held
            return batch
