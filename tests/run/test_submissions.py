"""Submissions of a hub are sealed as they stand, and what a project sealed is submitted to one."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import hubs
import pytest

from foreseal.apps import find
from foreseal.cli import main
from foreseal.collect.hub import Hub
from foreseal.collect.submission import read_submission
from foreseal.errors import DataError, UsageError
from foreseal.run import Project
from foreseal.run.create import create
from foreseal.run.receipts import verify_receipts, write_receipts
from foreseal.run.session import Session
from foreseal.run.submissions import seal_hub
from foreseal.seal.verify import verify_log


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    return hubs.make_hub(tmp_path / "flu-hub")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    create(tmp_path / "project")
    return Project.open(tmp_path / "project")


def seal(project: Project, hub: Path) -> Any:
    with Session.begin(project) as session:
        return seal_hub(session, Hub.open(hub))


def spoil(hub: Path) -> Path:
    """Take one quantile out of a submission."""
    path = hub / "model-output" / "team-good" / f"{hubs.ROUNDS[1]}-team-good.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join(rows[:5] + rows[6:]) + "\n")
    return path


def test_every_submission_gets_a_receipt_that_names_its_bytes(project: Project, hub: Path) -> None:
    bad = spoil(hub)
    found = seal(project, hub)
    assert (found.sealed, found.before, found.left_out) == (11, 0, 0)
    assert list(found.problems) == [bad.relative_to(hub).as_posix()]
    receipts = write_receipts(project)
    verdicts = verify_receipts(project, receipts)
    assert len(verdicts) == 11
    assert all(verdict.ok for verdict in verdicts.values())
    sealed = {v.entry["ran"]["file"]: v.entry["ran"] for v in verdicts.values() if v.entry}
    for name, ran in sealed.items():
        data = (hub / name).read_bytes()
        assert ran["sha256"] == hashlib.sha256(data).hexdigest()
        assert ran["size"] == str(len(data))
    assert "22 of 23 quantiles" in sealed[bad.relative_to(hub).as_posix()]["problems"]
    assert sealed[bad.relative_to(hub).as_posix()]["tasks"] == "15"
    assert verify_log(project.log_folder, [project.trusted()]).ok


def test_sealing_again_adds_what_is_new_or_changed_and_nothing_else(project: Project, hub: Path) -> None:
    seal(project, hub)
    assert (seal(project, hub).sealed, seal(project, hub).before) == (0, 11)
    spoil(hub)
    hubs.write(hub, "team-idle", hubs.ROUNDS[-1], hubs.lines(hubs.ROUNDS[-1]))
    hubs.write(hub, "new-model", hubs.ROUNDS[-1], hubs.lines(hubs.ROUNDS[-1]))
    found = seal(project, hub)
    assert (found.sealed, found.before) == (3, 10)
    targets = {each.body["target"] for each in project.history().forecasts.values()}
    assert targets == {"hub-1", "hub-2"}
    verdict = verify_log(project.log_folder, [project.trusted()])
    assert verdict.ok
    assert any("a second forecast by team-good" in note for note in verdict.notes)


def test_a_file_that_is_no_submission_is_left_out_and_named(project: Project, hub: Path) -> None:
    path = hub / "model-output" / "team-good" / "notes.csv"
    path.write_text("a,b\n")
    found = seal(project, hub)
    assert (found.sealed, found.left_out) == (11, 1)
    assert path.relative_to(hub).as_posix() in found.problems


def test_init_reads_the_rounds_and_neighbours_of_a_hub(tmp_path: Path, hub: Path) -> None:
    create(tmp_path / "flu", app="epidemic", hub=hub)
    project = Project.open(tmp_path / "flu")
    target = project.targets["admissions_4w"]
    assert len(target.cutoffs) == len(hubs.ROUNDS)
    assert "synthetic" not in (tmp_path / "flu" / "foreseal.toml").read_text().lower()
    assert project.settings.decisions["beds"].options["neighbours"] == {
        "01": ["12", "13"],
        "12": ["01", "13"],
        "13": ["01", "12"],
    }
    with pytest.raises(UsageError, match="reads no hub"):
        create(tmp_path / "other", app="traffic", hub=hub)
    (tmp_path / "bare" / "model-output").mkdir(parents=True)
    with pytest.raises(DataError, match="no vintages"):
        create(tmp_path / "other", app="epidemic", hub=tmp_path / "bare")


def test_without_a_hub_everything_is_called_synthetic() -> None:
    found = tomllib.loads(find("epidemic").toml("p", '[seal]\norigin = "o"'))
    names = [*found["datasets"], *found["targets"], *found["decisions"]]
    names += found["decisions"]["synthetic_beds"]["options"]["neighbours"]
    assert all("synthetic" in name for name in names)
    assert "Synthetic" in find("epidemic").title


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as stop:
        main([*args, "--json"])
    return int(stop.value.code or 0), json.loads(capsys.readouterr().out)


def test_the_commands_check_score_and_seal(
    tmp_path: Path, hub: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "hub", "check", str(hub))[1]["ok"]
    spoil(hub)
    code, found = call(capsys, "hub", "check", str(hub))
    assert (code, found["files"], len(found["problems"])) == (1, 11, 1)
    code, found = call(capsys, "hub", "score", str(hub))
    assert (code, found["baseline"], found["tasks"]) == (0, "hub-baseline", 64)
    rows = {row["model"]: row for row in found["models"]}
    assert rows["team-idle"]["missing"] == 16
    assert rows["team-good"]["missing"] == 1
    assert rows["team-good"]["skill"] < 1
    create(tmp_path / "p")
    code, found = call(capsys, "hub", "seal", str(hub), "-C", str(tmp_path / "p"))
    assert (code, found["sealed"], found["receipts"]) == (0, 11, 11)
    code, found = call(capsys, "verify", "-C", str(tmp_path / "p"))
    assert (code, found["verified"], found["checked"]) == (0, 12, 12)


@pytest.mark.slow
def test_a_project_on_a_hub_submits_what_it_sealed(
    tmp_path: Path, hub: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(tmp_path / "flu", app="epidemic", hub=hub)
    code, _ = call(capsys, "run", "-C", str(tmp_path / "flu"))
    assert code == 0
    code, found = call(
        capsys, "hub", "write", str(hub), "admissions_4w", "--model", "us-ours", "-C", str(tmp_path / "flu")
    )
    assert (code, len(found["files"])) == (0, 4)
    made = [read_submission(Path(path), Hub.open(hub)) for path in found["files"]]
    assert [each.problems for each in made] == [()] * 4
    assert [each.round for each in made] == list(hubs.ROUNDS)
    assert [each.keys.height for each in made] == [16] * 4
