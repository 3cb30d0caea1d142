"""A forecast hub's submissions scored: WIS, WIS of logarithms, coverage, pairwise relative skill.

A task is a reference date, a location and a horizon; its outcome is the value of one vintage of the target
data. Relative skill follows Cramer et al. (PNAS 2022) and scoringutils: for every two models the ratio of
their mean scores over the tasks that both forecast; of these a model's geometric mean, its ratio to itself
among them; divided by that of the baseline. A model that forecasts easy weeks alone gains nothing by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.errors import UsageError

FloatArray = NDArray[np.float64]
INTERVALS = (50, 80, 90, 95)
# Tasks worked on at once, so that memory does not grow with the hub.
CHUNK = 20_000

Said = tuple[date, pl.DataFrame, FloatArray]
"""A round's date, ``location, horizon, end`` of its tasks, their quantiles (tasks, levels).

``end`` is the last day of the week; without it, weeks end with the round's date and every seven days from it.
Levels without a value count for nothing, tasks without one are left out.
"""


@dataclass(frozen=True, slots=True)
class HubScores:
    """``table`` has a row per model, the best relative skill first: ``model, tasks, missing, wis, log_wis,
    relative_wis, relative_log_wis`` (mean over the tasks shared with the baseline, over its own there),
    ``skill, log_skill`` (pairwise, scaled), ``filled_wis`` (relative over all tasks, the baseline's score for
    those that are missing) and ``cover_50`` and so on.

    ``tasks`` counts those that anybody forecast and that have an outcome; ``without_outcome`` the others.
    """

    baseline: str
    tasks: int
    without_outcome: int
    table: pl.DataFrame

    def row(self, model: str) -> dict[str, Any]:
        """One model's row."""
        return self.table.row(by_predicate=pl.col("model") == model, named=True)


def score_hub(
    submissions: Mapping[str, Iterable[Said]],
    outcomes: Mapping[tuple[str, date], float],
    levels: Sequence[float],
    baseline: str,
    horizons: Sequence[int] = (0, 1, 2, 3),
) -> HubScores:
    """Score every model. ``outcomes`` is by location and last day of the week.

    Raises `UsageError` if the baseline has no task that can be scored.
    """
    if baseline not in submissions:
        known = ", ".join(sorted(submissions)[:8])
        raise UsageError(f"The hub has no model {baseline!r}.", hint=f"Name the baseline, such as: {known}.")
    where: dict[tuple[date, str, int, date], int] = {}
    truth: list[float] = []
    unknown: set[tuple[date, str, int, date]] = set()
    scored: dict[str, tuple[NDArray[np.int64], FloatArray, FloatArray, FloatArray]] = {}
    for model, parts in submissions.items():
        index: list[int] = []
        blocks: list[FloatArray] = []
        for round_, keys, values in parts:
            rows = []
            stated = np.asarray(np.isfinite(values).any(axis=1))
            ends = keys["end"].to_list() if "end" in keys.columns else [None] * keys.height
            for k, (location, horizon) in enumerate(keys.select("location", "horizon").iter_rows()):
                if horizon not in horizons or not stated[k]:
                    continue
                end = ends[k] or round_ + timedelta(weeks=horizon)
                task = (round_, location, horizon, end)
                at = where.get(task)
                if at is None:
                    y = outcomes.get((location, end))
                    if y is None:
                        unknown.add(task)
                        continue
                    at = where[task] = len(truth)
                    truth.append(y)
                rows.append(k)
                index.append(at)
            blocks.append(values[rows])
        at_all = np.array(index, np.int64)
        said = np.concatenate(blocks) if blocks else np.zeros((0, len(levels)))
        scored[model] = (at_all, *score_tasks(np.array(truth)[at_all], said, levels))
    if not len(scored[baseline][0]):
        raise UsageError(f"No forecast of {baseline!r} has an outcome.", hint="Check the target data.")
    return _table(scored, len(truth), len(unknown), baseline)


def score_tasks(
    y: FloatArray, values: FloatArray, levels: Sequence[float]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """WIS, WIS after log(1 + x) and whether central intervals held (tasks, len(INTERVALS)) of quantiles
    (tasks, levels), NaN where a level is not stated. Quantiles and outcomes below zero count as zero in
    logarithms."""
    wis, log_wis = np.empty(len(y)), np.empty(len(y))
    held = np.full((len(y), len(INTERVALS)), np.nan)
    ends = _ends(levels)
    for start in range(0, len(y), CHUNK):
        part = slice(start, start + CHUNK)
        wis[part] = _wis(y[part], values[part], levels)
        floor = np.log1p(np.maximum(values[part], 0.0))
        log_wis[part] = _wis(np.log1p(np.maximum(y[part], 0.0)), floor, levels)
        for k, pair in enumerate(ends):
            if pair:
                low, high = values[part, pair[0]], values[part, pair[1]]
                held[part, k] = np.where(
                    np.isfinite(low) & np.isfinite(high), (low <= y[part]) & (y[part] <= high), np.nan
                )
    return wis, log_wis, held


def _wis(y: FloatArray, values: FloatArray, levels: Sequence[float]) -> FloatArray:
    out = np.zeros_like(y)
    for k, level in enumerate(levels):
        above = y - values[:, k]
        out += np.nan_to_num(np.maximum(level * above, (level - 1.0) * above), nan=0.0)
    count: FloatArray = np.isfinite(values).sum(axis=1).astype(float)
    return 2.0 / count * out


def _ends(levels: Sequence[float]) -> list[tuple[int, int] | None]:
    """The columns of each interval's ends, where its levels are among ``levels``."""
    at = {round(level, 6): k for k, level in enumerate(levels)}
    found = []
    for percent in INTERVALS:
        low, high = round(0.5 - percent / 200, 6), round(0.5 + percent / 200, 6)
        found.append((at[low], at[high]) if low in at and high in at else None)
    return found


def relative_skill(scores: FloatArray, baseline: int) -> FloatArray:
    """Pairwise relative skill of models from scores (models, tasks), NaN where a task is missing; NaN for a
    model that shares no task with another."""
    there = np.isfinite(scores)
    filled = np.where(there, scores, 0.0)
    # Entry (i, j) sums model i's scores over the tasks that model j has, too.
    sums = filled @ there.T.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = sums / sums.T
        logs = np.log(np.where((sums > 0) & (sums.T > 0), ratio, np.nan))
    usable = np.isfinite(logs)
    count = usable.sum(axis=1)
    # The diagonal alone compares a model with nobody.
    mean = np.where(count > 1, np.where(usable, logs, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
    if len(scores) == 1:
        mean = np.zeros(1)
    skill: FloatArray = np.exp(mean - mean[baseline])
    return skill


def _table(
    scored: Mapping[str, tuple[NDArray[np.int64], FloatArray, FloatArray, FloatArray]],
    tasks: int,
    unknown: int,
    baseline: str,
) -> HubScores:
    names = list(scored)
    both = np.full((2, len(names), tasks), np.nan)
    for k, (at, wis, log_wis, _) in enumerate(scored.values()):
        both[0, k, at], both[1, k, at] = wis, log_wis
    home = names.index(baseline)
    skills = [relative_skill(each, home) for each in both]
    rows = []
    for k, (name, (at, wis, log_wis, held)) in enumerate(scored.items()):
        shared = np.isfinite(both[0, k]) & np.isfinite(both[0, home])
        every = np.isfinite(both[0, home])
        filled = np.where(np.isfinite(both[0, k]), both[0, k], both[0, home])[every]
        row: dict[str, Any] = {
            "model": name,
            "tasks": len(np.unique(at)),
            "missing": tasks - len(np.unique(at)),
            "wis": _mean(wis),
            "log_wis": _mean(log_wis),
            "relative_wis": _ratio(both[0, k, shared], both[0, home, shared]),
            "relative_log_wis": _ratio(both[1, k, shared], both[1, home, shared]),
            "skill": float(skills[0][k]),
            "log_skill": float(skills[1][k]),
            "filled_wis": _ratio(filled, both[0, home, every]),
        }
        for column, percent in enumerate(INTERVALS):
            row[f"cover_{percent}"] = _mean(held[:, column])
        rows.append(row)
    table = pl.DataFrame(rows).sort("skill", "model", nulls_last=True)
    return HubScores(baseline, tasks, unknown, table)


def _mean(values: FloatArray) -> float:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")


def _ratio(mine: FloatArray, theirs: FloatArray) -> float:
    total = float(theirs.sum())
    return float(mine.sum()) / total if total else float("nan")
