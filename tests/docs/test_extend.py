"""The page for a newcomer's application leads where it says: its code runs on the data it names."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from foreseal.cli import main
from foreseal.errors import DataError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extend.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
CSV = "vic_elecdemand_2014.csv"
HEADER = "Demand,WorkDay,Temperature"
CUTOFFS = "start = 2014-07-01, end = 2014-07-14"
CUTOFF = "2014-06-30T14:00:00Z"

Command = Callable[..., str]


def blocks(language: str) -> list[str]:
    return [code for kind, code in BLOCK.findall(PAGE.read_text("utf-8")) if kind == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """The newcomer's folder at the end of the page, with three cutoffs instead of a fortnight."""
    found = tmp_path_factory.mktemp("extend")
    (found / CSV).write_bytes((shared / "energy" / CSV).read_bytes())
    code = "\n\n".join(text for text in blocks("python") if not text.startswith("# fetch.py"))
    assert CUTOFFS in code
    (found / "energy.py").write_text(code.replace(CUTOFFS, "start = 2014-07-01, end = 2014-07-03"))
    [package] = [tomllib.loads(text) for text in blocks("toml")]
    info = found / "foreseal_energy-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreseal-energy\nVersion: 0.1.0\n")
    lines = []
    for group, points in package["project"]["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return found


@pytest.fixture
def foreseal(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in that folder, with the package known as if installed; gives what it printed."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("FORESEAL_STATE", str(folder / "state"))
    monkeypatch.setitem(sys.modules, "energy", None)
    monkeypatch.delitem(sys.modules, "energy")

    def command(*args: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(list(args))
        found = capsys.readouterr()
        assert not stop.value.code, found.err
        return found.out + found.err

    return command


def project(foreseal: Command, name: str, csv: str = CSV) -> Path:
    """A new project of the application on a file of its own."""
    foreseal("init", "--app", "energy", name)
    path = Path(name) / "foreseal.toml"
    path.write_text(path.read_text().replace(CSV, csv))
    return path


def spoiled(name: str, change: Callable[[int, list[str]], list[str]]) -> None:
    """A copy of the file with cells changed, by the number of their line."""
    lines = Path(CSV).read_text().splitlines()
    made = [",".join(change(number, line.split(","))) for number, line in enumerate(lines, start=1)]
    Path(name).write_text("\n".join(made) + "\n")


def test_the_page_ends_with_verified_forecasts_decisions_and_receipts(foreseal: Command) -> None:
    project(foreseal, "third")
    said = foreseal("run", "-C", "third", "--no-report")
    assert "Sealed 6 forecasts and 3 decisions; settled 3 cutoffs." in said
    said = foreseal("verify", "-C", "third")
    assert "us: 3 of 3 forecasts due" in said
    counts = re.search(r"(\d+) of (\d+) verified\.", said)
    assert counts
    assert counts[1] == counts[2]
    assert "newsvendor" in foreseal("decide", "-C", "third", "generation", "0")


@pytest.mark.slow
def test_what_became_known_after_the_cutoff_changes_nothing_and_what_was_known_does(
    foreseal: Command,
) -> None:
    made = {}
    for name, last in (("honest", 10**6), ("canary", 8689), ("sings", 8688)):
        spoiled(
            f"{name}.csv",
            lambda number, cells, last=last: ["9.9", cells[1], "0"] if number > last else cells,
        )
        project(foreseal, name, f"{name}.csv")
        foreseal("collect", "-C", name)
        foreseal("forecast", "-C", name, "--cutoff", CUTOFF, "--out", f"{name}.forecast.csv")
        made[name] = pl.read_csv(f"{name}.forecast.csv")
    assert made["canary"].equals(made["honest"])
    assert not made["sings"].equals(made["honest"])


def test_bad_cells_are_listed_with_their_lines_and_a_lost_line_is_an_error(
    foreseal: Command, folder: Path
) -> None:
    spoiled("bad.csv", lambda number, cells: [{100: "n/a", 200: "0"}.get(number, cells[0]), *cells[1:]])
    project(foreseal, "bad", "bad.csv")
    said = foreseal("collect", "-C", "bad", "--rejected")
    assert "bad.csv, row 100, Demand 'n/a': no number, or a demand of zero" in said
    assert "bad.csv, row 200, Demand '0': no number, or a demand of zero" in said
    from energy import Victoria  # type: ignore[import-not-found]

    from foreseal.collect import Context

    (folder / "short.csv").write_text(f"{HEADER}\n4.1,0,18.0\n")
    with pytest.raises(DataError, match="no whole number of days"):
        next(Victoria(path="short.csv", column="Demand").read(Context(folder)))
