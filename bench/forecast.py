"""How well forecasters forecast, side by side on the same rows.

    python -m bench.forecast --frame FILE --h H [--season M,...] [--against ets,theta,mstl,ces,fracast,flair]
    python -m bench.forecast --panel development|official|NAME,... [--every K] [--json]

FILE is a long frame (CSV or Parquet: unique_id, ds, y). The oldest window of each panel is for choosing only:
the season of the probabilistic seasonal naive that everything is measured against, and the statistical
contestant. The later windows are judged. A forecaster that fails at a window gets the seasonal naive there
and is listed. With several panels, the last table holds geometric means over panels. ``--keep FOLDER`` keeps
the contestants' forecasts for a later run, which then shows no seconds of theirs.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench import panels
from bench.contestants import STATISTICAL, contestants
from bench.panels import Panel
from foreseal.errors import ForesealError, ModelWarning
from foreseal.predict.cross_validation import cross_validation
from foreseal.predict.engine import BASELINE
from foreseal.predict.grid import FloatArray
from foreseal.predict.leaderboard import leaderboard
from foreseal.predict.presets import PRESETS

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
CHOSEN, ORACLE = "statistical, chosen", "statistical, best"


@dataclass(frozen=True)
class Judged:
    """One panel's leaderboard, and what the oldest window chose."""

    panel: str
    board: pl.DataFrame
    season: str
    chosen: str
    failures: tuple[str, ...]


def judge(
    panel: Panel,
    presets: Sequence[str],
    models: Sequence[str],
    against: Sequence[str],
    kept: Path | None = None,
) -> Judged:
    """Everybody on one panel."""
    seasons = panel.seasons or (1,)
    naive = {f"seasonal_naive({season})": season for season in dict.fromkeys((*seasons, 1))}
    others = contestants(against, seasons, kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", ModelWarning)
        found = cross_validation(
            panel.frame,
            panel.h,
            panel.windows + 1,
            panel.step,
            presets=presets,
            models=[*naive, *models, *others],
            quantiles=LEVELS,
            freq=panel.freq,
        )
    oldest = pl.col("window") == found.scored["window"].min()
    trial = _board(found.scored.filter(oldest), found, BASELINE)
    score = dict(zip(trial["forecaster"], trial["wis"], strict=True))
    season = min(naive, key=score.__getitem__)
    board = _board(found.scored.filter(~oldest), found, season)
    board = board.filter(~pl.col("forecaster").is_in([BASELINE, *(n for n in naive if n != season)]))
    statistical = [name for name in against if name in STATISTICAL]
    chosen = min(statistical, key=score.__getitem__) if statistical else ""
    if statistical:
        kept = board.filter(pl.col("forecaster").is_in(statistical)).sort("wis_ratio")
        named = board.filter(pl.col("forecaster") == chosen).with_columns(forecaster=pl.lit(CHOSEN))
        best = kept.head(1).with_columns(forecaster=pl.lit(ORACLE))
        board = pl.concat([board, named, best]).sort("wis_ratio")
    failures = tuple(f"{each.forecaster}: {each.reason}" for each in found.failures)
    return Judged(panel.name, board, season, chosen, failures)


def _board(scored: pl.DataFrame, found: Any, baseline: str) -> pl.DataFrame:
    counts = {name: sum(f.forecaster == name for f in found.failures) for name in found.seconds}
    return leaderboard(
        scored,
        found.quantiles,
        found.history,
        found.freq,
        baseline=baseline,
        seconds=found.seconds,
        failures=counts,
    )


def summary(judged: Sequence[Judged]) -> pl.DataFrame:
    """Geometric means over panels with 95 % bootstrap bounds over panels: against the seasonal naive, against
    the statistical contestant that the oldest window chose, and the best one in hindsight of each panel."""
    rows = []
    ratios = [dict(zip(each.board["forecaster"], each.board["wis_ratio"], strict=True)) for each in judged]
    for name in judged[0].board["forecaster"]:
        if not all(name in found for found in ratios):
            continue
        parts = [each.board.filter(pl.col("forecaster") == name) for each in judged]
        mine = np.log([found[name] for found in ratios])
        low, mean, high = geometric_interval(mine)
        row = {"forecaster": name, "wis_ratio": mean, "low": low, "high": high}
        if CHOSEN in ratios[0]:
            _, mean, high = geometric_interval(mine - np.log([found[CHOSEN] for found in ratios]))
            row |= {"to_chosen": mean, "to_chosen_high": high}
            row["to_best"] = geometric_interval(mine - np.log([found[ORACLE] for found in ratios]))[1]
        row |= {
            "worst_panel": float(np.exp(mine.max())),
            "mase": float(np.mean([part["mase"].item() for part in parts])),
            "coverage_80": float(np.mean([part["coverage_80"].item() for part in parts])),
            "seconds": float(sum(part["seconds"].item() for part in parts)),
        }
        rows.append(row)
    return pl.DataFrame(rows).sort("wis_ratio")


def geometric_interval(logs: FloatArray) -> tuple[float, float, float]:
    """Lower bound, geometric mean and upper bound."""
    chance = np.random.default_rng(0)
    draws = [logs[chance.integers(0, len(logs), len(logs))].mean() for _ in range(2000)]
    low, high = np.exp(np.quantile(draws, [0.025, 0.975]))
    return float(low), float(np.exp(logs.mean())), float(high)


def read(path: Path, h: int, seasons: tuple[int, ...], windows: int) -> Panel:
    """A frame of the user's. Raises `ForesealError` if it is none."""
    from foreseal.frame import infer_frequency
    from foreseal.frame import read as canonical

    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, try_parse_dates=True)
    rows, _ = canonical(frame)
    freq = infer_frequency(rows.select("unique_id", "ds", "y"))
    return Panel(path.stem, frame, h, str(freq), seasons or freq.seasons, windows)


def chosen(names: str) -> Iterator[Panel]:
    """The panels that ``--panel`` asks for."""
    if names in ("development", "official"):
        yield from getattr(panels, names)()
        return
    known = panels.DEVELOPMENT | panels.OFFICIAL
    for name in names.split(","):
        if name not in known:
            raise SystemExit(f"There is no panel {name!r}. One of: {', '.join(known)}.")
        yield known[name]()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.forecast", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--frame", type=Path, help="CSV or Parquet: unique_id, ds, y")
    parser.add_argument("--h", type=int, help="steps ahead (with --frame)")
    parser.add_argument("--season", default="", help="season lengths, comma-separated (with --frame)")
    parser.add_argument("--windows", type=int, default=3, help="judged windows (with --frame)")
    parser.add_argument("--panel", help="development, official, or names of panels")
    parser.add_argument("--every", type=int, default=1, help="take each K-th series of large panels")
    parser.add_argument("--presets", default="fast,balanced")
    parser.add_argument("--models", default="", help="models alone, separated by semicolons")
    parser.add_argument("--members", default="", help="an ensemble of these, separated by semicolons")
    parser.add_argument("--against", default="")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the contestants' forecasts there")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    if (given.frame is None) == (given.panel is None) or (given.frame and not given.h):
        parser.error("give --frame and --h, or --panel")
    split = [[name for name in text.split(",") if name] for text in (given.presets, given.against)]
    models = [name for name in given.models.split(";") if name]
    if given.members:
        # Combined, guarded and calibrated as `best` is, under the members' names.
        members = tuple(given.members.split(";"))
        split[0].append(" + ".join(members))
        PRESETS[split[0][-1]] = replace(PRESETS["best"], members=members)
    judged = []
    try:
        if given.frame:
            seasons = tuple(int(each) for each in given.season.split(",") if each)
            some: Iterator[Panel] = iter([read(given.frame, given.h, seasons, given.windows)])
        else:
            some = chosen(given.panel)
        for panel in some:
            many = panel.frame["unique_id"].n_unique() > panels.MANY
            part = panel.sampled(given.every) if many and given.every > 1 else panel
            judged.append(judge(part, split[0], models, split[1], given.keep))
            show(judged[-1], as_json=given.json)
    except (ForesealError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if len(judged) > 1:
        table = summary(judged)
        if given.json:
            print(json.dumps({"panel": "all", "rows": table.to_dicts()}))
        else:
            print("All panels, geometric means")
            with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, float_precision=3):
                print(table)
    return 0


def show(judged: Judged, *, as_json: bool) -> None:
    if as_json:
        rows = judged.board.to_dicts()
        print(json.dumps({"panel": judged.panel, "baseline": judged.season, "statistical": judged.chosen,
                          "rows": rows, "failures": judged.failures}), flush=True)  # fmt: skip
        return
    print(f"{judged.panel}: measured against {judged.season}", flush=True)
    columns = ["forecaster", "wis_ratio", "low", "high", "worst", "wql", "mase", "coverage_50", "coverage_80",
               "coverage_95", "seconds"]  # fmt: skip
    look: dict[str, Any] = {"tbl_rows": -1, "tbl_cols": -1, "tbl_width_chars": 200, "float_precision": 3}
    with pl.Config(**look, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(judged.board.select(columns), flush=True)
    for failure in judged.failures:
        print(f"  failed: {failure}")


if __name__ == "__main__":
    sys.exit(main())
