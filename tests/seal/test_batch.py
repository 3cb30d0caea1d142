"""Threads that append together lose nothing, share the disk's work and share its failures."""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foreseal.errors import Refused, UsageError
from foreseal.seal import log as log_module
from foreseal.seal.audit import audit_files, audit_rest
from foreseal.seal.batch import Batcher
from foreseal.seal.disk import write_files
from foreseal.seal.lock import LogLock
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.reader import read_log

NEVER = 3600.0


class Tape:
    """A log that remembers batches. It can be held still, and told to fail."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.running = threading.Event()
        self.running.set()
        self.reached = threading.Semaphore(0)
        self.failures: list[BaseException] = []

    @property
    def entries(self) -> list[bytes]:
        return list(itertools.chain(*self.batches))

    def append(self, entries: Iterable[bytes]) -> list[int]:
        self.reached.release()
        assert self.running.wait(60)
        if self.failures:
            raise self.failures.pop()
        first = len(self.entries)
        self.batches.append(list(entries))
        return list(range(first, len(self.entries)))


def until(batcher: Batcher, holds: Callable[[], bool]) -> None:
    with batcher._changed:
        assert batcher._changed.wait_for(holds, 60)


@settings(max_examples=40, deadline=None)
@given(
    plans=st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=6),
    full=st.integers(1, 12),
    wait=st.sampled_from([0.0, 0.001]),
)
def test_every_entry_is_in_the_log_once_at_its_index_and_in_its_callers_order(
    plans: list[list[int]], full: int, wait: float
) -> None:
    tape = Tape()

    def caller(name: int) -> list[tuple[int, bytes]]:
        said = []
        for call, count in enumerate(plans[name]):
            entries = [f"{name} {call} {k}".encode() for k in range(count)]
            indices = batcher.append(entries)
            assert indices == list(range(indices[0], indices[0] + count)) if count else indices == []
            said += zip(indices, entries, strict=True)
        return said

    with Batcher(tape, wait=wait, full=full) as batcher, ThreadPoolExecutor(len(plans)) as pool:
        told = list(pool.map(caller, range(len(plans))))
    for said in told:
        assert said == sorted(said), "a caller's entries lie in the order of its calls"
    assert sorted(itertools.chain(*told)) == list(enumerate(tape.entries))
    # A batch takes whole calls, and no more of them once it is full.
    assert all(len(batch) < full + 5 for batch in tape.batches)


def test_what_threads_append_survives_in_a_real_log(
    log: Log, signer: Signer, lock: Path, tmp_path: Path
) -> None:
    def caller(name: int) -> list[tuple[int, bytes]]:
        entries = [f"{name} {k}".encode() for k in range(40)]
        return [(batcher.append([entry])[0], entry) for entry in entries]

    with Batcher(log, wait=0.002) as batcher, ThreadPoolExecutor(8) as pool:
        told = sorted(itertools.chain(*pool.map(caller, range(8))))
    log.close()
    reader = read_log(log.folder, [signer.verifier])
    assert told == list(enumerate(reader.entries()))
    assert len(told) == 320
    Log.open(log.folder, signer, lock).close()


def test_callers_that_wait_for_the_same_write_go_together_with_the_next() -> None:
    tape = Tape()
    tape.running.clear()
    arrived = threading.Barrier(6)

    def caller(name: int) -> list[int]:
        arrived.wait()
        return batcher.append([b"%d" % name])

    with Batcher(tape, wait=0.0) as batcher, ThreadPoolExecutor(7) as pool:
        first = pool.submit(batcher.append, [b"first"])
        tape.reached.acquire()
        rest = [pool.submit(caller, name) for name in range(5)]
        arrived.wait()
        until(batcher, lambda: len(batcher._waiting) == 5)
        tape.running.set()
        assert first.result() == [0]
        assert sorted(each.result()[0] for each in rest) == [1, 2, 3, 4, 5]
    assert [len(batch) for batch in tape.batches] == [1, 5]


def test_a_full_batch_does_not_wait() -> None:
    tape = Tape()
    with Batcher(tape, wait=NEVER, full=3) as batcher:
        assert batcher.append([b"a", b"b", b"c"]) == [0, 1, 2]
        with ThreadPoolExecutor(3) as pool:
            assert sorted(pool.map(lambda k: batcher.append([b"%d" % k])[0], range(3))) == [3, 4, 5]
    assert [len(batch) for batch in tape.batches] == [3, 3]


def test_a_lone_entry_waits_no_longer_than_it_is_told() -> None:
    tape = Tape()
    with Batcher(tape, wait=0.02, full=1000) as batcher:
        assert batcher.append([b"alone"]) == [0]


def test_a_lone_entry_waits_a_tenth_of_a_second_unless_told_otherwise() -> None:
    began = time.monotonic()
    with Batcher(Tape()) as batcher:
        assert batcher.append([b"alone"]) == [0]
    assert 0.09 < time.monotonic() - began < 5


def test_an_error_reaches_every_caller_of_its_batch_and_no_other() -> None:
    tape = Tape()
    tape.failures = [OSError(28, "No space left on device")]
    with Batcher(tape, wait=NEVER, full=3) as batcher, ThreadPoolExecutor(3) as pool:
        told = [pool.submit(batcher.append, [b"%d" % k]) for k in range(3)]
        assert [type(each.exception()) for each in told] == [OSError] * 3
        assert batcher.append([b"x", b"y", b"z"]) == [0, 1, 2]
    assert tape.batches == [[b"x", b"y", b"z"]]


@pytest.mark.parametrize("bad", [b"", b"x" * 65_536])
def test_an_entry_that_no_log_takes_fails_its_own_caller_only(bad: bytes) -> None:
    tape = Tape()
    with Batcher(tape, wait=NEVER, full=2) as batcher, ThreadPoolExecutor(2) as pool:
        good = pool.submit(batcher.append, [b"good"])
        with pytest.raises(Refused):
            batcher.append([b"fine", bad])
        assert [batcher.append([b"also good"])[0], good.result()[0]] in ([0, 1], [1, 0])


def test_closing_finishes_what_was_accepted_and_refuses_the_rest() -> None:
    tape = Tape()
    tape.running.clear()
    batcher = Batcher(tape, wait=0.0)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher.append, [b"first"])
        tape.reached.acquire()
        second = pool.submit(batcher.append, [b"second"])
        until(batcher, lambda: len(batcher._waiting) == 1)
        closing = pool.submit(batcher.close)
        until(batcher, lambda: batcher._closed)
        with pytest.raises(UsageError, match="being closed"):
            batcher.append([b"late"])
        assert not closing.done()
        tape.running.set()
        closing.result()
        assert [first.result(), second.result()] == [[0], [1]]
    batcher.close()
    assert tape.entries == [b"first", b"second"]


@pytest.mark.parametrize(("wait", "full"), [(-1.0, 1), (float("nan"), 1), (float("inf"), 1), (0.1, 0)])
def test_an_impossible_wait_or_size_is_refused(wait: float, full: int) -> None:
    with pytest.raises(UsageError):
        Batcher(Tape(), wait=wait, full=full)


def _fail(*_: object) -> None:
    raise OSError(5, "Input/output error")


def _write_one_and_fail(files: Mapping[Path, bytes]) -> None:
    write_files(dict(itertools.islice(files.items(), 1)))
    _fail()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 300), st.sampled_from(["", "tiles", "swap"])), max_size=8))
def test_a_log_that_goes_on_after_a_failed_append_leaves_nothing_wrong_behind(
    tmp_path: Path, signer: Signer, appends: list[tuple[int, str]]
) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as name, ExitStack() as stack:
        log = stack.enter_context(Log.create(Path(name, "log"), signer, Path(name, "lock.db")))
        whole: list[bytes] = []
        for count, fault in appends:
            fresh = [f"{len(whole)} {k} {fault}".encode() for k in range(count)]
            with pytest.MonkeyPatch.context() as patch:
                if fault == "swap":
                    patch.setattr(LogLock, "swap", _fail)
                elif fault == "tiles":
                    patch.setattr(log_module, "write_files", _write_one_and_fail)
                if fault:
                    with pytest.raises(OSError, match="Input/output"):
                        log.append(fresh)
                    if fault == "swap":
                        with pytest.raises(Refused, match="not known"):
                            log.append(fresh)
                        log.close()
                        log = stack.enter_context(Log.open(Path(name, "log"), signer, Path(name, "lock.db")))
                    continue
                log.append(fresh)
            whole += fresh
            audit = audit_files(log.folder, log.checkpoint)
            audit_rest(audit, log.folder, log.size, ())
            assert audit.problems == []
            assert audit.entries == whole
