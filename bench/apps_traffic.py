"""``traffic``: speeds of 207 loop detectors in Los Angeles, sealed hourly for a day, beside the last value.

A project in a temporary folder does what a user's does: it reads the detectors, forecasts an hour in steps of
five minutes from what was known at each cutoff, seals forecasts and outcomes and checks every receipt. The
graph is learnt; ``python -m bench.loops`` compares with other models and with the graph told. The licence of
the data is unclear, so they stay outside the project: ``$FORESEAL_SHARED/data/traffic``.
"""

from __future__ import annotations

import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from foreseal.run import Project
from foreseal.run.create import create
from foreseal.run.loop import run as do_what_is_due
from foreseal.run.receipts import verify_receipts, write_receipts
from foreseal.run.results import Results
from foreseal.run.session import Session
from foreseal.seal.verify import verify_log

START = datetime(2012, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
AHEAD = (3, 6, 9, 12)

SETTINGS = """\
[project]
name = "loops"
timezone = "UTC"                      # the file has no clock: its first row is taken for midnight

[clock]
mode = "replay"

[datasets.speed]
title = "Mean speed at loop detectors, Los Angeles"
source = "parquet"
path = "speed.parquet"
id = "sensor"
ds = "time"
y = "speed"
unit = "[mi_i]/h"
known_at = {{ delay = "5min" }}

[targets.next_hour]
dataset = "speed"
horizon = 12
freq = "5min"
cutoffs = {{ start = 2012-03-05, end = 2012-03-05, every = "1h", at = "{first:02d}:00" }}
deadline = "5min"
quantiles = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
decimals = 2
rule = "wis"
baseline = "naive"
missing = "baseline"
score_bound = 100
outcome = {{ deadline = "1h" }}

[models]
members = ["graph_ridge"]

{seal}"""


def run(first: int = 6, *, sensors: int | None = None) -> dict[str, Any]:
    """Errors by minutes ahead from hourly cutoffs of 5 March 2012, from ``first`` o'clock to 23; of all
    detectors, or of the first few."""
    shared = Path(os.environ.get("FORESEAL_SHARED", "../shared")) / "data" / "traffic"
    state = os.environ.get("FORESEAL_STATE")
    with tempfile.TemporaryDirectory() as place:
        os.environ["FORESEAL_STATE"] = str(Path(place) / "state")
        try:
            return _run(shared, Path(place) / "loops", first, sensors)
        finally:
            del os.environ["FORESEAL_STATE"]
            if state is not None:
                os.environ["FORESEAL_STATE"] = state


def _run(shared: Path, folder: Path, first: int, sensors: int | None) -> dict[str, Any]:
    create(folder, name="loops")
    text = (folder / "foreseal.toml").read_text()
    (folder / "foreseal.toml").write_text(SETTINGS.format(first=first, seal=text[text.index("[seal]") :]))
    wide = pl.read_csv(shared / "los_speed_train80.csv")
    times = pl.datetime_range(START, START + STEP * (wide.height - 1), STEP, time_unit="us", eager=True)
    long = wide.select(wide.columns[:sensors]).with_columns(time=times)
    long.unpivot(index="time", variable_name="sensor", value_name="speed").write_parquet(
        folder / "speed.parquet"
    )
    project = Project.open(folder)
    start = time.process_time()
    with Session.begin(project) as session:
        done = do_what_is_due(session)
    seconds = time.process_time() - start
    receipts = verify_receipts(project, write_receipts(project))
    target = project.targets["next_hour"]
    results = Results(project)
    record = results.record(target, "us")
    outcomes = results.outcomes(target)
    rows = {}
    for name in ("us", "baseline"):
        joined = results.forecasts(target, name).join(outcomes, on=["unique_id", "ds", "cutoff"])
        step = ((pl.col("ds") - pl.col("cutoff")) / STEP + 1).round().cast(pl.Int64)
        miss = pl.col("q0.5") - pl.col("y")
        each = joined.group_by(step.alias("step")).agg(
            mae=miss.abs().mean(),
            rmse=(miss**2).mean().sqrt(),
            held=pl.col("y").is_between("q0.1", "q0.9").mean(),
        )
        found = {row["step"]: row for row in each.to_dicts()}
        rows[name] = {f"{5 * k} min": {key: found[k][key] for key in ("mae", "rmse", "held")} for k in AHEAD}
    return {
        "sensors": wide.width if sensors is None else sensors,
        "cutoffs": len(target.cutoffs),
        "failures": done.failures,
        "receipts": len(receipts),
        "verified": sum(verdict.ok for verdict in receipts.values()),
        "log_verified": verify_log(project.log_folder, [project.trusted()]).ok,
        "wis": record.mean,
        "wis_baseline": record.baseline_mean,
        "coverage_80": next(each.observed for each in record.coverage if each.level == 0.8),
        "errors": rows,
        "seconds": round(seconds, 1),
    }


def table(found: dict[str, Any]) -> str:
    ahead = [f"{5 * k} min" for k in AHEAD]
    lines = [
        f"{found['sensors']} detectors, {found['cutoffs']} hourly cutoffs, {found['seconds']} CPU s; "
        f"{found['verified']} of {found['receipts']} receipts verified",
        f"WIS over the hour {found['wis']:.3f} mph, last value {found['wis_baseline']:.3f}; "
        f"80 % interval held {found['coverage_80']:.1%}",
        f"{'MAE / RMSE, mph':16}" + "".join(f"{name:>16}" for name in ahead),
    ]
    for name, label in (("us", "graph_ridge"), ("baseline", "last value")):
        each = (found["errors"][name][minutes] for minutes in ahead)
        cells = (f"{row['mae']:.3f} / {row['rmse']:.3f}" for row in each)
        lines.append(f"{label:16}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)
