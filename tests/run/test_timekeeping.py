"""A wrong clock or a second history stops a run before anything is sealed that could not be taken back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from projects import Make, go
from witnesses import Hand, cosigner, make_witness, served

from foreseal.cli import main
from foreseal.clock import LiveClock
from foreseal.errors import Refused, SetupError
from foreseal.run import Project, witnessing
from foreseal.run.health import examine
from foreseal.run.loop import Done, run
from foreseal.run.session import Session
from foreseal.run.witnessing import adopt
from foreseal.seal.cosigning import Answer, ask
from foreseal.seal.quorum import Witness
from foreseal.seal.reader import LogReader

NOON = datetime(2024, 2, 1, 12, 10, tzinfo=UTC)
DOWN = "http://127.0.0.1:9"

Set = Callable[[datetime], None]
Serve = Callable[[Project, int], str]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Set the machine's clock; it then stands."""

    def set_to(at: datetime) -> None:
        monkeypatch.setattr(LiveClock, "now", lambda self: at)

    set_to(NOON)
    return set_to


@pytest.fixture
def hand() -> Hand:
    return Hand(NOON)


@pytest.fixture
def serve(tmp_path: Path, hand: Hand) -> Iterator[Serve]:
    """Serve a witness whose clock is ``hand``; returns its address."""
    with ExitStack() as stack:

        def start(project: Project, number: int) -> str:
            witness = make_witness(tmp_path, number, project.trusted(), clock=hand)
            return stack.enter_context(served(witness)).url

        yield start


@pytest.fixture
def live(make: Make, clock: Set) -> Project:
    """A live project with a cutoff every hour, after its run at ten past noon."""
    project = make(mode="live", first="2024-02-01", last="2024-02-04")
    toml = project.folder / "foreseal.toml"
    toml.write_text(toml.read_text().replace('every = "1d"', 'every = "1h"'))
    project = Project.open(project.folder)
    assert go(project).forecasts
    return project


def with_witnesses(project: Project, urls: list[str], more: str = "", need: int = 0) -> Project:
    of = ", ".join(f'"{cosigner(i).verifier} {url}"' for i, url in enumerate(urls))
    path = project.folder / "foreseal.toml"
    text = path.read_text().rstrip("\n").partition("\nwitnesses")[0]
    path.write_text(f'{text}\nwitnesses = {{ need = {need or len(urls)}, of = [{of}], wait = "5s"{more} }}\n')
    return Project.open(project.folder)


def with_another_model(project: Project, spec: str) -> Project:
    """The project with one member changed, which its next run seals."""
    toml = project.folder / "foreseal.toml"
    toml.write_text(toml.read_text().replace("seasonal_naive(168)", spec))
    return Project.open(project.folder)


def go_on(project: Project, *, trust_clock: bool = False) -> Done:
    with Session.begin(project, trust_clock=trust_clock) as session:
        return run(session)


def test_a_clock_that_was_set_back_stops_the_run_until_it_is_right_or_said_to_be(
    live: Project, clock: Set
) -> None:
    size = live.reader().size
    clock(NOON - timedelta(hours=1))
    with pytest.raises(SetupError, match=r"says 2024-02-01T11:10:00Z.*before 2024-02-01T12:10:00Z") as stop:
        go_on(live)
    assert "--trust-clock" in stop.value.hint
    assert live.reader().size == size
    clock(NOON - timedelta(seconds=30))
    go_on(live)
    clock(NOON - timedelta(hours=1))
    go_on(live, trust_clock=True)


def test_a_clock_that_jumped_ahead_settles_nothing_as_missed(live: Project, clock: Set) -> None:
    settled = set(live.history().scores)
    clock(NOON + timedelta(days=2))
    done = go_on(live)
    (why,) = done.failures
    assert "cutoffs of next_day have passed without a forecast" in why
    assert "2024-02-03T12:10:00Z" in why
    assert "foreseal run --trust-clock" in why
    assert done.forecasts, "what is due by this clock is still forecast: a machine may have been off"
    fresh = set(live.history().scores) - settled
    assert max(seq for _, seq in fresh) == 12, "later ones were missed, earlier ones before the declaration"
    assert go_on(live).failures == [why], "asking again does not confirm it"
    done = go_on(live, trust_clock=True)
    assert done.failures == []
    assert done.settled > 10
    assert not go_on(live).failures


def test_a_few_missed_cutoffs_are_settled_without_a_word(live: Project, clock: Set) -> None:
    for hour in (1, 9, 20, 26, 32):
        clock(NOON + timedelta(hours=hour))
        assert go_on(live).failures == []
    missed = [key for key in live.history().scores if key[1] > 12 and key[1] not in (13, 20, 21)]
    assert len(missed) > 10


def test_witnesses_confirm_the_clock_or_contradict_it(
    live: Project, clock: Set, serve: Serve, hand: Hand
) -> None:
    project = with_witnesses(live, [serve(live, 0)])
    go_on(project)
    size = project.reader().size
    hand.at = NOON + timedelta(hours=2)
    clock(NOON + timedelta(days=2))
    with pytest.raises(SetupError, match=r"witnesses say otherwise: w0 2024-02-01T14:10:00Z"):
        go_on(project)
    assert project.reader().size == size
    hand.at = NOON + timedelta(days=2)
    done = go_on(project)
    assert done.failures == [], "the machine was off, and the witness says so"
    assert done.settled > 10


def test_a_witness_of_ones_own_confirms_no_clock(live: Project, clock: Set, serve: Serve, hand: Hand) -> None:
    project = with_witnesses(live, [serve(live, 0), DOWN, DOWN], ', own = ["w0"]', need=2)
    go_on(project)
    hand.at = NOON + timedelta(days=2)
    clock(hand.at)
    assert "have passed without a forecast" in go_on(project).failures[0]


def test_the_doctor_names_entries_from_the_future_and_times_that_run_backwards(
    live: Project, clock: Set, capsys: pytest.CaptureFixture[str]
) -> None:
    def said() -> tuple[bool, bool, str]:
        (found,) = (each for each in examine(live) if each.what == "clock")
        return found.ok, found.warns, found.says

    assert said() == (True, False, "no entry is from the future, none from before the one below")
    clock(NOON - timedelta(hours=1))
    ok, _, says = said()
    assert not ok
    assert "from the future: entry 0 (2024-02-01T12:10:00Z), entry 1 (" in says
    assert f"and {live.reader().size - 3} more" in says
    first = live.reader().size
    go_on(with_another_model(live, "seasonal_naive(24)"), trust_clock=True)
    clock(NOON)
    ok, warns, says = said()
    assert (ok, warns) == (True, True)
    assert f"entry {first} (2024-02-01T11:10:00Z after 2024-02-01T12:10:00Z)" in says
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "-C", str(live.folder)])
    assert not stop.value.code, "a warning is no failure"
    assert "warn  clock" in capsys.readouterr().out


def fork(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An older copy of the project on another machine, whose log has been adopted; the first has gone on."""
    copy = shutil.copytree(project.folder, tmp_path / "copy")
    settings = shutil.copy(project.folder / "foreseal.toml", tmp_path / "foreseal.toml")
    held = project.reader().signed
    go_on(with_another_model(project, "seasonal_naive(24)"))
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "elsewhere"))
    other = Project.open(copy)
    down = with_witnesses(other, [DOWN])
    _, witnessed = adopt(down, held)
    assert witnessed is not None
    assert not witnessed.forked, "who does not answer says nothing"
    shutil.copy(settings, copy / "foreseal.toml")
    return with_another_model(Project.open(copy), "seasonal_naive(48)")


def test_threat_11_a_run_seals_nothing_where_a_witness_holds_another_history(
    make: Make,
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = make()
    project = with_witnesses(project, [serve(project, 0)])
    go_on(project)
    held = project.reader().signed
    copy = fork(project, tmp_path, monkeypatch)
    size = copy.reader().size
    with pytest.raises(SystemExit) as stop:
        main(["run", "-C", str(copy.folder)])
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert "witnesses hold another history of this log" in said
    assert "w0: it has cosigned" in said
    assert "foreseal monitor" in said
    assert copy.reader().size == size
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "third"))
    with pytest.raises(Refused, match="another history"):
        adopt(copy, held)
    assert not (tmp_path / "third").exists(), "what was not adopted has no lock"


def test_one_of_several_witnesses_that_may_lie_does_not_stop_a_run(
    make: Make, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make()
    urls = [serve(project, 0), DOWN, DOWN]
    go_on(with_witnesses(project, urls, ", tolerate = 1"))
    copy = fork(Project.open(project.folder), tmp_path, monkeypatch)
    copy = with_witnesses(copy, urls, ", tolerate = 1")
    with Session.begin(copy) as session:
        run(session)
    assert session.witnessed is not None
    assert not session.witnessed.forked
    assert [each.witness for each in session.witnessed.why if each.alarm] == ["w0"]


def test_a_fork_that_shows_only_after_sealing_makes_the_run_exit_with_1(
    make: Make,
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = make()
    project = with_witnesses(project, [serve(project, 0)])
    go_on(project)
    copy = fork(project, tmp_path, monkeypatch)
    calls: list[float] = []

    def late_at_first(log: LogReader, witnesses: Sequence[Witness], wait: float, old: int) -> list[Answer]:
        calls.append(wait)
        return ask(log, witnesses, wait, old) if calls[1:] else [Answer(witnesses[0].name, None, "down")]

    monkeypatch.setattr(witnessing, "ask", late_at_first)
    with pytest.raises(SystemExit) as stop:
        main(["run", "--json", "-C", str(copy.folder)])
    assert stop.value.code == 1
    assert "another history" in json.loads(capsys.readouterr().out)["witnessed"]["why"]["w0"]
    assert len(calls) == 2
