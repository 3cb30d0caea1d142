"""How the model does on the development panel, beside the seasonal naive and the untrained stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from foreseal.predict.stage import stage
from pretrain.examples import inputs
from pretrain.generators import BUCKETS
from pretrain.network import LEVELS, Network
from pretrain.panel import Task

Floats = NDArray[np.float64]
DECILES = tuple(k / 10 for k in range(1, 10))

Forecaster = Callable[[Task, bool], Floats]
"""Quantiles at DECILES, (series, h, 9); told the seasons or not."""


@dataclass(frozen=True)
class Result:
    """Of one task: MASE, WQL, and the shares of outcomes under the .1, .5 and .9 quantiles."""

    mase: float
    wql: float
    shares: tuple[float, float, float]
    outcomes: int


def neural(network: Network) -> Forecaster:
    places = [int(np.argmin(np.abs(np.array(LEVELS) - level))) for level in DECILES]

    @torch.no_grad()
    def forecast(task: Task, told: bool) -> Floats:
        def head(found: object) -> Floats:
            tensors = [torch.from_numpy(array) for array in inputs(found).values()]  # type: ignore[arg-type]
            z: Floats = network(*tensors).numpy().astype(float)[..., places]
            return z

        return _by_bucket(task, told, head)

    return forecast


def untrained(task: Task, told: bool) -> Floats:
    """The stage's own mixture as a point."""
    return _by_bucket(task, told, lambda found: np.repeat(found.median[..., None], 9, axis=-1).astype(float))  # type: ignore[attr-defined]


def _by_bucket(task: Task, told: bool, head: Callable[[object], Floats]) -> Floats:
    """Each history in the smallest bucket that holds it, or its last 1024 values."""
    out = np.empty((len(task.histories), task.h, len(DECILES)))
    largest = max(BUCKETS)
    lengths = np.array([min(len(x), largest) for x in task.histories])
    buckets = np.array([min(b for b in BUCKETS if b >= n) for n in lengths])
    steps = np.arange(1, task.h + 1)
    for bucket in np.unique(buckets):
        rows = np.flatnonzero(buckets == bucket)
        for part in np.array_split(rows, max(1, len(rows) // 128)):
            y = np.full((len(part), bucket), np.nan)
            for i, row in enumerate(part):
                tail = task.histories[row][-bucket:]
                y[i, bucket - len(tail) :] = tail
            told_seasons = np.zeros((len(part), 3), np.int64)
            told_seasons[:, : len(task.seasons)] = [s if s > 1 else 0 for s in task.seasons]
            found = stage(y, steps, told_seasons if told else None)
            out[part] = found.centre[:, None, None] + found.scale[:, None, None] * head(found)
    return out


def naive(task: Task) -> Floats:
    """The point seasonal naive of the first season: the last seen value of the phase, (series, h)."""
    season = task.seasons[0]
    out = np.empty((len(task.histories), task.h))
    for i, history in enumerate(task.histories):
        known = history[np.isfinite(history)]
        phases = [history[-k::-season] for k in range(min(season, len(history)), 0, -1)]
        seen = [phase[np.isfinite(phase)] for phase in phases]
        out[i] = np.resize([phase[0] if len(phase) else known[-1] for phase in seen], task.h)
    return out


def judge(task: Task, quantiles: Floats) -> Result:
    """MASE against the in-sample seasonal naive error; WQL = quantile loss over the sum of |outcomes|."""
    season, y = task.seasons[0], task.outcomes
    scales = np.array([_scale(x[-max(BUCKETS) :], season) for x in task.histories])
    error = np.nanmean(np.abs(y - quantiles[..., 4]), axis=1)
    counted = scales > 0
    below = y[..., None] - quantiles
    levels = np.array(DECILES)
    loss = 2 * np.maximum(levels * below, (levels - 1) * below)
    known = np.isfinite(y)
    shares = tuple(float((y[known] <= quantiles[..., k][known]).mean()) for k in (0, 4, 8))
    return Result(
        float(np.mean(error[counted] / scales[counted])),
        float(np.nansum(loss.mean(axis=-1)) / np.nansum(np.abs(y))),
        (shares[0], shares[1], shares[2]),
        int(known.sum()),
    )


def _scale(history: Floats, season: int) -> float:
    lag = season if len(history) > season else 1
    difference = np.abs(history[lag:] - history[:-lag])
    return float(np.nanmean(difference)) if np.isfinite(difference).any() else 0.0


def report(tasks: list[Task], network: Network, told: bool = True) -> dict[str, object]:
    """Ratios to the point seasonal naive by task, their geometric means, and pooled shares."""
    rows, logs, pooled, total = {}, [], np.zeros(3), 0
    ahead = neural(network)
    for task in tasks:
        base = judge(task, np.repeat(naive(task)[..., None], 9, axis=-1))
        plain, ours = judge(task, untrained(task, told)), judge(task, ahead(task, told))
        ratios = (ours.mase / base.mase, ours.wql / base.wql, plain.mase / base.mase, plain.wql / base.wql)
        logs.append(np.log(ratios))
        pooled += ours.outcomes * np.array(ours.shares)
        total += ours.outcomes
        rows[task.name] = {
            "mase": round(ours.mase, 4),
            "wql": round(ours.wql, 5),
            "ratios": [round(float(r), 4) for r in ratios],
            "shares": [round(s, 3) for s in ours.shares],
        }
    means = np.exp(np.mean(logs, axis=0))
    return {
        "mase": round(float(means[0]), 4),
        "wql": round(float(means[1]), 4),
        "untrained": [round(float(means[2]), 4), round(float(means[3]), 4)],
        "shares": [round(float(s), 4) for s in pooled / total],
        "tasks": rows,
    }
