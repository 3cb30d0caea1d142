"""A witness's key is made once and on demand; witness and monitor work from the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from projects import make_project
from witnesses import cosigner

from foreseal.cli import main
from foreseal.run import Project
from foreseal.seal.cosignature import parse_witness
from foreseal.seal.fork import parse_fork
from foreseal.seal.log import Log
from foreseal.seal.note import Signer


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


@contextmanager
def running(folder: Path, *logs: str) -> Iterator[tuple[str, str]]:
    """A witness in a process of its own on a free port; gives its vkey and address."""
    code = "import sys; from foreseal.cli import main; main(sys.argv[1:])"
    options = [text for log in logs for text in ("--log", log)]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            code,
            "witness",
            "--state",
            folder,
            "--listen",
            "127.0.0.1:0",
            "--json",
            *options,
        ],
        stdout=subprocess.PIPE,
        text=True,
        # A shell's background job ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield said["vkey"], said["url"]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_a_key_is_never_made_silently_and_never_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "w"
    code, _, err = call(capsys, "witness", "--state", folder, "--log", "x")
    assert (code, "--init NAME" in err, folder.exists()) == (3, True, False)
    code, out, _ = call(capsys, "witness", "--state", folder, "--init", "example.com/w", "--json")
    assert code == 0
    assert parse_witness(json.loads(out)["vkey"]).name == "example.com/w"
    assert (folder / "witness.pem").stat().st_mode & 0o077 == 0
    code, _, err = call(capsys, "witness", "--state", folder, "--init", "example.com/w")
    assert (code, "never overwritten" in err) == (1, True)
    assert call(capsys, "witness", "--state", folder)[0] == 2
    assert call(capsys, "witness", "--state", folder, "--log", "x")[0] in (1, 2)
    assert call(capsys, "witness", "--state", tmp_path / "v", "--init", "two words")[0] != 0
    assert not (tmp_path / "v").exists()


def test_a_project_is_witnessed_monitored_and_verified_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path / "small")
    assert call(capsys, "witness", "--state", tmp_path / "w", "--init", "example.com/w")[0] == 0
    with running(tmp_path / "w", str(project.trusted())) as (vkey, url):
        toml = project.folder / "foreseal.toml"
        toml.write_text(
            toml.read_text() + f'witnesses = {{ need = 1, of = ["{vkey} {url}"], wait = "20s" }}\n'
        )
        code, out, err = call(capsys, "run", "-C", project.folder, "--no-report")
        assert code == 0, err
        assert "Cosigned by 1 of 1 witnesses." in out
        code, out, _ = call(capsys, "monitor", "-C", project.folder)
        assert (code, "One history." in out) == (0, True), out

        # The same key tells another history, longer than the first.
        project = Project.open(project.folder)
        with Log.create(tmp_path / "other", project.signer(), tmp_path / "other.db") as other:
            other.append([b"another"] * 40)
        policy = tmp_path / "policy.txt"
        policy.write_text(str(project.trust()))
        evidence = tmp_path / "fork.txt"
        code, out, _ = call(capsys, "monitor", tmp_path / "other", "--policy", policy, "--out", evidence)
        assert (code, "has signed two histories" in out) == (1, True), out
        assert parse_fork(evidence.read_bytes()).check([project.trusted()])
        code, out, _ = call(capsys, "verify", evidence, "--key", project.trusted())
        assert (code, "a fork is proven: the key of" in out) == (0, True), out
        code, out, _ = call(capsys, "verify", evidence, "--key", project.trusted(), "--target", "none")
        assert code == 0
        other = Signer("another.example/log", project.signer().key).verifier
        code, out, _ = call(capsys, "verify", evidence, "--key", other)
        assert (code, "NOT VERIFIED" in out) == (1, True), out
        code, out, _ = call(capsys, "verify", evidence)
        assert (code, "until you name it (--key)" in out) == (1, True), out
        evidence.write_bytes(evidence.read_bytes()[:-9])
        assert call(capsys, "verify", evidence, "--key", project.trusted())[0] == 1
    code, out, _ = call(capsys, "verify", "-C", project.folder)
    assert code == 0, out
    stricter = (
        policy.read_text()
        .replace("witnesses 1 ", "witnesses 2 ")
        .replace("group", f"witness other {cosigner(1).verifier}\ngroup")
        .replace("example.com/w\nquorum", "example.com/w other\nquorum")
    )
    policy.write_text(stricter)
    code, out, _ = call(capsys, "verify", project.log_folder, "--policy", policy)
    assert (code, "no cosignature by other" in out) == (1, True), out
    code, out, _ = call(capsys, "monitor", "-C", project.folder, "--wait", "1")
    assert (code, "no witness shows" in out, "One history" in out) == (1, True, False)


def test_monitoring_needs_something_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path / "small")
    code, _, err = call(capsys, "monitor", "-C", project.folder)
    assert (code, "nothing to compare" in err) == (2, True)
