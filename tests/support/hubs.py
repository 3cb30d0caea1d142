"""A made-up forecast hub in a folder: three models, four locations, weekly vintages with late reports."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta
from pathlib import Path

from foreseal.collect.hub import LEVELS

LOCATIONS = ("01", "12", "13", "US")
TARGET = "wk inc flu hosp"
HEADER = "reference_date,target,horizon,location,target_end_date,output_type,output_type_id,value"
FIRST = date(2022, 8, 6)
ROUNDS = tuple(date(2024, 11, 23) + timedelta(weeks=k) for k in range(4))
NOISE = (0.0, 0.3, -0.2, 0.1, -0.4, 0.25)


def truth(location: str, day: date) -> int:
    """A winter wave with its own height in each location; US is the sum of the others."""
    if location == "US":
        return sum(truth(each, day) for each in LOCATIONS[:-1])
    k = (day - FIRST).days // 7
    size = 40 * (1 + LOCATIONS.index(location))
    away = (k % 52) - 24
    return round(size * (0.1 + math.exp(-(away**2) / 50)) * (1 + 0.1 * NOISE[k % 6]))


def reported(location: str, day: date, as_of: date) -> int:
    """What was known of a week at a vintage: 85 % of the newest, 95 % of the one before."""
    age = (as_of - day).days // 7
    return round(truth(location, day) * {0: 0.85, 1: 0.95}.get(age, 1.0))


def tasks() -> dict[str, object]:
    ends = sorted({day + timedelta(weeks=h) for day in ROUNDS for h in range(-1, 4)})
    return {
        "schema_version": "https://raw.githubusercontent.com/hubverse-org/schemas/main/v3.0.0/tasks-schema.json",
        "rounds": [
            {
                "round_id_from_variable": True,
                "round_id": "reference_date",
                "model_tasks": [
                    {
                        "task_ids": {
                            "reference_date": {"required": None, "optional": [str(day) for day in ROUNDS]},
                            "target": {"required": None, "optional": [TARGET]},
                            "horizon": {"required": None, "optional": [-1, 0, 1, 2, 3]},
                            "location": {"required": None, "optional": list(LOCATIONS)},
                            "target_end_date": {"required": None, "optional": [str(day) for day in ends]},
                        },
                        "output_type": {
                            "quantile": {
                                "output_type_id": {"required": list(LEVELS), "optional": None},
                                "value": {"type": "double", "minimum": 0},
                            }
                        },
                    }
                ],
            }
        ],
    }


def lines(day: date, centre: float = 1.0, width: float = 0.3) -> list[str]:
    """A submission's rows: quantiles around a share of the truth."""
    rows = []
    for location in LOCATIONS:
        for h in range(4):
            end = day + timedelta(weeks=h)
            middle = truth(location, end) * centre
            for level in LEVELS:
                value = max(middle * (1 + width * (level - 0.5) * 2), 0)
                rows.append(f"{day},{TARGET},{h},{location},{end},quantile,{level:g},{value:.4f}")
    return rows


def write(hub: Path, model: str, day: date, rows: list[str]) -> Path:
    path = hub / "model-output" / model / f"{day}-{model}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def make_hub(folder: Path) -> Path:
    """The hub: a baseline, a good model, and one that misses the last round."""
    (folder / "hub-config").mkdir(parents=True)
    (folder / "hub-config" / "tasks.json").write_text(json.dumps(tasks()))
    for day in ROUNDS:
        write(folder, "hub-baseline", day, lines(day, 0.8, 0.6))
        write(folder, "team-good", day, lines(day, 1.02, 0.3))
        if day != ROUNDS[-1]:
            write(folder, "team-idle", day, lines(day, 1.2, 0.5))
    archive = folder / "auxiliary-data" / "target-data-archive"
    archive.mkdir(parents=True)
    newest = ROUNDS[-1] + timedelta(weeks=6)
    as_of = date(2024, 9, 7)
    while as_of <= newest:
        rows = ["date,location,location_name,value"]
        day = FIRST
        while day <= as_of:
            rows += [f"{day},{each},x,{reported(each, day, as_of)}" for each in LOCATIONS]
            day += timedelta(weeks=1)
        (archive / f"target-hospital-admissions_{as_of}.csv").write_text("\n".join(rows) + "\n")
        as_of += timedelta(weeks=1)
    return folder
