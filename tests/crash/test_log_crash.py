"""Whatever stops a writer, what it acknowledged is in the log, and no two signed checkpoints disagree."""

from __future__ import annotations

import importlib.util
import random
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from powerloss import Disk, inject, python, record, replay

from foreseal.errors import ForesealError
from foreseal.merkle import leaf_hash, root
from foreseal.seal.checkpoint import Checkpoint, open_checkpoint
from foreseal.seal.reader import read_log

SCRIPT = Path(__file__).with_name("append_loop.py")


@pytest.fixture(scope="module")
def loop() -> ModuleType:
    spec = importlib.util.spec_from_file_location("append_loop", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def acknowledged(lines: list[str]) -> dict[int, bytes]:
    """Index and bytes of every entry that a writer said is safe."""
    pairs = [line.split(" ", 1) for line in lines]
    entries = {int(index): entry.encode() for index, entry in pairs}
    assert len(entries) == len(pairs), "an index was acknowledged twice"
    return entries


def check_log(loop: ModuleType, folder: Path, entries: dict[int, bytes], seen: set[Checkpoint]) -> int:
    """Recover, append something new, and check promises made before; the number of entries found."""
    if (folder / "log" / "checkpoint").exists():
        # What is published is whole even before the writer comes back.
        for _ in read_log(folder / "log", [loop.SIGNER.verifier]).entries():
            pass
    with loop.open_log(folder) as log:
        size = log.size
        log.append([b"after the crash"])
    reader = read_log(folder / "log", [loop.SIGNER.verifier])
    found = list(reader.entries())
    for index, entry in entries.items():
        assert found[index] == entry
    leaves = [leaf_hash(entry) for entry in found]
    for checkpoint in seen:
        assert checkpoint.size <= len(found)
        assert root(leaves[: checkpoint.size]) == checkpoint.root
    return size


def test_threat_10_killed_at_any_moment_a_log_keeps_what_it_acknowledged(
    loop: ModuleType, tmp_path: Path
) -> None:
    dice, entries, seen = random.Random(7), {}, set()
    for _ in range(25):
        with subprocess.Popen(python(SCRIPT, tmp_path, 10_000), stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(dice.randrange(12))]
            writer.kill()
            lines += writer.stdout.readlines()
        # A line that was cut by the kill acknowledges nothing.
        entries |= acknowledged([line[:-1] for line in lines if line.endswith("\n")])
        path = tmp_path / "log" / "checkpoint"
        if path.exists():
            seen.add(open_checkpoint(path.read_bytes(), [loop.SIGNER.verifier]))
        size = check_log(loop, tmp_path, entries, seen)
        entries[size] = b"after the crash"
    assert len(entries) > 50


def test_threat_12_two_writers_take_turns_and_lose_nothing(loop: ModuleType, tmp_path: Path) -> None:
    with loop.open_log(tmp_path):
        pass
    writers = [
        subprocess.Popen(python(SCRIPT, tmp_path, 12, tag), stdout=subprocess.PIPE, text=True)
        for tag in ("left", "right")
    ]
    lines = [line for writer in writers for line in writer.communicate()[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0]
    entries = acknowledged(lines)
    assert sorted(entries) == list(range(48))
    check_log(loop, tmp_path, entries, set())


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, strace: str) -> tuple[Path, Path]:
    """A folder's path and the trace of eight appends to a new log in it."""
    root, trace = tmp_path_factory.mktemp("power") / "disk", tmp_path_factory.mktemp("trace") / "trace"
    root.mkdir()
    done = record(python(SCRIPT, root, 8), root, trace)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 15
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    return root, trace


@pytest.mark.parametrize("keep", ["synced", "names", "all", "random"])
def test_threat_10_after_a_power_cut_at_any_operation_a_log_keeps_its_promises(
    loop: ModuleType, tmp_path: Path, recording: tuple[Path, Path], keep: str
) -> None:
    dice, seen, images = random.Random(11), set(), 0
    acknowledgements = 0
    for step, disk in enumerate(replay(Disk(recording[0]), recording[1])):
        published = disk.read("log/checkpoint")
        if published is not None:
            # Anyone may have read it from the moment it had its name, before any fsync of the folder.
            seen.add(open_checkpoint(published, [loop.SIGNER.verifier]))
        fresh = len(disk.acknowledged) > acknowledgements
        acknowledgements = len(disk.acknowledged)
        if not fresh and (step + len(keep)) % 3:
            continue
        folder = tmp_path / str(step)
        disk.image(folder, dice if keep == "random" else keep)
        entries = acknowledged(disk.acknowledged)
        try:
            check_log(loop, folder, entries, seen)
        except (ForesealError, AssertionError, OSError) as error:
            raise AssertionError(f"power cut after operation {step}, {disk.operation}: {error}") from error
        images += 1
    assert acknowledgements == 15
    assert images > 50


@pytest.mark.usefixtures("strace")
def test_a_failed_system_call_never_loses_what_was_acknowledged(loop: ModuleType, tmp_path: Path) -> None:
    failures = 0
    for call, count in (("fsync", 30), ("fdatasync", 9), ("rename", 12), ("pwrite64", 20), ("unlink", 6)):
        for when in range(1, count, 3):
            folder = tmp_path / f"{call}{when}"
            folder.mkdir()
            done = inject(python(SCRIPT, folder, 3), folder, call, when, "ENOSPC" if when % 2 else "EIO")
            failures += done.returncode != 0
            check_log(loop, folder, acknowledged(done.stdout.splitlines()), set())
    assert failures > 15


@pytest.mark.usefixtures("strace")
def test_a_writer_that_does_not_sync_is_caught(loop: ModuleType, tmp_path: Path) -> None:
    """The simulation itself: without fsync, an acknowledged append does not survive."""
    root, trace, script = tmp_path / "disk", tmp_path / "trace", tmp_path / "careless.py"
    root.mkdir()
    script.write_text(f"import os\nos.fsync = lambda fd: None\nexec(open({str(SCRIPT)!r}).read())\n")
    assert record(python(script, root, 3), root, trace).returncode == 0
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    *_, disk = replay(Disk(root), trace)
    assert len(disk.acknowledged) == 6
    disk.image(tmp_path / "image", "synced")
    with pytest.raises((ForesealError, AssertionError)):
        check_log(loop, tmp_path / "image", acknowledged(disk.acknowledged), set())
