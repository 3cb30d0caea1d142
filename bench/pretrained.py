"""The compact pretrained model beside its rivals, in the figures that it was built for.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m bench.pretrained [--only panel,holes,speed]
    python -m bench.pretrained --sets        # the sets chosen beforehand: bench/sets.py
    python -m bench.pretrained --official    # M4 Hourly and M1 with their test parts, every series

*panel*: the development panel, ratios to the point seasonal naive, tasks won, shares of outcomes under
quantiles. *holes*: the same series with a fifth of the values missing, or a week. *speed*: forecasts per
CPU-second of one thread. ``--keep FOLDER`` keeps the contestants' forecasts there for a later run.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import panels, sets, speed
from bench.forecast import geometric_interval, judge
from bench.panels import Panel
from bench.tasks import NAIVE, Score, Spoiled, scores, steps_a_week

OURS = ("pretrained", "closed_form")
PARTS = ("panel", "holes", "speed")
# Panels with more series than this are thinned out.
MANY = 50
GROWTH = ("m1_yearly",)
DOUBLE = ("m4_hourly", "taxi")
WEATHER = ("beijing", "melbourne")
GROWTH_SETS = ("nations", "exchange_days", "exchange_weeks")

Table = dict[str, dict[str, Score]]
Aim = tuple[str, str, str, bool]


class Printer:
    """Rows as text or as one JSON object a line."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def row(self, part: str, **values: Any) -> None:
        if self.as_json:
            print(json.dumps({"part": part, **values}), flush=True)
        else:
            print("  ".join(f"{key} {_short(value)}" for key, value in values.items()), flush=True)

    def title(self, text: str) -> None:
        if not self.as_json:
            print(f"\n{text}", flush=True)

    def aims(self, part: str, aims: Iterable[Aim]) -> None:
        for figure, aim, measured, met in aims:
            self.row(part, figure=figure, aim=aim, measured=measured, met="yes" if met else "no")


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def on_panel(out: Printer, some: Iterable[Panel], against: Sequence[str], kept: Path | None) -> None:
    """The development panel."""
    out.title("Development panel: MASE and WQL over those of the point seasonal naive; shares under .1 .5 .9")
    table: Table = {}
    for panel in some:
        found = scores(panel, OURS, against=against, kept=kept)
        table[panel.name] = found
        for name in (*OURS, *against):
            mase, wql = ratios(found, name)
            under = [round(share, 3) for share in found[name].under]
            out.row("panel", panel=panel.name, model=name, mase=mase, wql=wql, under=under)
    means = {name: geometric(table, name) for name in (*OURS, *against)}
    for name, (mase, wql) in means.items():
        out.row("panel", panel="geometric mean", model=name, mase=mase, wql=wql)
    out.aims("panel aims", panel_aims(table, means, against))


def panel_aims(
    table: Table, means: Mapping[str, tuple[float, float]], against: Sequence[str]
) -> Iterable[Aim]:
    mase, wql = means["pretrained"]
    yield "MASE, development panel", "<= .66", f"{mase:.3f}", mase <= 0.66
    yield "WQL, development panel", "<= .65", f"{wql:.3f}", wql <= 0.65
    for name in against:
        won = [
            sum(getattr(found["pretrained"], kind) < getattr(found[name], kind) for found in table.values())
            for kind in ("mase", "wql")
        ]
        told = f"{won[0]} / {won[1]} of {len(table)}"
        yield f"tasks won against {name}, MASE / WQL", ">= 2/3", told, 3 * min(won) >= 2 * len(table)
    statistical = [name for name in against if name in ("ets", "theta", "mstl", "ces")]
    for kind in ("mase", "wql"):
        for panel in GROWTH if statistical else ():
            best = min(getattr(table[panel][name], kind) for name in statistical) if panel in table else None
            if best is not None:
                yield _beside(f"{kind} of {panel} to the best statistical", table, panel, kind, best, 1.03)
    for others, rival, kinds in ((DOUBLE, "mstl", ("wql",)), (WEATHER, "fracast", ("mase", "wql"))):
        for panel in others if rival in against else ():
            for kind in kinds if panel in table else ():
                best = getattr(table[panel][rival], kind)
                yield _beside(f"{kind} of {panel} to {rival}", table, panel, kind, best, 1.0)
    ours = [found["pretrained"] for found in table.values()]
    total = sum(each.outcomes for each in ours)
    for k, level in enumerate((0.1, 0.5, 0.9)):
        share = sum(each.under[k] * each.outcomes for each in ours) / total
        yield f"share under q{level:g}, pooled", "within .02", f"{share:.3f}", abs(share - level) <= 0.02


def _beside(figure: str, table: Table, panel: str, kind: str, best: float, most: float) -> Aim:
    ratio = getattr(table[panel]["pretrained"], kind) / best
    return figure, f"<= {most:g}", f"{ratio:.3f}", ratio <= most


def with_holes(out: Printer, some: Iterable[Panel]) -> None:
    """The development panel with values taken out of the histories."""
    out.title("WQL with holes in the history over that of the complete one")
    logs: dict[str, list[float]] = {"random": [], "week": []}
    for panel in some:
        kinds = ("random", "week") if steps_a_week(panel.freq) else ("random",)
        spoiled = [Spoiled("pretrained", kind) for kind in kinds]  # type: ignore[arg-type]
        found = scores(panel, ["pretrained", *spoiled])
        for kind, model in zip(kinds, spoiled, strict=True):
            ratio = found[model.called].wql / found["pretrained"].wql
            logs[kind].append(np.log(ratio))
            out.row("holes", panel=panel.name, holes=kind, wql=ratio)
    aims = []
    for kind, told in (("random", "a fifth missing at random"), ("week", "a week missing")):
        mean, worst = float(np.exp(np.mean(logs[kind]))), float(np.exp(np.max(logs[kind])))
        aims.append((f"WQL, {told}: mean of {len(logs[kind])}", "<= 1.1", f"{mean:.3f}", mean <= 1.1))
        aims.append((f"WQL, {told}: worst", "<= 1.1", f"{worst:.3f}", worst <= 1.1))
    out.aims("holes aims", aims)


def how_fast(out: Printer, quick: bool) -> None:
    """Speed, latency and size."""
    out.title("Forecasts per CPU-second of one thread; CPU-milliseconds of one series alone")
    rows = list(speed.figures(2 if quick else 7, () if quick else ("ets", "mstl")))
    aims: list[Aim] = []
    for row in rows:
        out.row("speed", **row)
        least = {(1024, 48): 1_000, (64, 8): 5_000}.get((row.get("context"), row.get("steps")))
        if least and row["model"] in ("pretrained", "view"):
            rate, alone = row["per_cpu_second"], row["one_series_ms"]
            what = f"{row['model']}, context {row['context']}, seasons {row['seasons']}"
            aims.append((f"forecasts per CPU-second, {what}", f">= {least}", str(rate), rate >= least))
            aims.append((f"one series, {what}", "<= 5 ms", f"{alone:.2f}", alone <= 5.0))
        if faster := row.get("pretrained_is_times_faster"):
            aims.append((f"times as fast as {row['model']}", ">= 100", str(faster), faster >= 100))
        if size := row.get("weights_bytes"):
            aims.append(("weights, MB", "< 10", f"{size / 1e6:.1f}", size < 10_000_000))
    out.aims("speed aims", aims)


def on_sets(out: Printer, against: Sequence[str], kept: Path | None, presets: Sequence[str]) -> None:
    """The sets chosen beforehand, no season told to us."""
    out.title("Sets chosen beforehand: mean WIS over that of the probabilistic seasonal naive (leaderboard)")
    logs: dict[str, list[float]] = {}
    table: dict[str, dict[str, float]] = {}
    names = (*OURS, *presets, *against)
    for panel in sets.chosen():
        judged = judge(panel, presets, OURS, against, kept)
        board = {row["forecaster"]: row for row in judged.board.to_dicts()}
        table[panel.name] = {name: board[name]["wis_ratio"] for name in names}
        for name in names:
            logs.setdefault(name, []).append(float(np.log(board[name]["wis_ratio"])))
            told = {
                key: board[name][key] for key in ("wis_ratio", "low", "high", "mase", "wql", "coverage_80")
            }
            out.row("sets", set=panel.name, against=judged.season, model=name, **told)
    for name, all_logs in logs.items():
        mean, worst = float(np.exp(np.mean(all_logs))), float(np.exp(np.max(all_logs)))
        out.row("sets", set="geometric mean", model=name, wis_ratio=mean, worst=worst)
    for name in against:
        out.row("sets", **{"pretrained against": name}, **beside(logs["pretrained"], logs[name]))
    mean = float(np.exp(np.mean(logs["pretrained"])))
    worst = max(table, key=lambda name: table[name]["pretrained"])
    told = f"{table[worst]['pretrained']:.3f} ({worst})"
    aims = [
        ("WIS, sets chosen beforehand", "<= .82", f"{mean:.3f}", mean <= 0.82),
        ("WIS, the worst of these sets", "<= 1", told, table[worst]["pretrained"] <= 1.0),
    ]
    for name in GROWTH_SETS if against else ():
        ratio = table[name]["pretrained"] / min(table[name][each] for each in against)
        aims.append((f"WIS of {name} to the best rival", "<= 1.03", f"{ratio:.3f}", ratio <= 1.03))
    out.aims("sets aims", aims)


def on_official(out: Printer, against: Sequence[str], kept: Path | None, presets: Sequence[str]) -> None:
    """The official test parts, once."""
    out.title("Official test parts: MASE, WQL, and both over those of the point seasonal naive")
    aims: list[Aim] = []
    for panel in panels.official():
        found = scores(panel, OURS, presets=presets, against=against, kept=kept)
        for name in (*OURS, *presets, *against):
            mase, wql = ratios(found, name)
            own = {"mase": round(found[name].mase, 4), "wql": round(found[name].wql, 5)}
            under = [round(share, 3) for share in found[name].under]
            out.row("official", panel=panel.name, model=name, **own, to_naive=[round(mase, 4), round(wql, 4)],
                    under=under)  # fmt: skip
        if panel.name == "m4_hourly":
            for name, most in (("pretrained", 0.80), ("balanced", 0.78)):
                if name in found:
                    mase = found[name].mase
                    aims.append((f"MASE of M4 Hourly, {name}", f"<= {most:g}", f"{mase:.3f}", mase <= most))
    out.aims("official aims", aims)


def beside(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Sets on which we are ahead, and the geometric mean of the ratio with its 95 % bootstrap interval over
    sets, from logarithms by set."""
    logs = np.subtract(ours, theirs)
    low, mean, high = geometric_interval(logs)
    return {"ahead": f"{int((logs < 0).sum())} of {len(logs)}", "wis_ratio": mean, "low": low, "high": high}


def ratios(found: Mapping[str, Score], name: str) -> tuple[float, float]:
    """MASE and WQL over those of the point seasonal naive."""
    return found[name].mase / found[NAIVE].mase, found[name].wql / found[NAIVE].wql


def geometric(table: Table, name: str) -> tuple[float, float]:
    """Geometric means over panels of the `ratios`."""
    logs = np.log([ratios(found, name) for found in table.values()])
    mase, wql = np.exp(logs.mean(axis=0))
    return float(mase), float(wql)


def thinned(every: int, names: Sequence[str]) -> Iterable[Panel]:
    """The development panel, or some of it, of the large panels each ``every``-th series."""
    for name in names or panels.DEVELOPMENT:
        panel = panels.DEVELOPMENT[name]()
        many = panel.frame["unique_id"].n_unique() > MANY
        yield panel.sampled(every) if many and every > 1 else panel


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pretrained", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", default=",".join(PARTS), help="some of panel, holes, speed")
    parser.add_argument("--sets", action="store_true", help="the sets chosen beforehand instead")
    parser.add_argument("--official", action="store_true", help="the official test parts instead")
    parser.add_argument("--against", default="ets,theta,mstl,fracast", help="rivals; empty for none")
    parser.add_argument("--presets", default="balanced", help="presets beside it, with --sets and --official")
    parser.add_argument("--panels", default="", help="some panels of the development panel, by name")
    parser.add_argument("--every", type=int, default=8, help="take each K-th series of large panels")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the rivals' forecasts there")
    parser.add_argument("--quick", action="store_true", help="speed: two runs, no statistical model")
    parser.add_argument("--json", action="store_true", help="one object a line")
    given = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS", os.environ.get("OPENBLAS_NUM_THREADS")) != "1":
        parser.error("set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1: figures are those of one thread")
    parts, against, presets, names = (
        tuple(name for name in text.split(",") if name)
        for text in (given.only, given.against, given.presets, given.panels)
    )
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--only takes {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    out = Printer(given.json)
    if given.sets or given.official:
        if given.sets:
            on_sets(out, against, given.keep, presets)
        if given.official:
            on_official(out, against, given.keep, presets)
        return
    if "panel" in parts:
        on_panel(out, thinned(given.every, names), against, given.keep)
    if "holes" in parts:
        with_holes(out, thinned(given.every, names))
    if "speed" in parts:
        how_fast(out, given.quick)


if __name__ == "__main__":
    main()
