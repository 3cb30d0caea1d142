"""Examining a project changes nothing in it, and needs no right to."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from projects import Make, go, make_project

from foreseal.run import Project
from foreseal.run.backup import back_up
from foreseal.run.disclosing import disclose
from foreseal.run.health import Finding, examine
from foreseal.run.receipts import write_receipts
from foreseal.run.results import Results
from foreseal.seal.lock import LogLock, default_lock_path, peek_head
from foreseal.seal.note import parse_vkey

FIRST = datetime.fromisoformat("2024-02-01T00:00:00+00:00")
DS = datetime.fromisoformat("2024-01-15T07:00:00+00:00")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def finding(project: Project, what: str) -> Finding:
    return next(each for each in examine(project) if each.what == what)


def test_the_doctor_leaves_the_remains_of_an_interrupted_write_where_they_are(make: Make) -> None:
    project = make(last="2024-02-01")
    go(project)
    stray = project.log_folder / "tile" / "0" / ".000.tmp"
    stray.write_bytes(b"half")
    log = files(project.log_folder)
    assert all(each.ok for each in examine(project)), examine(project)
    assert files(project.log_folder) == log
    (project.log_folder / "tile" / "0" / "notes.txt").write_text("mine")
    assert "notes.txt does not belong to a log" in str(examine(project))


def test_the_doctor_makes_no_lock_database_and_waits_for_none(make: Make, state: Path) -> None:
    project = make(last="2024-02-01")
    go(project)
    size = project.reader().size
    assert finding(project, "lock database").says == f"holds the log's last checkpoint, of {size} entries"
    path = default_lock_path(project.trusted().public)
    lock = LogLock(path)
    assert finding(project, "lock database").ok, "a run that is under way is no fault"
    lock.close()
    shutil.rmtree(state)
    lost = finding(project, "lock database")
    assert not lost.ok
    assert "knows nothing of the log" in lost.says
    assert "foreseal seal adopt" in lost.hint
    assert not state.exists()
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 1000)
    assert "is damaged" in finding(project, "lock database").says


def test_the_doctor_checks_the_receipts_that_are_there(make: Make) -> None:
    project = make(last="2024-02-01")
    go(project)
    paths = write_receipts(project)
    assert finding(project, "receipts") == Finding("receipts", True, f"{len(paths)} checked")
    paths[1].write_bytes(paths[1].read_bytes()[:-9])
    found = finding(project, "receipts")
    assert not found.ok
    assert found.says.startswith(paths[1].relative_to(project.folder).as_posix())
    assert "writes it again" in found.hint
    paths[1].unlink()
    write_receipts(project)
    assert finding(project, "receipts").ok


def test_a_head_that_only_the_log_of_changes_holds_is_seen(tmp_path: Path) -> None:
    from foreseal.seal.lock import Head

    lock = LogLock(tmp_path / "lock.db")
    lock.swap(None, Head(0, bytes(32)))
    lock.swap(Head(0, bytes(32)), Head(3, b"r" * 32))
    copy = shutil.copytree(tmp_path, tmp_path / "crashed", ignore=shutil.ignore_patterns("crashed", "*-shm"))
    lock.close()
    assert peek_head(copy / "lock.db") == peek_head(tmp_path / "lock.db") == Head(3, b"r" * 32)
    assert peek_head(tmp_path / "none.db") is None


@contextmanager
def nobody(folder: Path) -> Iterator[None]:
    """Take away the right to write in a folder, also from root."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o444 if path.suffix != ".pem" else 0o400)
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o700)


def test_a_project_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        monkeypatch.setenv("FORESEAL_STATE", f"{name}/state")
        project = make_project(Path(name, "p"), last="2024-02-02")
        go(project)
        parse_vkey(project.settings.seal.key)
        Results(project).records()
        Path(name, "out").mkdir()
        Path(name, "out").chmod(0o777)
        Path(name, "state").chmod(0o777)
        for path in Path(name, "state").iterdir():
            path.chmod(0o666)
        with nobody(project.folder):
            with pytest.raises(OSError, match="denied"):
                (project.folder / "x").write_text("x")
            found = examine(project)
            records = Results(project).records()
            rows = disclose(project, "load", FIRST, "a", DS, Path(name, "out", "one.disclosure"))
            saved = back_up(project.folder, Path(name, "out", "backup"))
        assert all(each.ok for each in found), found
        assert records[0].settled == 2
        assert rows.is_file()
        assert saved.size == project.reader().size
