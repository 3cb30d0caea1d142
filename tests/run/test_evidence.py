"""A project hands out evidence and disclosures, and goes on under a new key."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from projects import Make, go

from foreseal.clock import parse_instant
from foreseal.errors import DataError, Refused, Tampered, UsageError
from foreseal.run import Project
from foreseal.run.disclosing import disclose
from foreseal.run.evidence import VERIFIERS, write_evidence
from foreseal.run.keys import revoke, rotate, show_keys
from foreseal.seal.disclosure import read_chunk, verify_disclosure
from foreseal.seal.evidence import verify_evidence
from foreseal.seal.verify import verify_log

FIRST = datetime.fromisoformat("2024-02-01T00:00:00+00:00")
DS = datetime.fromisoformat("2024-01-15T07:00:00+00:00")


@pytest.fixture
def project(make: Make) -> Project:
    made = make(last="2024-02-02")
    go(made)
    return Project.open(made.folder)


def test_evidence_of_a_project_is_verified_by_the_key_alone(project: Project, tmp_path: Path) -> None:
    made = write_evidence(project)
    assert (made.targets, made.left_out, made.receipts) == (("next_day",), (), 6)
    verdict = verify_evidence(made.path, [project.trusted()])
    assert (verdict.ok, verdict.level, verdict.notes) == (True, "identities", ())
    folder = write_evidence(project, ["next_day"], tmp_path / "handed").path
    assert verify_evidence(folder, [project.trusted()]) == verdict
    assert not (folder / "tile" / "0").exists()
    assert "VKEY" in (folder / "README.txt").read_text()
    assert all((folder / name).is_file() for name in VERIFIERS if name not in made.absent)


def test_the_same_log_gives_the_same_zip(project: Project) -> None:
    path = write_evidence(project).path
    first = path.read_bytes()
    assert write_evidence(project).path.read_bytes() == first


def test_evidence_never_overwrites_a_folder_and_names_no_unknown_target(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("keep")
    (tmp_path / "full.zip").write_text("keep")
    (tmp_path / "folder.zip").mkdir()
    for name, why in (("full", "no empty folder"), ("full.zip", "exists"), ("folder.zip", "is a folder")):
        with pytest.raises(UsageError, match=why):
            write_evidence(project, (), tmp_path / name)
    assert not list(tmp_path.rglob("*.tmp"))
    assert (tmp_path / "full.zip").read_text() == "keep"
    with pytest.raises(UsageError, match="no target 'other'"):
        write_evidence(project, ["other"])


def test_a_damaged_payload_is_put_back_from_evidence(project: Project, tmp_path: Path) -> None:
    handed = write_evidence(project, (), tmp_path / "handed").path
    path = next(each for each in sorted((project.log_folder / "payload" / "sha256").iterdir()))
    path.write_bytes(path.read_bytes()[:-1])
    made = tmp_path / "again.zip"
    with pytest.raises(Tampered, match=path.name) as stop:
        write_evidence(project, (), made)
    assert "evidence of this log have a copy under payload/sha256/" in stop.value.hint
    assert list(tmp_path.glob("*again*")) == [], "nothing half done is left"
    path.write_bytes((handed / "payload" / "sha256" / path.name).read_bytes())
    assert verify_evidence(write_evidence(project, (), made).path, [project.trusted()]).ok


def test_a_value_that_a_forecast_rested_on_is_disclosed_and_proved(project: Project) -> None:
    path = disclose(project, "load", FIRST, "a", DS)
    verdict = verify_disclosure(path.read_bytes(), [project.trusted()])
    assert verdict.ok
    assert "a at 2024-01-15T07:00:00Z: y = 73.113" in str(verdict)
    with project.store() as store:
        known = store.as_of("load", FIRST, start=DS, end=DS.replace(minute=1))
    assert known["y"].to_list() == [73.113]


@pytest.mark.parametrize("ds", ["2024-01-01T00:00:00Z", "2024-01-31T22:00:00Z"])
def test_the_first_and_the_last_value_known_at_a_cutoff_are_disclosed(project: Project, ds: str) -> None:
    path = disclose(project, "load", FIRST, "a", parse_instant(ds))
    assert verify_disclosure(path.read_bytes(), [project.trusted()]).ok


def test_what_was_not_known_at_the_cutoff_is_not_disclosed(project: Project) -> None:
    with pytest.raises(DataError, match="no value"):
        disclose(project, "load", FIRST, "a", FIRST)
    with pytest.raises(UsageError, match="No sealed forecast"):
        disclose(project, "load", DS, "a", DS)


def test_a_disclosure_that_was_changed_anywhere_is_refused(project: Project) -> None:
    data = disclose(project, "load", FIRST, "a", DS).read_bytes()
    assert verify_disclosure(data, [project.trusted()]).ok
    fields = json.loads(data)
    for name, value in (
        ("append", fields["append"] + 1),
        ("index", fields["index"] + 1),
        ("n", fields["n"] + 1),
        ("cutoff", "2024-02-02T00:00:00Z"),
        ("dataset", "other"),
        ("series", "b"),
        ("ds", "2024-01-01T00:00:00Z"),
        ("inner", fields["inner"][1:]),
        ("outer", ["00" * 32]),
    ):
        other = json.dumps({**fields, name: value}, sort_keys=True, separators=(",", ":")).encode()
        verdict = verify_disclosure(other, [project.trusted()])
        assert not verdict.ok, name
        assert verdict.codes, name
    for at in range(0, len(data), 37):
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert not verify_disclosure(flipped, [project.trusted()]).ok, at


def test_a_chunk_reads_the_same_without_the_store(project: Project) -> None:
    with project.store() as store:
        chunk = store.chunk("load", 1, 1)
        rows = store.vintages("load").sort("known_at").slice(256, 256)
    found = read_chunk(chunk)
    assert [row["y"] for row in found] == rows["y"].to_list()
    assert [row["ds"] for row in found] == rows["ds"].to_list()


def test_a_project_goes_on_after_its_key_was_rotated(make: Make, tmp_path: Path) -> None:
    project = make(last="2024-02-02")
    go(project)
    before = project.settings.path.read_text()
    old = project.settings.seal.author
    made = rotate(project, recovery=tmp_path / "recovery.pem")
    project = Project.open(project.folder)
    assert project.settings.path.read_text() == before.replace(old, made.author)
    assert made.kept is not None
    assert made.kept.stat().st_mode & 0o777 == 0o600
    assert go(project).nothing
    assert [key.state for key in show_keys(project)] == [f"replaced by {made.author}", "current"]
    verdict = verify_log(project.log_folder, [project.trusted()])
    assert (verdict.ok, verdict.level) == (True, "identities")


def test_a_rotation_that_was_cut_off_is_completed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make(last="2024-02-01")
    go(project)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rotate(project)
    size = project.reader().size
    with pytest.raises(Refused, match="no right"):
        revoke(project)
    made = rotate(Project.open(project.folder))
    project = Project.open(project.folder)
    assert project.reader().size == size
    assert project.settings.seal.author == made.author
    assert go(project).nothing


def test_the_last_key_of_an_author_is_revoked_only_for_good(make: Make) -> None:
    project = make(last="2024-02-01")
    go(project)
    size = project.reader().size
    with pytest.raises(UsageError, match="the log names no recovery key") as stop:
        revoke(project)
    assert "--recovery FILE" in stop.value.hint
    assert project.reader().size == size
    assert revoke(project, for_good=True).index == size


def test_after_a_revocation_only_a_recovery_key_names_a_new_one(make: Make, tmp_path: Path) -> None:
    project = make(last="2024-02-01")
    go(project)
    rotate(project, recovery=tmp_path / "recovery.pem")
    project = Project.open(project.folder)
    revoke(project)
    first, second = show_keys(project)
    assert (first.state, first.recovery) == (f"replaced by {second.author}", ())
    with pytest.raises(Refused, match="is revoked, so it cannot name another") as stop:
        rotate(project)
    assert "foreseal key rotate --with RECOVERY" in stop.value.hint
    toml = project.settings.path
    toml.write_text(toml.read_text().replace("seasonal_naive(168)", "seasonal_naive(24)"))
    with pytest.raises(Refused, match="revoked") as stop:
        go(Project.open(project.folder))
    assert "foreseal key rotate --with RECOVERY" in stop.value.hint
    made = rotate(project, consent=tmp_path / "recovery.pem")
    project = Project.open(project.folder)
    assert project.settings.seal.author == made.author
    shown = show_keys(project)
    assert [each.state.split(" in ")[0] for each in shown] == [
        f"replaced by {second.author}",
        "revoked",
        "current",
    ]
    assert [len(each.recovery) for each in shown] == [0, 0, 1]
    assert go(project).nothing
    assert verify_log(project.log_folder, [project.trusted()]).ok
