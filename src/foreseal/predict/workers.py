"""The same work on many parts: in this process, in several processes of this machine, or on Ray.

Results come in the order of the parts and do not depend on where they were made. Only a few parts are under
way at once, so that memory is bounded by the size of a part. A worker that dies is replaced and its part
done again.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

from foreseal.errors import MissingExtra, SetupError, UsageError

Part = TypeVar("Part")
Done = TypeVar("Done")

ENGINES = ("local", "ray")
TRIES = 3
# Each worker has one thread of its own for every library that would else start one per core.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
DIED = "A worker process died {} times on one part."
DIED_HINT = "It may have run out of memory: give fewer n_jobs."


def check(n_jobs: int, engine: str) -> int:
    """The number of workers, where -1 means one per core. Raises `UsageError`."""
    if engine not in ENGINES:
        raise UsageError(f"There is no engine {engine!r}.", hint=f"Choose one of {', '.join(ENGINES)}.")
    if not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or (n_jobs < 1 and n_jobs != -1):
        raise UsageError(
            f"n_jobs={n_jobs!r} is no number of workers.", hint="Give 1 or more; -1 is one per core."
        )
    return n_jobs if n_jobs > 0 else os.cpu_count() or 1


def spread(
    work: Callable[[Part], Done], parts: Iterable[Part], *, n_jobs: int = 1, engine: str = "local"
) -> Iterator[Done]:
    """``work`` done on every part, in order; for more than one worker both must be picklable."""
    workers = check(n_jobs, engine)
    if engine == "ray":
        return _on_ray(work, parts, workers)
    return map(work, parts) if workers == 1 else _in_processes(work, parts, workers)


def _in_processes(work: Callable[[Part], Done], parts: Iterable[Part], workers: int) -> Iterator[Done]:
    idle: SimpleQueue[_Process] = SimpleQueue()
    for _ in range(workers):
        idle.put(_Process())

    def do(part: Part) -> Done:
        process = idle.get()
        try:
            return process.ask(work, part)
        finally:
            idle.put(process)

    pending: deque[Future[Done]] = deque()
    threads = ThreadPoolExecutor(workers)
    try:
        for part in parts:
            pending.append(threads.submit(do, part))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)
        while not idle.empty():
            idle.get().close()


class _Process:
    """A Python process that does one thing after the other; it is started when there is something to do."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None

    def ask(self, work: Callable[[Part], Done], part: Part) -> Done:
        request = pickle.dumps((work, part), protocol=5)
        for _ in range(TRIES):
            if self._running is None:
                self._running = subprocess.Popen(
                    [sys.executable, "-m", "foreseal.predict.workers"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=os.environ
                    | dict.fromkeys(ONE_THREAD, "1")
                    | {"PYTHONPATH": os.pathsep.join(sys.path)},
                )
            try:
                _send(self._running.stdin, request)
                good, answer = pickle.loads(_receive(self._running.stdout))
            except (EOFError, BrokenPipeError):
                self.close()
                continue
            if good:
                done: Done = answer
                return done
            raise answer
        raise SetupError(DIED.format(TRIES), hint=DIED_HINT)

    def close(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.communicate()
            self._running = None


def _send(stream: Any, data: bytes) -> None:
    stream.write(len(data).to_bytes(8, "big") + data)
    stream.flush()


def _receive(stream: Any) -> bytes:
    head = stream.read(8)
    size = int.from_bytes(head, "big")
    data: bytes = stream.read(size)
    if len(head) < 8 or len(data) < size:
        raise EOFError
    return data


def serve() -> None:
    """What a worker process does: read a request, answer, until there is no more."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever the work prints must not come between the answers.
    os.dup2(2, 1)
    while True:
        try:
            request = _receive(requests)
        except EOFError:
            return
        try:
            work, part = pickle.loads(request)
            answer = pickle.dumps((True, work(part)), protocol=5)
        except Exception as error:  # noqa: BLE001 - it is raised again where the work was asked for
            answer = _failed(error)
        _send(answers, answer)


def _failed(error: Exception) -> bytes:
    try:
        data = pickle.dumps((False, error), protocol=5)
        pickle.loads(data)
    except Exception:  # noqa: BLE001 - an error that cannot be sent is sent as its text
        data = pickle.dumps((False, UsageError(f"{type(error).__name__}: {error}")), protocol=5)
    return data


def _do(work: Callable[[Part], Done], part: Part) -> Done:
    return work(part)


def _on_ray(work: Callable[[Part], Done], parts: Iterable[Part], workers: int) -> Iterator[Done]:
    """On the Ray cluster that this process is connected to, or else on a new one of ``workers`` cores."""
    try:
        import ray
    except ImportError:
        raise MissingExtra("ray", "engine='ray'") from None
    if not ray.is_initialized():
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    task: Any = ray.remote(max_retries=TRIES, num_cpus=1)(_do)
    shared = ray.put(work)
    resources: Any = ray.cluster_resources
    most = 2 * max(workers, int(resources().get("CPU", 1)))
    pending: deque[Any] = deque()

    def get(reference: Any) -> Done:
        try:
            done: Done = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.WorkerCrashedError as error:
            raise SetupError(DIED.format(TRIES), hint=DIED_HINT) from error
        return done

    for part in parts:
        pending.append(task.remote(shared, part))
        if len(pending) > most:
            yield get(pending.popleft())
    while pending:
        yield get(pending.popleft())


if __name__ == "__main__":
    serve()
