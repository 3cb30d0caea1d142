"""What made-up epidemics say about the weeks ahead: a regression that real ones are added to."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from foreseal.predict.epidemics import FIRST_WEEK, YEAR, epidemics
from foreseal.predict.grid import FloatArray
from foreseal.predict.growth import WEEKS, logs, view, windows

NATIONS, REGIONS = 150, 8
FEATURES = 100
BEND = 2.0
EDGE = 4.0
PENALTY = 0.02
BENT_PENALTY = 0.05
# Of the sample that the spread is judged by, every so many examples are kept.
STRIDE = 7


@dataclass(frozen=True)
class Prior:
    """What made-up epidemics say about ``h`` weeks ahead: normal equations of a regression on features that
    ``bend`` makes, and a sample to judge the spread by."""

    centre: FloatArray
    unit: FloatArray
    mix: FloatArray
    offset: FloatArray
    gram: FloatArray
    moment: FloatArray
    penalty: FloatArray
    x: FloatArray
    traits: FloatArray
    change: FloatArray

    def bend(self, x: FloatArray) -> FloatArray:
        """One, the features in their units, and hyperbolic tangents of random mixtures of them."""
        flat = np.clip((x - self.centre) / self.unit, -EDGE, EDGE)
        return np.concatenate([np.ones((len(x), 1)), flat, np.tanh(flat @ self.mix + self.offset)], axis=1)


@functools.lru_cache(maxsize=4)
def _epidemics(seed: int) -> FloatArray:
    return logs(epidemics(NATIONS, REGIONS, seed))


@functools.lru_cache(maxsize=16)
def _examples(h: int, seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Features, traits and changes of the second seasons of all made-up epidemics."""
    every = _epidemics(seed)
    origins = np.arange(YEAR + 4, 2 * YEAR - h, dtype=np.float64)
    week = (FIRST_WEEK + origins) % WEEKS + 0.5
    x, traits, change = [], [], []
    for z in every:
        own = windows(z, origins)
        seen = view(own, np.broadcast_to(own[:, -1:], own.shape), week, h)
        x.append(seen.x.reshape(-1, seen.x.shape[-1]))
        traits.append(seen.traits.reshape(-1, seen.traits.shape[-1]))
        at = origins.astype(np.int64)
        change.append((z[:, at + h] - z[:, at]).T.ravel())
    return np.concatenate(x), np.concatenate(traits), np.concatenate(change)


def weights(h: int, level: FloatArray) -> FloatArray:
    """What examples of counts with logarithm ``level`` weigh: small counts are noise."""
    weight: FloatArray = 1.0 / (0.03 * h**1.5 + np.exp(-level))
    return weight


@functools.lru_cache(maxsize=64)
def prior(h: int, seed: int, member: int) -> Prior:
    """That of ``h`` weeks ahead, with the random features of a ``member``."""
    x, traits, change = _examples(h, seed)
    weight = weights(h, traits[:, 1])
    weight /= weight.sum()
    centre = weight @ x
    unit = np.sqrt(weight @ (x - centre) ** 2) + 1e-9
    rng = np.random.default_rng(member)
    count = x.shape[1]
    mix = rng.normal(0.0, BEND / np.sqrt(count), (count, FEATURES))
    penalty = np.concatenate([[0.0], np.full(count, PENALTY), np.full(FEATURES, BENT_PENALTY)])
    empty = np.zeros(0)
    some = slice(None, None, STRIDE)
    bare = Prior(
        centre, unit, mix, rng.uniform(-1.0, 1.0, FEATURES), empty, empty, penalty, x[some], traits[some],
        change[some],
    )  # fmt: skip
    bent = bare.bend(x)
    weighed = bent * weight[:, None]
    return replace(bare, gram=weighed.T @ bent, moment=weighed.T @ change)
