"""Report and verifier count the same entries, whatever lies in the log beside them."""

from __future__ import annotations

from pathlib import Path

from projects import Make, go

from foreseal.run import Project
from foreseal.run.evidence import write_evidence
from foreseal.run.keys import revoke, rotate
from foreseal.run.receipts import write_receipts
from foreseal.run.results import Results
from foreseal.run.session import Session
from foreseal.seal.receipt import parse_receipt
from foreseal.seal.replay import replay
from foreseal.seal.verify import verify_log


def counted(project: Project) -> dict[tuple[str, int], str]:
    """Leaf of the forecast that counts by the verifier's replay, for each forecaster and cutoff."""
    found = replay(project.reader().entries(), project.payloads.get, (), project.sealing())
    track = found.track("next_day")
    assert track is not None
    standings = {key: found.standing(track, *key) for key in track.forecasts}
    return {key: each.forecast.entry.leaf for key, each in standings.items() if each.forecast}


def reported(project: Project) -> dict[tuple[str, int], str]:
    """The same, as the project's own reports count."""
    return {(name, seq): said.leaf for (_, name, seq), said in project.history().forecasts.items()}


def test_of_two_forecasts_the_first_valid_one_counts_in_the_report_too(make: Make) -> None:
    project = make()
    target = project.targets["next_day"]
    with Session.begin(project) as session:
        session.collect()
        session.declare()
        bad = b"not,a,forecast\n"
        fields = {
            "mode": "replay",
            "target": target.name,
            "declared": session.history.targets[target.name].leaf,
            "forecaster": "us",
            "seq": 0,
            "cutoff": "2024-02-01T00:00:00Z",
            "data": [],
            "model": session.history.models[f"{target.name}/us"].leaf,
            "ran": {},
            "payload": session.put(bad),
        }
        session.desk.say("forecast", fields)
        session.desk.commit()
        session.forecast(target, 0)
    go(project)
    assert verify_log(project.log_folder, project.trust()).ok
    assert reported(project) == counted(project)
    receipts = write_receipts(project)
    entries = {parse_receipt(path.read_bytes()).index for path in receipts}
    assert len(entries) == len(receipts) == 8 + 1 + 4
    assert write_evidence(project).receipts == len(receipts)
    results = Results(project)
    assert results.forecasts(target, "us")["cutoff"].n_unique() == 4
    assert [each.status for each in results.scores(target)] == ["scored"] * 8


def test_what_a_later_revocation_sets_aside_is_forecast_again_and_not_reported(
    make: Make, tmp_path: Path
) -> None:
    project = make()
    recovery = tmp_path / "recovery.pem"
    go(project, verbs=("collect",))
    rotate(project, recovery=recovery)
    project = Project.open(project.folder)
    go(project, verbs=("collect", "forecast"))
    stolen = project.history().forecasts["next_day", "us", 2]
    revoke(project, since=stolen.index, by=recovery)
    assert reported(project) == counted(project)
    assert ("us", 2) not in reported(project)
    rotate(project, consent=recovery)
    project = Project.open(project.folder)
    done = go(project)
    assert (done.forecasts, done.settled) == (8 - 2 * 2, 4)
    assert verify_log(project.log_folder, project.trust()).ok
    assert reported(project) == counted(project)
    assert reported(project)["us", 2] != stolen.leaf
    assert {each.status for each in Results(project).scores(project.targets["next_day"])} == {"scored"}
