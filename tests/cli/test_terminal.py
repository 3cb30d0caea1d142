"""What a person sees where there is no terminal: lines of progress; a program sees its one object alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from projects import make_project

from foreseal.cli import main, terminal


def test_output_into_a_file_tells_the_progress_in_plain_lines_but_never_beside_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(terminal, "SAID_EVERY", 0.0)
    for name, extra in (("plain", []), ("json", ["--json"])):
        folder = make_project(tmp_path / name).folder
        with pytest.raises(SystemExit):
            main(["run", "-C", str(folder), "--no-report", *extra])
        out = capsys.readouterr().out
        if extra:
            json.loads(out)
        else:
            lines = [line.split() for line in out.splitlines() if " done, next: " in line]
            assert len(lines) > 2
            assert [line[1] for line in lines] == ["of"] * len(lines)
            assert [int(line[0]) for line in lines[1:]] == list(range(len(lines) - 1))


def test_lines_of_progress_are_seconds_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    with terminal.Terminal(as_json=False).progress("open") as update:
        for done in range(60):
            now[0] += 1.0
            update(f"forecast load {done}", done, 60)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].strip() == "9 of 60 steps done, next: forecast load 9"
