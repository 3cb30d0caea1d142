"""What verify says of files that are not what they should be."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from projects import go, make_project

from foreseal.cli import main
from foreseal.cli.damage import damaged
from foreseal.run import Project
from foreseal.run.receipts import write_receipts
from foreseal.run.results import Results
from foreseal.seal.problem import Problem


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))
    made = make_project(tmp_path / "small", last="2024-02-01")
    go(made)
    return made


def verify(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main(["verify", *map(str, args)])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out + err


@pytest.mark.parametrize("name", ["a.tlog-proof", "a.disclosure", "a.zip"])
def test_a_file_that_never_ends_or_is_huge_is_refused_before_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    endless, huge = tmp_path / name, tmp_path / "huge" / name
    endless.symlink_to("/dev/zero")
    huge.parent.mkdir()
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    code, said = verify(capsys, endless)
    assert (code, "is not a regular file" in said) == (1, True), said
    assert verify(capsys, huge)[0] == 1
    pipe = tmp_path / "pipe" / name
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    code, said = verify(capsys, pipe)
    assert (code, "is not a regular file" in said) == (1, True), said


def test_a_policy_that_never_ends_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log").mkdir()
    for command in (["verify", str(tmp_path / "log")], ["monitor"]):
        with pytest.raises(SystemExit) as stop:
            main([*command, "--policy", "/dev/zero"])
        assert (stop.value.code, "is not a regular file" in capsys.readouterr().err) == (2, True)


def test_the_folder_of_a_project_is_told_from_evidence(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = verify(capsys, project.folder)
    assert code == 2
    assert f"foreseal verify -C {project.folder}" in said
    assert f"foreseal evidence -C {project.folder}" in said


def test_line_endings_that_a_mail_program_changed_are_named(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key = project.settings.seal.key
    (path, *_) = write_receipts(project)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    code, said = verify(capsys, path, "--key", key)
    assert (code, "CR LF" in said) == (1, True), said
    checkpoint = project.log_folder / "checkpoint"
    checkpoint.write_bytes(checkpoint.read_bytes().replace(b"\n", b"\r\n"))
    code, said = verify(capsys, project.log_folder, "--key", key)
    assert (code, "CR LF" in said) == (1, True), said
    checkpoint.write_bytes(checkpoint.read_bytes().replace(b"\r\n", b"\n"))
    policy = tmp_path / "policy.txt"
    policy.write_bytes(f"\ufefflog {key}\r\nquorum none\r\n".encode())
    assert verify(capsys, project.log_folder, "--policy", policy)[0] == 0, "a policy is what its lines say"


def test_a_folder_of_receipts_is_checked_one_by_one(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_receipts(project)
    code, said = verify(capsys, project.folder / "out" / "receipts", "--key", project.settings.seal.key)
    assert (code, f"{len(paths)} of {len(paths)} verified." in said) == (0, True), said


def test_who_named_another_key_is_asked_whether_they_did(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (path, *_) = write_receipts(project)
    code, said = verify(capsys, path, "--key", make_project(tmp_path / "other").settings.seal.key)
    assert code == 1
    assert "problem (signature): no key that you named" in said
    assert "you named the key of another" in said


def test_a_project_that_is_named_and_not_there_is_missed(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (path, *_) = write_receipts(project)
    code, said = verify(capsys, path, "-C", tmp_path / "nope")
    assert (code, str(tmp_path / "nope") in said) == (2, True), said


def test_what_seal_policy_prints_is_what_others_check_by(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit):
        main(["seal", "policy", "-C", str(project.folder)])
    (tmp_path / "policy").write_text(capsys.readouterr().out)
    assert verify(capsys, project.log_folder, "--policy", tmp_path / "policy")[0] == 0


def test_of_a_damaged_file_the_cause_is_named_the_rest_counted_and_the_remedy_said(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    size = project.reader().size
    bundle = project.log_folder / "tile" / "entries" / f"000.p/{size}"
    sound = bundle.read_bytes()
    bundle.write_bytes(sound.replace(b'"', b"!", 40))
    code, said = verify(capsys, project.log_folder, "--key", project.settings.seal.key)
    assert (code, said.count("problem (")) == (1, 1), said
    assert f"problem (root): tile/entries/000.p/{size}: entry 0 is not the one" in said
    assert "which may follow from what is damaged; --json names them." in said
    assert "Put back an undamaged copy under the same name" in said
    code, said = verify(capsys, project.log_folder, "--key", project.settings.seal.key, "--json")
    (result,) = json.JSONDecoder().raw_decode(said)[0]["results"].values()  # the words follow on stderr
    assert len(result["problems"]) > 3, "nothing is left out of the verdict"
    bundle.write_bytes(sound)
    assert verify(capsys, project.log_folder, "--key", project.settings.seal.key)[0] == 0


@pytest.mark.parametrize("lost", [False, True])
def test_a_damaged_or_missing_payload_is_named_once_with_what_to_do(
    project: Project, capsys: pytest.CaptureFixture[str], lost: bool
) -> None:
    history = Results(project).history
    first = next(iter(history.forecasts.values())).body["payload"]["sha256"]
    path = project.log_folder / "payload" / "sha256" / first
    sound = path.read_bytes()
    path.unlink() if lost else path.write_bytes(sound + b"1")
    code, said = verify(capsys, project.log_folder, "--key", project.settings.seal.key)
    assert (code, said.count("problem ("), said.count(first)) == (1, 1, 1), said
    assert "Put back an undamaged copy under the same name" in said
    path.write_bytes(sound)
    assert verify(capsys, project.log_folder, "--key", project.settings.seal.key)[0] == 0


def test_problems_without_a_damaged_file_are_all_listed() -> None:
    rules = [Problem(f"entry {k} (forecast): too late", "late", k) for k in range(30)]
    assert damaged(rules) == []
    tile = Problem("tile/0/000.p/9 is missing.", "tile")
    stray = Problem("tile/0/000.p/7 does not agree with the wider tile that is there.", "stray")
    assert damaged([*rules, tile, stray]) == [tile]
