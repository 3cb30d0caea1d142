"""A person is planted, used, backed up and erased; no byte is left of them, and all else still verifies."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from clinic import PEOPLE, make_clinic, people, person, write_people
from projects import go
from scanning import everything

from foreseal.cli import cli
from foreseal.cli.report import write_report
from foreseal.errors import DataError, SettingsError, SetupError, UsageError
from foreseal.run import Project
from foreseal.run.backup import back_up, restore
from foreseal.run.erasure import commitment, erase, seal_erasures
from foreseal.run.health import examine
from foreseal.run.receipts import verify_receipts, write_receipts
from foreseal.run.results import Results
from foreseal.run.session import Session
from foreseal.seal.entry import parse_entry
from foreseal.seal.verify import verify_log
from tests.conftest import require

NAME = "Rosalind Quxley-Zandt"
NOTE = "WKJXPLANTEDNOTE"
AGE = 61.0625
LATEST = datetime(2030, 1, 1, tzinfo=UTC)
# What must not be found: the name, its parts in another case, the note, the number as text and as bytes.
PLANTED = [NAME, "Quxley", "quxley", "PLANTEDNOTE", "plantednote", str(AGE), "NOTAFLAG"]
RAW = [
    NAME.encode("utf-16-le"),
    NAME.encode().hex().encode(),
    bytes(bytearray(pl.Series([AGE]).to_numpy().tobytes())),
]


def planted() -> list[str]:
    stamps = "2024-01-16T12:00:00Z,2024-01-24T12:00:00Z"
    bad = f"{NAME},{stamps},NOTAFLAG,{NOTE},1"  # a cell that is refused
    rows = people()
    return [*rows[:10], bad, f"{NAME},{stamps},{AGE},{NOTE},1", *rows[10:]]


def use(project: Project, *verbs: str) -> None:
    go(project, verbs=verbs or ("collect", "forecast", "settle"))
    write_receipts(Project.open(project.folder))


def run_cli(*args: str, **options: object) -> str:
    done = CliRunner().invoke(cli, args, **options)  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    return done.stdout


def found_in(folder: Path, *more: bytes) -> list[tuple[str, bytes]]:
    needles = [*(text.encode() for text in PLANTED), *RAW, *more]
    return [(name, needle) for name, data in everything(folder) for needle in needles if needle in data]


def secrets_of(project: Project, case: str) -> list[bytes]:
    with closing(sqlite3.connect(project.subjects_file)) as database:
        (row,) = database.execute("SELECT key, salt, mark FROM subject WHERE case_id=?", (case,))
    return list(row)


def is_well(project: Project) -> bool:
    bad = [each for each in examine(project) if not each.ok]
    assert not bad, bad
    assert verify_log(project.log_folder, [project.trusted()]).ok
    return True


@pytest.fixture
def clinic(tmp_path: Path) -> Project:
    return make_clinic(tmp_path / "clinic", tmp_path / "patients.csv", planted())


def test_who_is_erased_is_nowhere_and_everything_else_still_verifies(clinic: Project, tmp_path: Path) -> None:
    require("bokeh", 'pip install "foreseal[plots]"')
    use(clinic)
    with clinic.store() as store:
        store.compact("patients")
    use(clinic)
    page = write_report(clinic)
    with clinic.store() as store:
        case = store.pseudonyms("patients", [NAME])[NAME]
        assert case not in page.read_text()
        before = store.vintages("patients", "features"), store.vintages("patients", "labels")
        assert before[0].filter(pl.col("case_id") == case)["note"].to_list() == [NOTE]
        assert store.rejected("patients")["reason"].to_list() == ["not a number"]
        assert store.rejected("patients")["value"].to_list() == [""]
    scores = repr(Results(clinic).scores(clinic.targets["illness"]))
    secrets = secrets_of(clinic, case)
    receipts = sorted((clinic.folder / "out" / "receipts").rglob("*.tlog-proof"))
    shutil.copytree(clinic.folder, tmp_path / "copy")
    back_up(clinic.folder, tmp_path / "backup")
    assert not found_in(clinic.folder)  # not even before

    write_people(tmp_path / "patients.csv", people())  # gone from the source, too
    said = json.loads(run_cli("erase", "patients", NAME, "--yes", "--json", "-C", str(clinic.folder)))
    assert said["erased"] == [case]
    assert said["named_in"] == [[]]
    assert len(said["entries"]) == 1

    restore(tmp_path / "backup", tmp_path / "restored")
    for folder in (clinic.folder, tmp_path / "backup", tmp_path / "restored"):
        assert not found_in(folder, *secrets)
    assert not found_in(tmp_path / "copy")
    assert found_in(tmp_path / "copy", *secrets)  # the scan does find what is there: a copy of the keys

    assert is_well(clinic)
    findings = {each.what: each.says for each in examine(clinic)}
    assert findings["store"].endswith("2 records erased")
    assert findings["personal data"] == "1 subjects erased"
    with clinic.store() as store:
        for part, frame in zip(("features", "labels"), before, strict=True):
            assert store.vintages("patients", part).equals(frame.filter(pl.col("case_id") != case))
        assert store.as_of_features("patients", LATEST).height == PEOPLE
    assert all(verdict.ok for verdict in verify_receipts(clinic, receipts).values())
    assert repr(Results(clinic).scores(clinic.targets["illness"])) == scores
    go(clinic)  # and it goes on
    assert is_well(clinic)
    assert not found_in(clinic.folder, *secrets)


def test_a_restored_backup_reads_everybody_but_the_erased_and_only_with_the_latest_keys(
    clinic: Project, tmp_path: Path
) -> None:
    use(clinic)
    back_up(clinic.folder, tmp_path / "backup")
    write_people(tmp_path / "patients.csv", people())
    erase(clinic, "patients", [NAME])
    restore(tmp_path / "backup", tmp_path / "restored")
    restored = Project.open(tmp_path / "restored")
    with restored.store() as store, pytest.raises(SetupError, match="have not been erased"):
        store.as_of_features("patients", LATEST)
    shutil.copy(clinic.subjects_file, restored.folder / "keys")
    with restored.store() as store:
        assert store.as_of_features("patients", LATEST).height == PEOPLE
        assert store.check("patients") == 2
        assert store.erased_records("patients") == 2
    assert verify_log(restored.log_folder, [restored.trusted()]).ok


@pytest.mark.parametrize("commit", [False, True])
def test_a_forecast_of_somebody_who_is_then_erased_is_settled_without_them(
    tmp_path: Path, commit: bool
) -> None:
    clinic = make_clinic(tmp_path / "clinic", tmp_path / "patients.csv", planted(), commit=commit)
    use(clinic, "collect", "forecast")
    write_people(tmp_path / "patients.csv", people())
    case = erase(clinic, "patients", [NAME])[0].case_id
    use(clinic)
    assert is_well(clinic)
    results = Results(clinic)
    target = clinic.targets["illness"]
    assert case in results.forecasts(target, "us")["case_id"].to_list()
    assert case not in results.outcomes(target)["case_id"].to_list()
    assert not any(each.status == "unrevealed" for each in results.scores(target))
    assert not found_in(clinic.folder)


def test_the_entry_tells_how_many_and_nothing_about_whom(clinic: Project) -> None:
    use(clinic)
    with clinic.store() as store:
        names = store.pseudonyms("patients", [NAME, person(3)])
    erase(clinic, "patients", [NAME, names[person(3)]])
    with Session.begin(clinic) as session:
        (said,) = seal_erasures(session)
        assert seal_erasures(session) == []
    assert len(said.body["subjects"]) == 2
    (raw,) = [raw for raw in clinic.reader().entries() if parse_entry(raw).kind == "erasure"]
    assert not any(case.encode() in raw for case in names.values())
    with clinic.store() as store:
        known = {commitment(each): each.case_id for each in store.erasures("patients")}
    assert {known[each] for each in said.body["subjects"]} == set(names.values())
    assert any(
        "erased from patients, as its author says: 2" in note
        for note in verify_log(clinic.log_folder, [clinic.trusted()]).notes
    )


def test_an_erasure_that_was_interrupted_before_it_was_sealed_is_sealed_by_the_next_run(
    clinic: Project,
) -> None:
    use(clinic)
    erase(clinic, "patients", [NAME])
    assert {each.what: each.says for each in examine(clinic)}["personal data"].endswith("1 not sealed yet")
    go(clinic, verbs=())
    assert len(clinic.history().erasures) == 1


def test_keys_from_before_an_erasure_are_noticed(clinic: Project, tmp_path: Path) -> None:
    use(clinic)
    shutil.copy(clinic.subjects_file, tmp_path / "older.db")
    run_cli("erase", "patients", NAME, "--yes", "-C", str(clinic.folder))
    shutil.copy(tmp_path / "older.db", clinic.subjects_file)
    (bad,) = [each for each in examine(clinic) if not each.ok]
    assert "1 erasures that keys/subjects.db does not know" in bad.says


def test_the_command_asks_first_and_says_who_would_come_back(clinic: Project) -> None:
    use(clinic)
    folder = ("-C", str(clinic.folder))
    assert "nobody to ask" in str(CliRunner().invoke(cli, ["erase", "patients", NAME, *folder]).exception)
    with clinic.store() as store:
        assert NAME in store.pseudonyms("patients", [NAME])
    said = run_cli("erase", "patients", "-", "--yes", *folder, input=f"{NAME}\n{person(1)}\n")
    assert said.count("Erased ") == 2
    assert "patients.csv still names them" in said
    assert NAME not in said
    again = CliRunner().invoke(cli, ["erase", "patients", NAME, "--yes", *folder])
    assert isinstance(again.exception, DataError)


def test_personal_data_in_plain_text_inside_the_project_is_refused(clinic: Project, tmp_path: Path) -> None:
    toml = clinic.folder / "foreseal.toml"
    shutil.copy(tmp_path / "patients.csv", clinic.folder)
    toml.write_text(toml.read_text().replace((tmp_path / "patients.csv").as_posix(), "patients.csv"))
    with pytest.raises(SettingsError, match="inside the project"):
        go(Project.open(clinic.folder))


def test_an_export_in_plain_text_is_not_put_into_the_project(clinic: Project, tmp_path: Path) -> None:
    use(clinic, "collect")
    inside = CliRunner().invoke(
        cli, ["export", "patients", str(clinic.folder / "p.csv"), "-C", str(clinic.folder)]
    )
    assert isinstance(inside.exception, UsageError)
    run_cli("export", "patients", str(tmp_path / "p.csv"), "-C", str(clinic.folder))
    assert NOTE in (tmp_path / "p-features.csv").read_text()
