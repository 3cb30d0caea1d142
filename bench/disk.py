"""Appends and proofs on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

from bench import rivals
from bench.measure import ENTRY, SIGNER, Bench, Row, entries, row
from foreseal.merkle import verify_inclusion
from foreseal.seal.batch import Batcher
from foreseal.seal.log import Log
from foreseal.seal.reader import read_log


def on_disk(bench: Bench) -> Iterator[Row]:
    singles, batches = 500 // bench.scale, 20 // (bench.scale // 5 or 1)
    found = rivals.hypercore(bench.folder / "hypercore", singles, batches, 2000 // bench.scale, ENTRY)
    if isinstance(found, str):
        bench.notes.append(found)
    else:
        bench.hypercore = found
    numbers, syncs = count(), 0
    real = os.fsync

    def counted(fd: int) -> None:
        nonlocal syncs
        syncs += 1
        real(fd)

    with Log.create(bench.folder / "log", SIGNER, bench.folder / "lock.db") as log:
        single = bench.wall(singles, lambda: [log.append(entries(1, next(numbers))) for _ in range(singles)])
        os.fsync = counted  # type: ignore[assignment]
        batch = bench.wall(
            1000 * batches, lambda: [log.append(entries(1000, next(numbers))) for _ in range(batches)]
        )
        os.fsync = real
        threads = 64
        with Batcher(log, wait=0.1, full=threads) as batcher, ThreadPoolExecutor(threads) as pool:
            together = bench.wall(
                threads * 20,
                lambda: list(pool.map(lambda k: batcher.append(entries(1, k)), range(threads * 20))),
            )
    # The commit of the lock database syncs once more, from C.
    each = syncs / (batches * bench.runs) + 1
    theirs = _pymerkle(bench, singles, batches)
    yield row(
        "append one", "fsynced", ours=single, pymerkle=theirs.get("single"), limit=bench.limits["fsync"]
    )
    yield row(
        "append in batches of 1000",
        "fsynced",
        ours=batch,
        pymerkle=theirs.get("batch"),
        limit=1000 * bench.limits["fsync"] / each,
        syncs_per_batch=round(each, 1),
        aim="20000, or the limit of its syncs",
    )
    yield row("64 threads append one each, together", "fsynced", ours=together)
    if bench.hypercore:
        for case, key in (("append one", "single"), ("append in batches of 1000", "batch")):
            yield row(case, "written", hypercore=bench.hypercore[key])
    yield from _proofs(bench, theirs.get("proof"))


def _pymerkle(bench: Bench, singles: int, batches: int) -> dict[str, float]:
    if isinstance(bench.rival, str):
        return {}
    module: Any = bench.rival
    found, numbers = {}, count()
    tree = module.SqliteTree(str(bench.folder / "pymerkle.db"), algorithm="sha256")
    few = singles // 5
    found["single"] = bench.wall(
        few, lambda: [tree.append_entry(entries(1, next(numbers))[0]) for _ in range(few)]
    )
    found["batch"] = bench.wall(
        1000 * batches,
        lambda: [tree.append_entries(entries(1000, next(numbers))) for _ in range(batches)],
    )
    found["proof"] = bench.wall(50, lambda: [tree.prove_inclusion(7 * k + 1) for k in range(50)])
    tree.close()
    return found


def _proofs(bench: Bench, theirs: float | None) -> Iterator[Row]:
    log = read_log(bench.folder / "log", [SIGNER.verifier])
    picks = [(k * 7919) % log.size for k in range(20_000 // bench.scale)]
    cold = time.perf_counter()
    proofs = [log.proof(k) for k in picks]
    cold = len(picks) / (time.perf_counter() - cold)
    for k, proof in zip(picks[:100], proofs, strict=False):
        verify_inclusion(log.leaf_hash(k), k, log.size, proof, log.checkpoint.root)
    warm = bench.wall(len(picks), lambda: [log.proof(k) for k in picks])
    yield row(
        f"inclusion proof from files, of {log.size}, tiles cached",
        "fsynced",
        ours=warm,
        pymerkle=theirs,
        aim="20000",
    )
    yield row(f"inclusion proof from files, of {log.size}, first reads", "fsynced", ours=cold)
    if bench.hypercore:
        yield row("proof", "written", hypercore=bench.hypercore["proof"])
