"""A made-up project with everything on its page: a month of forecasts, a decision, cases, and trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from foreseal.clock import Frequency
from foreseal.pages.report import DatasetReport, DecisionReport, LogReport, ReportData, TargetReport
from foreseal.records import Score, Setting, Target, quantile_column
from foreseal.score.record import interval_coverage, track_record

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
START = datetime(2018, 8, 1, 5, tzinfo=UTC)
DAYS = 30


def _series_target(unique_id: str, rng: np.random.Generator) -> TargetReport:
    cutoffs = tuple(START + timedelta(days=d) for d in range(DAYS + 3))
    hours = np.arange(24 * DAYS)
    truth = 3200 + 2200 * np.sin((hours % 24 - 8) / 24 * 2 * np.pi) + rng.normal(0, 250, hours.size)
    spread = np.array([-1.64, -1.28, -0.67, 0, 0.67, 1.28, 1.64]) * 300
    middle = truth + rng.normal(0, 280, hours.size)
    ds = [START + timedelta(hours=int(h)) for h in hours]
    cutoff = [cutoffs[h // 24] for h in hours]
    forecasts = pl.DataFrame(
        {"unique_id": [unique_id] * hours.size, "ds": ds, "cutoff": cutoff}
        | {quantile_column(p): middle + s for p, s in zip(LEVELS, spread, strict=True)}
    )
    outcomes = pl.DataFrame(
        {"unique_id": [unique_id] * hours.size, "ds": ds, "cutoff": cutoff, "y": truth}
    ).filter(pl.col("ds").dt.hour() != 9)
    target = Target(
        name="volume_24h",
        dataset="volume",
        kind="series",
        cutoffs=cutoffs,
        rule="wis",
        decimals=1,
        baseline="seasonal_naive(168)",
        forecasters=("us",),
        deadline=timedelta(hours=1),
        outcome_deadline=timedelta(days=2),
        horizon=24,
        freq=Frequency.parse("1h"),
        quantiles=LEVELS,
        unit="{vehicles}/h",
    )
    scores = [
        Score("volume_24h", name, k, cutoffs[k], "wis", status, mean, 24)
        for k in range(DAYS)
        for name, status, mean in (
            ("us", "missing" if k == 12 else "scored", float(130 + 25 * np.sin(k / 3))),
            ("baseline", "scored", float(180 + 30 * np.cos(k / 2))),
        )
    ]
    coverage = interval_coverage(forecasts, outcomes, LEVELS)
    record = track_record("volume_24h", "us", scores, declared=len(cutoffs), coverage=coverage)
    ran = {"members": "ridge 0.7, seasonal_naive 0.3", "calibration": "off"}
    return TargetReport(target, record, forecasts, outcomes, ran)


def _case_target(rng: np.random.Generator) -> TargetReport:
    p = rng.uniform(0.02, 0.98, 200)
    ids = [f"case-{k:03d}" for k in range(p.size)]
    cutoff = [START + timedelta(days=k // 20) for k in range(p.size)]
    target = Target(
        name="malignant",
        dataset="biopsies",
        kind="cases",
        cutoffs=tuple(dict.fromkeys(cutoff)),
        rule="brier",
        decimals=4,
        baseline="prevalence",
        forecasters=("us",),
        deadline=timedelta(hours=1),
        outcome_deadline=timedelta(days=2),
    )
    scores = [
        Score("malignant", name, k, c, "brier", "scored", mean, 20)
        for k, c in enumerate(target.cutoffs)
        for name, mean in (("us", 0.08 + 0.004 * k), ("baseline", 0.23))
    ]
    return TargetReport(
        target,
        track_record("malignant", "us", scores, declared=len(target.cutoffs)),
        pl.DataFrame({"case_id": ids, "cutoff": cutoff, "p": p}),
        pl.DataFrame({"case_id": ids, "cutoff": cutoff, "y": rng.binomial(1, p)}),
    )


def _decision(rng: np.random.Generator) -> DecisionReport:
    rows = []
    for day in range(DAYS + 1):
        base = 190 + 20 * np.sin(day / 4)
        for name, extra in (("expected", 0.0), ("point", 1.0), ("last_week", 4.0), ("webster", 0.5)):
            known = None if day == DAYS else float(base + extra + rng.normal(0, 1.2))
            rows.append((START + timedelta(days=day), name, name == "expected", base + extra, known))
    costs = pl.DataFrame(
        rows,
        schema={
            "cutoff": pl.Datetime("us", "UTC"),
            "option": pl.String,
            "chosen": pl.Boolean,
            "expected_cost": pl.Float64,
            "cost": pl.Float64,
        },
        orient="row",
    )
    plan = tuple(
        Setting(key, value, "s", START + timedelta(days=DAYS, hours=hour))
        for hour, cycle in ((0, 40.0), (6, 65.0), (15, 80.0), (19, 45.0))
        for key, value in (
            ("cycle", cycle),
            ("green north+south", round(0.6 * cycle) - 5.0),
            ("green east+west", cycle - round(0.6 * cycle) - 5.0),
        )
    )
    return DecisionReport(
        name="signal_plan",
        target="volume_24h",
        policy="webster",
        cost_unit="{vehicle}.h",
        regret_kind="modelled",
        costs=costs,
        states={"proposed": 1, "approved": DAYS - 1, "rejected": 1},
        plan=plan,
        plan_cutoff=START + timedelta(days=DAYS),
        options={"shares": {"north": 0.3, "south": 0.3, "east": 0.2, "west": 0.2}, "scale": 0.4},
    )


def make_report(unique_id: str = "i94", mode: str = "replay") -> ReportData:
    rng = np.random.default_rng(7)
    return ReportData(
        project="i94",
        mode=mode,  # type: ignore[arg-type]
        timezone="America/Chicago",
        written_at=datetime(2018, 10, 3, 5, tzinfo=UTC),
        version="0.1.0",
        title="Hourly traffic volume on Interstate 94",
        datasets=(
            DatasetReport(
                name="volume",
                kind="series",
                rows=17_423,
                subjects=1,
                appends=61,
                unit="{vehicles}/h",
                title="Interstate 94 westbound",
                licence="CC-BY-4.0",
                origin="UCI Metro Interstate Traffic Volume, https://doi.org/10.24432/C5X60B",
                known_at="1 h after ds",
                first=START - timedelta(days=700),
                last=START + timedelta(days=62),
                witnessed=1_440,
                rejected={"no value": 104, "local time does not exist": 2},
                flagged={"flat line": 5},
                notes=("104 hours had every field missing and were left out.",),
            ),
            DatasetReport(
                name="weather",
                kind="series",
                rows=69_692,
                subjects=4,
                appends=61,
                unit={"temp": "K", "rain_1h": "mm", "clouds_all": "%"},
                licence="CC-BY-4.0",
            ),
        ),
        targets=(_series_target(unique_id, rng), _case_target(rng)),
        decisions=(_decision(rng),),
        log=LogReport(
            origin="i94.example/log",
            size=305,
            root="9f2c" * 16,
            checkpoint="i94.example/log\n305\nnywsnyws=\n\n— i94.example/log ABCD\n",
            vkey="i94.example/log+1a2b3c4d+AWr9",
            authors={"ed25519:0a1b2c": "us"},
            receipts=241,
            receipts_total=241,
        ),
        commands=("foreseal verify demo/out/receipts --key i94.example/log+1a2b3c4d+AWr9",),
    )
