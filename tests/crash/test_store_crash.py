"""Whatever stops a writer, every append it acknowledged is in the store, whole and unaltered."""

from __future__ import annotations

import importlib.util
import random
import subprocess
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from powerloss import Disk, inject, python, record, replay

from foreseal.errors import ForesealError

SCRIPT = Path(__file__).with_name("store_loop.py")
APPENDS = 24


@pytest.fixture(scope="module")
def loop() -> ModuleType:
    spec = importlib.util.spec_from_file_location("store_loop", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOT_ROWS", "HOT_APPENDS", "MERGE_FILES"):
            patch.setattr(f"foreseal.store.rows.{name}", 0)  # so that the script's own are undone
        spec.loader.exec_module(module)
    return module


def check_store(loop: ModuleType, folder: Path, acknowledged: list[str]) -> int:
    """Open again, check all that was promised, and append once more; the number of appends found."""
    promised = [tuple(map(int, line.split())) for line in acknowledged]
    with loop.open_store(folder) as store:
        last = store.latest_n("v")
        assert [n for n, _ in promised] == list(range(1, len(promised) + 1))
        # One append may have been committed without anyone being told.
        assert len(promised) <= last <= len(promised) + 1
        assert store.check("v") == last
        found = store.as_of("v", loop.START + timedelta(days=400))
        counts = dict(found.group_by("n").len().rows())
        assert counts == {n: loop.batch(n).height for n in range(1, last + 1)}
        assert all(counts[n] == added for n, added in promised)
        again = store.append("v", loop.batch(last))
        assert again.added == (0 if last else loop.batch(0).height)
        assert store.append("v", loop.batch(last + 1)).n == last + (1 if last else 2)
        store.compact("v")
        assert store.check("v") == store.latest_n("v")
    return last


def test_killed_at_any_moment_a_store_keeps_what_it_acknowledged(loop: ModuleType, tmp_path: Path) -> None:
    dice, lines = random.Random(3), []
    for _ in range(12):
        with subprocess.Popen(python(SCRIPT, tmp_path, 10_000), stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            new = [writer.stdout.readline() for _ in range(dice.randrange(12))]
            writer.kill()
            new += writer.stdout.readlines()
        # A line that was cut by the kill acknowledges nothing.
        lines += [line for line in new if line.endswith("\n")]
        with loop.open_store(tmp_path) as store:
            last = store.latest_n("v")
            assert last - len(lines) in (0, 1)
            lines += [f"{n} {loop.batch(n).height}\n" for n in range(len(lines) + 1, last + 1)]
            assert store.check("v") == last
    assert len(lines) > 30
    check_store(loop, tmp_path, lines)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, strace: str) -> tuple[Path, Path]:
    """A folder's path and the trace of all appends to a new store in it."""
    root, trace = tmp_path_factory.mktemp("power") / "disk", tmp_path_factory.mktemp("trace") / "trace"
    root.mkdir()
    done = record(python(SCRIPT, root, APPENDS), root, trace)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == APPENDS
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    return root, trace


@pytest.mark.parametrize("keep", ["synced", "names", "all", "random"])
def test_after_a_power_cut_at_any_operation_a_store_keeps_its_promises(
    loop: ModuleType, tmp_path: Path, recording: tuple[Path, Path], keep: str
) -> None:
    dice, images, acknowledgements = random.Random(11), 0, 0
    for step, disk in enumerate(replay(Disk(recording[0]), recording[1])):
        fresh = len(disk.acknowledged) > acknowledgements
        acknowledgements = len(disk.acknowledged)
        if not fresh and (step + len(keep)) % 29:
            continue
        folder = tmp_path / str(step)
        disk.image(folder, dice if keep == "random" else keep)
        try:
            check_store(loop, folder, disk.acknowledged)
        except (ForesealError, AssertionError, OSError) as error:
            raise AssertionError(f"power cut after operation {step}, {disk.operation}: {error}") from error
        images += 1
    assert acknowledgements == APPENDS
    assert images > 30


@pytest.mark.usefixtures("strace")
def test_a_failed_system_call_never_loses_what_was_acknowledged(loop: ModuleType, tmp_path: Path) -> None:
    failures = 0
    for call, count in (("fsync", 24), ("fdatasync", 24), ("rename", 4), ("pwrite64", 40)):
        for when in range(1, count, 8):
            folder = tmp_path / f"{call}{when}"
            folder.mkdir()
            done = inject(python(SCRIPT, folder, 8), folder, call, when, "ENOSPC" if when % 2 else "EIO")
            failures += done.returncode != 0
            check_store(loop, folder, done.stdout.splitlines())
    assert failures > 5
