"""Evidence of time: the earliest that is attested counts, and anchors come from names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from anchors import MemoryAnchor

from foreseal.errors import SettingsError
from foreseal.seal import anchor
from foreseal.seal.anchor import Anchored, Attestation, Earliest, Place, make_anchor, read_tokens, token_of

AT = datetime(2026, 1, 1, tzinfo=UTC)


def at(hours: int, size: int) -> Attestation:
    return Attestation("example.com/log", size, AT + timedelta(hours=hours), "somebody")


def test_an_entry_existed_at_the_earliest_attested_time_of_a_log_that_includes_it() -> None:
    times = Anchored([at(5, 20), at(1, 10), at(3, 20), at(9, 30)])
    assert [times.time(index) for index in (0, 9, 10, 19, 29, 30)] == [
        AT + timedelta(hours=1),
        AT + timedelta(hours=1),
        AT + timedelta(hours=3),
        AT + timedelta(hours=3),
        AT + timedelta(hours=9),
        None,
    ]


def test_a_larger_log_that_was_attested_earlier_covers_what_is_in_a_smaller_one() -> None:
    assert Anchored([at(5, 10), at(1, 20)]).time(3) == AT + timedelta(hours=1)


def test_of_several_kinds_of_evidence_the_earliest_counts_whichever_it_is() -> None:
    both = Earliest(Anchored([at(5, 10)]), Anchored([at(2, 5), at(7, 20)]))
    assert [both.time(index) for index in (0, 7, 15, 25)] == [
        AT + timedelta(hours=2),
        AT + timedelta(hours=5),
        AT + timedelta(hours=7),
        None,
    ]
    assert Earliest().time(0) is None


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("timestamp/15.tsr", 15),
        ("timestamp/015.tsr", None),
        ("timestamp/15", None),
        ("timestamp/15.tsr.tsr", None),
        ("timestamp/x.tsr", None),
        ("timestamp/a/15.tsr", None),
        ("cosigned/15.tsr", None),
        ("timestamp/9007199254740992.tsr", None),
        ("chain/15.json", 15),
        ("chain/15.tsr", None),
        ("timestamp/15.json", None),
        ("chain/015.json", None),
        ("chain/15.json.json", None),
    ],
)
def test_the_name_of_a_token_is_its_kind_and_a_size_in_one_spelling(name: str, size: int | None) -> None:
    assert token_of(name) == (None if size is None else (name.partition("/")[0], size))


def test_timestamps_are_read_by_size_and_other_files_are_none(tmp_path: Path) -> None:
    assert read_tokens(tmp_path) == {}
    (tmp_path / "timestamp").mkdir()
    for name in ("100.tsr", "9.tsr", ".9.tsr.tmp", "note.txt", "-1.tsr"):
        (tmp_path / "timestamp" / name).write_bytes(name.encode())
    assert list(read_tokens(tmp_path)["timestamp"].items()) == [(9, b"9.tsr"), (100, b"100.tsr")]


def test_an_anchor_that_nobody_provides_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no anchor 'timestmap'") as caught:
        make_anchor("timestmap", {}, Place(tmp_path, tmp_path))
    assert caught.value.hint == "Did you mean 'timestamp'?"


def test_another_package_adds_an_anchor_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = MemoryAnchor(lambda: AT)

    class Point:
        name = "board"

        def load(self):
            return lambda options, place: made if options == {"colour": "green"} else None

    monkeypatch.setattr(anchor, "entry_points", lambda group: [Point()] if group == anchor.GROUP else [])
    assert make_anchor("board", {"colour": "green"}, Place(tmp_path, tmp_path)) is made
