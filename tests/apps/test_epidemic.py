"""The epidemic example reports late, and a project on a hub says what the hub says."""

from __future__ import annotations

import json
import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import hubs
import polars as pl
import pytest

from foreseal.apps import find
from foreseal.apps.epidemic import FIRST, RELEASE, WEEKS, SyntheticAdmissions
from foreseal.collect.source import Context
from foreseal.errors import DataError

WEEK = timedelta(weeks=1)


def adopted(folder: Path) -> dict[str, Any]:
    app = find("epidemic")
    assert app.adopt is not None
    return tomllib.loads(app.adopt(folder).toml("p", '[seal]\norigin = "o"'))


def change(hub: Path, **ids: list[Any]) -> None:
    path = hub / "hub-config" / "tasks.json"
    config = json.loads(path.read_text())
    for task in config["rounds"][0]["model_tasks"]:
        for name, values in ids.items():
            task["task_ids"][name] = {"required": None, "optional": values}
    path.write_text(json.dumps(config))


def test_first_reports_hold_less_than_what_is_known_three_weeks_later() -> None:
    """88, 96 and 99 % on average, each a week after the last, then everything."""
    [batch] = SyntheticAdmissions().read(Context())
    rows = batch.rows
    assert rows.height == 9 * WEEKS * 4
    age = (pl.col("known_at") - pl.col("ds") - RELEASE) / pl.duration(weeks=1)
    total = rows.group_by(age.alias("age")).agg(pl.col("y").sum()).sort("age")
    assert total["age"].to_list() == [0.0, 1.0, 2.0, 3.0]
    shares = (total["y"] / total["y"][-1]).to_list()
    assert shares == pytest.approx([0.88, 0.96, 0.99, 1.0], abs=0.02)
    assert (rows["ds"].min(), rows["known_at"].min()) == (FIRST, FIRST + RELEASE)


def test_a_project_on_a_hub_asks_what_the_hub_asks(tmp_path: Path) -> None:
    found = adopted(hubs.make_hub(tmp_path / "flu"))
    target = found["targets"]["admissions_4w"]
    days = [day - timedelta(days=3) for day in (hubs.ROUNDS[0], hubs.ROUNDS[-1])]
    assert [target["cutoffs"][end] for end in ("start", "end")] == days
    assert (target["quantiles"], target["score_bound"]) == (list(hubs.LEVELS), 1000)
    assert target["outcome"]["deadline"] == "90d"
    assert found["models"]["members"] == ["surveillance(total='US')"]
    assert list(found["decisions"]) == ["beds"]
    assert "ynthetic" not in json.dumps(found, default=str)


def test_names_of_targets_are_taken_as_they_are(tmp_path: Path) -> None:
    """Quotes, and words that the example's own settings use."""
    name = 'wk "synthetic_" inc \\ flu, score_bound = 200'
    hub = hubs.make_hub(tmp_path / "synthetic_hub")
    change(hub, target=[name])
    found = adopted(hub)
    data = found["datasets"]["admissions"]
    assert data["target"] == name
    assert data["title"].endswith(name)
    assert found["targets"]["admissions_4w"]["score_bound"] == 1000


@pytest.mark.parametrize(
    ("values", "unit", "name"),
    [
        ({"maximum": 1}, "", hubs.TARGET),
        ({}, "% of visits", hubs.TARGET),
        ({}, "", "wk inc flu prop ed visits"),
    ],
)
def test_targets_that_are_no_counts_are_refused(
    tmp_path: Path, values: dict[str, Any], unit: str, name: str
) -> None:
    """Two decimals and a floor of three mean nothing for a proportion."""
    hub = hubs.make_hub(tmp_path / "flu")
    change(hub, target=[name])
    path = hub / "hub-config" / "tasks.json"
    config = json.loads(path.read_text())
    task = config["rounds"][0]["model_tasks"][0]
    task["output_type"]["quantile"]["value"] |= values
    task["target_metadata"] = [{"target_keys": {"target": name}, "target_units": unit}]
    path.write_text(json.dumps(config))
    with pytest.raises(DataError, match="is no count"):
        adopted(hub)
    task["output_type"]["quantile"]["value"].pop("maximum", None)
    task["target_metadata"][0]["target_units"] = "count"
    path.write_text(json.dumps(config))
    change(hub, target=[hubs.TARGET])
    assert adopted(hub)["datasets"]["admissions"]["target"] == hubs.TARGET


def test_the_levels_are_those_of_the_latest_season(tmp_path: Path) -> None:
    hub = hubs.make_hub(tmp_path / "flu")
    path = hub / "hub-config" / "tasks.json"
    config = json.loads(path.read_text())
    old = json.loads(json.dumps(config["rounds"][0]))
    old["model_tasks"][0]["task_ids"]["reference_date"]["optional"] = [str(date(2023, 11, 25))]
    old["model_tasks"][0]["output_type"]["quantile"]["output_type_id"]["required"] = [0.5]
    path.write_text(json.dumps({**config, "rounds": [old, *config["rounds"]]}))
    assert adopted(hub)["targets"]["admissions_4w"]["quantiles"] == list(hubs.LEVELS)
