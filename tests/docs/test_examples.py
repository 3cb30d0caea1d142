"""The examples in the pages run as they are printed."""

from __future__ import annotations

import math
import re
import sys
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from projects import go, make_project

from foreseal import settings
from foreseal.chain.anchor import AnchorOptions
from foreseal.chain.ethereum import Chain
from foreseal.cli import main
from foreseal.collect import open_source
from foreseal.decide.policy import make_policy
from foreseal.decide.regret import regret
from foreseal.options import build
from foreseal.records import Forecast
from foreseal.run import Project
from foreseal.run.receipts import write_receipts
from foreseal.seal.policy import parse_policy
from foreseal.store import QualityRules

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md"])


def blocks(page: Path, language: str) -> list[str]:
    return [code for kind, code in BLOCK.findall(page.read_text("utf-8")) if kind == language]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples take for granted: sales.csv, and a project my-city that has run."""
    folder = tmp_path_factory.mktemp("examples")
    days = [date(2024, 1, 1) + timedelta(days=k) for k in range(100)]
    rows = [
        f"{s},{d},{100 + 30 * math.sin(k * math.tau / 7) + k * 7919 % 11}"
        for s in "ab"
        for k, d in enumerate(days)
    ]
    (folder / "sales.csv").write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORESEAL_STATE", str(folder / "state"))
        project = make_project(folder / "my-city")
        go(project)
        write_receipts(project)
    return folder


@pytest.fixture
def here(city: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(city)
    monkeypatch.setenv("FORESEAL_STATE", str(city / "state"))
    return city


def run_page(page: Path) -> dict[str, Any]:
    """The names that a page's blocks define, run one after the other."""
    names: dict[str, Any] = {"__name__": f"page_{page.stem}"}
    for number, code in enumerate(blocks(page, "python"), start=1):
        exec(compile(code, f"{page.name}, python block {number}", "exec", dont_inherit=True), names)
    return names


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name
)
def test_the_python_of_a_page_runs(page: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_page(page)


def test_the_example_policy_decides_and_judges() -> None:
    stock = run_page(DOCS / "decisions.md")["Stock"]
    start, levels = datetime(2024, 5, 1, tzinfo=UTC), (0.1, 0.5, 0.9)
    frame = pl.DataFrame(
        {
            "unique_id": ["a", "a"],
            "ds": [start, start + timedelta(days=1)],
            "q0.1": [10.0, 0.0],
            "q0.5": [20.0, 4.0],
            "q0.9": [40.0, 6.0],
        }
    )
    policy = stock(over=1.0, under=9.0)
    decision = policy.decide(Forecast(frame, levels), frame)
    assert decision.chosen == "expected"
    assert [setting.value for setting in decision.option("expected").action] == [40.0, 6.0]
    outcome = frame.select("unique_id", "ds", y="q0.5")
    found = regret(policy, decision, outcome)
    assert found.costs == {"expected": 20.0 + 2.0, "median": 0.0}
    assert found.value == 22.0
    with pytest.raises(ValueError, match="above 0"):
        stock(over=0.0)


def test_the_example_application_is_found_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [code] = blocks(DOCS / "apps.md", "python")
    [package] = [tomllib.loads(text) for text in blocks(DOCS / "apps.md", "toml")]
    site = tmp_path / "site"
    info = site / "foreseal_bikes-0.1.0.dist-info"
    info.mkdir(parents=True)
    (site / "bikes.py").write_text(code)
    [(group, points)] = package["project"]["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreseal-bikes\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))
    monkeypatch.setitem(sys.modules, "bikes", None)
    monkeypatch.delitem(sys.modules, "bikes")
    folder = tmp_path / "my-bikes"
    for args in (
        ["init", "--app", "bikes", str(folder)],
        ["run", "-C", str(folder), "--no-report"],
        ["verify", "-C", str(folder)],
    ):
        with pytest.raises(SystemExit) as stop:
            main(args)
        assert not stop.value.code, capsys.readouterr().err
    assert "us: 3 of 3 forecasts due" in capsys.readouterr().out


def test_the_settings_in_the_pages_are_valid() -> None:
    data, *others = blocks(DOCS / "data.md", "toml")
    decisions = [tomllib.loads(text) for text in blocks(DOCS / "decisions.md", "toml") if "policy =" in text]
    project = {"project": {"name": "x"}, "seal": {"origin": "x"}}
    for text in others:
        settings.parse(tomllib.loads(text) | project, Path("foreseal.toml"))
    found = settings.parse(tomllib.loads(data) | project, Path("foreseal.toml"))
    assert set(found.datasets) == {"load", "patients"}
    for name, dataset in found.datasets.items():
        open_source(dataset, name)
        build(QualityRules, dataset.quality, "quality")
    shown = [table for decision in decisions for table in decision["decisions"].values()]
    assert shown
    for table in shown:
        make_policy(table["policy"], table["options"])


def test_the_chain_in_the_seal_page_is_valid_in_settings_and_in_a_file(tmp_path: Path) -> None:
    own, file = [code for code in blocks(DOCS / "seal.md", "toml") if "chain_id" in code]
    table = {"origin": "x", **tomllib.loads(own)["seal"]}
    found = settings.parse({"project": {"name": "x"}, "seal": table}, Path("foreseal.toml"))
    assert found.seal.chain is not None
    (tmp_path / "chain.toml").write_text(file)
    named = Chain.load(tmp_path / "chain.toml")
    assert AnchorOptions.of(found.seal.chain.options).chain.contract == named.contract
    assert len(named.blocks) == 1


def test_the_witnesses_in_the_seal_page_are_valid_settings() -> None:
    text = next(code for code in blocks(DOCS / "seal.md", "toml") if "witnesses" in code)
    table = tomllib.loads(text)["seal"]["witnesses"]
    found = build(settings.WitnessesTable, table, "witnesses")
    assert (found.need, len(found.of), found.wait) == (2, 3, timedelta(seconds=2))


def test_the_policy_file_in_the_seal_page_is_read() -> None:
    text = next(code for code in blocks(DOCS / "seal.md", "") if code.startswith("# a policy"))
    assert [log.name for log in parse_policy(text).logs] == ["i94.example/log"]


def test_the_folder_of_the_log_is_laid_out_as_the_seal_page_says(here: Path) -> None:
    log = Project.open("my-city").log_folder
    assert {path.name for path in log.iterdir()} == {"checkpoint", "tile", "payload"}
    assert sorted(path.name for path in (log / "tile" / "entries").iterdir()) == ["000.p"]


def test_the_last_lines_of_a_receipt_are_a_checkpoint_that_adopts(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = sorted(Path("my-city/out/receipts").rglob("*.tlog-proof"))[-1].read_bytes()
    Path("kept.checkpoint").write_bytes(receipt.partition(b"\n\n")[2])
    monkeypatch.setenv("FORESEAL_STATE", str(here / "a new machine"))
    with pytest.raises(SystemExit) as refused:
        main(["seal", "-C", "my-city"])
    assert refused.value.code == 1
    with pytest.raises(SystemExit) as adopted:
        main(["seal", "adopt", "kept.checkpoint", "-C", "my-city"])
    assert not adopted.value.code
