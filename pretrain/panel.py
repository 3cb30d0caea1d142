"""The development panel (`bench.panels`) as arrays: what mix and design may be tuned on, and nothing else.

Never trained on. Of M4 Hourly and M1 the last horizon of the training part is held out; the official test
parts are not opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.panels import Panel, development

Floats = NDArray[np.float64]
SHORTEST = 6


@dataclass(frozen=True)
class Task:
    """Series of one kind: histories (ragged), outcomes (series, h), the seasons that a caller would tell."""

    name: str
    histories: list[Floats]
    outcomes: Floats
    seasons: tuple[int, ...]

    @property
    def h(self) -> int:
        return self.outcomes.shape[1]

    @property
    def season(self) -> int:
        """The season of the naive forecast and of MASE."""
        return self.seasons[0] if self.seasons else 1


def panel() -> Iterator[Task]:
    return (task(each) for each in development())


def task(of: Panel) -> Task:
    """Every window of every series as a history and its outcome, unless most of that is missing."""
    histories, outcomes = [], []
    frame = of.frame.sort("unique_id", "ds")
    for (_,), series in frame.group_by(["unique_id"], maintain_order=True):
        y = series["y"].to_numpy().astype(float)
        for window in range(of.windows):
            origin = len(y) - of.h - window * (of.step or of.h)
            if origin < SHORTEST or not np.isfinite(y[:origin]).any():
                break
            if np.isfinite(y[origin : origin + of.h]).mean() > 0.5:
                histories.append(y[:origin])
                outcomes.append(y[origin : origin + of.h])
    return Task(of.name, histories, np.stack(outcomes), of.seasons)
