"""Exit codes as docs/cli.md lists them: 1 a check said no, 2 wrong usage, 3 not ready, 130 stopped."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lender import PEOPLE, make_lender, row
from projects import go, make_live, make_project

from foreseal.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:Values that no case had before")

PLAN = (
    '[decisions.plan]\npolicy = "webster"\nfrom = "next_day"\napproval = "person"\n'
    "[decisions.plan.options]\nscale = 10\nshares = { north = 0.5, east = 0.5 }\n"
    'phases = [["north"], ["east"]]\n'
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    return int(stop.value.code or 0), capsys.readouterr().err


def project_where_there_is_one(tmp_path: Path) -> tuple[object, ...]:
    return "init", make_project(tmp_path / "p").folder


def keys_without_settings(tmp_path: Path) -> tuple[object, ...]:
    folder = make_project(tmp_path / "p").folder
    (folder / "foreseal.toml").unlink()
    return "init", folder


def another_projects_author(tmp_path: Path) -> tuple[object, ...]:
    folder, other = make_project(tmp_path / "p").folder, make_project(tmp_path / "q").folder
    shutil.copy(other / "keys" / "author.pem", folder / "keys")
    return "run", "-C", folder


def another_projects_log_key(tmp_path: Path) -> tuple[object, ...]:
    folder, other = make_project(tmp_path / "p").folder, make_project(tmp_path / "q").folder
    shutil.copy(other / "keys" / "log.pem", folder / "keys")
    return "run", "-C", folder


def people_inside_the_project(tmp_path: Path) -> tuple[object, ...]:
    folder = tmp_path / "lender"
    folder.mkdir()
    make_lender(folder, folder / "people.csv", [row(k) for k in range(PEOPLE)])
    return "collect", "-C", folder


def export_of_people_into_the_project(tmp_path: Path) -> tuple[object, ...]:
    folder = make_lender(tmp_path / "lender", tmp_path / "people.csv", [row(k) for k in range(20)]).folder
    with pytest.raises(SystemExit):
        main(["collect", "-C", str(folder)])
    return "export", "people", folder / "x.csv", "-C", folder


def second_approval(tmp_path: Path) -> tuple[object, ...]:
    project = make_project(tmp_path / "p", extra=PLAN)
    go(project)
    with pytest.raises(SystemExit):
        main(["approve", "plan", "0", "-C", str(project.folder)])
    return "approve", "plan", 0, "-C", project.folder


def damaged_log(tmp_path: Path) -> tuple[object, ...]:
    project = make_project(tmp_path / "p")
    go(project)
    victim = min((project.folder / "log" / "payload" / "sha256").iterdir())
    victim.write_bytes(b"x" + victim.read_bytes()[1:])
    return "verify", "-C", project.folder


def consent_of_no_dataset(tmp_path: Path) -> tuple[object, ...]:
    return "consent", "nope", "-C", make_lender(tmp_path / "p", tmp_path / "people.csv", [row(0)]).folder


def consent_of_a_dataset_without(tmp_path: Path) -> tuple[object, ...]:
    return "consent", "load", "-C", make_project(tmp_path / "p").folder


@pytest.mark.parametrize(
    ("mistake", "code", "says"),
    [
        (damaged_log, 1, ""),
        (project_where_there_is_one, 2, "there is a project here already"),
        (keys_without_settings, 2, "no foreseal.toml beside it"),
        (people_inside_the_project, 2, "in plain text inside the project folder"),
        (export_of_people_into_the_project, 2, "lies inside the project"),
        (second_approval, 2, "approved already"),
        (consent_of_no_dataset, 2, "no consent in a dataset 'nope'.\nThere is in: people."),
        (consent_of_a_dataset_without, 2, "no consent in a dataset 'load'"),
        (another_projects_author, 3, "author.pem is not the author that [seal] names"),
        (another_projects_log_key, 3, "log.pem is not the key that [seal] names"),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_a_mistake_ends_with_the_exit_code_of_its_kind(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mistake: Callable[[Path], tuple[object, ...]],
    code: int,
    says: str,
) -> None:
    found, err = call(capsys, *mistake(tmp_path))
    assert (found, says in err) == (code, True), err


def test_a_run_that_is_interrupted_says_so_in_words_and_as_an_object_and_goes_on_the_next_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_live(lambda **settings: make_project(tmp_path / "p", **settings))
    watching = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "foreseal",
            "run",
            "--watch",
            "--no-report",
            "--json",
            "-C",
            str(project.folder),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert watching.stderr is not None
    try:
        assert any(line.startswith("Next: ") for line in watching.stderr)
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=60)
    finally:
        watching.kill()
        watching.wait()
    assert watching.returncode == 130
    error = json.loads(out)["error"]
    assert error.keys() == {"message", "hint", "type"}
    assert (error["type"], error["message"]) == ("Stopped", "Stopped.")
    assert "stays sealed" in error["hint"]
    assert error["hint"] in err
    assert call(capsys, "run", "--no-report", "-C", project.folder)[0] == 0


def test_no_is_an_answer_that_leaves_everything_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(tmp_path / "p").folder
    key = "ed25519:" + "0" * 64
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))
    code, err = call(capsys, "key", "revoke", key, "-C", folder)
    assert (code, "Nothing was done" in err) == (130, True), err
    assert before == sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))
