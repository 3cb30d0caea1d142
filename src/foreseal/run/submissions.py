"""A forecast hub and a log: what others submitted is sealed as it stands, and what we sealed is submitted.

Every file becomes one forecast entry, or several where its tasks state different quantile levels: a target
has one set of them. A payload holds the tasks that are whole, to six decimals; ``ran`` holds the name, size
and SHA-256 of the file, so that the file itself can be recognised. Files are sealed when somebody seals them:
the entry says so and claims nothing about when they were submitted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.clock import format_instant
from foreseal.collect.hub import REFERENCE, Hub, round_of
from foreseal.collect.submission import Submission, read_submissions, write_submission
from foreseal.errors import DataError, UsageError
from foreseal.exact import round_decimal
from foreseal.records import as_levels, quantile_column
from foreseal.run import declare
from foreseal.run.results import Results
from foreseal.seal import payload
from foreseal.seal.schema import BASELINE
from foreseal.seal.tally import NO_BASELINE

if TYPE_CHECKING:
    from foreseal.run.project import Project
    from foreseal.run.session import Session

DATASET = "hub_submissions"
PREFIX = "hub"
DECIMALS = 6
# A target names at most 32 forecasters, one of them the baseline.
GROUP = 31
BOUND = "1000000"
# Submissions are due on the Wednesday before a reference date, a Saturday; an origin date is that Wednesday.
DUE = timedelta(days=3)
OPEN = timedelta(days=2)
SETTLES = timedelta(days=90)
MAX_TOLD = 2000
_OURS = re.compile(rf"{PREFIX}-([0-9]+)")


@dataclass(slots=True)
class SealedHub:
    """How many files were ``sealed`` now and ``before``; ``problems`` are those of files that the hub would
    refuse, which are sealed all the same, and of files that cannot be a submission at all, which are not."""

    sealed: int = 0
    before: int = 0
    left_out: int = 0
    problems: dict[str, tuple[str, ...]] = field(default_factory=dict)


def seal_hub(session: Session, hub: Hub, report: Callable[[str, int, int], None] | None = None) -> SealedHub:
    """Seal every submission that the log does not hold yet, model by model."""
    tell = report or (lambda text, count, total: None)
    found = SealedHub()
    models = hub.models()
    if session.desk.author not in session.history.identities:
        session.desk.say("identity", declare.identity_fields(session.project.name, session.desk.author))
    known = {
        (said.body["forecaster"], said.body["ran"].get("file"), said.body["ran"].get("sha256"))
        for said in session.history.forecasts.values()
    }
    fresh: list[tuple[Submission, dict[str, str], list[Part]]] = []
    for count, (model, paths) in enumerate(models.items()):
        tell(f"read {model}", count, len(models))
        for made in read_submissions(paths, hub):
            name = made.path.relative_to(hub.folder).as_posix()
            if made.problems:
                found.problems[name] = made.problems
            named = round_of(made.path)
            if not named or named[1] != model or not hub.asked(named[0]):
                found.left_out += 1
                continue
            data = made.path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            if (model, name, digest) in known:
                found.before += 1
                continue
            ran = {
                "file": name,
                "sha256": digest,
                "size": str(len(data)),
                "problems": "; ".join(made.problems)[:MAX_TOLD] or "none",
            }
            fresh.append((made, ran, _by_levels(made, hub)))
    where = _targets(session, hub, [(made, part[0]) for made, _, parts in fresh for part in parts])
    for count, (made, ran, parts) in enumerate(fresh):
        tell(f"seal {made.model}", count, len(fresh))
        for levels, keys, values in parts:
            assert made.round is not None, "files without a round are left out"
            _say(session, where[made.model, made.round, levels], made.model, (levels, keys, values), ran)
        found.sealed += 1
        if count + 1 == len(fresh) or fresh[count + 1][0].model != made.model:
            session.commit()
    return found


Levels = tuple[str, ...]
Part = tuple[Levels, pl.DataFrame, NDArray[np.float64]]
"""Levels, and the tasks of a file that state them: ``location, horizon, end``, quantiles (tasks, levels)."""
Place = tuple[str, int]
"""Target and sequence number."""


def _by_levels(made: Submission, hub: Hub) -> list[Part]:
    """A file's whole tasks by the levels that they state; none, if it has none, under those of its round."""
    assert made.round is not None
    if made.keys.is_empty():
        judged = hub.asked(made.round)[0].judged
        return [(tuple(as_levels(judged)), made.keys, np.zeros((0, len(judged))))]
    patterns, which = np.unique(np.isfinite(made.values), axis=0, return_inverse=True)
    found = []
    for k in dict.fromkeys(which.ravel().tolist()):
        rows, columns = np.flatnonzero(which.ravel() == k), np.flatnonzero(patterns[k])
        levels = tuple(as_levels([hub.levels[column] for column in columns]))
        found.append((levels, made.keys[rows.tolist()], made.values[np.ix_(rows, columns)]))
    return found


def _targets(
    session: Session, hub: Hub, files: Sequence[tuple[Submission, Levels]]
) -> dict[tuple[str, date, Levels], Place]:
    """Where each model's rounds belong; what no declared target covers is declared."""
    place: dict[tuple[str, date, Levels], Place] = {}
    names = {name: int(found[1]) for name in session.history.targets if (found := _OURS.fullmatch(name))}
    for name in names:
        said = session.history.targets[name].body
        if said["dataset"] != DATASET:
            continue
        schedule = session.log.payloads.get(said["schedule"]["sha256"], said["schedule"]["size"])
        for seq, cutoff in payload.schedule().decode(schedule):
            for each in said["forecasters"]:
                key = (each["name"], (cutoff + _due(hub)).date(), tuple(said["quantiles"]))
                place.setdefault(key, (name, int(seq)))
    wanted: dict[Levels, dict[str, set[date]]] = {}
    for made, levels in files:
        if made.round is not None and (made.model, made.round, levels) not in place:
            wanted.setdefault(levels, {}).setdefault(made.model, set()).add(made.round)
    if not wanted:
        return place
    _declare_dataset(session, hub)
    number = max(names.values(), default=0)
    for levels, models in wanted.items():
        ahead = {
            day
            for task in hub.tasks
            if {*as_levels(task.needed_levels)} <= {*levels} <= {*as_levels(task.levels)}
            for day in task.rounds
        }
        rounds = sorted(ahead.union(*models.values()))
        ordered = sorted(models)
        for start in range(0, len(ordered), GROUP):
            number += 1
            group = ordered[start : start + GROUP]
            _declare_target(session, hub, f"{PREFIX}-{number}", group, rounds, levels)
            for model in group:
                for seq, day in enumerate(rounds):
                    place.setdefault((model, day, levels), (f"{PREFIX}-{number}", seq))
    session.commit()
    return place


def _declare_dataset(session: Session, hub: Hub) -> None:
    if DATASET not in session.history.datasets:
        fields = {
            "name": DATASET,
            "form": "series",
            "units": {"y": "1"},
            "schema": {"unique_id": "str", "ds": "time", "y": "float"},
            "source": f"target {hub.target!r} of the forecast hub {hub.folder.resolve().name}"[:1000],
            "licence": "the hub's",
            "timezone": "UTC",
            "known_at": "load",
            "personal": False,
        }
        session.desk.say("dataset", fields)


def _declare_target(
    session: Session, hub: Hub, target: str, models: Sequence[str], rounds: Sequence[date], levels: Levels
) -> None:
    rows = [
        (str(seq), format_instant(datetime.combine(day, time(), UTC) - _due(hub)))
        for seq, day in enumerate(rounds)
    ]
    author = session.desk.author
    for model in models:
        card = hub.folder / "model-metadata" / f"{model}.yml"
        told = card.read_bytes() if card.is_file() else b""
        about = f"model-metadata/{model}.yml" if told else "nothing: the hub has no metadata of it"
        fields = {
            "name": _model_name(target, model),
            "spec": f"submitted to the hub as {model}",
            "code": hashlib.sha256(told).hexdigest(),
            "versions": {},
            "parameters": {"code": f"not known to whoever seals; the digest is that of {about}"},
        }
        session.desk.say("model", fields)
    session.desk.say(
        "target",
        {
            "name": target,
            "dataset": DATASET,
            "form": "series",
            "unit": "1",
            "horizon": max(max(task.horizons) for task in hub.tasks) + 1,
            "freq": "1w",
            "schedule": session.put(payload.schedule().encode(rows)),
            "cutoffs": len(rounds),
            "deadline": int(OPEN.total_seconds()),
            "quantiles": list(levels),
            "decimals": DECIMALS,
            "rule": "wis",
            "also": [],
            "baseline": f"{NO_BASELINE}others' submissions are sealed as they stand",
            "missing": "bound",
            "score_bound": BOUND,
            "outcome": {"vintage": "latest_at_deadline", "deadline": int(SETTLES.total_seconds())},
            "forecasters": [{"name": name, "author": author} for name in (*models, BASELINE)],
            "covariates": [],
            "commit": False,
            "mode": "replay",
        },
    )


def _say(session: Session, place: Place, model: str, part: Part, ran: Mapping[str, str]) -> None:
    target, seq = place
    levels, keys, said = part
    rows = [
        (
            location,
            format_instant(datetime.combine(end, time(), UTC)),
            *(round_decimal(float(value), DECIMALS) for value in values),
        )
        for (location, end), values in zip(keys.select("location", "end").iter_rows(), said, strict=True)
    ]
    track = session.desk.history.track(target)
    assert track is not None, "targets are declared before their forecasts"
    models = session.history.models
    session.desk.say(
        "forecast",
        {
            "mode": "replay",
            "target": target,
            "declared": track.declared.entry.leaf,
            "forecaster": model,
            "seq": seq,
            "cutoff": format_instant(track.cutoffs[seq]),
            "data": [],
            "model": models[_model_name(target, model)].leaf,
            "ran": {**ran, "tasks": str(keys.height)},
            "payload": session.put(payload.forecast_series(levels, DECIMALS).encode(rows)),
        },
    )


def _due(hub: Hub) -> timedelta:
    return DUE if hub.column == REFERENCE else timedelta(0)


def _model_name(target: str, model: str) -> str:
    """A name of at most 64 characters; those of long models end in a digest."""
    name = f"{target}/{model}"
    return name if len(name) <= 64 else f"{name[:55]}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"


def submit(project: Project, target: str, model: str, hub: Hub) -> list[Path]:
    """Write what was sealed for a weekly target as files of a hub, one a cutoff; what is there stays.

    Raises `UsageError` for a target that does not fit, `DataError` if the hub would refuse a file.
    """
    found = project.targets.get(target)
    if found is None or found.kind != "series" or found.freq is None or str(found.freq) != "1w":
        raise UsageError(
            f"The project has no weekly target {target!r}.",
            hint=f"Its targets: {', '.join(project.targets) or 'none'}.",
        )
    if tuple(found.quantiles) != hub.levels:
        raise UsageError(
            f"{target} has {len(found.quantiles)} quantiles, the hub asks for {len(hub.levels)} others.",
            hint="Declare a target with the hub's quantiles.",
        )
    said = Results(project).forecasts(found, found.forecasters[0])
    if said.is_empty():
        raise DataError(f"No forecast of {target} has been sealed yet.", hint="foreseal run")
    paths = []
    for (_,), rows in said.sort("cutoff", "unique_id", "ds").group_by("cutoff", maintain_order=True):
        day = rows["ds"].min()
        assert isinstance(day, datetime)
        path = hub.output / model / f"{day.date()}-{model}.csv"
        if not path.exists():
            keys = rows.select(
                pl.col("unique_id").alias("location"),
                ((pl.col("ds") - day).dt.total_days() // 7).cast(pl.Int64).alias("horizon"),
            )
            values = rows.select(quantile_column(level) for level in hub.levels).to_numpy()
            write_submission(hub.output, model, day.date(), keys, values, hub)
        paths.append(path)
    return paths
