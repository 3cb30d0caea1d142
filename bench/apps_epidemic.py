"""``epidemic``: weekly influenza admissions of two seasons, beside four models of the FluSight hub.

The configuration was chosen on 2023-24 alone; 2024-25 was judged once, after that. Every week is forecast
from the archived vintage that was then known, through the store. Outcomes are those of the newest vintage in
the shared data, August 2025. Where a week's vintage is missing the older one is used and all four horizons
count.
Data: ``$FORESEAL_SHARED/data/medicine/flusight_hub``.
"""

from __future__ import annotations

import os
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foreseal.clock import Frequency
from foreseal.collect.hub import LEVELS, TARGET, Hub
from foreseal.collect.source import Context
from foreseal.collect.submission import Submission, read_submissions, write_submission
from foreseal.collect.vintages import Vintages
from foreseal.records import Target
from foreseal.run.forecasting import Knowledge, forecast_series
from foreseal.score.hub import HubScores, score_hub
from foreseal.settings import ModelsTable
from foreseal.store import Schema, Store

US = "foreseal-surveillance"
BASELINE = "FluSight-baseline"
RIVALS = (BASELINE, "FluSight-ensemble", "UMass-flusion", "CMU-TimeSeries")
SEASONS = {
    "2023-24": (date(2023, 10, 14), date(2024, 5, 4)),
    "2024-25": (date(2024, 11, 23), date(2025, 5, 31)),
}
MODEL = "surveillance(total='US')"
COPIES = 36
COLUMNS = ["model", "tasks", "missing", "relative_wis", "relative_log_wis", "skill", "cover_50", "cover_95"]


def run(seasons: tuple[str, ...] = tuple(SEASONS), *, scale: bool = True) -> dict[str, Any]:
    """Tables by season, seconds for each, and how long a large hub takes to be scored."""
    shared = Path(os.environ.get("FORESEAL_SHARED", "../shared")) / "data" / "medicine" / "flusight_hub"
    found: dict[str, Any] = {"model": MODEL, "seasons": {}}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        knowledge, outcomes = load(shared, folder / "store")
        for season in seasons:
            hub = make_hub(shared, folder / season, *SEASONS[season])
            start = time.process_time()
            forecast(knowledge, hub, *SEASONS[season])
            seconds = time.process_time() - start
            scores = score(hub, outcomes)
            found["seasons"][season] = {
                "seconds": round(seconds, 1),
                "tasks": scores.tasks,
                "table": scores.table.to_dicts(),
            }
        if scale:
            found["scale"] = at_scale(folder / seasons[-1], folder / "large", outcomes)
        knowledge.store.close()
    return found


def load(shared: Path, folder: Path) -> tuple[Knowledge, dict[tuple[str, date], float]]:
    """All vintages in a store, and the newest value of each location and week."""
    source = Vintages(path=str(shared / "vintages.parquet"))
    store = Store.open(folder, create=True)
    store.declare(Schema(name="admissions"))
    for batch in source.read(Context()):
        store.append("admissions", batch.rows, known_at=batch.known_at, rejected=batch.rejected)
    knowledge = Knowledge.latest(store, ["admissions"], "UTC")
    last = knowledge.series("admissions", datetime(2026, 1, 1, tzinfo=UTC))
    return knowledge, {(uid, ds.date()): y for uid, ds, y in last.iter_rows()}


def make_hub(shared: Path, folder: Path, first: date, last: date) -> Hub:
    """A hub in a temporary folder with the rivals' submissions of one season."""
    rounds = pl.date_range(first, last, "1w", eager=True).to_list()
    for model in RIVALS:
        rows = pl.read_parquet(shared / f"{model}.parquet").filter(pl.col("reference_date").is_in(rounds))
        for (day,), part in rows.group_by("reference_date"):
            path = folder / "model-output" / model / f"{day}-{model}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            part.select(
                "reference_date",
                pl.lit(TARGET).alias("target"),
                "horizon",
                "location",
                "target_end_date",
                pl.lit("quantile").alias("output_type"),
                pl.col("quantile").alias("output_type_id"),
                "value",
            ).write_parquet(path)
    (folder / "auxiliary-data").mkdir()
    (folder / "auxiliary-data" / "locations.csv").write_bytes((shared / "locations.csv").read_bytes())
    return Hub.open(folder)


def forecast(knowledge: Knowledge, hub: Hub, first: date, last: date) -> None:
    """Our submissions, week by week from what was known on the Wednesday before."""
    for day in pl.date_range(first, last, "1w", eager=True).to_list():
        cutoff = datetime(day.year, day.month, day.day, 20, tzinfo=UTC) - timedelta(days=3)
        target = Target(
            name="admissions",
            dataset="admissions",
            kind="series",
            cutoffs=(cutoff,),
            rule="wis",
            decimals=2,
            baseline="naive",
            forecasters=("us",),
            deadline=timedelta(hours=9),
            outcome_deadline=timedelta(days=90),
            horizon=4,
            freq=Frequency(1, "w"),
            quantiles=LEVELS,
        )
        made = forecast_series(knowledge, target, cutoff, ModelsTable(members=(MODEL,)), {})
        keys = made.frame.select(
            pl.col("unique_id").alias("location"),
            ((pl.col("ds").dt.date() - day).dt.total_days() // 7).cast(pl.Int64).alias("horizon"),
        )
        values = made.frame.select(pl.selectors.starts_with("q")).to_numpy()
        write_submission(hub.output, US, day, keys, values, hub)


def score(hub: Hub, outcomes: dict[tuple[str, date], float]) -> HubScores:
    """Every model of the hub, on the tasks that the baseline was asked."""

    def said(made: Submission) -> tuple[date, pl.DataFrame, np.ndarray]:
        assert made.round is not None
        return made.round, made.keys, made.judged

    found = {
        model: [said(each) for each in read_submissions(paths, hub)] for model, paths in hub.models().items()
    }
    return score_hub(found, outcomes, LEVELS, BASELINE)


def at_scale(season: Path, folder: Path, outcomes: dict[tuple[str, date], float]) -> dict[str, Any]:
    """Seconds of wall clock to read, check and score copies of a season's submissions under other names."""
    for model in sorted((season / "model-output").iterdir()):
        files = sorted(model.glob("*.parquet"))
        copies = [model.name, *(f"{model.name}_{k}" for k in range(1, COPIES))] if files else []
        for name in copies:
            (folder / "model-output" / name).mkdir(parents=True)
            for file in files:
                to = folder / "model-output" / name / file.name.replace(model.name, name)
                to.write_bytes(file.read_bytes())
    start = time.perf_counter()
    scores = score(Hub.open(folder), outcomes)
    seconds = time.perf_counter() - start
    return {
        "tasks": int(scores.table["tasks"].sum()),
        "models": scores.table.height,
        "seconds": round(seconds, 1),
    }


def table(found: dict[str, Any]) -> str:
    lines = []
    for season, part in found["seasons"].items():
        lines.append(f"{season}: {part['tasks']} tasks, ours in {part['seconds']} s of CPU time")
        lines.append(" ".join(f"{name:>18}" for name in COLUMNS))
        for row in part["table"]:
            cells = [
                f"{row[name]:.3f}" if isinstance(row[name], float) else str(row[name]) for name in COLUMNS
            ]
            lines.append(" ".join(f"{cell:>18}" for cell in cells))
        lines.append("")
    if "scale" in found:
        scale = found["scale"]
        lines.append(
            f"{scale['tasks']} tasks of {scale['models']} models read, checked, scored: {scale['seconds']} s"
        )
    return "\n".join(lines)
