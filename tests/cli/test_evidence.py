"""Evidence, disclosures and keys from the command line: what one command writes, another checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from projects import go, make_project

from foreseal.cli import main
from foreseal.run import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))
    made = make_project(tmp_path / "small", last="2024-02-01")
    go(made)
    return made


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*args: object) -> tuple[int, Any]:
        with pytest.raises(SystemExit) as stop:
            main([*map(str, args), "--json"])
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), json.loads(out) if out else err

    return run


def test_what_evidence_writes_verify_checks_elsewhere(
    project: Project, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, made = ask("evidence", "-C", project.folder, "--out", tmp_path / "e.zip")
    assert (code, made["targets"], made["size"]) == (0, ["next_day"], project.reader().size)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, answer = ask("verify", tmp_path / "e.zip", "--key", project.settings.seal.key)
    (verdict,) = answer["results"].values()
    assert (code, verdict["ok"], verdict["level"], verdict["codes"]) == (0, True, "identities", [])
    code, answer = ask("verify", tmp_path / "e.zip")
    (verdict,) = answer["results"].values()
    assert (code, verdict["ok"]) == (1, False)
    assert verdict["statements"][0] == "consistent, but by a key you have not named"
    code, answer = ask("verify", tmp_path / "e.zip", "--key", project.settings.seal.key, "--target", "other")
    assert (code, [each["codes"] for each in answer["results"].values()]) == (1, [["target-missing"]])


def test_a_disclosed_value_is_checked_by_verify(project: Project, ask: Any, tmp_path: Path) -> None:
    where = ("--cutoff", "2024-02-01T00:00:00Z", "--series", "a", "--ds", "2024-01-15T07:00:00Z")
    path = tmp_path / "one.disclosure"
    assert ask("disclose", "load", "-C", project.folder, *where, "--out", path) == (0, {"path": str(path)})
    code, answer = ask("verify", path, "--key", project.settings.seal.key)
    assert code == 0
    assert "y = 73.113" in str(answer["results"][str(path)]["statements"])
    path.write_bytes(path.read_bytes().replace(b'"append":1', b'"append":2'))
    assert ask("verify", path, "--key", project.settings.seal.key)[0] == 1


def test_a_key_is_shown_rotated_and_revoked(project: Project, ask: Any, tmp_path: Path) -> None:
    where, recovery = ("-C", project.folder), tmp_path / "recovery.pem"
    code, made = ask("key", "rotate", *where, "--recovery", recovery)
    assert code == 0
    assert Path(made["kept"]).name.startswith("author-")
    for wrong in (("foo",), ("ed25519:" + "0" * 64,), ("--from", "999999"), ("--from", "-1")):
        assert ask("key", "revoke", *where, "--yes", *wrong)[0] == 2
    assert ask("key", "revoke", *where, "--yes")[0] == 0
    code, shown = ask("key", "show", *where)
    assert [each["state"].split()[0] for each in shown["keys"]] == ["replaced", "revoked"]
    assert ask("key", "rotate", *where)[0] == 1
    assert ask("key", "rotate", *where, "--with", recovery)[0] == 0
    assert ask("verify", *where)[0] == 0
