"""A log keeps what it acknowledged, signs one history, and refuses where it cannot be sure of that."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal import merkle
from foreseal.errors import Busy, Refused, SetupError, Tampered, UsageError
from foreseal.seal.checkpoint import Checkpoint, sign_checkpoint
from foreseal.seal.lock import Head, LogLock, default_lock_path
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.reader import read_log
from foreseal.seal.tiles import paths_of, tile_path


def entries(n: int, start: int = 0) -> list[bytes]:
    return [f"entry {i}".encode() for i in range(start, start + n)]


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def kept(sizes: Iterable[int]) -> set[str]:
    """What a log serves that has signed these sizes: a partial tile stays until the full one is there."""
    sizes = sorted(sizes)
    newest = paths_of(sizes[-1])
    ever = {path for size in sizes for path in paths_of(size)}
    return {path for path in ever if path.partition(".p/")[0] not in newest} | newest


def test_a_published_log_is_rebuilt_byte_for_byte(shared: Path, tmp_path: Path) -> None:
    golden = json.loads((shared / "ledger" / "tessera_log.json").read_text())
    name, _, blob = golden["test_signing_key"].removeprefix("PRIVATE+KEY+").split("+", 2)
    signer = Signer(name, Ed25519PrivateKey.from_private_bytes(base64.b64decode(blob)[1:]))
    assert str(signer.verifier) == golden["vkey"]
    published = shared / "ledger" / "tessera_log"
    with Log.create(tmp_path / "log", signer, tmp_path / "lock.db") as log:
        assert log.signed == (published / "checkpoint.0").read_bytes()
        for n, entry in enumerate(golden["entries"], start=1):
            log.append([entry.encode()])
            ours = files(tmp_path / "log")
            assert ours.pop("checkpoint") == (published / f"checkpoint.{n}").read_bytes()
            assert ours.keys() == kept(range(n + 1))
            assert all((published / path).read_bytes() == data for path, data in ours.items())
    assert log.signed == (published / "checkpoint").read_bytes()


@pytest.mark.parametrize("batches", [[1] * 20, [300], [255, 1, 1], [256], [100, 200, 300], [1, 65_600, 7]])
def test_a_log_holds_the_tree_of_its_entries_however_they_are_batched(
    log: Log, signer: Signer, batches: list[int]
) -> None:
    whole: list[bytes] = []
    for batch in batches:
        fresh = entries(batch, len(whole))
        assert log.append(fresh) == list(range(len(whole), len(whole) + batch))
        whole += fresh
    reader = read_log(log.folder, [signer.verifier])
    leaves = [merkle.leaf_hash(entry) for entry in whole]
    assert reader.checkpoint == Checkpoint(signer.name, len(whole), merkle.root(leaves))
    assert list(reader.entries()) == whole
    assert list(reader.entries(len(whole) - 3)) == whole[-3:]
    assert reader.entry(len(whole) - 1) == whole[-1]
    assert reader.index_of(leaves[5].hex()) == 5
    assert reader.index_of("00" * 32) is None
    assert reader.leaf_hash(7) == leaves[7]
    assert reader.root_at(9) == merkle.root(leaves[:9])
    assert files(log.folder).keys() == kept(itertools.accumulate(batches)) | {"checkpoint"}
    proof = reader.consistency(9)
    merkle.verify_consistency(9, len(whole), proof, merkle.root(leaves[:9]), reader.checkpoint.root)


def test_a_log_goes_on_after_it_was_closed(log: Log, signer: Signer, lock: Path) -> None:
    log.append(entries(300))
    log.close()
    with Log.open(log.folder, signer, lock) as again:
        assert again.append(entries(3, 300)) == [300, 301, 302]
    reader = read_log(log.folder, [signer.verifier])
    assert list(reader.entries()) == entries(303)
    for index in (0, 255, 256, 302):
        assert reader.receipt(index).check().size == 303


def test_appending_nothing_changes_nothing(log: Log) -> None:
    before = files(log.folder)
    assert log.append([]) == []
    assert files(log.folder) == before


@pytest.mark.parametrize("entry", [b"", b"x" * 65_536])
def test_an_entry_that_no_bundle_can_hold_is_refused_and_nothing_is_written(log: Log, entry: bytes) -> None:
    before = files(log.folder)
    with pytest.raises(Refused, match="65535"):
        log.append([b"fine", entry])
    assert files(log.folder) == before
    assert log.append([b"fine"]) == [0]


def test_there_is_no_entry_beyond_the_end(log: Log) -> None:
    log.append(entries(3))
    with pytest.raises(UsageError):
        log.entry(3)
    with pytest.raises(UsageError):
        log.proof(0, 4)


def test_threat_12_a_second_writer_is_told_that_the_log_is_busy(log: Log, signer: Signer, lock: Path) -> None:
    with pytest.raises(Busy):
        Log.open(log.folder, signer, lock)
    log.close()
    Log.open(log.folder, signer, lock).close()


def test_one_key_never_starts_two_logs(log: Log, tmp_path: Path, signer: Signer, lock: Path) -> None:
    log.append(entries(1))
    log.close()
    with pytest.raises(Refused, match="already signed"):
        Log.create(tmp_path / "other", signer, lock)
    with pytest.raises(Refused, match="already"):
        Log.create(log.folder, signer, tmp_path / "other.db")


def test_a_folder_without_a_log_is_not_taken_for_an_empty_one(tmp_path: Path, signer: Signer) -> None:
    with pytest.raises(SetupError, match="no log"):
        Log.open(tmp_path, signer, tmp_path / "lock.db")


def test_an_unsigned_tail_is_dropped(log: Log, signer: Signer, lock: Path, monkeypatch) -> None:
    log.append(entries(5))
    before = files(log.folder)
    monkeypatch.setattr(LogLock, "swap", _crash)
    with pytest.raises(KeyboardInterrupt):
        log.append(entries(400, 5))
    monkeypatch.undo()
    log.close()
    assert files(log.folder).keys() > before.keys()
    with Log.open(log.folder, signer, lock) as again:
        assert files(log.folder) == before
        assert again.append([b"other"]) == [5]


def test_a_head_that_was_locked_but_not_published_is_signed_again(
    log: Log, signer: Signer, lock: Path, monkeypatch
) -> None:
    log.append(entries(5))
    monkeypatch.setattr(Log, "_publish", _crash)
    with pytest.raises(KeyboardInterrupt):
        log.append(entries(400, 5))
    monkeypatch.undo()
    log.close()
    assert read_log(log.folder, [signer.verifier]).size == 5
    with Log.open(log.folder, signer, lock) as again:
        assert again.size == 405
    assert list(read_log(log.folder, [signer.verifier]).entries()) == entries(405)
    assert files(log.folder).keys() == paths_of(405) | {"checkpoint"}


def test_an_append_after_one_that_could_not_publish_publishes_both(log: Log, monkeypatch) -> None:
    log.append(entries(5))
    monkeypatch.setattr(Log, "_publish", _crash)
    with pytest.raises(KeyboardInterrupt):
        log.append(entries(2, 5))
    monkeypatch.undo()
    assert log.append(entries(2, 7)) == [7, 8]
    assert list(log.entries()) == entries(9)
    assert files(log.folder).keys() == kept([5, 7, 9]) | {"checkpoint"}


def test_a_reader_goes_on_with_its_checkpoint_while_the_log_grows_past_its_tiles(
    log: Log, signer: Signer, lock: Path
) -> None:
    log.append(entries(5))
    old, begun = read_log(log.folder, [signer.verifier]), read_log(log.folder, [signer.verifier])
    log.append(entries(2, 5))
    log.append(entries(1, 7))
    log.close()
    with Log.open(log.folder, signer, lock) as again:
        assert (log.folder / tile_path(0, 0, 5)).is_file(), "opening it again takes nothing away"
        assert old.receipt(2).check().size == 5
        again.append(entries(255, 8))
    assert not (log.folder / tile_path(0, 0, 5)).exists()
    assert begun.receipt(2).check().size == 5, "the full tile holds what the partial one held"
    assert list(begun.entries()) == entries(5)


def test_what_a_failed_append_wrote_is_never_kept_beside_a_wider_tile(
    log: Log, signer: Signer, lock: Path, monkeypatch
) -> None:
    log.append(entries(5))
    monkeypatch.setattr(LogLock, "swap", _crash)
    with pytest.raises(KeyboardInterrupt):
        log.append([b"never sealed"] * 3)
    monkeypatch.undo()
    junk = (log.folder / tile_path(0, 0, 8)).read_bytes()
    log.close()
    with Log.open(log.folder, signer, lock) as again:
        again.append(entries(5, 5))
        (log.folder / tile_path(0, 0, 8)).write_bytes(junk)
    Log.open(log.folder, signer, lock).close()
    assert files(log.folder).keys() == kept([5, 10]) | {"checkpoint"}


@pytest.mark.parametrize("made", [True, False])
def test_after_a_swap_that_failed_nothing_is_written_until_the_log_is_opened_again(
    log: Log, signer: Signer, lock: Path, monkeypatch, made: bool
) -> None:
    log.append(entries(1))
    swap = LogLock.swap

    def fail(self: LogLock, old: Head | None, new: Head) -> None:
        if made:
            swap(self, old, new)
        raise SetupError("the lock database cannot be written: disk I/O error.")

    monkeypatch.setattr(LogLock, "swap", fail)
    with pytest.raises(SetupError):
        log.append([b"b1", b"b2"])
    monkeypatch.undo()
    before = files(log.folder)
    for fresh in ([b"c1", b"c2"], [b"c1"]):
        with pytest.raises(Refused, match="not known what has been signed") as error:
            log.append(fresh)
        assert "again" in error.value.hint
    assert files(log.folder) == before, "what the lock may hold is still there"
    log.close()
    with Log.open(log.folder, signer, lock) as again:
        again.append([b"c1", b"c2"])
        assert list(again.entries()) == [*entries(1), *([b"b1", b"b2"] if made else []), b"c1", b"c2"]


def test_threat_11_a_restored_backup_is_refused(log: Log, tmp_path: Path, signer: Signer, lock: Path) -> None:
    log.append(entries(300))
    shutil.copytree(log.folder, tmp_path / "backup")
    log.append(entries(10, 300))
    newest = log.signed
    log.close()
    with pytest.raises(Refused, match="does not hold the 310 entries"):
        Log.open(tmp_path / "backup", signer, lock)
    with pytest.raises(Refused, match="310 entries"):
        Log.adopt(tmp_path / "backup", signer, newest, lock)


def test_a_log_without_its_lock_is_refused_until_it_is_adopted(
    log: Log, tmp_path: Path, signer: Signer
) -> None:
    log.append(entries(300))
    trusted = log.signed
    log.append(entries(10, 300))
    log.close()
    lock = tmp_path / "new.db"
    with pytest.raises(Refused, match="knows nothing") as error:
        Log.open(log.folder, signer, lock)
    assert "foreseal seal adopt" in error.value.hint
    assert Log.adopt(log.folder, signer, trusted, lock).size == 310
    with Log.open(log.folder, signer, lock) as again:
        assert again.append(entries(1, 310)) == [310]


def test_a_lock_that_is_behind_is_refused_until_the_log_is_adopted(
    log: Log, signer: Signer, lock: Path
) -> None:
    log.append(entries(3))
    log.close()
    held = lock.read_bytes()
    with Log.open(log.folder, signer, lock) as again:
        again.append(entries(3, 3))
        trusted = again.signed
    lock.write_bytes(held)
    with pytest.raises(Refused, match="holds 3 entries, but 6 are published"):
        Log.open(log.folder, signer, lock)
    Log.adopt(log.folder, signer, trusted, lock)
    Log.open(log.folder, signer, lock).close()


def test_a_log_that_does_not_extend_the_trusted_checkpoint_is_not_adopted(
    log: Log, tmp_path: Path, signer: Signer
) -> None:
    log.append(entries(3))
    log.close()
    other = Checkpoint(signer.name, 3, merkle.root([merkle.leaf_hash(b"x")] * 3))
    with pytest.raises(Refused, match="does not extend"):
        Log.adopt(log.folder, signer, sign_checkpoint(other, signer), tmp_path / "new.db")
    stranger = Signer(signer.name, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with pytest.raises(Tampered):
        Log.adopt(log.folder, signer, sign_checkpoint(log.checkpoint, stranger), tmp_path / "new.db")


def test_a_log_whose_entries_are_not_those_of_its_tiles_is_not_adopted(
    log: Log, tmp_path: Path, signer: Signer
) -> None:
    log.append(entries(300))
    log.close()
    path = log.folder / tile_path("entries", 0)
    path.write_bytes(path.read_bytes().replace(b"entry 7", b"entry X", 1))
    with pytest.raises(Tampered, match="entry 7 is not the one that the tree holds"):
        Log.adopt(log.folder, signer, log.signed, tmp_path / "new.db")
    with pytest.raises(Refused, match="knows nothing"):
        Log.open(log.folder, signer, tmp_path / "new.db")


def test_a_lock_with_another_root_is_a_fork_and_is_never_adopted(
    log: Log, tmp_path: Path, signer: Signer
) -> None:
    log.append(entries(3))
    log.close()
    holder = LogLock(tmp_path / "new.db")
    holder.swap(None, Head(3, bytes(32)))
    holder.close()
    with pytest.raises(Refused):
        Log.open(log.folder, signer, tmp_path / "new.db")
    with pytest.raises(Refused, match="this key has signed here"):
        Log.adopt(log.folder, signer, log.signed, tmp_path / "new.db")


def test_threat_12_swapping_from_another_head_is_refused(tmp_path: Path) -> None:
    lock = LogLock(tmp_path / "lock.db")
    lock.swap(None, Head(0, merkle.EMPTY_ROOT))
    with pytest.raises(Refused):
        lock.swap(None, Head(1, bytes(32)))
    with pytest.raises(Refused):
        lock.swap(Head(1, bytes(32)), Head(2, bytes(32)))
    assert lock.head() == Head(0, merkle.EMPTY_ROOT)
    lock.close()


def test_a_damaged_lock_is_not_taken_for_an_empty_one(log: Log, signer: Signer, lock: Path) -> None:
    log.append(entries(3))
    log.close()
    lock.write_bytes(b"not a database" * 1000)
    with pytest.raises(SetupError, match="is damaged") as error:
        Log.open(log.folder, signer, lock)
    assert "foreseal seal adopt" in error.value.hint


def test_a_damaged_checkpoint_stops_the_writer(log: Log, signer: Signer, lock: Path) -> None:
    log.append(entries(3))
    log.close()
    path = log.folder / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n3\n", b"\n2\n"))
    with pytest.raises(Refused, match="not a checkpoint that this log's key has signed"):
        Log.open(log.folder, signer, lock)


def test_the_lock_lies_outside_the_project(tmp_path: Path) -> None:
    path = default_lock_path(b"key", {"XDG_STATE_HOME": str(tmp_path)})
    assert path.parent == tmp_path / "foreseal"
    assert default_lock_path(b"key", {"FORESEAL_STATE": str(tmp_path / "s")}).parent == tmp_path / "s"
    assert default_lock_path(b"other", {"FORESEAL_STATE": str(tmp_path)}) != path


def _crash(*_: object) -> None:
    raise KeyboardInterrupt
