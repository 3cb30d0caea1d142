"""A forecast hub on disk, as the hubverse lays it out.

hub/
  hub-config/tasks.json       which tasks there are (https://hubverse.io, schema versions 2 to 5)
  model-output/TEAM-MODEL/    2024-11-23-TEAM-MODEL.csv or .parquet, one file a round
  target-data/                what happened; some hubs keep vintages in auxiliary-data/target-data-archive/
  auxiliary-data/             locations.csv
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

from foreseal.errors import DataError

# What is asked where a hub has no tasks.json: weekly influenza admissions, as FluSight asks for them.
TARGET = "wk inc flu hosp"
LEVELS = (0.01, 0.025, *(round(0.05 * k, 2) for k in range(1, 20)), 0.975, 0.99)
HORIZONS = (-1, 0, 1, 2, 3)

_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})-(.+)\.(csv|parquet)", re.ASCII)
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})(?!.*\d{4}-\d{2}-\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Task:
    """What one model task asks of its rounds: quantiles of a target, for steps ahead of a reference date.

    Empty ``locations`` or ``rounds`` allow any.
    """

    target: str = TARGET
    levels: tuple[float, ...] = LEVELS
    horizons: tuple[int, ...] = HORIZONS
    locations: frozenset[str] = frozenset()
    rounds: frozenset[date] = frozenset()
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub's folder, and what it asks for one target."""

    folder: Path
    tasks: tuple[Task, ...]
    output: Path

    @classmethod
    def open(cls, folder: Path, target: str = "") -> Self:
        """Raises `DataError` if there is no model output, or no task asks for quantiles of the target."""
        if not folder.is_dir():
            raise DataError(f"There is no folder {folder}.", hint="Give the folder of a forecast hub.")
        output = folder / str(_config(folder / "hub-config" / "admin.json").get("model_output_dir", ""))
        output = output if output != folder else folder / "model-output"
        config = _config(folder / "hub-config" / "tasks.json")
        tasks = list(_tasks(config)) if config else [Task(locations=_locations(folder))]
        wanted = target or next((task.target for task in tasks), "")
        found = tuple(task for task in tasks if task.target == wanted)
        if not found:
            known = ", ".join(sorted({repr(task.target) for task in tasks})) or "none"
            raise DataError(
                f"No task of {folder} asks for quantiles of {wanted!r}.",
                hint=f"Targets with quantiles: {known}.",
            )
        return cls(folder, found, output)

    @property
    def target(self) -> str:
        return self.tasks[0].target

    def task(self, round_: date) -> Task | None:
        """The task that a round belongs to."""
        return next((task for task in self.tasks if not task.rounds or round_ in task.rounds), None)

    def models(self) -> dict[str, list[Path]]:
        """The files of every model, both ordered by name. Raises `DataError` if there are none."""
        found = {
            folder.name: files
            for folder in (sorted(self.output.iterdir()) if self.output.is_dir() else ())
            if folder.is_dir()
            and (files := sorted(p for p in folder.iterdir() if p.suffix in (".csv", ".parquet")))
        }
        if not found:
            raise DataError(
                f"There are no submissions in {self.output}.",
                hint="They lie in model-output/TEAM-MODEL/DATE-TEAM-MODEL.csv.",
            )
        return found

    def vintages(self) -> str:
        """Where vintages of target data lie, a path that may end in a pattern. Raises `DataError`."""
        archive = self.folder / "auxiliary-data" / "target-data-archive"
        for place, pattern in (
            (self.folder / "target-data", "time-series.parquet"),
            (self.folder / "target-data", "time-series.csv"),
            (archive, "target-hospital-admissions_*.csv"),
            (archive, "*.parquet"),
            (archive, "*.csv"),
        ):
            if any(place.glob(pattern)):
                return str(place / pattern)
        raise DataError(
            f"{self.folder} has no vintages of its target data.",
            hint="They lie in target-data/time-series.csv (with a column as_of), or one file each in "
            "auxiliary-data/target-data-archive/.",
        )


def round_of(path: Path) -> tuple[date, str] | None:
    """Reference date and model in the name of a submission's file; None if it has neither."""
    found = _FILE.fullmatch(path.name)
    try:
        return (date.fromisoformat(found[1]), found[2]) if found else None
    except ValueError:
        return None


def dated(path: Path) -> date | None:
    """The last date in a file's path, as vintages are named by."""
    for part in (path.name, path.parent.name):
        found = _DATED.search(part)
        if found:
            try:
                return date.fromisoformat(found[1])
            except ValueError:
                return None
    return None


def _config(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise DataError(f"{file} is not a JSON object.")
    return found


def _tasks(config: Mapping[str, Any]) -> Iterable[Task]:
    """The tasks with quantiles, one for each target."""
    try:
        for each in (task for round_ in config["rounds"] for task in round_["model_tasks"]):
            kind = each["output_type"].get("quantile")
            if not kind:
                continue
            ids = each["task_ids"]
            levels = tuple(sorted(map(float, _values(kind.get("output_type_id", kind.get("type_id", {}))))))
            dates = _values(ids.get("reference_date", ids.get("origin_date", {})))
            for target in _values(ids["target"]):
                yield Task(
                    target=str(target),
                    levels=levels,
                    horizons=tuple(sorted(map(int, _values(ids["horizon"])))),
                    locations=frozenset(map(str, _values(ids["location"]))),
                    rounds=frozenset(date.fromisoformat(str(day)) for day in dates),
                    least=float(kind.get("value", {}).get("minimum", 0.0)),
                )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"hub-config/tasks.json is not what the hubverse describes: {type(error).__name__} {error}.",
            hint="Its rounds have model_tasks with task_ids (target, horizon, location) and output_type.",
        ) from error


def _values(allowed: Mapping[str, Any]) -> list[Any]:
    return [*(allowed.get("required") or []), *(allowed.get("optional") or [])]


def _locations(folder: Path) -> frozenset[str]:
    """The codes in auxiliary-data/locations.csv, if there is one."""
    import polars as pl

    file = folder / "auxiliary-data" / "locations.csv"
    if not file.is_file():
        return frozenset()
    table = pl.read_csv(file, infer_schema=False)
    return frozenset(table["location"].drop_nulls().to_list()) if "location" in table.columns else frozenset()
