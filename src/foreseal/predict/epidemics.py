"""Made-up winter epidemics: what a model of outbreaks may know before it has seen many real ones.

A nation of regions has two seasons, from the thirtieth week of a year on. In each a share of the susceptible
is infected week by week, at a pace that wanders, follows the cold, and falls as they become fewer; reports
rise around Christmas and fall after New Year. Parameters were set by hand and are drawn wide; none is fitted.
"""

from __future__ import annotations

import numpy as np

from foreseal.predict.grid import FloatArray

YEAR = 52
FIRST_WEEK = 30
# The nation holds other regions, too: its counts are so many times those of the regions drawn.
NATION = 3.0


def epidemics(nations: int, regions: int, seed: int) -> FloatArray:
    """Weekly counts (nations, regions + 1, 104); the last row of a nation is its total."""
    rng = np.random.default_rng(seed)
    shape = (nations, regions)
    size = np.exp(rng.normal(6.0, 1.3, shape))
    floor = np.exp(rng.normal(-3.6, 0.5, shape))
    both = np.concatenate([_season(rng, shape) for _ in range(2)], axis=2)
    mean = size[..., None] * (both + floor[..., None])
    counts = rng.poisson(mean * rng.gamma(60.0, 1.0 / 60.0, mean.shape)).astype(np.float64)
    return np.concatenate([counts, NATION * counts.sum(axis=1, keepdims=True)], axis=1)


def _season(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """One season's reports (nations, regions, weeks), whose largest is about one."""
    nations = (shape[0], 1)
    contagion = (1.0 + np.exp(rng.normal(np.log(0.32), 0.3, nations))) * np.exp(rng.normal(0.0, 0.04, shape))
    swing = rng.uniform(0.08, 0.22, nations)
    coldest = rng.normal(3.0, 4.0, nations) + YEAR - FIRST_WEEK
    onset = coldest + rng.normal(-21.0, 4.5, nations) + rng.normal(0.0, 1.3, shape)
    start = np.clip(onset, 0.0, 40.0)
    feast = rng.normal(0.12, 0.06, nations)
    feasts = {51: feast, 52: 0.6 * feast, 53: -0.5 * feast}
    ill, susceptible = np.full(shape, 2e-4), np.ones(shape)
    wander, own = np.zeros(nations), np.zeros(shape)
    reports = np.empty((*shape, YEAR))
    for week in range(YEAR):
        wander = 0.75 * wander + rng.normal(0.0, 0.07, nations)
        own = 0.75 * own + rng.normal(0.0, 0.06, shape)
        cold = (1.0 + swing * np.cos(2.0 * np.pi * (week - coldest) / YEAR)) / (1.0 + swing)
        pace = contagion * susceptible * cold * np.exp(0.6 * (wander + own))
        growth = np.where(week >= start, np.clip(1.9 * (pace - 1.0), -0.6, 0.8), 0.0)
        new = np.minimum(ill * np.exp(growth), 0.08)
        susceptible = np.maximum(susceptible - 1.6 * rng.uniform(0.9, 1.4, nations) * new, 0.3)
        ill = np.maximum(new, 1e-4)
        reports[..., week] = new * (1.0 + feasts.get(week + FIRST_WEEK, 0.0))
    height = np.exp(rng.normal(0.0, 0.35, nations) + rng.normal(0.0, 0.2, shape))
    scaled: FloatArray = reports / reports.max(axis=2, keepdims=True) * height[..., None]
    return scaled
