"""A power cut in the middle of a run: nothing acknowledged is lost, and running again ends the same."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from powerloss import Disk, python, record, replay
from projects import count_rows, go, make_project

from foreseal.run import Project
from foreseal.seal.verify import verify_log

SCRIPT = Path(__file__).with_name("run_loop.py")
Recording = tuple[Path, Path]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, strace: str) -> Recording:
    """A folder with a project that has not run yet, and the trace of its first run."""
    root, away = tmp_path_factory.mktemp("power") / "disk", tmp_path_factory.mktemp("trace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORESEAL_STATE", str(root / "state"))
        root.mkdir()
        make_project(root / "project", last="2024-02-02")
    shutil.copytree(root, away / "before")
    trace = away / "trace"
    done = record(python(SCRIPT, root), root, trace, FORESEAL_STATE=str(root / "state"))
    assert done.returncode == 0, done.stderr
    shutil.rmtree(root)
    shutil.copytree(away / "before", root)
    return root, trace


def check_image(folder: Path, acknowledged: list[str], patch: pytest.MonkeyPatch) -> dict[object, object]:
    """Start again after the cut, run to the end, and return what was sealed."""
    patch.setenv("FORESEAL_STATE", str(folder / "state"))
    for key in (folder / "project" / "keys").iterdir():
        key.chmod(0o600)
    project = Project.open(folder / "project")
    size, rows = map(int, acknowledged[-1].split()) if acknowledged else (0, 0)
    assert project.reader().size >= size
    assert count_rows(project) >= rows
    go(project)
    assert verify_log(project.log_folder, [project.trusted()]).ok
    return {key: said.body["payload"] for key, said in project.history().forecasts.items()}


def check(recording: Recording, tmp_path: Path, patch: pytest.MonkeyPatch, images: int) -> None:
    dice = random.Random(5)
    steps = sum(1 for _ in replay(Disk(recording[0]), recording[1]))
    chosen = set(dice.sample(range(steps - 1), images - 1)) | {steps - 1}
    sealed: list[dict[object, object]] = []
    for step, disk in enumerate(replay(Disk(recording[0]), recording[1])):
        if step not in chosen:
            continue
        folder = tmp_path / str(step)
        disk.image(folder, dice if step % 2 else "synced")
        try:
            sealed.append(check_image(folder, disk.acknowledged, patch))
        except Exception as error:
            raise AssertionError(f"power cut after operation {step}, {disk.operation}: {error}") from error
    assert len(sealed) == images
    assert len(sealed[0]) == 4
    assert all(each == sealed[0] for each in sealed)


def test_a_run_continues_after_a_power_cut(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(recording, tmp_path, monkeypatch, images=8)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_continues_after_a_power_cut_at_a_hundred_operations(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(recording, tmp_path, monkeypatch, images=100)
