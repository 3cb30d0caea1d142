"""Small areas: growth that goes on and returns, areas that are restless or empty, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from foreseal import rules
from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import UTC_TIME, Panel
from foreseal.predict.linear_trend import LinearTrend
from foreseal.predict.small_areas import SmallAreas
from tests.predict.panels import panel

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def world(areas: int = 200, counts: int = 6, seed: int = 0) -> np.ndarray:
    """Areas (areas, counts) whose growth keeps 0.6 of what it was; the small ones stray further."""
    rng = np.random.default_rng(seed)
    z = [rng.normal(9.0, 1.5, areas)]
    growth = rng.normal(0.02, 0.06, areas)
    for _ in range(counts - 1):
        size = 0.03 * np.exp(-0.3 * (z[0] - 9.0))
        growth = 0.02 + 0.6 * (growth - 0.02) + size * rng.standard_t(5, areas)
        z.append(z[-1] + growth)
    return np.exp(np.stack(z, axis=1))


def as_panel(counts: np.ndarray) -> Panel:
    ds = [datetime(1996 + 5 * k, 5, 15, tzinfo=UTC) for k in range(counts.shape[1])]
    frame = pl.DataFrame(
        {
            "unique_id": np.repeat([f"a{k:03d}" for k in range(len(counts))], len(ds)),
            "ds": pl.Series(ds * len(counts), dtype=UTC_TIME),
            "y": counts.ravel(),
        }
    )
    return panel(frame, "5y")


def values(model: SmallAreas | LinearTrend, counts: np.ndarray, h: int = 1) -> np.ndarray:
    """(areas, steps, levels)."""
    frame = model.fit(as_panel(counts)).predict(h, LEVELS).frame
    return frame.select(pl.selectors.starts_with("q")).to_numpy().reshape(-1, h, len(LEVELS))


def test_it_is_better_than_a_linear_trend_and_holds_its_share() -> None:
    ours, trend, inside = [], [], []
    for seed in range(4):
        counts = world(seed=seed)
        said, line = (values(model, counts[:, :5])[:, 0] for model in (SmallAreas(), LinearTrend()))
        y = counts[:, 5]
        ours.append(rules.wis(y, said, LEVELS).mean())
        trend.append(rules.wis(y, line, LEVELS).mean())
        inside.append(np.mean((said[:, 1] <= y) & (y <= said[:, -2])))
    assert np.mean(ours) < np.mean(trend)
    assert 0.7 <= np.mean(inside) <= 0.9


def test_small_areas_get_wider_intervals_than_large_ones() -> None:
    counts = world()
    said = values(SmallAreas(), counts)[:, 0]
    width = np.log(said[:, -1] / said[:, 0])
    order = np.argsort(counts[:, -1])
    assert np.median(width[order[:50]]) > 1.5 * np.median(width[order[-50:]])


def test_several_counts_ahead_are_one_path_that_spreads() -> None:
    said = values(SmallAreas(), world(), h=3)
    width = np.log(said[..., -1] / said[..., 0])
    assert (np.median(width, axis=0)[1:] > np.median(width, axis=0)[:-1]).all()
    assert np.array_equal(said, values(SmallAreas(), world(), h=3))


def test_areas_that_stray_far_say_little_of_how_growth_goes_on() -> None:
    """Of 200 areas 180 keep 0.6 of their growth; 20 leap by half of their size and keep nothing."""
    kept = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        wild = np.arange(200) < 20
        z, growth = [rng.normal(9.0, 1.0, 200)], rng.normal(0.0, 0.05, 200)
        for _ in range(5):
            calm = 0.6 * growth + 0.01 * rng.normal(size=200)
            growth = np.where(wild, 0.5 * rng.normal(size=200), calm)
            z.append(z[-1] + growth)
        counts = np.exp(np.stack(z, axis=1))
        ahead = np.log(values(SmallAreas(), counts)[:, 0, 3] / counts[:, -1])
        kept.append(np.polyfit(growth[~wild], ahead[~wild], 1)[0])
    assert np.mean(kept) > 0.2


def test_what_all_areas_have_in_common_is_as_uncertain_as_it_was() -> None:
    """Growth of all areas leaps by 0.2 up and down, and no area differs: the spread is that of the leaps."""
    rng = np.random.default_rng(0)
    growth = np.array([-0.1, 0.1, -0.1, 0.1, -0.1]) + 0.005 * rng.normal(size=(100, 5))
    z = rng.normal(9.0, 1.0, (100, 1)) + np.cumsum(np.c_[np.zeros(100), growth], axis=1)
    said = values(SmallAreas(), np.exp(z))[:, 0]
    spread = np.sqrt((4 * 0.2**2 + 0.01**2) / 5)
    assert np.median(np.log(said[:, -1] / said[:, 0])) == pytest.approx(2 * 1.645 * spread, rel=0.1)


def test_an_empty_area_and_one_without_a_past_are_forecast_too() -> None:
    counts = world()
    counts[0, 2], counts[1, :2] = 0.0, np.nan
    with pytest.warns(ModelWarning, match="1 counts are zero or less"):
        said = values(SmallAreas(), counts)
    assert np.isfinite(said).all()
    assert (said > 0.0).all()


def test_too_few_areas_or_counts_are_refused() -> None:
    with pytest.raises(ModelError, match="at least 10 areas"):
        SmallAreas().fit(as_panel(world(9)))
    with pytest.raises(ModelError, match="counted 2 times"):
        SmallAreas().fit(as_panel(world()[:, :2]))
