"""How the model does on the development panel, beside the seasonal naive and the untrained stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from foreseal.predict.closed_form import contexts, within
from foreseal.predict.pretrained import PREFERENCE
from foreseal.predict.stage import Stage, stage
from pretrain.examples import inputs
from pretrain.network import LEVELS, Network
from pretrain.panel import Task

Floats = NDArray[np.float64]
DECILES = tuple(k / 10 for k in range(1, 10))


@dataclass(frozen=True)
class Result:
    """Of one task: MASE, WQL, and the shares of outcomes under the .1, .5 and .9 quantiles."""

    mase: float
    wql: float
    shares: tuple[float, float, float]
    outcomes: int


def forecast(task: Task, network: Network, views: str) -> Floats:
    """Quantiles at DECILES, (series, h, 9), as the package makes them but for the torch forward pass.

    ``views``: the seasons ``told`` by the task, those ``detected``, or ``both``, averaged by their backtest.
    """
    out = np.zeros((len(task.histories), task.h, len(DECILES)))
    share = np.ones(len(out))
    told, told_error = _view(task, network, views != "detected")
    if views == "both":
        found, found_error = _view(task, network, False)
        odds = (np.maximum(told_error, 1e-300) / np.maximum(found_error, 1e-300)) ** PREFERENCE
        share = 1 / (1 + np.minimum(odds, 1e30))
        out += (1 - share)[:, None, None] * found
    out += share[:, None, None] * told
    return within(out, _aligned(task))


@torch.no_grad()
def _view(task: Task, network: Network, told: bool) -> tuple[Floats, Floats]:
    """Quantiles, and the backtest error of the stage's mixture in the series' own units, (series,)."""
    places = [int(np.argmin(np.abs(np.array(LEVELS) - level))) for level in DECILES]
    out, error = np.empty((len(task.histories), task.h, len(DECILES))), np.empty(len(task.histories))
    for rows, found in _stages(task, told):
        z = network(*[torch.from_numpy(array) for array in inputs(found).values()]).numpy().astype(float)
        out[rows] = found.centre[:, None, None] + found.scale[:, None, None] * z[..., places]
        size = np.abs(found.residuals)
        known = np.isfinite(size).sum(axis=(1, 2))
        mean = np.nan_to_num(size).sum(axis=(1, 2)) / np.maximum(known, 1)
        error[rows] = np.where(known > 0, mean, found.unit) * found.scale
    return out, error


def untrained(task: Task) -> Floats:
    """The stage's own mixture of the told seasons, (series, h)."""
    out = np.empty((len(task.histories), task.h))
    for rows, found in _stages(task, True):
        out[rows] = found.centre[:, None] + found.scale[:, None] * found.median
    return out


def _stages(task: Task, told: bool) -> Iterator[tuple[NDArray[np.int64], Stage]]:
    y = _aligned(task)
    given = np.zeros(3, np.int64)
    given[: len(task.seasons)] = task.seasons
    steps = np.arange(1, task.h + 1)
    for rows, part in contexts(y, task.seasons, 128):
        yield rows, stage(part, steps, np.tile(given, (len(part), 1)) if told else None)


def _aligned(task: Task) -> Floats:
    """Histories (series, the longest), NaN before they begin."""
    longest = max(len(history) for history in task.histories)
    y = np.full((len(task.histories), longest), np.nan)
    for row, history in zip(y, task.histories, strict=True):
        row[longest - len(history) :] = history
    return y


def naive(task: Task) -> Floats:
    """The point seasonal naive of the first season: the last seen value of the phase, (series, h)."""
    season = task.season
    out = np.empty((len(task.histories), task.h))
    for i, history in enumerate(task.histories):
        known = history[np.isfinite(history)]
        phases = [history[-k::-season] for k in range(min(season, len(history)), 0, -1)]
        seen = [phase[np.isfinite(phase)] for phase in phases]
        out[i] = np.resize([phase[0] if len(phase) else known[-1] for phase in seen], task.h)
    return out


def judge(task: Task, quantiles: Floats) -> Result:
    """MASE against the in-sample seasonal naive error; WQL = quantile loss over the sum of |outcomes|."""
    season, y = task.season, task.outcomes
    scales = np.array([_scale(x[-1024:], season) for x in task.histories])
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


def report(tasks: list[Task], network: Network, views: str = "both") -> dict[str, object]:
    """Ratios to the point seasonal naive by task, their geometric means, and pooled shares."""
    rows, logs, pooled, total = {}, [], np.zeros(3), 0
    for task in tasks:
        base, plain = (
            judge(task, np.repeat(point(task)[..., None], 9, axis=-1)) for point in (naive, untrained)
        )
        ours = judge(task, forecast(task, network, views))
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
