"""A forecast hub and a log: what others submitted is sealed as it stands, and what we sealed is submitted.

Every file becomes one forecast entry. Its payload holds the tasks that are whole, to six decimals; ``ran``
holds the name, size and SHA-256 of the file, so that the file itself can be recognised. Files are sealed when
somebody seals them: the entry says so and claims nothing about when they were submitted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from foreseal.clock import format_instant
from foreseal.collect.hub import Hub, round_of
from foreseal.collect.submission import Submission, read_submissions, write_submission
from foreseal.errors import DataError, UsageError
from foreseal.exact import round_decimal
from foreseal.records import as_levels, quantile_column
from foreseal.run import declare
from foreseal.run.results import Results
from foreseal.seal import payload
from foreseal.seal.schema import BASELINE

if TYPE_CHECKING:
    from foreseal.run.project import Project
    from foreseal.run.session import Session

DATASET = "hub_submissions"
PREFIX = "hub"
DECIMALS = 6
# A target names at most 32 forecasters, one of them the baseline.
GROUP = 31
BOUND = "1000000"
# Submissions are due on the Wednesday before the reference date, a Saturday.
DUE = timedelta(days=3)
OPEN = timedelta(days=2)
SETTLES = timedelta(days=90)
MAX_TOLD = 2000


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
    where = _targets(session, hub, models)
    known = {
        (said.body["forecaster"], said.body["ran"].get("file"), said.body["ran"].get("sha256"))
        for said in session.history.forecasts.values()
    }
    for count, (model, paths) in enumerate(models.items()):
        tell(f"seal {model}", count, len(models))
        for made in read_submissions(paths, hub):
            name = made.path.relative_to(hub.folder).as_posix()
            if made.problems:
                found.problems[name] = made.problems
            place = where.get((model, made.round)) if made.round else None
            if place is None:
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
                "tasks": str(made.keys.height),
                "problems": "; ".join(made.problems)[:MAX_TOLD] or "none",
            }
            _say(session, hub, place, made, ran)
            found.sealed += 1
        session.commit()
    return found


Place = tuple[str, int]
"""Target and sequence number."""


def _targets(
    session: Session, hub: Hub, models: Mapping[str, Sequence[Path]]
) -> dict[tuple[str, date | None], Place]:
    """Where each model's rounds belong; what no declared target covers is declared."""
    place: dict[tuple[str, date | None], Place] = {}
    numbers = [0]
    for name, said in session.history.targets.items():
        if said.body["dataset"] != DATASET:
            continue
        numbers.append(int(name.rpartition("-")[2]))
        schedule = session.log.payloads.get(said.body["schedule"]["sha256"], said.body["schedule"]["size"])
        for seq, cutoff in payload.schedule().decode(schedule):
            for each in said.body["forecasters"]:
                place.setdefault((each["name"], (cutoff + DUE).date()), (name, int(seq)))
    wanted: dict[str, set[date]] = {}
    for model, paths in models.items():
        for path in paths:
            name_ = round_of(path)
            if name_ and name_[1] == model and (model, name_[0]) not in place and hub.task(name_[0]):
                wanted.setdefault(model, set()).add(name_[0])
    if not wanted:
        return place
    rounds = sorted(set().union(*wanted.values()) | {day for task in hub.tasks for day in task.rounds})
    _declare_dataset(session, hub)
    names = sorted(wanted)
    for start in range(0, len(names), GROUP):
        number = max(numbers) + 1
        numbers.append(number)
        target = f"{PREFIX}-{number}"
        group = names[start : start + GROUP]
        _declare_target(session, hub, target, group, rounds)
        for model in group:
            for seq, day in enumerate(rounds):
                place.setdefault((model, day), (target, seq))
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
    session: Session, hub: Hub, target: str, models: Sequence[str], rounds: Sequence[date]
) -> None:
    task = hub.tasks[0]
    rows = [(str(seq), format_instant(_cutoff(day))) for seq, day in enumerate(rounds)]
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
            "horizon": max(task.horizons) + 1,
            "freq": "1w",
            "schedule": session.put(payload.schedule().encode(rows)),
            "cutoffs": len(rounds),
            "deadline": int(OPEN.total_seconds()),
            "quantiles": list(as_levels(task.levels)),
            "decimals": DECIMALS,
            "rule": "wis",
            "also": [],
            "baseline": "none: others' submissions are sealed as they stand",
            "missing": "bound",
            "score_bound": BOUND,
            "outcome": {"vintage": "latest_at_deadline", "deadline": int(SETTLES.total_seconds())},
            "forecasters": [{"name": name, "author": author} for name in (*models, BASELINE)],
            "covariates": [],
            "commit": False,
            "mode": "replay",
        },
    )


def _say(session: Session, hub: Hub, place: Place, made: Submission, ran: dict[str, str]) -> None:
    target, seq = place
    assert made.round is not None
    levels = as_levels(hub.tasks[0].levels)
    day = datetime.combine(made.round, time(), UTC)
    rows = [
        (
            location,
            format_instant(day + timedelta(weeks=horizon)),
            *(round_decimal(float(value), DECIMALS) for value in values),
        )
        for (location, horizon), values in zip(made.keys.iter_rows(), made.values, strict=True)
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
            "forecaster": made.model,
            "seq": seq,
            "cutoff": format_instant(track.cutoffs[seq]),
            "data": [],
            "model": models[_model_name(target, made.model)].leaf,
            "ran": ran,
            "payload": session.put(payload.forecast_series(levels, DECIMALS).encode(rows)),
        },
    )


def _cutoff(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) - DUE


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
    task = hub.tasks[0]
    if tuple(found.quantiles) != tuple(task.levels):
        raise UsageError(
            f"{target} has {len(found.quantiles)} quantiles, the hub asks for {len(task.levels)} others.",
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
            values = rows.select(quantile_column(level) for level in task.levels).to_numpy()
            write_submission(hub.output, model, day.date(), keys, values, hub)
        paths.append(path)
    return paths
