"""A backup holds the project and no secret; it is restored whole or not at all, and never signs a fork."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from projects import go, make_project

from foreseal.errors import Busy, Refused, SetupError, Tampered, UsageError
from foreseal.run import Project
from foreseal.run.backup import MANIFEST, back_up, restore
from foreseal.run.health import examine
from foreseal.run.loop import run
from foreseal.run.receipts import write_receipts
from foreseal.run.session import Session
from foreseal.seal.log import Log
from foreseal.seal.receipt import parse_receipt
from foreseal.seal.verify import verify_log
from foreseal.store.store import Store


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has run, with its receipts, and the lock database of its log."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORESEAL_STATE", str(folder / "state"))
        made = make_project(folder / "p", last="2024-02-02")
        go(made)
        write_receipts(made)
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Project.open(tmp_path / "p")


def bring_keys(project: Project, folder: Path) -> Project:
    for key in (project.folder / "keys").iterdir():
        shutil.copy2(key, folder / "keys")
    return Project.open(folder)


def extend(project: Project) -> None:
    """Seal one entry more."""
    with Session.begin(project) as session:
        session.desk.say("identity", {"name": "x", "key": session.desk.author, "action": "add", "role": "r"})
        session.commit()


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_backup_restores_a_project_that_is_well_and_goes_on(project: Project, tmp_path: Path) -> None:
    made = back_up(project.folder, tmp_path / "backup")
    assert made.size == project.reader().size
    found = restore(tmp_path / "backup", tmp_path / "again")
    assert (found.files, found.bytes, found.size) == (made.files, made.bytes, made.size)
    kept = {name for name in files(project.folder) if not name.startswith("keys/")}
    assert files(tmp_path / "again") == {name for name in kept if not name.endswith(("-wal", "-shm"))}
    for name in kept - {"store/store.db", "store/store.db-wal", "store/store.db-shm"}:
        assert (tmp_path / "again" / name).read_bytes() == (project.folder / name).read_bytes()
    again = bring_keys(project, tmp_path / "again")
    assert all(each.ok for each in examine(again)), examine(again)
    with Session.begin(again) as session:
        assert run(session).forecasts == 0
    extend(again)
    assert again.reader().size == made.size + 1


def test_beside_an_older_store_a_log_goes_on_under_new_names(project: Project, tmp_path: Path) -> None:
    shutil.copytree(project.folder / "store", tmp_path / "older")
    with (project.folder / "load.csv").open("a") as file:
        file.write("a,2024-02-10T00:00:00Z,50.000\n")
    toml = project.settings.path
    toml.write_text(toml.read_text().replace("end = 2024-02-02", "end = 2024-02-11"))
    later = toml.read_text().replace("[targets.next_day]", "[targets.later]")
    toml.write_text(toml.read_text() + "\n")
    (project.folder / "foreseal.toml").write_text(later)
    go(Project.open(project.folder))
    shutil.rmtree(project.folder / "store")
    shutil.copytree(tmp_path / "older", project.folder / "store")
    with pytest.raises(SetupError, match="has sealed 2 appends of 'load', the store holds 1") as stop:
        go(Project.open(project.folder))
    assert "under new names" in stop.value.hint
    toml.write_text(
        later.replace("later]", "anew]").replace('"load"', '"load_2"').replace("s.load]", "s.load_2]")
    )
    found = Project.open(project.folder)
    assert go(found).settled
    verdict = verify_log(found.log_folder, found.trust())
    assert verdict.ok, verdict.problems
    assert {name for name, _ in found.history().scores} == {"next_day", "later", "anew"}


def test_the_system_checks_a_backup_with_its_own_tool(project: Project, tmp_path: Path) -> None:
    back_up(project.folder, tmp_path / "backup")
    check = ["sha256sum", "--check", "--quiet", "--strict", MANIFEST]
    assert subprocess.run(check, cwd=tmp_path / "backup", check=False).returncode == 0


def test_no_private_key_and_no_lock_database_is_in_a_backup(project: Project, tmp_path: Path) -> None:
    state = tmp_path / "state"
    key = (project.folder / "keys" / "log.pem").read_bytes()
    (project.folder / "notes").mkdir()
    (project.folder / "notes" / "key copy.txt").write_bytes(b"x" * ((1 << 20) - 40) + key)
    shutil.copytree(state, project.folder / "state")
    (project.folder / "elsewhere").symlink_to(state)
    (project.folder / "state" / "subjects.db").write_bytes(b"secret of a person")
    (project.folder / "state" / "witness.db").write_bytes(b"secret of a witness")
    made = back_up(project.folder, tmp_path / "backup")
    left_out = dict(made.left_out)
    lock = next(path.name for path in state.iterdir() if path.suffix == ".db")
    assert left_out["keys/"] == "private keys"
    assert left_out["notes/key copy.txt"] == "holds a private key"
    assert left_out[f"state/{lock}"] == "a lock database"
    assert left_out["elsewhere/"] == "a link to elsewhere"
    assert left_out["state/subjects.db"] == "keys of personal data"
    assert left_out["state/witness.db"] == "a witness's memory"
    everything = b"".join(path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in everything
    assert b"secret of" not in everything
    assert lock.encode() not in everything


def test_a_backup_is_not_made_while_the_log_is_written(project: Project, tmp_path: Path) -> None:
    with Log.open(project.log_folder, project.signer()), pytest.raises(Busy):
        back_up(project.folder, tmp_path / "backup")


def test_a_store_whose_files_were_merged_away_meanwhile_is_no_backup(
    project: Project, tmp_path: Path
) -> None:
    with project.store() as store:
        store.compact("load")
    with closing(sqlite3.connect(project.folder / "store" / "store.db")) as database:
        files = [file for (file,) in database.execute("SELECT file FROM segment")]
    assert files
    (project.folder / "store" / files[0]).unlink()
    with pytest.raises(Busy, match="is gone"):
        back_up(project.folder, tmp_path / "backup")
    assert not (tmp_path / "backup" / MANIFEST).exists()


@pytest.mark.parametrize("where", ["p/backup", "full"])
def test_a_backup_goes_to_an_empty_folder_outside(project: Project, tmp_path: Path, where: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises((UsageError, Refused)):
        back_up(project.folder, tmp_path / where)
    assert files(tmp_path / "full") == {"file"}


def test_a_restore_needs_an_empty_folder(project: Project, tmp_path: Path) -> None:
    back_up(project.folder, tmp_path / "backup")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    for folder in (tmp_path / "full", tmp_path / "full" / "file", project.folder):
        before = files(tmp_path / "full")
        with pytest.raises(UsageError, match="not an empty folder"):
            restore(tmp_path / "backup", folder)
        assert files(tmp_path / "full") == before


def test_whichever_file_of_a_backup_is_damaged_it_is_named_and_nothing_is_restored(
    project: Project, tmp_path: Path
) -> None:
    back_up(project.folder, tmp_path / "backup")
    for name in sorted(files(tmp_path / "backup") - {MANIFEST}):
        path = tmp_path / "backup" / name
        data = path.read_bytes()
        for damaged in (bytes([data[0] ^ 1]) + data[1:], data[:-1], None):
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            with pytest.raises(Tampered) as error:
                restore(tmp_path / "backup", tmp_path / "again")
            assert f"{name} is {'missing' if damaged is None else 'not what was saved'}" in str(error.value)
            assert files(tmp_path / "again") == set()
        path.write_bytes(data)
    restore(tmp_path / "backup", tmp_path / "again")


def test_a_file_that_was_put_into_a_backup_is_named(project: Project, tmp_path: Path) -> None:
    back_up(project.folder, tmp_path / "backup")
    (tmp_path / "backup" / "project" / "store" / "extra").write_text("x")
    with pytest.raises(Tampered, match="project/store/extra is not part of it"):
        restore(tmp_path / "backup", tmp_path / "again")


def test_a_damaged_list_of_files_is_never_believed(project: Project, tmp_path: Path) -> None:
    back_up(project.folder, tmp_path / "backup")
    path = tmp_path / "backup" / MANIFEST
    text = path.read_text()
    first, rest = text.split("\n", 1)
    flipped = ("0" if first[0] != "0" else "1") + first[1:]
    for damaged in (
        rest,
        f"{flipped}\n{rest}",
        text[:-1],
        text[: len(text) // 2],
        f"{first}\n{text}",
        f"{'0' * 64}  project/../outside\n{text}",
        f"{'0' * 64}  /etc/passwd\n{text}",
        text + "\n",
        "",
    ):
        path.write_text(damaged)
        with pytest.raises(Tampered):
            restore(tmp_path / "backup", tmp_path / "again")
    path.write_bytes(b"\xff" + text.encode())
    with pytest.raises(Tampered):
        restore(tmp_path / "backup", tmp_path / "again")
    path.unlink()
    with pytest.raises(Refused, match="interrupted"):
        restore(tmp_path / "backup", tmp_path / "again")
    assert files(tmp_path / "again") == set()


def receipts(project: Project) -> dict[int, bytes]:
    """The checkpoints in the project's receipts, by size."""
    found = {}
    for path in (project.folder / "out" / "receipts").rglob("*.tlog-proof"):
        receipt = parse_receipt(path.read_bytes())
        found[receipt.check().size] = receipt.checkpoint
    return found


def test_threat_11_an_older_backup_signs_nothing_until_a_checkpoint_from_elsewhere_agrees(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(project.folder, tmp_path / "old")
    held = receipts(project)
    extend(project)
    newest = project.reader()
    back_up(project.folder, tmp_path / "new")
    restore(tmp_path / "old", tmp_path / "again")
    older = bring_keys(project, tmp_path / "again")

    # On the machine that signed more: refused, and no checkpoint opens it.
    with pytest.raises(Refused, match=f"does not hold the {newest.size} entries"), Session.begin(older):
        pass
    for checkpoint in (*held.values(), newest.signed):
        with pytest.raises(Refused, match="does not extend"):
            Log.adopt(older.log_folder, older.signer(), checkpoint)

    # On another machine: refused until adopted; by the newest checkpoint never, by that of a receipt.
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "other machine"))
    with pytest.raises(Refused, match="knows nothing") as error, Session.begin(older):
        pass
    assert "foreseal seal adopt" in error.value.hint
    with pytest.raises(Refused, match="does not extend the checkpoint that you trust"):
        Log.adopt(older.log_folder, older.signer(), newest.signed)
    restore(tmp_path / "new", tmp_path / "newer")
    newer = bring_keys(project, tmp_path / "newer")
    assert Log.adopt(newer.log_folder, newer.signer(), held[max(held)]).size == newest.size
    extend(newer)
    reader = newer.reader()
    assert reader.size == newest.size + 1
    assert reader.root_at(newest.size) == newest.checkpoint.root
    assert all(each.ok for each in examine(newer)), examine(newer)


def test_a_backup_taken_while_rows_arrive_holds_one_commit(project: Project, tmp_path: Path) -> None:
    with Store.open(project.folder / "store") as writer:
        made = back_up(project.folder, tmp_path / "backup")
        assert made.files > 10
        assert writer.check("load") > 0
    restore(tmp_path / "backup", tmp_path / "again")
    with Store.open(tmp_path / "again" / "store") as store:
        assert store.check("load") > 0
