"""A run has the log timestamped, goes on without the authority, and catches up later."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from authorities import LocalAuthority, served
from projects import Make, go, make_live
from witnesses import Hand, make_witness
from witnesses import served as witness_served

from foreseal.chain import attest as attesting
from foreseal.chain import authority as asking
from foreseal.cli import main
from foreseal.errors import SettingsError
from foreseal.run import Project
from foreseal.run.anchoring import authority, next_anchor, sealing_times
from foreseal.seal.anchor import NOT_CHECKED
from foreseal.seal.replay import replay
from foreseal.seal.verify import verify_log
from tests.conftest import require


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    require("rfc3161_client", 'pip install "foreseal[timestamp]"')
    openssl = require("openssl", "apt-get install openssl")
    return LocalAuthority(tmp_path_factory.mktemp("authority") / "good", "Good", openssl).make()


def with_authority(project: Project, url: str, local: LocalAuthority, more: str = "") -> Project:
    """The project with a timestamp authority in its settings."""
    (project.folder / "tsa.pem").write_bytes(local.root.read_bytes())
    toml = project.folder / "foreseal.toml"
    lines = [line for line in toml.read_text().splitlines() if not line.startswith("timestamp")]
    lines.append(f'timestamp = {{ url = "{url}", certificate = "tsa.pem"{more} }}')
    toml.write_text("\n".join(lines) + "\n")
    return Project.open(project.folder)


def cli(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def test_a_run_has_its_log_timestamped_once_per_interval_and_verify_says_so(
    make: Make, local: LocalAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(local) as url:
        project = with_authority(make(last="2024-02-02"), url, local)
        (said,) = go(project).anchored
        assert (said.stage, said.well) == ("final", True)
        assert str(said).startswith(f"timestamp: the first {said.size} entries existed at 20")
        assert go(project).anchored == []
    assert project.reader().size == said.size
    assert cli("verify", "-C", str(project.folder), "--json") == 0
    verdict = json.loads(capsys.readouterr().out)["results"][str(project.log_folder)]
    (statement,) = [line for line in verdict["statements"] if "by timestamp of" in line]
    assert statement.startswith(f"the first {said.size} entries existed at 20")
    assert statement.endswith("by timestamp of CN=Good time,O=Good")


def test_a_run_goes_on_without_the_authority_says_so_and_a_later_run_catches_up(
    make: Make, local: LocalAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(local) as url:
        pass
    project = with_authority(make(last="2024-02-02"), url, local)
    assert cli("run", "-C", str(project.folder), "--no-report") == 0
    told = " ".join("".join(capsys.readouterr()).split())
    assert f"entries are not attested yet: {url} cannot be reached" in told
    assert not (project.log_folder / "timestamp").exists()
    soon = next_anchor(project, project.reader())
    assert soon is not None
    assert soon - datetime.now(UTC) > timedelta(seconds=30)
    with served(local) as url:
        (said,) = go(with_authority(project, url, local)).anchored
    assert said.stage == "final"
    assert (project.log_folder / "timestamp" / f"{said.size}.tsr").is_file()
    assert next_anchor(project, project.reader()) is None


def test_others_check_timestamps_with_the_certificate_that_they_name(
    make: Make, local: LocalAuthority, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with served(local) as url:
        project = with_authority(make(last="2024-02-02"), url, local)
        go(project)
    key = project.settings.seal.key
    monkeypatch.chdir(tmp_path)
    for path in (project.log_folder, evidence(project, tmp_path / "evidence.zip")):
        assert cli("verify", str(path), "--key", key, "--tsa", str(local.root)) == 0
        assert "by timestamp of CN=Good time,O=Good" in said(capsys)
        assert cli("verify", str(path), "--key", key) == 0
        out = said(capsys)
        assert NOT_CHECKED in out
        assert "existed at" not in out


def test_a_forecast_that_witnesses_saw_too_late_is_in_time_if_a_timestamp_says_so(
    make: Make, local: LocalAuthority, tmp_path: Path
) -> None:
    project = make_live(make)
    late = make_witness(tmp_path, 0, project.trusted(), clock=Hand(datetime.now(UTC) + timedelta(hours=3)))
    with served(local) as url, witness_served(late) as witness:
        toml = project.folder / "foreseal.toml"
        of = f"{late.verifier} {witness.url}"
        toml.write_text(f'{toml.read_text()}\nwitnesses = {{ need = 1, of = ["{of}"], wait = "10s" }}\n')
        project = with_authority(project, url, local)
        go(project)
    standings = []
    for times in (project.sealing(), sealing_times(project)):
        history = replay(project.reader().entries(), project.payloads.get, (), times)
        standings.append(history.standing(*history.tracks.values(), "baseline", 0).status)
    assert standings == ["late", "scored"]
    attest = attesting.attestor(authority(project), datetime.now(UTC))
    verdict = verify_log(project.log_folder, project.trust(), (), attest)
    assert verdict.ok, verdict
    assert "next_day: 2 of 2 forecasts existed before their deadline, by anchors alone" in verdict.statements


def test_a_timestamp_that_does_not_fit_has_no_weight_and_is_no_problem(
    make: Make, local: LocalAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(local) as url:
        project = with_authority(make(last="2024-02-02"), url, local)
        (anchored,) = go(project).anchored
    path = project.log_folder / "timestamp" / f"{anchored.size}.tsr"
    path.rename(path.with_name("3.tsr"))
    assert cli("verify", "-C", str(project.folder)) == 0
    out = said(capsys)
    assert "timestamp/3.tsr has no weight: the timestamp is not of the 3 entries" in out
    assert "existed at" not in out


def test_inside_a_project_without_the_extra_timestamps_are_not_checked(
    make: Make, local: LocalAuthority, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(local) as url:
        project = with_authority(make(last="2024-02-02"), url, local)
        go(project)
    monkeypatch.setattr(attesting, "available", lambda: False)
    monkeypatch.setattr(asking, "available", lambda: False)
    assert cli("verify", "-C", str(project.folder)) == 0
    assert NOT_CHECKED in said(capsys)
    (project.log_folder.parent / "store" / "anchors.db").unlink()
    (told,) = go(project).anchored
    assert "foreseal[timestamp]" in told.why


def test_settings_of_the_authority_are_checked(make: Make, local: LocalAuthority) -> None:
    project = make()
    with pytest.raises(SettingsError, match="every must be at least 1min"):
        with_authority(project, "https://time.example", local, ', every = "5s"')
    plain = with_authority(project, "https://time.example", local, ', every = "1d"')
    assert plain.settings.seal.outside["timestamp"].every == timedelta(days=1)
    broken = replace(plain.settings.seal, timestamp=None)
    assert broken.outside == {}


def evidence(project: Project, path: Path) -> Path:
    from foreseal.run.evidence import write_evidence

    return write_evidence(project, out=path).path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, without line breaks."""
    return " ".join("".join(capsys.readouterr()).split())
