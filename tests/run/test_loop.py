"""The loop seals what is due, in order, once; and what was sealed stays as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from projects import START, Make, go, load_rows, make_live, write_csv

from foreseal.clock import parse_instant
from foreseal.errors import Busy, Refused, SetupError
from foreseal.run import Project, step
from foreseal.run.evidence import write_evidence
from foreseal.run.forecasting import Knowledge, forecast_series
from foreseal.run.loop import agenda
from foreseal.run.results import Results
from foreseal.run.session import Session
from foreseal.seal.evidence import verify_evidence
from foreseal.seal.verify import verify_log
from foreseal.settings import KnownAt
from foreseal.store import Schema, Store


def test_a_replay_seals_forecasts_below_their_outcomes_and_scores_them(make: Make) -> None:
    project = make()
    done = go(project)
    assert (done.forecasts, done.settled, done.missed) == (8, 4, 0)
    history = project.history()
    for seq in range(4):
        outcome = history.outcomes["next_day", seq]
        for name in ("us", "baseline"):
            assert history.forecasts["next_day", name, seq].index < outcome.index
        assert outcome.index < history.scores["next_day", seq].index
    assert history.targets["next_day"].index < history.forecasts["next_day", "us", 0].index
    verdict = verify_log(project.log_folder, [project.trusted()])
    assert verdict.ok
    assert "replay: order proven, time not attested" in verdict.statements


def test_running_again_does_nothing(make: Make) -> None:
    project = make()
    go(project)
    before = {p: p.read_bytes() for p in sorted(project.log_folder.rglob("*")) if p.is_file()}
    assert go(project).nothing
    assert {p: p.read_bytes() for p in sorted(project.log_folder.rglob("*")) if p.is_file()} == before


def test_outcomes_are_settled_before_later_forecasts_are_made(make: Make) -> None:
    """The replay follows the clock: a forecast after a settlement in time lies after it in the log."""
    project = make()
    go(project)
    history, target = project.history(), project.targets["next_day"]
    settled = target.settles_at(target.cutoffs[0])
    later = next(seq for seq, cutoff in enumerate(target.cutoffs) if cutoff >= settled)
    assert history.scores["next_day", 0].index < history.forecasts["next_day", "us", later].index


def test_the_same_project_gives_the_same_payloads_in_one_run_or_in_two(make: Make) -> None:
    whole, parts = make("whole"), make("parts")
    go(whole)
    go(parts, verbs=("collect", "forecast"))
    go(parts, verbs=("settle",))
    one, two = whole.history(), parts.history()
    for key, said in one.forecasts.items():
        assert two.forecasts[key].body["payload"] == said.body["payload"]
    for key, said in one.scores.items():
        assert two.scores[key].body["scores"][0]["mean"] == said.body["scores"][0]["mean"]


def test_a_corrected_file_changes_no_sealed_snapshot_and_no_score(make: Make) -> None:
    project = make()
    go(project)
    history, rows = project.history(), load_rows()
    write_csv(project.folder, [*rows[:500], "a,2024-01-21T20:00:00Z,999.0", *rows[501:]])
    done = go(project)
    assert [each.added for each in done.collected] == [1]
    with project.store() as store:
        for said in history.forecasts.values():
            for data in said.body["data"]:
                cutoff = parse_instant(said.body["cutoff"])
                assert store.snapshot(data["dataset"], cutoff, data["n"]).digest == data["digest"]
    assert verify_log(project.log_folder, [project.trusted()]).ok


def test_a_claim_to_have_known_before_a_sealed_cutoff_is_late_and_changes_nothing(make: Make) -> None:
    rows = [f"{row},{row.split(',')[1]}" for row in load_rows()]
    header = "site,time,value,known_at"
    project = make(known_at='{ column = "known_at" }', rows=rows, header=header)
    go(project)
    target = project.targets["next_day"]
    cutoff, n = target.cutoffs[1], project.history().forecasts["next_day", "us", 1].body["data"][0]["n"]
    with project.store() as store:
        before = store.snapshot("load", cutoff, n), store.as_of("load", cutoff)
    write_csv(project.folder, [*rows, "a,2024-01-15T00:30:00Z,1.0,2024-01-15T00:30:00Z"], header)
    done = go(project)
    assert [(each.added, each.late) for each in done.collected] == [(1, 1)]
    with project.store() as store:
        assert (store.snapshot("load", cutoff, n), store.as_of("load", cutoff))[0] == before[0]
        assert store.as_of("load", cutoff).equals(before[1])


def test_a_declared_target_does_not_change(make: Make) -> None:
    project = make()
    go(project)
    toml = project.folder / "foreseal.toml"
    toml.write_text(toml.read_text().replace("decimals = 2", "decimals = 3"))
    with pytest.raises(Refused, match=r"declared otherwise.*decimals"):
        go(Project.open(project.folder))


def test_a_live_project_misses_what_it_comes_to_too_late_and_scores_it_as_declared(make: Make) -> None:
    """All deadlines of 2024 have passed, so nothing is sealed for them and every cutoff counts as missing."""
    project = make(mode="live")
    done = go(project)
    assert (done.forecasts, done.missed, done.settled) == (0, 8 // 2, 4)
    record = Results(project).record(project.targets["next_day"], "us")
    assert record.not_scored() == {"missing": 4}
    assert (record.mean, record.baseline_mean) == (100.0, 100.0), "silence costs the declared bound"
    assert verify_log(project.log_folder, [project.trusted()]).ok


def test_a_live_project_forecasts_within_the_deadline_and_waits_for_the_outcome(make: Make) -> None:
    project = make_live(make)
    done = go(project)
    assert (done.forecasts, done.missed, done.settled, done.waiting) == (2, 0, 0, 1)
    statements = verify_log(project.log_folder, [project.trusted()]).statements
    assert "sealed, time not attested" in statements


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (('freq = "1h"', 'freq = "1d"'), "between the steps of 1d"),
        (('freq = "1h"', 'freq = "30min"'), "its series step by 1h"),
        (('"seasonal_naive(24)"', '"seasonl_naive(24)"'), "seasonl_naive"),
    ],
)
def test_a_target_is_tried_before_it_is_declared_and_the_others_go_on(
    make: Make, wrong: tuple[str, str], says: str
) -> None:
    """A declared target does not change, so a wrong one would stay."""
    project = make(last="2024-02-01")
    toml = project.folder / "foreseal.toml"
    good = toml.read_text()
    other = good.partition("[targets.next_day]")[2].partition("[models]")[0].replace(*wrong)
    toml.write_text(good.replace("[models]", f"[targets.other]{other}[models]"))
    done = go(Project.open(project.folder))
    (failure,) = done.failures
    assert "other: it is not declared" in failure
    assert says in failure
    assert (done.forecasts, done.settled) == (2, 1)
    assert list(project.history().targets) == ["next_day"]
    toml.write_text(toml.read_text().replace(wrong[1], wrong[0]))
    assert go(Project.open(project.folder)).settled == 1


WEATHER = '[datasets.weather]\nsource = "csv"\npath = "weather.csv"\nid = "site"\nds = "time"\ny = "value"\n'


def with_weather(project: Project) -> Project:
    """The project with a covariate dataset whose file is not there."""
    toml = project.folder / "foreseal.toml"
    text = toml.read_text().replace("[targets", f'{WEATHER}known_at = {{ delay = "1h" }}\n[targets', 1)
    toml.write_text(text.replace("horizon = 6", 'horizon = 6\ncovariates = ["weather"]', 1))
    return Project.open(project.folder)


def test_a_live_run_goes_on_without_a_covariate_that_cannot_be_read_and_names_it(make: Make) -> None:
    project = with_weather(make_live(make))
    done = go(project)
    (failure,) = done.failures
    assert "weather" in failure
    assert "There is no file" in failure
    assert done.forecasts == 2


def test_a_replay_waits_for_a_dataset_that_cannot_be_read_and_does_the_others(make: Make) -> None:
    """It loses nothing by waiting, and what is sealed without it would stay."""
    project = make(last="2024-02-01")
    plain = project.settings.path.read_text().partition("[targets.next_day]")[2].partition("[models]")[0]
    project = with_weather(project)
    toml = project.folder / "foreseal.toml"
    toml.write_text(toml.read_text().replace("[models]", f"[targets.plain]{plain}[models]"))
    project = Project.open(project.folder)
    done = go(project)
    assert any("next_day" in each and "weather" in each for each in done.failures)
    assert (done.forecasts, done.settled) == (2, 1)
    (project.folder / "weather.csv").write_text("site,time,value\na,2024-01-02T00:00:00Z,1\n")
    done = go(project)
    assert (done.failures, done.forecasts, done.settled) == ([], 2, 1)


def test_a_live_outcome_waits_for_its_dataset_to_be_readable(make: Make) -> None:
    project = make(mode="live")
    data = project.folder / "load.csv"
    data.rename(data.with_suffix(".away"))
    done = go(project)
    assert (done.settled, done.waiting) == (0, 4)
    data.with_suffix(".away").rename(data)
    assert go(project).settled == 4


def test_two_processes_cannot_run_one_project(make: Make) -> None:
    project = make()
    with Session.begin(project), pytest.raises(Busy), Session.begin(project):
        pass


def test_the_agenda_lists_settlements_before_forecasts_at_the_same_instant(make: Make) -> None:
    project = make(last="2024-02-10")
    due = agenda(project.targets.values(), project.history())
    assert due == sorted(due)
    assert len(due) == 20
    assert {each.verb for each in due} == {"settle", "forecast"}


def test_a_restored_backup_refuses_to_sign(make: Make, tmp_path: Path) -> None:
    import shutil

    project = make()
    shutil.copytree(project.folder, tmp_path / "backup")
    go(project)
    shutil.rmtree(project.folder)
    shutil.copytree(tmp_path / "backup", project.folder)
    with pytest.raises(Refused):
        go(Project.open(project.folder))


def test_a_cutoff_that_cannot_be_forecast_is_told_and_the_others_go_on(make: Make) -> None:
    """Nothing is known at the first cutoffs; they count as missing, and the project is not stuck."""
    project = make(first="2023-12-30", last="2024-01-20")
    done = go(project)
    assert done.failures
    assert "2023-12-30" in done.failures[0]
    assert done.settled == 22
    record = Results(project).record(project.targets["next_day"], "us")
    assert 0 < record.not_scored()["missing"] < 22
    assert verify_log(project.log_folder, [project.trusted()]).ok
    assert go(project).nothing


def test_regret_is_judged_by_the_options_that_were_sealed(make: Make) -> None:
    """Editing a policy's options after the decision does not change what it cost."""
    extra = (
        '[decisions.plan]\npolicy = "webster"\nfrom = "next_day"\n'
        "[decisions.plan.options]\nscale = 10\nshares = { north = 0.5, east = 0.5 }\n"
        'phases = [["north"], ["east"]]\n'
    )
    honest, edited = make("honest", extra=extra), make("edited", extra=extra)
    go(honest)
    go(edited, verbs=("collect", "forecast"))
    toml = edited.folder / "foreseal.toml"
    toml.write_text(toml.read_text().replace("scale = 10", "scale = 30"))
    go(Project.open(edited.folder), verbs=("settle",))
    one, two = (Results(p).decisions("plan") for p in (honest, edited))
    assert [each.costs for each in one] == [each.costs for each in two]
    assert [each.regret for each in one] == [each.regret for each in two]
    # Whoever gets the evidence gets the options that it was judged by.
    folder = write_evidence(honest, (), honest.folder / "handed").path
    digests = {said.body["options"] for said in honest.history().decisions.values()}
    assert len(digests) == 1
    for digest in digests:
        assert b'"scale":10' in (folder / "payload" / "sha256" / digest).read_bytes()
    assert verify_evidence(folder, honest.trust()).ok


def test_a_lost_store_is_told_as_such(make: Make) -> None:
    import shutil

    project = make()
    go(project)
    shutil.rmtree(project.folder / "store")
    with pytest.raises(SetupError, match="no observations"):
        go(project)


def test_covariates_of_several_datasets_keep_apart(make: Make) -> None:
    """Two datasets may have series of the same name."""
    project = make()
    names = ("rain", "snow", "wind")
    with Store.open(project.folder / "other", create=True) as store:
        for k, name in enumerate(names):
            store.declare(Schema(name))
            rows = {"unique_id": ["ds", "t"], "ds": [START, START], "y": [k + 0.0, k + 0.5]}
            store.append(name, pl.DataFrame(rows), known_at=KnownAt("delay"))
        wide = Knowledge.latest(store, names, "UTC").covariates(names, START + timedelta(days=1))
    assert wide is not None
    assert wide.row(0, named=True)["snow/ds"] == 1.0
    assert set(wide.columns) == {"ds", *(f"{name}/{uid}" for name in names for uid in ("ds", "t"))}


def test_what_has_not_happened_cannot_be_replayed(make: Make) -> None:
    project = make(first="2124-02-01", last="2124-02-02")
    done = go(project)
    assert (done.forecasts, done.settled, done.waiting) == (0, 0, 4)


def test_a_value_too_long_to_be_scored_is_refused_when_it_is_collected(make: Make) -> None:
    rows = load_rows()
    rows[800] = "a,2024-02-03T08:00:00Z,-1e38"
    project = make(rows=rows)
    done = go(project)
    assert done.collected[0].reasons == {"more than 14 digits before the point": 1}
    assert done.settled == 4


def test_a_forecast_too_long_to_be_scored_is_told_and_the_others_go_on(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exploding(*arguments: Any) -> Any:
        found = forecast_series(*arguments)
        if "drift" not in arguments[3].members:
            return found
        return replace(found, frame=found.frame.with_columns(pl.col("^q.*$") * 1e14))

    monkeypatch.setattr(step, "forecast_series", exploding)
    project = make(last="2024-02-01")
    done = go(project)
    assert "14 digits" in done.failures[0]
    assert (done.forecasts, done.settled) == (1, 1)
    assert verify_log(project.log_folder, [project.trusted()]).ok
