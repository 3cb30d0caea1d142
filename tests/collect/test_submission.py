"""Submissions to a hub are read, checked as the hub does, and written so that it takes them."""

from __future__ import annotations

import copy
import json
import re
from datetime import date
from pathlib import Path

import hubs
import numpy as np
import polars as pl
import pytest

from foreseal.collect.hub import LEVELS, Hub
from foreseal.collect.submission import read_submission, read_submissions, write_submission
from foreseal.errors import DataError

DAY = hubs.ROUNDS[0]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    return Hub.open(hubs.make_hub(tmp_path_factory.mktemp("hub") / "flu"))


def test_tasks_are_those_of_the_hub(hub: Hub) -> None:
    task = hub.tasks[0]
    assert (task.target, task.levels, task.horizons) == (hubs.TARGET, LEVELS, (-1, 0, 1, 2, 3))
    assert task.locations == frozenset(hubs.LOCATIONS)
    assert task.rounds == frozenset(hubs.ROUNDS)


def test_newer_configurations_without_optional_levels_are_read(tmp_path: Path) -> None:
    folder = hubs.make_hub(tmp_path / "h")
    config = json.loads((folder / "hub-config" / "tasks.json").read_text())
    kind = config["rounds"][0]["model_tasks"][0]["output_type"]["quantile"]
    kind["output_type_id"] = {"required": list(LEVELS)}
    kind["is_required"] = True
    (folder / "hub-config" / "tasks.json").write_text(json.dumps(config))
    assert Hub.open(folder).tasks[0].levels == LEVELS


def test_a_good_file_is_read_whole(hub: Hub) -> None:
    made = read_submission(hub.models()["team-good"][0], hub)
    assert (made.problems, made.round, made.keys.height) == ((), DAY, 16)
    at = made.keys.with_row_index().filter((pl.col("location") == "12") & (pl.col("horizon") == 2))["index"][
        0
    ]
    expected = [
        float(row.split(",")[-1]) for row in hubs.lines(DAY, 1.02, 0.3) if row.split(",")[2:4] == ["2", "12"]
    ]
    assert made.values[at].tolist() == expected


SPOILT = {
    "22 quantiles": (
        lambda rows: rows[:22] + rows[23:],
        r"location 01, horizon 0 has 22 of 23 quantiles: 0\.99 missing",
    ),
    "a quantile twice": (lambda rows: [*rows, rows[5]], "location 01, horizon 0 has a quantile level twice"),
    "falling quantiles": (
        lambda rows: [rows[0].rsplit(",", 1)[0] + ",99999", *rows[1:]],
        "location 01, horizon 0: quantiles fall as their level rises",
    ),
    "a negative value": (
        lambda rows: [rows[0].rsplit(",", 1)[0] + ",-1", *rows[1:]],
        r"the value -1\.0 is below 0 \(1 rows\)",
    ),
    "a value that is none": (
        lambda rows: [rows[0].rsplit(",", 1)[0] + ",NA", *rows[1:]],
        "a value is missing or no number",
    ),
    "a strange location": (
        lambda rows: [rows[0].replace(",01,", ",99,"), *rows[1:]],
        "99 is no location of the hub",
    ),
    "a strange horizon": (
        lambda rows: [rows[0].replace(f"{hubs.TARGET},0,", f"{hubs.TARGET},7,"), *rows[1:]],
        r"7\.0 is no horizon of the hub",
    ),
    "a strange level": (
        lambda rows: [rows[0].replace("quantile,0.01,", "quantile,0.011,"), *rows[1:]],
        r"0\.011 is no quantile level of the hub",
    ),
    "another reference date": (
        lambda rows: [rows[0].replace(f"{DAY},{hubs.TARGET}", f"2024-11-30,{hubs.TARGET}"), *rows[1:]],
        "reference_date is not the file's",
    ),
    "another end": (
        lambda rows: [rows[0].replace(f"01,{DAY}", "01,2024-12-25"), *rows[1:]],
        "is not the end of horizon",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_the_hub_would_refuse_is_named_and_the_rest_is_read(hub: Hub, tmp_path: Path, name: str) -> None:
    spoil, message = SPOILT[name]
    path = hubs.write(tmp_path, "team-bad", DAY, spoil(hubs.lines(DAY)))
    bad, good = read_submissions([path, hub.models()["team-good"][0]], hub)
    assert any(re.search(message, problem) for problem in bad.problems), bad.problems
    assert bad.keys.height == 15
    assert (good.problems, good.keys.height) == ((), 16)


def test_several_spoilt_tasks_are_counted(hub: Hub, tmp_path: Path) -> None:
    rows = [row for row in hubs.lines(DAY) if ",0.5," not in row]
    made = read_submission(hubs.write(tmp_path, "team-bad", DAY, rows), hub)
    assert made.problems == (
        "location 01, horizon 0 has 22 of 23 quantiles: 0.5 missing (and 15 other tasks)",
    )
    assert made.keys.is_empty()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("2024-11-23-other-team.csv", "x", "after the folder"),
        ("23.11.2024-team-bad.csv", "x", "the name is not DATE-team-bad"),
        ("2023-01-07-team-bad.csv", "x", "2023-01-07 is no reference date of the hub"),
        ("2024-11-23-team-bad.csv", "a,b\n1,2\n", "it has no column 'reference_date'"),
        ("2024-11-23-team-bad.parquet", "no parquet", "it cannot be read"),
    ],
)
def test_a_file_that_is_no_submission_says_why(
    hub: Hub, tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / "team-bad" / name
    path.parent.mkdir()
    path.write_text(text)
    [problem] = read_submission(path, hub).problems
    assert message in problem


def test_other_targets_and_output_types_of_the_hub_are_left_alone(tmp_path: Path) -> None:
    folder = hubs.make_hub(tmp_path / "h")
    file = folder / "hub-config" / "tasks.json"
    config = json.loads(file.read_text())
    [first] = config["rounds"][0]["model_tasks"]
    first["output_type"]["pmf"] = {"output_type_id": {"required": ["increase"]}}
    other = copy.deepcopy(first)
    other["task_ids"]["target"]["optional"] = ["another target"]
    other["output_type"] = {"mean": {"value": {"type": "double"}}}
    config["rounds"][0]["model_tasks"].append(other)
    file.write_text(json.dumps(config))
    rows = hubs.lines(DAY)
    others = [
        rows[0].replace(f"{hubs.TARGET}", "another target").replace("quantile,0.01", "mean,"),
        rows[0].replace("quantile,0.01", "pmf,increase"),
    ]
    made = read_submission(hubs.write(folder, "team-more", DAY, rows + others), Hub.open(folder))
    assert (made.problems, made.keys.height) == ((), 16)
    wrong = [others[0].replace("mean", "pmf"), others[1].replace(",01,", ",99,")]
    made = read_submission(hubs.write(folder, "team-more", DAY, rows + wrong), Hub.open(folder))
    assert made.problems == (
        "'another target' has no output_type 'pmf' (1 rows)",
        "99 is no location of the hub (1 rows of other targets or output types)",
    )
    assert made.keys.height == 16


UNKNOWN = {
    "a target": (
        lambda row: row.replace(hubs.TARGET, "wk inc flu hops"),
        "unknown target 'wk inc flu hops' (92 rows; did you mean 'wk inc flu hosp'?)",
    ),
    "no target": (lambda row: row.replace(hubs.TARGET, ""), "unknown target '' (92 rows)"),
    "an output type": (
        lambda row: row.replace(",quantile,", ",quantiles,"),
        "unknown output_type 'quantiles' (92 rows; did you mean 'quantile'?)",
    ),
    "another hub's output type": (
        lambda row: row.replace(",quantile,", ",cdf,"),
        "unknown output_type 'cdf' (92 rows)",
    ),
    "a location": (lambda row: row.replace(",US,", ",USA,"), "USA is no location of the hub (92 rows)"),
}


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("configured", [True, False])
def test_rows_that_the_hub_does_not_know_are_counted_and_named(
    tmp_path: Path, name: str, configured: bool
) -> None:
    """All rows of a location go unread; without a word nobody would notice."""
    folder = hubs.make_hub(tmp_path / "h")
    if not configured:
        (folder / "hub-config" / "tasks.json").unlink()
        places = "\n".join(["location", *hubs.LOCATIONS])
        (folder / "auxiliary-data" / "locations.csv").write_text(places + "\n")
    spoil, message = UNKNOWN[name]
    rows = [spoil(row) if ",US," in row else row for row in hubs.lines(DAY)]
    path = hubs.write(folder, "team-odd", DAY, rows)
    made = read_submission(path, Hub.open(folder))
    assert (made.problems, made.keys.height) == ((message,), 12)
    pl.read_csv(path, infer_schema=False).write_parquet(path.with_suffix(".parquet"))
    assert read_submission(path.with_suffix(".parquet"), Hub.open(folder)).problems == made.problems


def test_one_misspelt_row_is_named_before_what_its_task_lacks(hub: Hub, tmp_path: Path) -> None:
    rows = hubs.lines(DAY)
    rows[5] = rows[5].replace("quantile", "qantile")
    made = read_submission(hubs.write(tmp_path, "team-bad", DAY, rows), hub)
    assert made.problems == (
        "unknown output_type 'qantile' (1 rows; did you mean 'quantile'?)",
        "location 01, horizon 0 has 22 of 23 quantiles: 0.2 missing",
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_torn_lines_are_named_by_their_numbers_and_the_rest_is_read(
    hub: Hub, tmp_path: Path, end: str
) -> None:
    """As an interrupted copy leaves them; blank lines are none."""
    path = hubs.write(tmp_path, "team-torn", DAY, hubs.lines(DAY))
    whole = path.read_text().split("\n")
    torn = [*whole[:24], "", *whole[24:47], f"{DAY},{hubs.TARGET},2,"]
    path.write_bytes(end.join(torn).encode())
    made = read_submission(path, hub)
    assert made.problems == ("line 49 is incomplete: 4 of 8",)
    assert made.keys.height == 2
    path.write_bytes((end.join([*torn[:3], torn[3] + ",5", *torn[4:-1]]) + end).encode())
    made = read_submission(path, hub)
    assert made.problems == (
        "line 4 has too many cells: 9 of 8",
        "location 01, horizon 0 has 22 of 23 quantiles: 0.05 missing",
    )
    path.write_bytes(end.join([whole[0], *(row[:30] for row in whole[1:])]).encode())
    made = read_submission(path, hub)
    assert made.problems[4:] == ("line 6 is incomplete: 4 of 8 (and 363 other lines)", "it has no whole row")


def test_parquet_and_csv_say_the_same(hub: Hub, tmp_path: Path) -> None:
    path = hubs.write(tmp_path, "team-both", DAY, hubs.lines(DAY))
    first = read_submission(path, hub)
    table = pl.read_csv(path, try_parse_dates=True, schema_overrides={"location": pl.String})
    table.write_parquet(path.with_suffix(".parquet"))
    second = read_submission(path.with_suffix(".parquet"), hub)
    assert first.keys.equals(second.keys)
    assert np.array_equal(first.values, second.values)


def test_what_is_written_is_read_back_and_what_the_hub_would_refuse_is_not_written(
    hub: Hub, tmp_path: Path
) -> None:
    keys = pl.DataFrame({"location": ["01", "US"], "horizon": [0, 3]})
    values = np.sort(np.random.default_rng(1).gamma(2.0, 50.0, (2, 23)), axis=1)
    path = write_submission(tmp_path, "us-ours", DAY, keys, values, hub)
    made = read_submission(path, hub)
    assert made.problems == ()
    assert made.keys.rows() == [("01", 0, DAY), ("US", 3, date(2024, 12, 14))]
    assert np.array_equal(made.values, values)
    with pytest.raises(DataError, match="quantiles fall"):
        write_submission(tmp_path, "us-bad", DAY, keys, values[:, ::-1], hub)
    assert not any((tmp_path / "us-bad").iterdir())
    with pytest.raises(DataError, match="no reference date"):
        write_submission(tmp_path, "us-ours", date(2020, 1, 4), keys, values, hub)


def test_a_hub_without_submissions_or_such_a_target_is_refused(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(DataError, match="no folder"):
        Hub.open(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no submissions"):
        Hub.open(tmp_path).models()
    with pytest.raises(DataError, match="asks for quantiles of 'deaths'"):
        Hub.open(hub.folder, "deaths")
