"""The page on threats names tests that are there, and every row has one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| (\d+) \|(.*)", (ROOT / "docs" / "threats.md").read_text("utf-8"), re.MULTILINE)


def named() -> dict[int, set[str]]:
    """Files with a test of each row, by the row's number."""
    found: dict[int, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for number in re.findall(r"def test_threat_(\d\d)_\w+\(", path.read_text("utf-8")):
            found.setdefault(int(number), set()).add(path.relative_to(ROOT).as_posix())
    return found


def test_every_row_has_a_test_of_its_number_in_a_place_that_it_names() -> None:
    tests = named()
    assert [int(number) for number, _ in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) >= 18
    for number, text in ROWS:
        places = re.findall(r"`(tests/[^` ]+)`", text)
        files = tests.get(int(number), set())
        assert any(file.startswith(place) for file in files for place in places), (number, places, files)


def test_no_test_claims_a_row_that_is_not_there() -> None:
    assert named().keys() <= {int(number) for number, _ in ROWS}


def test_what_the_rows_name_is_there() -> None:
    for _, text in ROWS:
        for place in re.findall(r"`((?:tests|vectors)/[^` ]*)`", text):
            assert (ROOT / place).exists(), place
