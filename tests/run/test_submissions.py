"""Submissions of a hub are sealed as they stand, and what a project sealed is submitted to one."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import hubs
import pytest

from foreseal.apps import find
from foreseal.cli import main
from foreseal.cli.summary import said_done
from foreseal.collect.hub import Hub
from foreseal.collect.submission import read_submission
from foreseal.errors import DataError, UsageError
from foreseal.pages.gather import gather
from foreseal.pages.render import render_report
from foreseal.pages.report import ReportData
from foreseal.pictures import Provision
from foreseal.run import Project, loop
from foreseal.run.create import create
from foreseal.run.receipts import verify_receipts, write_receipts
from foreseal.run.session import COMMON, Session
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


def test_what_a_file_says_in_vain_is_named_where_it_is_sealed(project: Project, hub: Path) -> None:
    """A copy that broke off, and a misspelt output type, lose rows; the entry and the command say which."""
    torn, odd = (hub / "model-output" / "team-good" / f"{day}-team-good.csv" for day in hubs.ROUNDS[:2])
    torn.write_bytes(torn.read_bytes()[:3000])
    odd.write_text(odd.read_text().replace(",12,2024-11-30,quantile,", ",12,2024-11-30,quantiles,"))
    cut = torn.read_text().count("\n") + 1
    found = seal(project, hub)
    assert found.sealed == 11
    told = {
        torn.relative_to(hub).as_posix(): f"line {cut} is incomplete",
        odd.relative_to(hub).as_posix(): "unknown output_type 'quantiles' (23 rows",
    }
    assert {name: each[0][: len(told[name])] for name, each in found.problems.items()} == told
    bodies = [each.body for each in project.history().forecasts.values()]
    said = {
        body["ran"]["file"]: body["ran"]["problems"] for body in bodies if body["ran"]["problems"] != "none"
    }
    assert {name: text[: len(told[name])] for name, text in said.items()} == told


def test_rounds_with_other_levels_are_sealed_under_targets_of_their_own(project: Project, hub: Path) -> None:
    """A season with fewer levels stops nobody; a file whose tasks differ in theirs becomes two entries."""
    seal(project, hub)
    later, config = hubs.ROUNDS[-1] + timedelta(weeks=52), hub / "hub-config" / "tasks.json"
    tasks = json.loads(config.read_text())
    season = copy.deepcopy(tasks["rounds"][0])
    for each, places, levels in (
        (season["model_tasks"][0], ["01"], [0.25, 0.5, 0.75]),
        (copy.deepcopy(season["model_tasks"][0]), ["12", "13", "US"], [0.5]),
    ):
        ids = each["task_ids"]
        ids["reference_date"]["optional"] = [str(later)]
        ids["target_end_date"]["optional"] = [str(later + timedelta(weeks=h)) for h in range(-1, 4)]
        ids["location"]["optional"] = places
        each["output_type"]["quantile"]["output_type_id"] = {"required": levels}
        season["model_tasks"] = [*season["model_tasks"][: len(places) // 3], each]
    config.write_text(json.dumps({**tasks, "rounds": [*tasks["rounds"], season]}))
    kept = {"01": (0.25, 0.5, 0.75)}
    rows = [
        row
        for row in hubs.lines(later)
        if float(row.split(",")[6]) in kept.get(row.split(",")[3], (0.5,)) and row.split(",")[2] == "0"
    ]
    for name, some in (("team-good", rows), ("team-idle", rows[:3])):
        hubs.write(hub, name, later, some)
    found = seal(project, hub)
    assert (found.sealed, found.before, found.left_out, found.problems) == (2, 11, 0, {})
    history = project.history()
    said = [
        each.body for (_, _, seq), each in history.forecasts.items() if str(later) in each.body["ran"]["file"]
    ]
    assert [(body["forecaster"], body["ran"]["tasks"]) for body in said] == [
        ("team-good", "1"),
        ("team-good", "3"),
        ("team-idle", "1"),
    ]
    levels = [history.targets[body["target"]].body["quantiles"] for body in said]
    assert levels == [["0.25", "0.5", "0.75"], ["0.5"], ["0.25", "0.5", "0.75"]]
    assert {body["cutoff"][:10] for body in said} == {str(later - timedelta(days=3))}
    assert (seal(project, hub).sealed, seal(project, hub).before) == (0, 13)
    assert verify_log(project.log_folder, [project.trusted()]).ok


def test_nobody_misses_a_baseline_that_nobody_gives(project: Project, hub: Path) -> None:
    """What is only kept is neither missed nor said to be settled."""
    seal(project, hub)
    verdict = verify_log(project.log_folder, [project.trusted()])
    assert "hub-1, baseline: none was declared" in verdict.statements
    assert "hub-1, team-good: 4 of 4 forecasts due" in verdict.statements
    assert "hub-1, team-idle: 3 of 4 forecasts due; 1 missed" in verdict.statements
    with Session.begin(project) as session:
        said = said_done(loop.run(session))
    assert said.endswith("settled, but for the submissions of others (hub-1), which are only kept.")


def test_forecasts_are_due_on_the_wednesday_before_their_round(project: Project, hub: Path) -> None:
    seal(project, hub)
    for each in project.history().forecasts.values():
        day = date.fromisoformat(each.body["ran"]["file"].split("/")[-1][:10])
        assert each.body["cutoff"] == f"{day - timedelta(days=3)}T00:00:00Z"
        assert date.fromisoformat(each.body["cutoff"][:10]).strftime("%A") == "Wednesday"


def test_a_hub_of_origin_dates_is_sealed_on_them(project: Project, tmp_path: Path) -> None:
    hub, day, end = tmp_path / "ili", date(2024, 10, 16), date(2024, 10, 20)
    task = {
        "task_ids": {
            "origin_date": {"required": None, "optional": [str(day)]},
            "target": {"required": ["ILI incidence"], "optional": None},
            "target_end_date": {"required": None, "optional": [str(end), str(end + timedelta(weeks=1))]},
            "horizon": {"required": None, "optional": [1, 2]},
            "location": {"required": None, "optional": ["AT"]},
        },
        "output_type": {"quantile": {"output_type_id": {"required": [0.5]}, "is_required": True}},
    }
    rounds = [{"round_id_from_variable": True, "round_id": "origin_date", "model_tasks": [task]}]
    (hub / "hub-config").mkdir(parents=True)
    (hub / "hub-config" / "tasks.json").write_text(json.dumps({"rounds": rounds}))
    path = hubs.write(hub, "team-good", day, [f"{day},ILI incidence,1,AT,{end},quantile,0.5,7"])
    path.write_text(path.read_text().replace("reference_date", "origin_date"))
    found = seal(project, hub)
    assert (found.sealed, found.problems) == (1, {})
    [said] = project.history().forecasts.values()
    assert said.body["cutoff"] == f"{day}T00:00:00Z"
    payload = project.payloads.get(said.body["payload"]["sha256"], said.body["payload"]["size"])
    assert payload.decode().splitlines()[-1] == f"AT,{end}T00:00:00Z,7.000000"
    assert verify_log(project.log_folder, [project.trusted()]).ok
    with pytest.raises(DataError, match="origin_date"):
        create(tmp_path / "other", app="epidemic", hub=hub)


def test_a_target_of_ones_own_on_the_submissions_is_no_obstacle(project: Project, hub: Path) -> None:
    """Targets of hub_submissions that are not called hub-NUMBER belong to somebody else."""
    with Session.begin(project) as session:
        seal_hub(session, Hub.open(hub))
        mine = {k: v for k, v in session.history.targets["hub-1"].body.items() if k not in COMMON}
        session.desk.say("target", {**mine, "name": "our-question"})
        session.commit()
    hubs.write(hub, "new-model", hubs.ROUNDS[-1], hubs.lines(hubs.ROUNDS[-1]))
    assert (seal(project, hub).sealed, seal(project, hub).before) == (1, 12)
    assert set(project.history().targets) == {"hub-1", "hub-2", "our-question"}


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


def report_on(folder: Path, hub: Path) -> ReportData:
    """What the report of a project on a hub says, with its cheapest model."""
    create(folder / "flu", app="epidemic", hub=hub)
    file = folder / "flu" / "foreseal.toml"
    file.write_text(re.sub(r"members = .*", 'members = ["naive"]', file.read_text()))
    project = Project.open(folder / "flu")
    with Session.begin(project) as session:
        loop.run(session)
    return gather(project, [], datetime(2025, 6, 1, tzinfo=UTC))


def test_a_report_on_a_hub_is_headed_by_the_hub(tmp_path: Path, hub: Path) -> None:
    """Real data under the heading of made-up data would be believed to be made up."""
    data = report_on(tmp_path, hub)
    assert data.title == "Weekly admissions of the hub flu-hub, and beds for four weeks"
    page = render_report(data, figures=False)
    assert f"<h1>{data.title}</h1>" in page
    assert "ynthetic" not in page


def test_a_report_on_a_hub_calls_locations_by_the_names_that_the_hub_gives(tmp_path: Path, hub: Path) -> None:
    names = {"01": "Alabama", "12": "Florida", "13": "", "US": "US"}
    rows = ["abbreviation,location,location_name", *(f"x,{code},{name}" for code, name in names.items())]
    (hub / "auxiliary-data" / "locations.csv").write_text("\n".join(rows) + "\n")
    data = report_on(tmp_path, hub)
    shown = ["13", "Alabama (01)", "Florida (12)", "US"]
    for frame in (data.targets[0].forecasts, data.targets[0].outcomes, data.targets[0].baseline):
        assert sorted(frame["unique_id"].unique()) == shown
    [decision] = data.decisions
    assert [setting.key for setting in decision.plan[:3]] == [
        "beds Alabama (01)",
        "beds Florida (12)",
        "beds 13",
    ]
    [picture] = decision.pictures
    assert isinstance(picture, Provision)
    assert sorted(picture.frame["name"].unique()) == shown[:3]
    page = render_report(data, figures=False)
    assert "Forecasts and outcomes: Alabama (01)" in page


def test_a_project_without_a_title_is_headed_by_its_application(tmp_path: Path) -> None:
    create(tmp_path / "p", app="epidemic")
    file = tmp_path / "p" / "foreseal.toml"
    assert Project.open(tmp_path / "p").title == find("epidemic").title
    text = re.sub(r"title = .*\n", "", file.read_text(), count=1)
    file.write_text(text)
    assert Project.open(tmp_path / "p").title == find("epidemic").title
    file.write_text(text.replace("[project]\n", '[project]\ntitle = "Ours"\n'))
    assert Project.open(tmp_path / "p").title == "Ours"


def test_tables_taken_from_a_hub_are_no_hub(tmp_path: Path, hub: Path) -> None:
    """All vintages in one file and each model in another: nothing lies where it belongs."""
    extract = tmp_path / "extract"
    extract.mkdir()
    for name in ("vintages", "team-good"):
        (extract / f"{name}.csv").write_text("location,as_of\n")
    for read in (lambda: create(tmp_path / "p", app="epidemic", hub=extract), Hub.open(extract).models):
        with pytest.raises(DataError) as caught:
            read()
        assert "docs/apps/epidemic.md says what its folder holds" in caught.value.hint
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(("said", "meant"), [("validate", "check"), ("evaluate", "score"), ("seel", "seal")])
def test_a_verb_of_another_tool_names_ours(said: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["hub", said, "PATH"])
    assert stop.value.code == 2
    assert f"No such command {said!r}. Did you mean {meant!r}?" in capsys.readouterr().err


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
