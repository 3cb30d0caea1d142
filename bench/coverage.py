"""Do intervals hold what they say, and does calibration cost accuracy?

    python -m bench.coverage [--panel development|NAME,...] [--preset balanced] [--every K] [--json]

Each panel is forecast at its windows by a preset as it is and by the same preset without conformal
calibration. The interval of the 80 % coverage is a circular block bootstrap over windows where a panel has at
least `FEW` of them, or else over series, whose ends then lie at different times.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from unittest import mock

import numpy as np
import polars as pl

from bench import panels
from bench.forecast import LEVELS, chosen
from bench.panels import Panel
from foreseal.predict.cross_validation import cross_validation
from foreseal.records import quantile_column
from foreseal.rules import wis
from foreseal.score.record import block_bootstrap

FEW = 5
# Windows of a panel lie at least a horizon apart, series have no order.
BLOCK = 2
NOMINAL = 0.8
COLUMNS = [quantile_column(level) for level in LEVELS]


def judge(panel: Panel, preset: str) -> dict[str, float | str | bool]:
    """Coverage of the 80 % interval with its bounds, and WIS over that of the same preset uncalibrated."""
    calibrated = _scored(panel, preset)
    with mock.patch("foreseal.predict.engine.calibrate", return_value=None):
        plain = _scored(panel, preset)
    held, low, high = _coverage(calibrated)
    raw, raw_low, raw_high = _coverage(plain)
    return {
        "panel": panel.name,
        "coverage_80": held,
        "low": low,
        "high": high,
        "holds": low <= NOMINAL <= high,
        "uncalibrated_80": raw,
        "uncalibrated_holds": raw_low <= NOMINAL <= raw_high,
        "wis_ratio": _wis(calibrated, plain),
    }


def _scored(panel: Panel, preset: str) -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cross_validation(
            panel.frame,
            panel.h,
            panel.windows,
            panel.step,
            presets=[preset],
            quantiles=LEVELS,
            freq=panel.freq,
        )
    return found.scored.filter(pl.col("forecaster") == preset)


def _coverage(scored: pl.DataFrame) -> tuple[float, float, float]:
    held = scored.with_columns(held=pl.col("y").is_between(pl.col("q0.1"), pl.col("q0.9")))
    unit = "window" if scored["window"].n_unique() >= FEW else "unique_id"
    blocks = held.group_by(unit).agg(pl.col("held").sum(), pl.len()).sort(unit)
    hits, size = blocks["held"].cast(pl.Float64).to_numpy(), blocks["len"].cast(pl.Float64).to_numpy()
    low, high = block_bootstrap(hits, size, block=BLOCK if unit == "window" else 1)
    return float(hits.sum() / size.sum()), low, high


def _wis(mine: pl.DataFrame, theirs: pl.DataFrame) -> float:
    """Geometric mean over series of the ratio of mean WIS."""

    def by_series(scored: pl.DataFrame) -> pl.DataFrame:
        score = wis(scored["y"].to_numpy(), scored.select(COLUMNS).to_numpy(), LEVELS)
        return scored.select("unique_id", wis=score).group_by("unique_id").mean().sort("unique_id")

    a, b = by_series(mine)["wis"].to_numpy(), by_series(theirs)["wis"].to_numpy()
    tiny = 1e-9 * max(float(b.max()), 1e-300)
    return float(np.exp(np.log((a + tiny) / (b + tiny)).mean()))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.coverage", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--panel", default="development", help="development, or names of panels")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--every", type=int, default=1, help="take each K-th series of large panels")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    rows = []
    for panel in chosen(given.panel):
        many = panel.frame["unique_id"].n_unique() > panels.MANY
        rows.append(judge(panel.sampled(given.every) if many else panel, given.preset))
        if given.json:
            print(json.dumps(rows[-1]), flush=True)
    table = pl.DataFrame(rows)
    if given.json:
        return 0
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160, float_precision=3):
        print(table)
    print(f"The interval contains 80 % on {table['holds'].sum()} of {len(table)} panels.")
    print(
        f"WIS over uncalibrated, geometric mean: {np.exp(np.log(table['wis_ratio'].to_numpy()).mean()):.3f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
