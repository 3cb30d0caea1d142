"""A run has its log witnessed, goes on without witnesses that are down, and catches up with them later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from projects import Make, go, make_live
from witnesses import Hand, cosigner, make_witness, served

from foreseal.errors import SettingsError, Tampered
from foreseal.run import Project
from foreseal.run.health import examine
from foreseal.run.loop import run
from foreseal.run.receipts import verify_receipts, write_receipts
from foreseal.run.session import Session
from foreseal.run.witnessing import Witnessed, witnessed_so_far
from foreseal.seal.policy import parse_policy
from foreseal.seal.receipt import parse_receipt
from foreseal.seal.replay import replay
from foreseal.seal.verify import REPLAYED_ALONE, verify_log

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOWN = "http://127.0.0.1:9"

Name = Callable[..., Project]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Serve a witness of a project's log; returns its address."""
    with ExitStack() as stack:

        def start(project: Project, number: int, at: datetime = NOW) -> str:
            witness = make_witness(tmp_path, number, project.trusted(), clock=Hand(at))
            return stack.enter_context(served(witness)).url

        yield start


def name_witnesses(project: Project, urls: list[str], need: int = 2, more: str = "") -> Project:
    """The project, with these witnesses in its settings."""
    of = ", ".join(f'"{cosigner(i).verifier} {url}"' for i, url in enumerate(urls))
    path = project.folder / "foreseal.toml"
    lines = [line for line in path.read_text().split("\n") if not line.startswith("witnesses")]
    text = f'witnesses = {{ need = {need}, of = [{of}], wait = "10s"{more} }}'
    path.write_text("\n".join([*lines, text, ""]))
    return Project.open(project.folder)


def witnessed(project: Project) -> Witnessed:
    with Session.begin(project) as session:
        run(session)
    assert session.witnessed is not None
    return session.witnessed


def test_a_run_is_cosigned_and_its_receipts_carry_the_quorum(make: Make, serve: Callable[..., str]) -> None:
    project = make()
    project = name_witnesses(project, [serve(project, 0), serve(project, 1), DOWN])
    found = witnessed(project)
    assert (found.met, found.by, str(found)) == (True, ("w0", "w1"), "cosigned by 2 of 3 witnesses")
    assert [each.witness for each in found.why] == ["w2"]
    verdict = verify_log(project.log_folder, project.trust())
    assert verdict.ok, verdict
    paths = write_receipts(project)
    assert len(paths) == 12
    for path, receipt in verify_receipts(project, paths).items():
        assert receipt.ok, (path, receipt)
        assert REPLAYED_ALONE in receipt.statements, "witnesses date a replay, not what was known then"
        carried = project.trust().open(parse_receipt(path.read_bytes()).checkpoint)
        assert carried.by == {"w0": NOW, "w1": NOW}
    policy = parse_policy(str(project.trust()))
    assert verify_log(project.log_folder, policy).ok


def test_while_witnesses_are_down_the_run_goes_on_and_a_later_one_catches_up(
    make: Make, serve: Callable[..., str]
) -> None:
    project = make()
    down = name_witnesses(project, [DOWN, DOWN])
    found = witnessed(down)
    assert not found.met
    assert "sealed, not yet witnessed: the quorum has not cosigned it yet: 0 of 2" in str(found)
    assert all("cannot be reached" in each.why and not each.alarm for each in found.why)
    assert down.history().scores
    paths = write_receipts(down)
    verdict = verify_log(project.log_folder, down.trust())
    assert (verdict.ok, verdict.codes) == (False, ("quorum",))
    said = "the quorum has not cosigned it yet: 0 of 2 witnesses have"
    assert said in verdict.problems[0]
    assert said in str(witnessed_so_far(down, down.reader()))
    assert all(each.ok for each in examine(down)), "sealed is sealed"
    (ill,) = (each for each in examine(down) if each.warns)
    assert said in ill.says
    assert "no cosignature by w0, w1" in ill.says
    assert "foreseal run" in ill.hint
    assert not any(each.ok for each in verify_receipts(down, paths).values())

    up = name_witnesses(project, [serve(project, 0), serve(project, 1)])
    assert witnessed(up).met
    assert verify_log(project.log_folder, up.trust()).ok
    assert write_receipts(up) == paths
    assert all(each.ok for each in verify_receipts(up, paths).values())
    before = {path: path.read_bytes() for path in project.log_folder.rglob("*") if path.is_file()}
    assert witnessed(up).met
    assert {path: path.read_bytes() for path in project.log_folder.rglob("*") if path.is_file()} == before


def test_a_witness_that_missed_several_runs_is_brought_up_to_date(
    make: Make, serve: Callable[..., str]
) -> None:
    project = make(last="2024-02-01")
    first, second = serve(project, 0), serve(project, 1)
    assert witnessed(name_witnesses(project, [first, second])).met
    toml = project.folder / "foreseal.toml"
    extra = (
        toml.read_text()
        .replace("next_day]", "another]")
        .partition("[targets.another]")[2]
        .partition("[models]")[0]
    )
    toml.write_text(toml.read_text().replace("[models]", f"[targets.another]{extra}[models]"))
    assert not witnessed(name_witnesses(project, [first, DOWN])).met
    assert witnessed(name_witnesses(project, [first, second])).met
    kept = sorted(int(path.name) for path in (project.log_folder / "cosigned").iterdir())
    assert len(kept) == 2
    assert verify_log(project.log_folder, Project.open(project.folder).trust()).ok


@pytest.mark.parametrize(("ahead", "status"), [(timedelta(0), "scored"), (timedelta(hours=3), "late")])
def test_a_live_forecast_is_in_time_if_its_witnesses_say_so(
    make: Make, serve: Callable[..., str], ahead: timedelta, status: str
) -> None:
    project = make_live(make)
    url = serve(project, 0, datetime.now(UTC) + ahead)
    project = name_witnesses(project, [url], need=1)
    assert witnessed(project).met
    sealing = project.sealing()
    found = replay(project.reader().entries(), project.payloads.get, (), sealing)
    (track,) = found.tracks.values()
    assert found.standing(track, "baseline", 0).status == status
    assert found.problems == []


def test_a_settings_file_with_a_weak_or_impossible_quorum_is_refused_when_it_is_read(make: Make) -> None:
    project = make()
    for urls, need, more, message in [
        ([DOWN] * 5, 3, ", tolerate = 2", r"3 of 5 witnesses is too weak if 2 .*\(5 \+ 2\) / 2"),
        ([DOWN] * 2, 1, "", "1 of 2 witnesses is too weak if 0"),
        ([DOWN] * 2, 3, "", "needs 3 of its 2"),
        ([DOWN], 1, ', own = ["w1"]', "own names 'w1'"),
        ([DOWN], 1, ', sometimes = "yes"', "unknown key 'sometimes'"),
    ]:
        with pytest.raises(SettingsError, match=message):
            name_witnesses(project, urls, need, more)


def test_without_witnesses_nothing_changes(make: Make) -> None:
    project = make()
    go(project)
    with Session.begin(project) as session:
        pass
    assert session.witnessed is None
    assert not (project.log_folder / "cosigned").exists()


def test_of_a_damaged_and_a_good_cosignature_the_good_one_stays_and_two_damaged_ones_are_named(
    make: Make, serve: Callable[..., str]
) -> None:
    project = make()
    project = name_witnesses(project, [serve(project, 0)], need=1)
    assert witnessed(project).met
    published, (kept,) = project.log_folder / "checkpoint", (project.log_folder / "cosigned").iterdir()
    whole = published.read_bytes()
    damaged = whole[:-9] + (b"AAAA" if whole[-9:-5] != b"AAAA" else b"BBBB") + whole[-5:]
    published.write_bytes(damaged)
    assert witnessed(project).met
    assert published.read_bytes() == whole
    kept.write_bytes(damaged)
    assert not all(each.ok for each in examine(project)), "the doctor names it and mends nothing"
    assert kept.read_bytes() == damaged
    assert witnessed(project).met
    assert (published.read_bytes(), kept.read_bytes()) == (whole, whole)
    kept.write_bytes(damaged)
    published.write_bytes(damaged)
    with pytest.raises(Tampered, match=kept.name) as stop, Session.begin(project):
        pass
    assert f"cosigned/{kept.name}" in stop.value.hint
    kept.write_bytes(whole)
    assert witnessed(project).met
    assert published.read_bytes() == whole
