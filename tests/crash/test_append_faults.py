"""Every system call of one append fails in turn, or is where the writer dies; the log keeps its promises."""

from __future__ import annotations

import compileall
import importlib.util
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from powerloss import file_calls, inject, python

import foreseal
from foreseal.merkle import Tree, leaf_hash
from foreseal.seal.checkpoint import Checkpoint, open_checkpoint
from foreseal.seal.log import Log
from foreseal.seal.reader import read_log
from foreseal.seal.verify import verify_log

SCRIPT = Path(__file__).with_name("append_once.py")
FAULTS = ("EIO", "ENOSPC", "SIGKILL")
# The append crosses a tile: full tiles and bundles, a new level, new folders, partial tiles to remove.
BEFORE, COUNT = 254, 4


@dataclass(frozen=True)
class Bench:
    """A log of `BEFORE` entries to be copied, and the system calls of an append of `COUNT` more.

    Calls are counted from the start of the program, so it runs from a copy of the code that nobody touches.
    """

    script: ModuleType
    template: Path
    environ: dict[str, str]
    calls: list[tuple[str, int]]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, strace: str) -> Bench:
    spec = importlib.util.spec_from_file_location("append_once", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    folder = tmp_path_factory.mktemp("faults")
    with Log.create(folder / "log", script.SIGNER, folder / "state" / "lock.db") as log:
        log.append(script.batch(0, BEFORE))
    code = tmp_path_factory.mktemp("code")
    ignored = shutil.ignore_patterns("examples", "__pycache__")
    shutil.copytree(Path(foreseal.__file__).parent, code / "foreseal", ignore=ignored)
    compileall.compile_dir(code, quiet=1)
    environ = {"PYTHONPATH": str(code), "PYTHONHASHSEED": "0"}
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("calls") / "copy")
    calls = file_calls(python(SCRIPT, copy, COUNT), copy, copy / "trace", "mark", **environ)
    return Bench(script, folder, environ, calls)


def check(bench: Bench, folder: Path, call: str, when: int, fault: str) -> str:
    """Run with the fault, then check every promise; what the program said of the first append."""
    shutil.copytree(bench.template, folder)
    script, keys = bench.script, [bench.script.SIGNER.verifier]
    seen: list[Checkpoint] = []

    def publish() -> None:
        seen.append(open_checkpoint((folder / "log" / "checkpoint").read_bytes(), keys))

    publish()
    done = inject(python(SCRIPT, folder, COUNT), folder, call, when, fault, **bench.environ)
    assert done.stderr.startswith("mark"), f"the fault came before the append: {done.stderr}"
    publish()
    # Even before a writer comes back, nothing that is published is damaged.
    verdict = verify_log(folder / "log", keys)
    assert verdict.ok, verdict.problems
    with Log.open(folder / "log", script.SIGNER, folder / "state" / "lock.db") as log:
        publish()
        assert log.checkpoint == seen[-1]
        log.append(script.batch(5000, 1))
    publish()
    verdict = verify_log(folder / "log", keys)
    assert verdict.ok, verdict.problems
    assert not verdict.notes, "an opened log leaves no remains of an earlier crash"
    found = list(read_log(folder / "log", keys).entries())
    assert found[:BEFORE] == script.batch(0, BEFORE)
    for line in done.stdout.splitlines():
        name, state, rest = line.split(" ", 2)
        start, count = (BEFORE, COUNT) if name == "first" else (BEFORE + COUNT, 2)
        if state == "sealed":
            assert found[int(rest) : int(rest) + count] == script.batch(start, count)
    tree = Tree(map(leaf_hash, found))
    for checkpoint in seen:
        assert tree.root(checkpoint.size) == checkpoint.root
    assert (done.returncode == 0) == (fault != "SIGKILL"), done.stderr
    return done.stdout.partition("\n")[0]


def test_an_append_makes_the_calls_that_are_to_fail(bench: Bench) -> None:
    counts = Counter(name for name, _ in bench.calls)
    assert {"openat", "write", "fsync", "fdatasync", "close", "rename", "unlink", "mkdir"} <= counts.keys()
    assert counts["fsync"] > 10
    assert len(bench.calls) > 80


def run_all(bench: Bench, tmp_path: Path, cases: list[tuple[str, int, str]]) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for call, when, fault in cases:
        try:
            said = check(bench, tmp_path / "case", call, when, fault)
        except Exception as error:
            raise AssertionError(f"{fault} at {call} number {when}: {error}") from error
        outcomes[said.partition(" failed")[0] if " failed" in said else said or "killed"] += 1
        shutil.rmtree(tmp_path / "case")
    return outcomes


def cases(bench: Bench) -> list[tuple[str, int, str]]:
    return [(call, when, fault) for call, when in bench.calls for fault in FAULTS]


def test_threat_10_some_failing_system_calls_lose_nothing_that_was_acknowledged(
    bench: Bench, tmp_path: Path
) -> None:
    every = cases(bench)
    outcomes = run_all(bench, tmp_path, every[5 :: len(every) // 14])
    assert outcomes["first"] > 2
    assert outcomes["killed"] > 2


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_threat_10_no_failing_system_call_loses_what_was_acknowledged(bench: Bench, tmp_path: Path) -> None:
    every = cases(bench)
    outcomes = run_all(bench, tmp_path, every)
    assert outcomes["killed"] == len(bench.calls)
    assert outcomes["first"] > len(bench.calls)
