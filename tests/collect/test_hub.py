"""Hubs of other kinds: rounds by origin date, several model tasks a round, what is required."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from foreseal.collect.hub import Hub
from foreseal.collect.submission import Submission, read_submission, write_submission
from foreseal.errors import DataError
from foreseal.score.hub import score_hub

FLU, ILI = "wk inc flu hosp", "ILI incidence"
SATURDAY, WEDNESDAY = date(2024, 11, 23), date(2024, 10, 16)
SUNDAYS = [date(2024, 10, 6) + timedelta(weeks=k) for k in range(6)]
QUARTILES, TENTHS = [0.25, 0.5, 0.75], [0.1, 0.9]


def ids(required: Sequence[Any] = (), optional: Sequence[Any] = ()) -> dict[str, Any]:
    return {"required": list(required) or None, "optional": list(optional) or None}


def task(levels: dict[str, Any], target: dict[str, Any], **task_ids: dict[str, Any]) -> dict[str, Any]:
    kind = {"output_type_id": levels, "value": {"type": "double", "minimum": 0}}
    return {"task_ids": {"target": target, **task_ids}, "output_type": {"quantile": kind}}


def make(folder: Path, *tasks: dict[str, Any], by: str = "reference_date", **more: Any) -> Hub:
    (folder / "hub-config").mkdir(parents=True)
    round_ = {"round_id_from_variable": True, "round_id": by, "model_tasks": list(tasks), **more}
    (folder / "hub-config" / "tasks.json").write_text(json.dumps({"rounds": [round_]}))
    return Hub.open(folder)


def respicast(folder: Path) -> Hub:
    """European weekly incidences: origins on Wednesdays, weeks that end on Sundays."""
    return make(
        folder,
        task(
            ids(QUARTILES),
            ids((), [ILI]),
            origin_date=ids((), [str(WEDNESDAY), str(WEDNESDAY + timedelta(weeks=1))]),
            target_end_date=ids((), list(map(str, SUNDAYS))),
            horizon=ids((), [-1, 0, 1, 2]),
            location=ids((), ["AT", "FR"]),
        ),
        by="origin_date",
    )


def two_tasks(folder: Path) -> Hub:
    """Quartiles of 01 for the next two weeks, tenths if one likes; of 02 for the week after."""
    dates = ids((), [str(SATURDAY)])
    return make(
        folder,
        task(
            ids(QUARTILES, TENTHS),
            ids([FLU]),
            reference_date=dates,
            horizon=ids([0, 1]),
            location=ids((), ["01"]),
        ),
        task(ids(QUARTILES), ids([FLU]), reference_date=dates, horizon=ids([2]), location=ids((), ["02"])),
    )


Said = tuple[str, int, date, Sequence[float]]
"""Location, horizon, the end of its week, levels."""


def submit(
    hub: Hub, said: Sequence[Said], day: date, *, by: str = "reference_date", target: str = FLU
) -> Submission:
    path = hub.output / "a-b" / f"{day}-a-b.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{day},{target},{horizon},{place},{end},quantile,{level:g},{100 * level:g}"
        for place, horizon, end, levels in said
        for level in levels
    ]
    head = f"{by},target,horizon,location,target_end_date,output_type,output_type_id,value"
    path.write_text("\n".join([head, *rows]) + "\n")
    return read_submission(path, hub)


def week(k: int) -> date:
    return SATURDAY + timedelta(weeks=k)


def test_rounds_by_origin_date_take_the_ends_of_their_weeks_from_the_file(tmp_path: Path) -> None:
    hub = respicast(tmp_path / "h")
    # The newest Sunday before the origin is the end of horizon 0.
    good = [("AT", h, SUNDAYS[1] + timedelta(weeks=h), QUARTILES) for h in (-1, 0, 1, 2)]
    made = submit(hub, good, WEDNESDAY, by="origin_date", target=ILI)
    assert made.problems == ()
    assert made.keys.rows() == [("AT", h, SUNDAYS[1] + timedelta(weeks=h)) for h in (-1, 0, 1, 2)]
    assert made.values.tolist() == [[25.0, 50.0, 75.0]] * 4
    wrong = submit(hub, good, WEDNESDAY, target=ILI)
    assert wrong.problems == ("it has no column 'origin_date'",)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (SUNDAYS[3], "2024-10-27 is not the end of horizon 1 (3 rows)"),
        (SUNDAYS[2] - timedelta(days=1), "2024-10-19 is no target_end_date of the hub (3 rows)"),
    ],
)
def test_an_end_that_does_not_fit_the_others_is_named(tmp_path: Path, end: date, message: str) -> None:
    hub = respicast(tmp_path / "h")
    said = [(place, h, SUNDAYS[1] + timedelta(weeks=h), QUARTILES) for place in ("AT", "FR") for h in (0, 1)]
    said[1] = ("AT", 1, end, QUARTILES)
    made = submit(hub, said, WEDNESDAY, by="origin_date", target=ILI)
    assert made.problems == (message,)
    assert [row[:2] for row in made.keys.rows()] == [("AT", 0), ("FR", 0), ("FR", 1)]


def test_weeks_far_from_their_origin_are_named(tmp_path: Path) -> None:
    said = [("AT", h, SUNDAYS[3] + timedelta(weeks=h), QUARTILES) for h in (0, 1)]
    made = submit(respicast(tmp_path / "h"), said, WEDNESDAY, by="origin_date", target=ILI)
    assert "is not the end of horizon" in made.problems[0]
    assert made.keys.is_empty()


def test_every_row_is_held_to_the_model_task_that_it_belongs_to(tmp_path: Path) -> None:
    hub = two_tasks(tmp_path / "h")
    good = [
        ("01", 0, week(0), QUARTILES),
        ("01", 1, week(1), [*TENTHS, *QUARTILES]),
        ("02", 2, week(2), QUARTILES),
    ]
    made = submit(hub, good, SATURDAY)
    assert made.problems == ()
    assert hub.levels == (0.1, 0.25, 0.5, 0.75, 0.9)
    nan = np.nan
    expected = [[nan, 25, 50, 75, nan], [10, 25, 50, 75, 90], [nan, 25, 50, 75, nan]]
    assert np.array_equal(made.values, np.array(expected), equal_nan=True)
    made = submit(hub, [*good, ("02", 1, week(1), QUARTILES)], SATURDAY)
    assert made.problems == ("no model task of the round asks for horizon 1 of 02 (3 rows)",)
    made = submit(hub, [*good[:2], ("02", 2, week(2), [*QUARTILES, 0.9])], SATURDAY)
    assert made.problems == ("0.9 is no quantile level of the hub (1 rows)",)


def test_what_is_required_is_missed_and_what_is_optional_is_not(tmp_path: Path) -> None:
    hub = two_tasks(tmp_path / "h")
    first, later = ("01", 0, week(0), QUARTILES), ("01", 1, week(1), QUARTILES)
    assert submit(hub, [first, later], SATURDAY).problems == ()
    # Who forecasts a location says all horizons that the hub requires of one.
    made = submit(hub, [first], SATURDAY)
    assert made.problems == ("location 01, horizon 1 is required and missing",)
    assert made.keys.height == 1
    made = submit(hub, [first, ("01", 1, week(1), [0.1, 0.25, 0.5])], SATURDAY)
    assert made.problems == ("location 01, horizon 1 has 2 of 3 quantiles: 0.75 missing",)


def test_required_locations_and_horizons_are_missed_in_a_file_of_other_rows(tmp_path: Path) -> None:
    dates = ids((), [str(SATURDAY)])
    hub = make(
        tmp_path / "h",
        task(
            ids(QUARTILES),
            ids([FLU]),
            reference_date=dates,
            horizon=ids([0], [1]),
            location=ids(["US"], ["01"]),
        ),
    )
    made = submit(hub, [("01", 1, week(1), QUARTILES)], SATURDAY)
    assert made.problems == ("location 01, horizon 0 is required and missing (and 2 other tasks)",)
    made = submit(hub, [], SATURDAY)
    assert made.problems == ("it has no rows",)
    rows = [("US", 0, week(0), QUARTILES)]
    assert submit(hub, rows, SATURDAY).problems == ()
    assert submit(hub, rows, SATURDAY, target="another").problems == (
        "unknown target 'another' (3 rows)",
        "location US, horizon 0 is required and missing",
    )


def test_scores_are_over_the_levels_that_a_task_requires(tmp_path: Path) -> None:
    """A model that says more levels than it must is not compared by them."""
    hub = two_tasks(tmp_path / "h")
    few = submit(hub, [("01", h, week(h), QUARTILES) for h in (0, 1)], SATURDAY)
    many = submit(hub, [("01", h, week(h), [*TENTHS, *QUARTILES]) for h in (0, 1)], SATURDAY)
    outcomes = {("01", week(h)): 40.0 for h in (0, 1)}
    said = {name: [(SATURDAY, each.keys, each.judged)] for name, each in (("few", few), ("many", many))}
    found = score_hub(said, outcomes, hub.levels, "few")
    by_hand = 2 / 3 * (0.25 * 15 + 0.5 * 10 + 0.25 * 35)
    assert found.row("few")["wis"] == pytest.approx(by_hand)
    assert found.row("many")["wis"] == pytest.approx(by_hand)
    assert (found.row("many")["tasks"], found.row("many")["cover_50"]) == (2, 1.0)
    assert np.isnan(found.row("many")["cover_80"])


def test_weeks_of_another_origin_are_scored_at_their_own_ends(tmp_path: Path) -> None:
    hub = respicast(tmp_path / "h")
    said = [("AT", h, SUNDAYS[1] + timedelta(weeks=h), QUARTILES) for h in (1, 2)]
    made = submit(hub, said, WEDNESDAY, by="origin_date", target=ILI)
    outcomes = {("AT", SUNDAYS[2]): 50.0, ("AT", SUNDAYS[3]): 80.0}
    found = score_hub({"a-b": [(WEDNESDAY, made.keys, made.judged)]}, outcomes, hub.levels, "a-b")
    first, second = 2 / 3 * 2 * 0.25 * 25, 2 / 3 * (0.25 * 55 + 0.5 * 30 + 0.75 * 5)
    assert found.row("a-b")["wis"] == pytest.approx((first + second) / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age_group": ids(["0-4", "5+"])}, "'age_group'"),
        ({"horizon": ids()}, "no horizons"),
        ({"target_end_date": ids([str(SATURDAY)])}, None),
        ({"age_group": ids(["all"])}, None),
    ],
)
def test_tasks_of_another_shape_are_refused_when_the_hub_is_opened(
    tmp_path: Path, change: dict[str, Any], message: str | None
) -> None:
    named = {"reference_date": ids([str(SATURDAY)]), "horizon": ids([0]), "location": ids(["US"]), **change}
    if message is None:
        assert make(tmp_path / "h", task(ids(QUARTILES), ids([FLU]), **named)).levels == tuple(QUARTILES)
    else:
        with pytest.raises(DataError, match=message):
            make(tmp_path / "h", task(ids(QUARTILES), ids([FLU]), **named))


def test_rounds_without_a_date_are_refused_when_the_hub_is_opened(tmp_path: Path) -> None:
    named = {"horizon": ids([0]), "location": ids(["US"])}
    with pytest.raises(DataError, match="round-1"):
        make(
            tmp_path / "a",
            task(ids(QUARTILES), ids([FLU]), **named),
            by="round-1",
            round_id_from_variable=False,
        )
    hub = make(
        tmp_path / "b",
        task(ids(QUARTILES), ids([FLU]), origin_date=ids([str(SATURDAY)]), **named),
        by=str(SATURDAY),
        round_id_from_variable=False,
    )
    assert (hub.column, hub.tasks[0].rounds) == ("origin_date", frozenset([SATURDAY]))
    assert submit(hub, [("US", 0, week(0), QUARTILES)], SATURDAY, by="origin_date").problems == ()


def test_submissions_are_not_written_to_a_hub_whose_weeks_are_not_those_of_its_rounds(tmp_path: Path) -> None:
    keys = pl.DataFrame({"location": ["AT"], "horizon": [1]})
    with pytest.raises(DataError, match="origin_date"):
        write_submission(tmp_path, "us-ours", WEDNESDAY, keys, np.ones((1, 3)), respicast(tmp_path / "h"))
