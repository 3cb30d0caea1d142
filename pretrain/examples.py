"""What the network learns from: a batch of synthetic series after the candidate stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foreseal.predict.periods import detect
from foreseal.predict.stage import Stage, stage
from pretrain.generators import STEPS, Batch, batch

Floats = NDArray[np.float32]

INPUTS = ("overall", "local", "candidates", "season", "patches", "unit")
"""The stage's arrays in the order in which the network takes them."""
DECODED = 12
"""Steps of a batch that are decoded in training; near ones are drawn more often."""
BOUND = 30.0
STATISTICS, VALIDATION = 1_000_000_000, 2_000_000_000
"""Batch numbers from which standardisation and validation are taken; training stays below."""


@dataclass(frozen=True)
class Examples:
    """Inputs of the network by name, targets in z units (B, S; NaN = unknown), the unit of the loss (B,)."""

    inputs: dict[str, Floats]
    target: Floats
    loss_scale: Floats
    bucket: int

    @classmethod
    def of(cls, series: Batch, steps: NDArray[np.int64]) -> Examples:
        hints = np.round(np.nan_to_num(series.hints)).astype(np.int64)
        untold = np.isnan(series.hints[:, 0])
        hints[untold] = detect(series.context[untold])
        found = stage(series.context, steps, hints)
        target = (series.target[:, steps - 1] - found.centre[:, None]) / found.scale[:, None]
        target = np.clip(target, -BOUND, BOUND).astype(np.float32)
        target[found.constant] = np.nan
        return cls(inputs(found), target, found.loss_scale.astype(np.float32), series.bucket)

    def every(self, parts: int, first: int) -> Examples:
        """Every so-manyth series: families lie together in a batch, so each part has its share of all."""
        some = {name: np.ascontiguousarray(array[first::parts]) for name, array in self.inputs.items()}
        return Examples(some, self.target[first::parts], self.loss_scale[first::parts], self.bucket)


def inputs(found: Stage) -> dict[str, Floats]:
    return {name: np.ascontiguousarray(getattr(found, name), np.float32) for name in INPUTS}


def examples(seed: int, number: int, size: int, without: str = "") -> Examples:
    """Training batch ``number``, without the family named: a pure function of its arguments."""
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, number, 1])))
    odds = (np.arange(STEPS) + 5.0) ** -0.5
    steps = np.sort(rng.choice(STEPS, DECODED, replace=False, p=odds / odds.sum())) + 1
    return Examples.of(batch(seed, number, size, without=without), steps)


def fixed_examples(seed: int, number: int, size: int, bucket: int) -> Examples:
    """A batch of this bucket at every third step, for validation."""
    return Examples.of(batch(seed, number, size, bucket), np.arange(1, STEPS + 1, 3))
