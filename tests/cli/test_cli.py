"""The command line: exit codes, one JSON object on stdout, errors that say what to type next."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from projects import load_rows, make_live, make_project, write_csv

from foreseal.cli import VERBS, main
from foreseal.run import Project


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


class Shell:
    """Runs the command line in this process and remembers what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(arg) for arg in args])
        out, err = self._capsys.readouterr()
        return int(stop.value.code or 0), out, err

    def json(self, *args: object) -> Any:
        """The single object printed with --json."""
        code, out, err = self(*args, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def test_every_verb_has_help_with_a_sentence(shell: Shell) -> None:
    for verb in VERBS:
        code, out, _ = shell(verb, "--help")
        assert code == 0
        assert "Usage:" in out
        assert "." in out


def test_the_package_is_run_as_a_module_with_the_same_exit_codes(tmp_path: Path) -> None:
    called = [sys.executable, "-m", "foreseal"]
    made = subprocess.run(
        [*called, "init", "--app", "traffic", "here"], cwd=tmp_path, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert "Next: python -m foreseal run" in made.stdout
    again = subprocess.run([*called, "init", "here"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 2
    assert "Error: " in again.stderr


def test_help_imports_no_heavy_library() -> None:
    program = (
        "import sys, foreseal.cli as c\n"
        "try: c.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'polars', 'bokeh', 'sklearn', 'jinja2', 'cryptography'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_costs_less_than_300_milliseconds_of_cpu() -> None:
    program = (
        "import resource, foreseal\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime)"
    )
    times = [float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(3)]
    assert min(times) < 0.3


def test_a_mistyped_command_is_answered_with_the_nearest_one(shell: Shell) -> None:
    code, _, err = shell("verfy")
    assert code == 2
    assert "Did you mean 'verify'?" in err


def test_outside_a_project_the_error_says_how_to_make_one(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = shell("run")
    assert code == 2
    assert out == ""
    assert "foreseal init" in err


def test_init_makes_private_keys_and_never_overwrites_a_project(shell: Shell, tmp_path: Path) -> None:
    found = shell.json("init", tmp_path / "p", "--app", "traffic")
    for key in found["keys"]:
        assert Path(key).stat().st_mode & 0o077 == 0
    assert Project.open(tmp_path / "p").settings.seal.key == found["log_key"]
    code, _, err = shell("init", tmp_path / "p")
    assert code == 2
    assert "there is a project here already" in err


def test_an_unknown_application_is_answered_with_the_nearest_one(shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell("init", tmp_path / "p", "--app", "trafic")
    assert code == 2
    assert "Did you mean 'traffic'?" in err


def test_the_whole_loop_by_single_verbs(shell: Shell, tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p").folder
    assert shell.json("collect", "-C", folder)["collected"][0]["added"] == 960
    assert shell.json("collect", "-C", folder)["collected"][0]["added"] == 0
    assert shell.json("seal", "-C", folder)["forecasts"] == 8
    scored = shell.json("score", "-C", folder)
    assert scored["settled"] == 4
    assert scored["records"][0]["pending"] == 0
    assert shell.json("run", "-C", folder, "--no-report")["forecasts"] == 0
    assert shell.json("verify", "-C", folder)["ok"]
    assert shell.json("doctor", "-C", folder)["ok"]
    assert shell.json("status", "-C", folder)["log"]["size"] == scored["settled"] * 2 + 8 + 5


def test_a_receipt_verifies_anywhere_by_the_right_key_only(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(tmp_path / "p").folder
    shell("run", "-C", folder, "--no-report")
    assert not (folder / "out" / "report.html").exists()
    receipt = folder / "out" / "receipts" / "next_day" / "00000-us.tlog-proof"
    alone = tmp_path / "elsewhere.tlog-proof"
    alone.write_bytes(receipt.read_bytes())
    key = Project.open(folder).settings.seal.key
    monkeypatch.chdir(tmp_path)
    found = shell.json("verify", alone, "--key", key)
    assert found["ok"]
    alone_says = "replay: order and time are not shown by a receipt alone"
    assert alone_says in found["results"][str(alone)]["statements"]
    code, out, _ = shell("verify", alone)
    assert code == 1
    assert "by a key you have not named" in out
    other = make_project(tmp_path / "q")
    assert shell("verify", alone, "--key", other.settings.seal.key)[0] == 1
    alone.write_bytes(receipt.read_bytes().replace(b"index ", b"index 1", 1))
    assert shell("verify", alone, "--key", key)[0] == 1


def test_a_damaged_payload_is_named_by_verify_and_doctor(shell: Shell, tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p").folder
    shell("run", "-C", folder, "--no-report")
    victim = sorted((folder / "log" / "payload" / "sha256").iterdir())[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    for verb in ("verify", "doctor"):
        code, out, _ = shell(verb, "-C", folder)
        assert code == 1
        assert victim.name in out


def test_collect_fails_only_if_nothing_could_be_kept(shell: Shell, tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    rows = load_rows(48)
    write_csv(project.folder, [*rows, "a,2024-01-30T00:00:00Z,many"])
    code, out, _ = shell("collect", "-C", project.folder, "--rejected")
    assert code == 0
    assert "load.csv, row 50, value 'many': not a number" in out
    write_csv(project.folder, ["a,yesterday,1", "a,2024-01-01T00:00:00Z,none"])
    assert shell("collect", "-C", project.folder)[0] == 2


def test_forecast_of_a_file_needs_no_project(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("unique_id,ds,y\n" + "\n".join(row.replace("Z,", ",") for row in load_rows(400)) + "\n")
    rows = shell.json("forecast", file, "-h", 3, "--preset", "fast")["rows"]
    assert len(rows) == 3
    assert rows[0]["ds"].startswith("2024-01-17 16:00")
    assert rows[0]["q0.1"] < rows[0]["q0.9"]


def test_forecast_in_a_project_seals_nothing(shell: Shell, tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p").folder
    shell("collect", "-C", folder)
    before = Project.open(folder).reader().size
    assert len(shell.json("forecast", "-C", folder, "--cutoff", "2024-02-02T00:00:00Z")["rows"]) == 6
    assert Project.open(folder).reader().size == before


def test_a_proposed_decision_is_approved_once(shell: Shell, tmp_path: Path) -> None:
    extra = (
        '[decisions.plan]\npolicy = "webster"\nfrom = "next_day"\napproval = "person"\n'
        "[decisions.plan.options]\nscale = 10\nshares = { north = 0.5, east = 0.5 }\n"
        'phases = [["north"], ["east"]]\n'
    )
    folder = make_project(tmp_path / "p", extra=extra).folder
    shell("run", "-C", folder, "--no-report")
    assert shell.json("decide", "-C", folder, "plan", 0)["decisions"][0]["state"] == "proposed"
    shell.json("approve", "-C", folder, "plan", 0, "--by", "duty engineer")
    shell.json("approve", "-C", folder, "plan", 1, "--reject", "--reason", "road works")
    states = [each["state"] for each in shell.json("decide", "-C", folder)["decisions"]]
    assert states[:3] == ["approved", "rejected", "proposed"]
    code, _, err = shell("approve", "-C", folder, "plan", 0)
    assert code == 2
    assert "approved already" in err
    assert shell("verify", "-C", folder)[0] == 0


def test_a_live_run_before_any_outcome_reports_and_prints_strict_json(shell: Shell, tmp_path: Path) -> None:
    project = make_live(lambda **settings: make_project(tmp_path / "p", **settings))
    code, out, err = shell("run", "-C", project.folder, "--json")
    assert code == 0, err

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads(out, parse_constant=refuse)
    assert found["forecasts"] == 2
    assert found["records"][0]["mean"] is None
    assert (project.folder / "out" / "report.html").stat().st_size > 1000


def test_doctor_tells_that_the_next_run_would_refuse(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(tmp_path / "p").folder
    shell("run", "-C", folder, "--no-report")
    assert shell("doctor", "-C", folder)[0] == 0
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "another"))
    code, out, _ = shell("doctor", "-C", folder)
    assert code == 1
    assert "seal adopt" in out


def test_a_wrong_log_key_is_called_one_and_nothing_is_advised_to_be_removed(
    shell: Shell, tmp_path: Path
) -> None:
    folder, other = make_project(tmp_path / "p").folder, make_project(tmp_path / "q").folder
    shell("run", "-C", folder, "--no-report")
    wrong = (other / "keys" / "log.pem").read_bytes()
    (folder / "keys" / "log.pem").write_bytes(wrong)
    for verb in ("run", "doctor"):
        _, out, err = shell(verb, "-C", folder)
        assert "log.pem is not the key that [seal] names" in out + err
        assert "remove" not in out + err
    assert shell("run", "-C", folder)[0] == 3


def test_adopting_wants_evidence_from_elsewhere(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(tmp_path / "p").folder
    shell("run", "-C", folder)
    receipt = folder / "out" / "receipts" / "next_day" / "00000-us.tlog-proof"
    copy = tmp_path / "checkpoint"
    copy.write_bytes((folder / "log" / "checkpoint").read_bytes())
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "another"))
    for own in (folder / "log" / "checkpoint", receipt):
        code, _, err = shell("seal", "adopt", own, "-C", folder)
        assert (code, "came with the project" in err) == (2, True)
    for name, data in (("x.tlog-proof", b"garbage"), ("y", b"garbage"), ("z", copy.read_bytes() + b"\n")):
        (tmp_path / name).write_bytes(data)
        assert shell("seal", "adopt", tmp_path / name, "-C", folder)[0] == 2, name
    assert shell("seal", "adopt", copy, "-C", folder)[0] == 0
    assert shell("run", "-C", folder, "--no-report")[0] == 0


PLAN = (
    '[decisions.plan]\npolicy = "webster"\nfrom = "next_day"\napproval = "person"\n'
    "[decisions.plan.options]\nscale = 10\nshares = { north = 0.5, east = 0.5 }\n"
    'phases = [["north"], ["east"]]\n'
)


def test_who_approved_and_why_is_shown_and_the_report_is_written_anew(shell: Shell, tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p", extra=PLAN).folder
    shell("run", "-C", folder, "--no-report")
    report = folder / "out" / "report.html"
    assert not report.exists()
    shell.json("approve", "-C", folder, "plan", 0, "--by", "duty engineer", "--reason", "no road works")
    assert report.exists()
    for args in (("decide", "-C", folder), ("decide", "-C", folder, "plan", 0), ("status", "-C", folder)):
        _, out, _ = shell(*args)
        assert "duty engineer" in out
        assert "no road works" in out
    assert shell.json("decide", "-C", folder)["decisions"][0]["by"] == "duty engineer"
    (said,) = shell.json("status", "-C", folder)["approvals"]
    assert said == {
        "decision": "plan",
        "seq": 0,
        "state": "approved",
        "by": "duty engineer",
        "reason": "no road works",
    }


def test_an_error_is_one_json_object_too(shell: Shell, tmp_path: Path) -> None:
    for args, code, kind in (
        (("status", "-C", tmp_path), 2, "SettingsError"),
        (("verify", "--nonsense"), 2, "UsageError"),
        (("restore", tmp_path, tmp_path / "x"), 1, "Refused"),
    ):
        stop, out, err = shell(*args, "--json")
        found = json.loads(out)
        assert (stop, found["error"]["type"]) == (code, kind)
        assert found["error"].keys() == {"message", "hint", "type"}
        assert found["error"]["message"] in err


def test_an_export_never_takes_the_place_of_a_source(shell: Shell, tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p").folder
    shell("collect", "-C", folder)
    before = (folder / "load.csv").read_bytes()
    code, _, err = shell("export", "load", folder / "load.csv", "-C", folder)
    assert (code, "collected from" in err) == (2, True)
    assert (folder / "load.csv").read_bytes() == before
    assert shell("export", "load", folder / "copy.csv", "-C", folder)[0] == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("horizon = 6", "horizon = 10_000_000"),
        ('name = "small"', 'name = ""'),
        ('freq = "1h"', 'freq = "999999w"'),
        ("start = 2024", "start = 0001"),
        ("score_bound = 100", "score_bound = 1e15"),
        ("quantiles = [0.1", "quantiles = [0.1000001"),
    ],
)
def test_settings_that_nothing_could_be_sealed_with_are_wrong_usage(
    shell: Shell, tmp_path: Path, old: str, new: str
) -> None:
    folder = make_project(tmp_path / "p").folder
    toml = folder / "foreseal.toml"
    assert old in toml.read_text()
    toml.write_text(toml.read_text().replace(old, new))
    assert shell("run", "-C", folder)[0] == 2


def test_mistakes_in_arguments_are_wrong_usage(shell: Shell, tmp_path: Path) -> None:
    assert shell("init", tmp_path / "q", "--origin", "a b")[0] == 2
    assert not (tmp_path / "q").exists()
    folder = make_project(tmp_path / "p", extra=PLAN).folder
    for verb in (("decide", "-C", folder, "plan", 99), ("approve", "-C", folder, "plan", 99)):
        shell("run", "-C", folder, "--no-report")
        code, _, err = shell(*verb)
        assert (code, "There is no decision plan 99" in err) == (2, True)
    assert shell("verify", folder / "log", "--key", "garbage")[0] == 2
    toml = folder / "foreseal.toml"
    good = toml.read_text()
    key = Project.open(folder).settings.seal.key
    toml.write_text(good.replace(key, "garbage"))
    for verb in ("run", "verify", "status", "backup"):
        where = (tmp_path / "backup",) if verb == "backup" else ()
        assert shell(verb, *where, "-C", folder)[0] == 2, verb


def test_an_init_that_fails_leaves_no_keys(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("not a folder")
    assert shell("init", tmp_path / "p")[0] == 3
    assert not (tmp_path / "p" / "keys").exists()
    assert not (tmp_path / "p" / "log").exists()
    blocked.unlink()
    (tmp_path / "p" / ".gitignore").write_text("mine\n")
    assert shell("init", tmp_path / "p")[0] == 0
    assert (tmp_path / "p" / ".gitignore").read_text().splitlines()[:2] == ["mine", "keys/"]


def test_settings_saved_with_a_byte_order_mark_are_read(shell: Shell, tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p").folder
    toml = folder / "foreseal.toml"
    toml.write_bytes(b"\xef\xbb\xbf" + toml.read_bytes())
    assert shell("run", "-C", folder, "--no-report")[0] == 0


def test_a_folder_that_is_not_there_is_named(shell: Shell, tmp_path: Path) -> None:
    _, _, err = shell("status", "-C", tmp_path / "nowhere")
    assert f"No foreseal.toml in {tmp_path / 'nowhere'}" in err


def test_a_time_outside_the_calendar_is_a_rejected_row(shell: Shell, tmp_path: Path) -> None:
    rows = load_rows()
    rows[3] = "a,0001-01-01T00:00:00+05:00,5"
    rows[4] = "a,9999-12-31T23:30:00-05:00,5"
    folder = make_project(tmp_path / "p", rows=rows).folder
    found = shell.json("collect", "-C", folder)["collected"][0]
    assert found["reasons"] == {"not between the years 1000 and 9000": 2}


def test_a_row_of_several_series_is_rejected_once_in_collect_and_status(shell: Shell, tmp_path: Path) -> None:
    folder = make_project(tmp_path / "p").folder
    toml = folder / "foreseal.toml"
    toml.write_text(toml.read_text().replace('y = "value"', 'y = ["value", "other"]'))
    rows = [f"{row},1" for row in load_rows(100)]
    rows[7] = "a,yesterday,1,1"
    write_csv(folder, rows, "site,time,value,other")
    assert shell.json("collect", "-C", folder)["collected"][0]["rejected"] == 1
    assert shell.json("status", "-C", folder)["datasets"][0]["rejected"] == 1


def test_a_live_project_shows_the_next_cutoff_whose_deadline_has_not_passed(
    shell: Shell, tmp_path: Path
) -> None:
    from datetime import UTC, datetime, timedelta

    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    folder = make_project(tmp_path / "p", mode="live", last=str(tomorrow)).folder
    shell("collect", "-C", folder)
    _, out, _ = shell("forecast", "-C", folder)
    assert "2024-02-01" not in out
    assert "not reached yet" in out or f"{tomorrow - timedelta(days=1)}T00" in out
    _, out, _ = shell("forecast", "-C", folder, "--cutoff", "2024-02-01T00:00:00Z")
    assert "its deadline has passed" in out
