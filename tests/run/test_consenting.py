"""People are decided about only with their consent, and nothing of them lies about in plain text."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import polars as pl
import pytest
from click.testing import CliRunner
from lender import PEOPLE, make_lender, person, row
from projects import go
from scanning import everything

from foreseal.cli import cli
from foreseal.cli.report import write_report
from foreseal.decide.matrix import CostMatrix
from foreseal.errors import DataError, SettingsError, Tampered, UsageError
from foreseal.records import Decision, Probabilities, Setting
from foreseal.run import Project, consenting, reasons
from foreseal.run.erasure import erase
from foreseal.run.forecasting import Knowledge, forecast_cases
from foreseal.run.receipts import verify_receipts, write_receipts
from foreseal.run.results import Decided, Results
from foreseal.run.session import Session
from foreseal.seal.verify import verify_log

NAME, PHONE, BRANCH, INCOME = "Rosalind Quxley-Zandt", "+49 170 5550199", "WKJXPLANTEDBRANCH", 61.0625
PLANTED = [
    NAME,
    "Quxley",
    "quxley",
    PHONE,
    "5550199",
    "PLANTEDBRANCH",
    str(INCOME),
    person(3),
    "0170-0000003",
]
RAW = [*(each.encode() for each in PLANTED), NAME.encode("utf-16-le"), PHONE.encode().hex().encode()]
RAW += [pl.Series([INCOME]).to_numpy().tobytes()]
pytestmark = pytest.mark.filterwarnings("ignore:Values that no case had before")
K = 130  # due at the first cutoff


@pytest.fixture
def lender(tmp_path: Path) -> Project:
    mine = row(K, name=NAME, phone=PHONE, branch=BRANCH, income=INCOME)
    rows = [row(k) for k in range(PEOPLE) if k != K]
    return make_lender(tmp_path / "lender", tmp_path / "people.csv", [*rows, mine])


def decided(project: Project, seq: int = 0) -> Decided:
    return next(each for each in Results(project).decisions("credit") if each.seq == seq)


def pseudonym(project: Project, name: str) -> str:
    with project.store() as store:
        return store.pseudonyms("people", [name])[name]


def acts(project: Project, seq: int = 0) -> dict[str, str]:
    one = decided(project, seq)
    return {each.key: str(each.value) for each in one.options[one.chosen]}


def rewrite(project: Project, rows: list[str]) -> None:
    path = project.folder.parent / "people.csv"
    path.write_text(path.read_text() + "\n".join(rows) + "\n")


def verbs(project: Project) -> tuple[list[str], list[str]]:
    """Commitments given and withdrawn in the log."""
    history = project.history()
    return sorted(history.consents), sorted(history.withdrawn)


def standing(project: Project, *names: str, n: int | None = None) -> dict[str, str]:
    """Of the people named, the commitments that a decision made now would state, on appends 1 to ``n``."""
    with Session.begin(project) as session:
        called = session.store.pseudonyms("people", names)
        knowledge = Knowledge.latest(session.store, ["people"], project.timezone)
        knowledge = knowledge if n is None else replace(knowledge, n={"people": n})
        found = consenting.agreed(session, knowledge, "people", datetime.now(UTC), called.values())
        session.commit()
    return {name: found.subjects[case] for name, case in called.items() if case in found.subjects}


def test_everybody_decided_about_has_a_consent_in_the_log_and_nobody_is_named_there(lender: Project) -> None:
    go(lender)
    stated = acts(lender)
    people = {key for key in stated if " " not in key}
    given, withdrawn = verbs(lender)
    assert {stated[f"consent {case}"] for case in people} <= set(given)
    assert not withdrawn
    assert verify_log(lender.log_folder, [lender.trusted()]).ok
    assert set(stated.values()) & {"accept", "refer", "reject"}


def test_not_a_byte_of_a_person_is_in_any_file_and_erasure_takes_the_rest(
    lender: Project, tmp_path: Path
) -> None:
    go(lender)
    write_report(lender)
    receipts = write_receipts(Project.open(lender.folder))
    case = pseudonym(lender, NAME)
    one = decided(lender)
    about, stated = ("people", 0, one.cutoff), {case: acts(lender)[f"reasons {case}"]}
    with lender.store() as store:
        why = reasons.read(lender, store, "credit", about, stated)[case]
    told = CliRunner().invoke(
        cli, ["decide", "credit", "0", "--case", NAME, "--json", "-C", str(lender.folder)]
    )
    assert json.loads(told.stdout)["reasons"] == list(why)
    assert why or acts(lender)[case] == "accept"

    def found(*needles: bytes) -> list[tuple[str, bytes]]:
        every = [*RAW, *needles]
        return [(n, x) for n, data in everything(lender.folder) for x in every if x in data]

    assert not found(*(each.encode() for each in why))
    with closing(sqlite3.connect(lender.subjects_file)) as database:
        (secrets,) = database.execute("SELECT key, salt, mark FROM subject WHERE case_id=?", (case,))
    assert found(*secrets)  # the scan does find what is there
    erase(lender, "people", [NAME])
    assert not found(*secrets)
    with lender.store() as store:
        assert reasons.read(lender, store, "credit", about, stated) == {}
    source = lender.folder.parent / "people.csv"
    source.write_text("\n".join(line for line in source.read_text().splitlines() if NAME not in line) + "\n")
    go(lender)
    assert not found(*secrets)
    assert verify_log(lender.log_folder, [lender.trusted()]).ok
    assert all(verdict.ok for verdict in verify_receipts(lender, receipts).values())


@pytest.mark.parametrize("first", ["2024-01-13", "2024-01-15", "2024-01-17"])
def test_no_value_of_a_person_is_told_while_hardly_anybody_s_outcome_is_known(
    tmp_path: Path, first: str
) -> None:
    """Labels come after ten days: 10, 20 and 30 of them are known."""
    project = make_lender(tmp_path / "lender", tmp_path / "people.csv", [row(k) for k in range(90)])
    toml = project.folder / "foreseal.toml"
    toml.write_text(
        toml.read_text().replace("start = 2024-01-29, end = 2024-02-05", f"start = {first}, end = {first}")
    )
    done = go(Project.open(project.folder))
    assert (done.forecasts, done.failures) == (2, [])
    write_report(Project.open(project.folder))
    needles = [x for k in range(90) for x in (person(k).encode(), f"0170-{k:07d}".encode())]
    parts = dict.fromkeys(everything(project.folder))
    assert [(name, x) for name, data in parts for x in needles if x in data] == []


def test_who_never_agreed_or_withdrew_before_the_cutoff_is_forecast_and_not_decided_about(
    tmp_path: Path,
) -> None:
    rows = [row(k, agreed=int(k != 121)) for k in range(PEOPLE)]
    rows += [row(122, agreed=0, later=2.0)]
    project = make_lender(tmp_path / "lender", tmp_path / "people.csv", rows)
    done = go(project)
    assert done.withheld == 2
    forecast = Results(project).forecasts(project.targets["default"], "us")["case_id"].to_list()
    for k in (121, 122):
        case = pseudonym(project, person(k))
        assert case in forecast
        assert case not in acts(project)
    assert pseudonym(project, person(123)) in acts(project)


def test_a_consent_withdrawn_at_the_desk_blocks_the_next_decision_until_it_is_given_anew(
    lender: Project,
) -> None:
    go(lender, verbs=("collect",))
    with Session.begin(lender) as session:
        (said,) = consenting.withdraw(session, "people", [person(121)])
    assert said.body["action"] == "withdrawn"
    assert verbs(lender)[1] == said.body["subjects"]
    rewrite(lender, [row(122, agreed=0, later=1.0), row(122, agreed=1, later=2.0)])
    assert go(lender).withheld == 1
    assert pseudonym(lender, person(121)) not in acts(lender)
    assert pseudonym(lender, person(122)) in acts(lender)
    assert verify_log(lender.log_folder, [lender.trusted()]).ok


def test_what_the_data_say_of_a_withdrawal_is_sealed_when_it_is_known(lender: Project) -> None:
    rewrite(lender, [row(121, agreed=0, later=24.0 * 6)])  # after the first cutoff, before the second
    go(lender)
    case = pseudonym(lender, person(121))
    assert case in acts(lender)
    assert verbs(lender)[1] == [acts(lender)[f"consent {case}"]]


class Naming(CostMatrix):
    """It says one thing more than what is done about each case."""

    def decide(self, prediction: Probabilities, history: pl.DataFrame) -> Decision:
        found = super().decide(prediction, history)
        said = Setting("limit of Rosalind Quxley-Zandt", 5.0)
        options = (replace(each, action=(*each.action, said)) for each in found.options)
        return replace(found, options=tuple(options))


def test_a_policy_that_speaks_of_people_by_other_names_is_stopped_before_anything_is_sealed(
    lender: Project,
) -> None:
    matrix = lender.policies["credit"]
    assert isinstance(matrix, CostMatrix)
    naming = replace(lender, policies={"credit": Naming(matrix.costs, matrix.refer)})
    done = go(naming)
    assert (done.forecasts, done.decisions) == (4, 0)
    assert len(done.failures) == 2
    assert all("by what is no pseudonym" in each for each in done.failures)
    assert not any("Quxley" in each for each in done.failures)
    assert not [n for n, data in everything(lender.folder) for x in RAW if x in data]


def test_who_agreed_to_one_purpose_is_not_taken_to_have_agreed_to_another(lender: Project) -> None:
    go(lender, verbs=("collect",))
    assert len(standing(lender, person(121), person(122))) == 2
    before = verbs(lender)
    toml = lender.folder / "foreseal.toml"
    toml.write_text(toml.read_text().replace('purpose = "credit decision"', 'purpose = "advertising"'))
    other = Project.open(lender.folder)
    done = go(other)
    assert (done.forecasts, done.decisions) == (4, 0)
    assert ["agreed to 'credit decision'" in each for each in done.failures] == [True, True]
    with Session.begin(other) as session, pytest.raises(SettingsError, match="'advertising'"):
        consenting.withdraw(session, "people", [person(121)])
    assert verbs(lender) == before


def test_one_case_that_is_referred_gets_a_persons_word_once(lender: Project) -> None:
    go(lender)
    waiting = Results(lender).referred(decided(lender).said)
    case = next(iter(waiting))
    done = CliRunner().invoke(
        cli,
        ["approve", "credit", "0", "--case", case, "--reject", "--reason", "no", "-C", str(lender.folder)],
    )
    assert done.exit_code == 0, done.output
    assert Results(lender).referred(decided(lender).said)[case] == "rejected"
    assert decided(lender).state == "approved"
    with Session.begin(lender) as session:
        with pytest.raises(UsageError, match="already"):
            session.approve("credit", 0, "approved", "me", "", case)
        accepted = next(key for key, act in acts(lender).items() if act == "accept")
        with pytest.raises(UsageError, match="does not refer"):
            session.approve("credit", 0, "approved", "me", "", accepted)
    assert verify_log(lender.log_folder, [lender.trusted()]).ok


def test_reasons_that_were_changed_afterwards_are_noticed(lender: Project) -> None:
    go(lender)
    path = lender.folder / "store" / "reasons" / "credit-0.json"
    kept = json.loads(path.read_text())
    first, second = list(kept)[:2]
    path.write_text(json.dumps({**kept, first: kept[second]}))
    one = decided(lender)
    with lender.store() as store, pytest.raises(Tampered, match="not those"):
        reasons.read(
            lender, store, "credit", ("people", 0, one.cutoff), {first: acts(lender)[f"reasons {first}"]}
        )


def test_a_stranger_cannot_withdraw_and_a_personal_decision_needs_a_consent_column(lender: Project) -> None:
    go(lender, verbs=("collect",))
    with Session.begin(lender) as session, pytest.raises(DataError, match="Nobody of that id"):
        consenting.withdraw(session, "people", ["Nobody"])
    toml = lender.folder / "foreseal.toml"
    toml.write_text("\n".join(line for line in toml.read_text().splitlines() if "consent =" not in line))
    with pytest.raises(SettingsError, match="does not say who agreed"):
        Project.open(lender.folder)


def test_duplicates_missing_labels_and_a_constant_feature_leave_the_rest_alone(tmp_path: Path) -> None:
    rows = [row(k) for k in range(PEOPLE)]
    twice = [row(5, income=11.0), row(5, income=12.0)]  # the same applicant, moment and two incomes
    lacking = [each.rsplit(",", 1)[0] + "," for each in rows[:7]]
    project = make_lender(tmp_path / "lender", tmp_path / "people.csv", [*lacking, *rows[7:], *twice])
    done = go(project)
    (collected,) = done.collected
    assert collected.rejected > 0
    assert done.decisions == 2
    assert verify_log(project.log_folder, [project.trusted()]).ok


def test_a_late_row_that_claims_an_older_time_gives_no_consent_back(lender: Project) -> None:
    """Nor does it take one: what was claimed last decides, as in every other read."""
    rewrite(lender, [row(121, agreed=0, later=48.0), row(122, agreed=1, later=48.0, income=7.0)])
    assert go(lender).withheld == 1
    rewrite(lender, [row(121, later=24.0, income=5.0), row(122, agreed=0, later=24.0, income=5.0)])
    (collected,) = go(lender, verbs=("collect",)).collected
    assert collected.late == 2
    assert list(standing(lender, person(121), person(122))) == [person(122)]
    assert standing(lender, person(122))[person(122)] in acts(lender).values()
    rewrite(lender, [row(123, later=-24.0, income=5.0)])
    go(lender, verbs=("collect",))
    assert standing(lender, person(123))[person(123)] in acts(lender).values(), "it is no new consent"


def test_an_empty_cell_neither_gives_a_consent_nor_ends_it(lender: Project) -> None:
    rewrite(lender, [row(121, agreed="", later=24.0), row(122, agreed="", later=24.0)])
    rewrite(lender, [row(123, agreed=0, later=24.0), row(123, agreed="", later=48.0)])
    assert go(lender).withheld == 3
    assert verbs(lender)[1] == []
    rewrite(lender, [row(121, later=24.0 * 9), row(123, agreed="", later=24.0 * 9, income=7.0)])
    go(lender, verbs=("collect",))
    assert list(standing(lender, person(121), person(122), person(123))) == [person(121)]
    with Session.begin(lender) as session:
        consenting.withdraw(session, "people", [person(121), person(122)])
    rewrite(lender, [row(k, agreed="", later=24.0 * 10) for k in (121, 122)])
    rewrite(lender, [row(k, later=24.0 * 11, income=7.0) for k in (121, 122)])
    go(lender, verbs=("collect",))
    assert standing(lender, person(121), person(122)) == {}


def test_whoever_stands_is_whom_the_store_says_to_agree_and_no_late_row_undoes_the_desk(
    tmp_path: Path,
) -> None:
    """Random histories of agreeing, withdrawing and saying nothing, some of it told late and in any order."""
    random, names = Random(3), [person(k) for k in range(PEOPLE)]

    def some(values: tuple[int | str, ...], most: int) -> list[str]:
        moments = {k: random.sample(range(600), random.randint(0, most)) for k in range(PEOPLE)}
        told = [(k, 0.5 * hour) for k, hours in moments.items() for hour in hours]
        random.shuffle(told)
        return [
            row(k, agreed=random.choice(values), later=later - 24.0 * (k // 5), income=random.uniform(9, 99))
            for k, later in told
        ]

    def agreeing() -> list[str]:
        with project.store() as store:
            now = store.as_of_features("people", datetime.now(UTC)).select("case_id", "agreed")
            called = store.pseudonyms("people", names)
        says = dict(now.iter_rows())
        return [name for name in names if says.get(called.get(name, "")) == 1]

    start = [row(k, income=30.0 + k) for k in range(PEOPLE)]
    project = make_lender(tmp_path / "lender", tmp_path / "people.csv", [*start, *some((0, 1, ""), 4)])
    go(project)
    for _ in range(2):
        rewrite(project, some((0, 1, ""), 2))
        (collected,) = go(project, verbs=("collect",)).collected
        assert collected.late > 20
        stand = standing(project, *names)
        assert sorted(stand) == agreeing()
        assert 20 < len(stand) < 140
    with Session.begin(project) as session:
        consenting.withdraw(session, "people", sorted(stand))
    rewrite(project, some((1, ""), 3))
    (collected,) = go(project, verbs=("collect",)).collected
    assert collected.late > 20
    assert set(agreeing()) & set(stand)
    assert not set(standing(project, *names)) & set(stand)
    assert verify_log(project.log_folder, [project.trusted()]).ok


def test_the_column_that_says_who_agreed_is_shown_to_no_model(tmp_path: Path) -> None:
    """Here it would tell everything, for whoever pays agrees."""
    rows = [row(k, agreed=1 - int(row(k).rpartition(",")[2])) for k in range(PEOPLE)]
    project = make_lender(tmp_path / "lender", tmp_path / "people.csv", rows)
    go(project)
    shown = {name for said in project.history().forecasts.values() for name in said.body["ran"]}
    assert "points.income" in shown
    assert "points.agreed" not in shown
    with project.store() as store:
        knowledge = Knowledge.latest(store, ["people"], project.timezone)
        seen = forecast_cases(knowledge, project.targets["default"], 0, "scorecard")
    assert "points.agreed" in seen.ran, "a model that saw it would use it"


def test_what_came_after_the_snapshot_says_nothing_of_consent_in_it(lender: Project) -> None:
    go(lender)
    with lender.store() as store:
        before = store.latest_n("people")
    changed = [row(121, agreed=0, later=24.0 * 12), row(122, agreed=0, later=24.0)]
    rewrite(lender, [*changed, row(122, agreed=1, later=24.0 * 12), row(123, agreed="", later=24.0 * 12)])
    go(lender, verbs=("collect",))
    names = [person(k) for k in (121, 122, 123)]
    assert sorted(standing(lender, *names, n=before)) == names
    assert list(standing(lender, *names)) == [person(122)]


def test_a_commitment_can_be_made_again_from_the_secret_and_stands_for_one_purpose(lender: Project) -> None:
    go(lender)
    case, settings = pseudonym(lender, person(121)), lender.settings.datasets["people"].consent
    assert settings is not None
    with lender.store() as store:
        secret = store.secrets("people", [case])[case]
    given = int(datetime(2024, 1, 25, 9, tzinfo=UTC).timestamp() * 1_000_000)

    def by_hand(purpose: str) -> str:
        about = f'["people","{purpose}","{case}",{given}]'.encode()
        salt = hmac.new(secret.salt, b"foreseal/consent/v1\0" + about, "sha256").digest()
        return hashlib.sha256(b"foreseal/consent/v1\0" + salt + about).hexdigest()

    assert acts(lender)[f"consent {case}"] == by_hand("credit decision") != by_hand("advertising")
    at = datetime(2024, 1, 25, 9, tzinfo=UTC)
    assert consenting.commitment(secret, "people", "advertising", case, at) == by_hand("advertising")
