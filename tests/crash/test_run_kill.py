"""``foreseal run`` may be killed at any moment: running again ends where an undisturbed run would have."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from projects import count_rows, go, make_project

from foreseal.run import Project
from foreseal.seal.verify import verify_log

COMMAND = [sys.executable, "-c", "from foreseal.cli import main; main(['run', '--no-report', '-C', '{}'])"]


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [part.format(folder) for part in COMMAND]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def acknowledged(project: Project) -> tuple[int, bytes, int]:
    """What the published checkpoint and the store promise: log size, root, observations."""
    reader = project.reader()
    return reader.size, reader.checkpoint.root, count_rows(project)


def kill_until_done(project: Project, rng: random.Random, longest: float) -> int:
    """Kill runs at random moments until one comes through; returns the number of kills."""
    kills = 0
    before = acknowledged(project)
    while True:
        process = start(project.folder)
        try:
            process.wait(timeout=rng.uniform(0.2, longest))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        _, errors = process.communicate()
        after = acknowledged(project)
        assert after[0] >= before[0], "the log lost entries that its checkpoint had promised"
        assert project.reader().root_at(before[0]) == before[1], "the log holds another history"
        assert after[2] >= before[2], "the store lost rows"
        before = after
        if process.returncode == 0:
            return kills
        assert process.returncode == -signal.SIGKILL, errors.decode()


def check(tmp_path: Path, wanted_kills: int, seed: int) -> None:
    rng = random.Random(seed)
    whole = make_project(tmp_path / "whole", last="2024-02-06")
    began = time.perf_counter()
    process = start(whole.folder)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    longest = 1.1 * (time.perf_counter() - began)
    expected = {key: said.body["payload"] for key, said in whole.history().forecasts.items()}
    entries = whole.reader().size
    kills = 0
    for attempt in range(1000):
        project = make_project(tmp_path / f"killed-{attempt}", last="2024-02-06")
        kills += kill_until_done(project, rng, longest)
        history = project.history()
        assert {key: said.body["payload"] for key, said in history.forecasts.items()} == expected
        assert project.reader().size == entries, "something was sealed twice, or not at all"
        assert verify_log(project.log_folder, [project.trusted()]).ok
        assert go(project).nothing
        if kills >= wanted_kills:
            return
    pytest.fail("the runs were never killed")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


def test_a_run_that_is_killed_a_few_times_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    check(tmp_path, 5, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_that_is_killed_fifty_times_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    check(tmp_path, 50, seed=2)
