"""How fast the seal is, beside pymerkle 7, hypercore 11.37.0, and what this machine can do at most.

    python -m bench.seal [--json] [--quick] [--runs N] [--only WORD]

Every figure is a median, and has its durability class: ``memory``; ``written``, in the system's cache when
the call returns; ``fsynced``, on the disk when it returns. What is in memory is measured in CPU time, the
rest in wall time. Entries have 256 bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import offline
from bench.disk import on_disk
from bench.measure import SIGNER, Bench, Row, entries, row
from foreseal.merkle import Tree, inclusion_proof, leaf_hash, verify_inclusion
from foreseal.seal.log import Log
from foreseal.seal.tiles import Edge

FRONTIER = """\
import resource, sys
from foreseal.merkle import Frontier, leaf_hash
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
n, frontier = int(sys.argv[1]), Frontier()
for i in range(n // 100): frontier.append(leaf_hash(b"%0256d" % i))
before = peak()
for i in range(n // 100, n): frontier.append(leaf_hash(b"%0256d" % i))
print(peak() - before, sum(map(len, frontier.peaks)))
"""


def in_memory(bench: Bench) -> Iterator[Row]:
    n = 20_000 // bench.scale
    some, proofs = entries(n), range(0, n, 10)
    tree, rival, theirs = Tree(), None, {}

    def append() -> None:
        nonlocal tree
        tree = Tree()
        for each in some:
            tree.append(leaf_hash(each))
        tree.root()

    ours = bench.rate(n, append)
    found = [inclusion_proof(k, n, tree.read) for k in proofs]
    root = tree.root()
    proving = bench.rate(len(found), lambda: [inclusion_proof(k, n, tree.read) for k in proofs])
    checking = bench.rate(
        len(found),
        lambda: [
            verify_inclusion(leaf_hash(some[k]), k, n, p, root) for k, p in zip(proofs, found, strict=True)
        ],
    )
    if not isinstance(bench.rival, str):
        module: Any = bench.rival

        def rival_append() -> None:
            nonlocal rival
            rival = module.InmemoryTree(algorithm="sha256")
            for each in some:
                rival.append_entry(each)

        theirs["append"] = bench.rate(n, rival_append)
        held: Any = rival
        their_proofs = [held.prove_inclusion(k + 1) for k in proofs]
        theirs["proof"] = bench.rate(len(found), lambda: [held.prove_inclusion(k + 1) for k in proofs])
        state, leaves = held.get_root(), [held.get_leaf(k + 1) for k in proofs]
        theirs["verify"] = bench.rate(
            len(found),
            lambda: [
                module.verify_inclusion(leaf, state, p) for leaf, p in zip(leaves, their_proofs, strict=True)
            ],
        )
    yield row(
        f"append one by one, {n}",
        "memory",
        ours=ours,
        pymerkle=theirs.get("append"),
        limit=bench.limits["leaf"],
        aim="5 x pymerkle",
    )
    yield row(
        f"inclusion proof, of {n}",
        "memory",
        ours=proving,
        pymerkle=theirs.get("proof"),
        aim="4 x pymerkle",
    )
    yield row(f"verify an inclusion proof, of {n}", "memory", ours=checking, pymerkle=theirs.get("verify"))


def bulk(bench: Bench) -> Iterator[Row]:
    n, part = 1_000_000 // bench.scale, 65_536
    some = entries(n)
    build = bench.rate(n, lambda: Edge().append(list(map(leaf_hash, some)), 0))
    yield row(
        f"bulk build of {n}: root and every tile",
        "memory",
        ours=build,
        limit=bench.limits["leaf"] / 2,
        aim="300000",
    )
    with Log.create(bench.folder / "bulk", SIGNER, bench.folder / "bulk.db") as log:
        start = time.perf_counter()
        for first in range(0, n, part):
            log.append(some[first : first + part])
        taken = time.perf_counter() - start
    yield row(f"bulk build of {n}: appended {part} at a time", "fsynced", ours=n / taken, runs=1)


def memory(bench: Bench) -> Iterator[Row]:
    n = 10_000_000 // bench.scale
    run = [sys.executable, "-c", FRONTIER, str(n)]
    grown, frontier = map(int, subprocess.check_output(run, text=True).split())
    yield row(
        f"memory from {n // 100} to {n} entries",
        "memory",
        grown_bytes=grown,
        frontier_bytes=frontier,
        runs=1,
        aim="no growth",
    )


def verifying(bench: Bench) -> Iterator[Row]:
    """Everything that a stranger does with a log that was given to them."""
    yield from offline.measure(bench.folder / "forecasts", 10_000 // bench.scale, bench.runs)


CASES = (in_memory, on_disk, bulk, memory, verifying)


def finish(found: Row) -> Row:
    """With ratios to the others, and without what was not measured."""
    ours = found.get("ours")
    for other in ("pymerkle", "hypercore", "limit"):
        if ours and found.get(other):
            found[f"to_{other}"] = round(ours / found[other], 2)
    return {key: round(value) if isinstance(value, float) and value > 100 else value
            for key, value in {"bench": "seal", **found}.items() if value is not None}  # fmt: skip


def show(row: Row) -> str:
    rest = {key: value for key, value in row.items() if key not in ("bench", "case", "durability")}
    return f"{row['case']:<58} {row['durability']:<8} " + "  ".join(
        f"{key} {value:,}" if isinstance(value, int | float) else f"{key} {value}"
        for key, value in rest.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="only the cases whose name has this word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("FORESEAL_BENCH_DIR")) as name:
        bench = Bench(Path(name), options.quick, options.runs)
        wanted = [case for case in CASES if options.only in case.__name__]
        for case in (Bench.limits_of_this_run, *wanted):
            for found in map(finish, case(bench)):
                print(json.dumps(found) if options.json else show(found), flush=True)
        for note in bench.notes:
            print(json.dumps({"bench": "seal", "note": note}) if options.json else note)


if __name__ == "__main__":
    main()
