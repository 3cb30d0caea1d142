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

from foreseal.collect.places import read_places
from foreseal.errors import DataError

NO_HUB = "Tables taken from a hub are none: docs/apps/epidemic.md says what its folder holds."

# What is asked where a hub has no tasks.json: weekly influenza admissions, as FluSight asks for them.
TARGET = "wk inc flu hosp"
LEVELS = (0.01, 0.025, *(round(0.05 * k, 2) for k in range(1, 20)), 0.975, 0.99)
HORIZONS = (-1, 0, 1, 2, 3)
# What FluSight asks for, or did, and how.
TYPES = {
    TARGET: frozenset({"quantile", "sample"}),
    "wk flu hosp rate change": frozenset({"pmf"}),
    "peak inc flu hosp": frozenset({"quantile"}),
    "peak week inc flu hosp": frozenset({"pmf"}),
    "wk inc flu prop ed visits": frozenset({"quantile", "sample"}),
}

_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})-(.+)\.(csv|parquet)", re.ASCII)
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})(?!.*\d{4}-\d{2}-\d{2})", re.ASCII)


REFERENCE = "reference_date"
END = "target_end_date"
ROUNDS = (REFERENCE, "origin_date", "forecast_date")


@dataclass(frozen=True, slots=True)
class Task:
    """What one model task asks of its rounds: quantiles of a target, for weeks counted from a round's date.

    Empty ``locations``, ``rounds`` or ``ends`` (last days of weeks) allow any. Of what is allowed,
    ``needed_levels``, ``needed_horizons`` and ``needed_locations`` are required: beside every optional value
    that a file has, and, if the task is a ``must``, by themselves. ``column`` holds a round's date.
    ``unit`` is what the hub calls its unit, ``most`` the largest value allowed. ``refusal`` says why
    submissions cannot be read, if so.
    """

    target: str = TARGET
    levels: tuple[float, ...] = LEVELS
    horizons: tuple[int, ...] = HORIZONS
    locations: frozenset[str] = frozenset()
    rounds: frozenset[date] = frozenset()
    least: float = 0.0
    needed_levels: tuple[float, ...] = LEVELS
    needed_horizons: frozenset[int] = frozenset()
    needed_locations: frozenset[str] = frozenset()
    must: bool = False
    column: str = REFERENCE
    ends: frozenset[date] = frozenset()
    unit: str = ""
    most: float = float("inf")
    refusal: str = ""

    @property
    def judged(self) -> tuple[float, ...]:
        """The levels that forecasts are compared by: those that every one of them has to have."""
        return self.needed_levels or self.levels


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub's folder, and what it asks for one target.

    ``types`` are the output types of every target that it has, ``places`` all their locations; none if any is
    allowed.
    """

    folder: Path
    tasks: tuple[Task, ...]
    output: Path
    types: Mapping[str, frozenset[str]]
    places: frozenset[str]

    @classmethod
    def open(cls, folder: Path, target: str = "") -> Self:
        """Raises `DataError` if no task asks for quantiles of the target, or one does in a way that is not
        read: rounds without a date, none or several columns of dates, further task ids."""
        if not folder.is_dir():
            raise DataError(f"There is no folder {folder}.", hint="Give the folder of a forecast hub.")
        output = folder / str(_config(folder / "hub-config" / "admin.json").get("model_output_dir", ""))
        output = output if output != folder else folder / "model-output"
        config = _config(folder / "hub-config" / "tasks.json")
        places = frozenset(read_places(folder))
        tasks, types, places = _read(config) if config else ([Task(locations=places)], TYPES, places)
        wanted = target or next((task.target for task in tasks), "")
        found = tuple(task for task in tasks if task.target == wanted)
        if not found:
            known = ", ".join(sorted({repr(task.target) for task in tasks})) or "none"
            raise DataError(
                f"No task of {folder} asks for quantiles of {wanted!r}.",
                hint=f"Targets with quantiles: {known}.",
            )
        columns = sorted({task.column for task in found})
        refusal = next((task.refusal for task in found if task.refusal), "")
        if len(columns) > 1:
            refusal = refusal or f"its rounds go by {' and by '.join(columns)}"
        if refusal:
            raise DataError(
                f"Submissions of {wanted!r} to {folder} cannot be read: {refusal}.",
                hint="Read are tasks of reference_date (or origin_date), target, horizon (weeks), location "
                "and target_end_date. Choose another target with --target.",
            )
        return cls(folder, found, output, types, places)

    @property
    def target(self) -> str:
        return self.tasks[0].target

    @property
    def column(self) -> str:
        """The column with the date of a round."""
        return self.tasks[0].column

    @property
    def levels(self) -> tuple[float, ...]:
        """Every level that a task allows."""
        return tuple(sorted({level for task in self.tasks for level in task.levels}))

    def asked(self, round_: date) -> tuple[Task, ...]:
        """The model tasks of a round."""
        return tuple(task for task in self.tasks if not task.rounds or round_ in task.rounds)

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
                hint=f"They lie in model-output/TEAM-MODEL/DATE-TEAM-MODEL.csv. {NO_HUB}",
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
            f"auxiliary-data/target-data-archive/. {NO_HUB}",
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


Known = tuple[list[Task], Mapping[str, frozenset[str]], frozenset[str]]
"""Tasks with quantiles, and what `Hub` calls ``types`` and ``places``."""


def _read(config: Mapping[str, Any]) -> Known:
    try:
        return list(_tasks(config)), *_known(config)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"hub-config/tasks.json is not what the hubverse describes: {type(error).__name__} {error}.",
            hint="Its rounds have model_tasks with task_ids (target, horizon, location) and output_type.",
        ) from error


def _tasks(config: Mapping[str, Any]) -> Iterable[Task]:
    """The tasks with quantiles, one for each target."""
    for round_ in config["rounds"]:
        for each in round_["model_tasks"]:
            kind = each["output_type"].get("quantile")
            if kind:
                units = {
                    str(target): str(about.get("target_units", ""))
                    for about in each.get("target_metadata") or []
                    for target in (about.get("target_keys") or {}).values()
                }
                yield from _task(str(round_.get("round_id", "")), each["task_ids"], kind, units)


def _task(
    name: str, ids: Mapping[str, Any], kind: Mapping[str, Any], units: Mapping[str, str]
) -> Iterable[Task]:
    """One task for each target; ``name`` is the round's id, or the column that has it."""
    column = name if name in ids else next((each for each in ROUNDS if each in ids), REFERENCE)
    horizons, refusal = _values(ids["horizon"]), ""
    try:
        dates = [name] if name and name not in ids else _values(ids.get(column, {}))
        rounds = frozenset(date.fromisoformat(str(day)) for day in dates)
    except ValueError:
        rounds, refusal = frozenset(), f"its round {name!r} has no date"
    own = {column, "target", "horizon", "location", END}
    several = [other for other, allowed in ids.items() if other not in own and len(_values(allowed)) > 1]
    if several:
        refusal = f"its tasks differ in {several[0]!r}, too"
    elif not horizons:
        refusal = "it has no horizons"
    levels = kind.get("output_type_id", kind.get("type_id", {}))
    needed = levels.get("required") or []
    asked = kind.get("is_required")
    for target in _values(ids["target"]):
        yield Task(
            target=str(target),
            levels=tuple(sorted(map(float, _values(levels)))),
            horizons=tuple(sorted(map(int, horizons))),
            locations=frozenset(map(str, _values(ids["location"]))),
            rounds=rounds,
            least=float(kind.get("value", {}).get("minimum", 0.0)),
            unit=units.get(str(target), ""),
            most=float(kind.get("value", {}).get("maximum", "inf")),
            needed_levels=tuple(sorted(map(float, needed))),
            needed_horizons=frozenset(map(int, ids["horizon"].get("required") or [])),
            needed_locations=frozenset(map(str, ids["location"].get("required") or [])),
            must=target in (ids["target"].get("required") or []) and bool(needed if asked is None else asked),
            column=column,
            ends=frozenset(date.fromisoformat(str(day)) for day in _values(ids.get(END, {}))),
            refusal=refusal,
        )


def _known(config: Mapping[str, Any]) -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    """Output types by target, and locations, of all model tasks; no locations if one of them allows any."""
    types: dict[str, frozenset[str]] = {}
    places: list[frozenset[str]] = []
    for round_ in config["rounds"]:
        for each in round_["model_tasks"]:
            for target in _values(each["task_ids"].get("target", {})):
                types[str(target)] = types.get(str(target), frozenset()) | frozenset(each["output_type"])
            places.append(frozenset(map(str, _values(each["task_ids"].get("location", {})))))
    return types, frozenset().union(*places) if all(places) else frozenset()


def _values(allowed: Mapping[str, Any]) -> list[Any]:
    return [*(allowed.get("required") or []), *(allowed.get("optional") or [])]
