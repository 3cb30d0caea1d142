"""An error says what, where, and what to do next: the advice fits what was called."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from projects import go, make_project

from foreseal.cli import main
from foreseal.run import Project


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    """The exit code, and all that was printed."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out + err


def edited(project: Project, old: str, new: str) -> Path:
    toml = project.folder / "foreseal.toml"
    assert old in toml.read_text()
    toml.write_text(toml.read_text().replace(old, new))
    return project.folder


@pytest.mark.parametrize(
    ("unit", "says"),
    [
        ('"kWhh"', "unit in [datasets.load]: 'kWhh' is not a UCUM unit.\nDid you mean 'kW.h'?"),
        ('"vehicles"', "unit in [datasets.load]: 'vehicles' is not a UCUM unit.\nDid you mean '{vehicles}'?"),
        ('{ a = "kWhh" }', "unit.a in [datasets.load]: 'kWhh' is not"),
    ],
)
def test_a_wrong_unit_is_named_once_with_its_dataset_and_its_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], unit: str, says: str
) -> None:
    folder = edited(make_project(tmp_path / "p"), 'unit = "kW"', f"unit = {unit}")
    code, said = call(capsys, "collect", "-C", folder)
    assert (code, says in said) == (2, True), said


def test_a_word_in_the_place_of_a_number_is_answered_with_how_to_write_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = edited(make_project(tmp_path / "p"), "horizon = 6", 'horizon = "three"')
    code, said = call(capsys, "run", "-C", folder)
    assert code == 2
    assert "horizon in [targets.next_day] is 'three', which is not a whole number.\n" in said
    assert "Write it without quotes, such as 24." in said


def test_without_a_key_verify_says_where_to_get_one_and_with_garbage_how_one_looks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "p")
    go(project)
    monkeypatch.chdir(tmp_path)
    code, said = call(capsys, "verify", project.log_folder)
    assert (code, "by a key you have not named" in said, "--key VKEY" in said) == (1, True, True), said
    code, said = call(capsys, "verify", project.log_folder, "--key", project.settings.seal.key)
    assert (code, "--key VKEY" in said) == (0, False), said
    for garbage in ("garbage", "a+b", ""):
        code, said = call(capsys, "verify", project.log_folder, "--key", garbage)
        assert (code, f"{garbage!r} is not a verifier key" in said, "NAME+ID+KEY" in said) == (2, True, True)
    folder = edited(project, project.settings.seal.key, "garbage")
    code, said = call(capsys, "status", "-C", folder)
    assert (code, "key in [seal]: 'garbage' is not a verifier key" in said) == (2, True), said


def test_before_there_are_data_score_names_the_command_that_brings_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_project(tmp_path / "p").folder
    code, said = call(capsys, "score", "-C", folder)
    assert (code, "foreseal collect" in said) == (2, True), said
    assert call(capsys, "collect", "-C", folder)[0] == 0
    assert call(capsys, "score", "-C", folder)[0] == 0


def test_a_disk_that_refuses_a_new_project_is_not_told_of_what_was_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for made in (("init", tmp_path / "file" / "p"), ("demo", tmp_path / "file" / "d")):
        code, said = call(capsys, *made)
        assert (code, "acknowledged" in said, "another folder" in said) == (3, False, True), said
    folder = make_project(tmp_path / "p").folder
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "file"))
    code, said = call(capsys, "run", "-C", folder)
    assert (code, "What was acknowledged before is safe" in said) == (3, True), said


def test_init_asks_for_extras_only_where_what_they_bring_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "site" / "foreseal-1.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path / "site")
    for needed, asked in (("numpy>=1.26", False), ("no-such-thing-at-all>=1", True)):
        metadata.write_text(
            "Metadata-Version: 2.1\nName: foreseal\nVersion: 1\n"
            f"Requires-Dist: {needed}; extra == 'finance'\n"
            "Requires-Dist: nor-this; extra == 'supply'\n"
        )
        importlib.invalidate_caches()
        code, said = call(capsys, "init", tmp_path / needed[:2], "--app", "markets")
        assert (code, 'pip install "foreseal[finance]"' in said) == (0, asked), said


def test_a_demonstration_without_anvil_names_both_ways_to_install_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("web3")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    code, said = call(capsys, "demo", "--chain", tmp_path / "three")
    assert (code, "`make anvil`" in said, "npm install" in said) == (3, True, True), said
