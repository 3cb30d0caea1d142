"""Backup and restore from the command line, and what a failing disk makes it say."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from powerloss import inject
from projects import make_project

from foreseal.cli import main
from foreseal.run import Project


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]):
    def run(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def test_a_backup_says_what_is_not_in_it_and_a_restore_what_to_do_next(shell, tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p").folder
    shell("collect", "-C", folder)
    code, out, _ = shell("backup", tmp_path / "backup", "-C", folder)
    assert code == 0
    assert "Not in it, and never in a backup: private keys, the lock database" in out
    assert "left out  keys/  (private keys)" in out
    code, out, _ = shell("restore", tmp_path / "backup", tmp_path / "again")
    assert code == 0
    assert "seal adopt" in out
    assert str(tmp_path / "again" / "keys") in out
    code, _, err = shell("restore", tmp_path / "backup", tmp_path / "again")
    assert code == 2
    assert "is not an empty folder" in err


def test_a_damaged_backup_is_refused_by_the_name_of_the_file(shell, tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p").folder
    assert shell("backup", tmp_path / "backup", "-C", folder)[0] == 0
    (tmp_path / "backup" / "project" / "load.csv").write_text("site,time,value\n")
    code, _, err = shell("restore", tmp_path / "backup", tmp_path / "again")
    assert code == 1
    assert "project/load.csv is not what was saved" in err


def test_a_restored_log_is_adopted_by_a_receipt_and_then_goes_on(
    shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "p", last="2024-02-02")
    shell("run", "-C", project.folder)
    receipt = next((project.folder / "out" / "receipts").rglob("*.tlog-proof"))
    shutil.copy(receipt, tmp_path / "kept.tlog-proof")
    assert shell("backup", tmp_path / "backup", "-C", project.folder)[0] == 0
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "new machine"))
    again = tmp_path / "again"
    shell("restore", tmp_path / "backup", again)
    code, _, err = shell("run", "-C", again)
    assert code == 3
    assert "there is no key" in err
    for key in (project.folder / "keys").iterdir():
        shutil.copy2(key, again / "keys")
    code, _, err = shell("run", "-C", again)
    assert code == 1
    assert "foreseal seal adopt" in err
    code, out, err = shell("seal", "adopt", tmp_path / "kept.tlog-proof", "-C", again)
    assert code == 0, err
    assert f"continues at {Project.open(again).reader().size} entries" in out
    assert shell("run", "-C", again)[0] == 0
    assert shell("doctor", "-C", again)[0] == 0


@pytest.mark.parametrize("verb", ["collect", "seal", "backup"])
def test_a_full_disk_is_said_in_one_line(
    shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    folder = make_project(tmp_path / "p").folder

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, out, err = shell(verb, *([tmp_path / "backup"] if verb == "backup" else []), "-C", folder)
    assert code == 3
    assert out == ""
    assert err.lstrip().startswith("Error: No space left on device.\n")
    assert "Traceback" not in err


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("call", ["pwrite64", "fsync"])
def test_a_failing_disk_ends_a_command_with_code_3_and_no_traceback(tmp_path: Path, call: str) -> None:
    folder = make_project(tmp_path / "p").folder
    command = [sys.executable, "-c", "from foreseal.cli import main; main()", "collect", "-C", str(folder)]
    done = inject(command, tmp_path, call, 3)
    assert done.returncode == 3
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
