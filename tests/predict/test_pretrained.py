"""The pretrained model on panels: any series, any horizon, any level."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest

from foreseal.errors import ModelError, ModelWarning
from foreseal.predict.catalogue import resolve
from foreseal.predict.naive import SeasonalNaive
from foreseal.predict.periods import choose, detect
from foreseal.predict.pretrained import Pretrained, at_levels, load, view
from tests.predict.panels import hourly, long_frame, panel
from tests.predict.test_closed_form import COLUMNS, HARD, LEVELS, loss


def quantiles(frame: pl.DataFrame, h: int, model: Pretrained | None = None, freq: str = "1h") -> np.ndarray:
    """(series, h, levels), in the order of names."""
    made = (model or Pretrained()).fit(panel(frame, freq)).predict(h, LEVELS)
    return made.frame.sort("unique_id", "ds").select(COLUMNS).to_numpy().reshape(-1, h, len(LEVELS))


def test_it_is_in_the_catalogue_and_tells_what_ran():
    model = resolve("pretrained(seasons=(24,))")
    assert model == Pretrained((24,))
    ran = model.fit(panel(hourly(5))).predict(2, LEVELS).ran
    assert ran["weights"] == load().digest
    assert ran["stage"] == "1"


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("h", [1, 100])
def test_no_series_makes_it_fail_or_its_quantiles_cross(name, h):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)
        q = quantiles(long_frame(name, np.array(HARD[name])), h)
    assert np.isfinite(q).all()
    assert (np.diff(q, axis=2) >= 0).all()
    if name not in ("one", "all missing"):
        assert (q[0, :, -1] > q[0, :, 0]).all()


def test_a_series_that_never_changed_stays_and_if_short_warns():
    with pytest.warns(ModelWarning, match="never changed"):
        q = quantiles(long_frame("a", np.full(10, 7.0)), 5)
    np.testing.assert_allclose(q, 7.0)
    np.testing.assert_allclose(quantiles(long_frame("a", np.full(50, 7.0)), 5), 7.0)


def test_two_seasons_and_noise_are_forecast_better_than_by_repeating_them():
    frame = hourly(days=43, series=30, seed=3)
    t = 24 * 42
    past = frame.filter(pl.int_range(pl.len()).over("unique_id") < t)
    outcome = frame.filter(pl.int_range(pl.len()).over("unique_id") >= t)["y"].to_numpy().reshape(30, 24)
    outcome = outcome[np.argsort([f"s{i}" for i in range(30)])]
    naive = SeasonalNaive(168).fit(panel(past)).predict(24, LEVELS).frame
    theirs = naive.sort("unique_id", "ds").select(COLUMNS).to_numpy().reshape(30, 24, len(LEVELS))
    q = quantiles(past, 24)
    assert loss(outcome, q) < 0.8 * loss(outcome, theirs)
    assert 0.65 < ((outcome >= q[..., 1]) & (outcome <= q[..., 5])).mean() < 0.95


def test_steps_beyond_the_trained_ones_go_on_where_those_end():
    t = np.arange(24 * 40)
    rng = np.random.default_rng(4)
    y = 10 + np.sin(2 * np.pi * t / 24) + 0.2 * rng.normal(size=len(t))
    frame = long_frame("a", y)
    far = quantiles(frame, 24 * 14)
    np.testing.assert_allclose(far[:, :64], quantiles(frame, 64), rtol=1e-4)
    truth = 10 + np.sin(2 * np.pi * (len(t) + np.arange(24 * 14)) / 24)
    assert np.abs(far[0, :, 3] - truth).mean() < 0.2
    width = far[0, :, -1] - far[0, :, 0]
    assert 0.7 < width[-24:].mean() / width[40:64].mean() < 3.0


def test_the_spread_of_a_walk_goes_on_growing():
    rng = np.random.default_rng(5)
    frame = pl.concat(long_frame(f"s{i}", np.cumsum(rng.normal(size=300))) for i in range(20))
    q = quantiles(frame, 240, Pretrained(()))
    width = (q[..., -1] - q[..., 0]).mean(axis=0)
    assert 1.4 < width[239] / width[59] < 2.6


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one():
    frame = hourly(days=20, series=3)
    np.testing.assert_allclose(quantiles(frame, 6), quantiles(frame, 30)[:, :6], rtol=1e-4)


def test_levels_between_and_beyond_the_networks_own_are_on_the_normal_scale():
    from statistics import NormalDist

    own = (0.1, 0.3, 0.5, 0.7, 0.9)
    normal = np.array([[[NormalDist().inv_cdf(level) for level in own]]])
    wanted = np.array([0.01, 0.2, 0.5, 0.65, 0.999])
    expected = [NormalDist().inv_cdf(level) for level in wanted]
    np.testing.assert_allclose(at_levels(normal, own, wanted)[0, 0], expected, atol=1e-12)


def test_a_season_that_the_calendar_denies_is_seen():
    """Hourly only by name: the day has 23 values."""
    t = np.arange(23 * 40)
    rng = np.random.default_rng(6)
    y = 10 + 3 * np.sin(2 * np.pi * t / 23) ** 3 + 0.1 * rng.normal(size=len(t))
    q = quantiles(long_frame("a", y), 46)
    truth = 10 + 3 * np.sin(2 * np.pi * (len(t) + np.arange(46)) / 23) ** 3
    assert np.abs(q[0, :, 3] - truth).mean() < 0.3


def test_the_view_with_the_smaller_backtest_error_has_the_last_word():
    rng = np.random.default_rng(7)
    t = np.arange(400)
    y = (np.sin(2 * np.pi * t / 20) + 0.05 * rng.normal(size=400))[None]
    steps, levels = np.arange(1, 21), np.array([0.1, 0.5, 0.9])
    right = view(load(), y, np.array([[20, 0, 0]]), steps, levels)
    wrong = view(load(), y, np.array([[24, 0, 0]]), steps, levels)
    assert right[1] < wrong[1]
    np.testing.assert_allclose(
        view(load(), 1e3 * y, np.array([[20, 0, 0]]), steps, levels)[1], 1e3 * right[1]
    )
    q = quantiles(long_frame("a", y[0]), 20)
    assert np.abs(q[0, :, 3] - right[0][0, :, 1]).mean() < np.abs(q[0, :, 3] - wrong[0][0, :, 1]).mean()


def test_two_views_are_averaged_by_their_backtest_errors():
    """By hand: of a day of 24 values that the calendar tells, and a rhythm of 20 that the series shows."""
    rng = np.random.default_rng(4)
    t = np.arange(240)
    y = 20 + 0.9 * np.sin(2 * np.pi * t / 20) + 0.8 * np.sin(2 * np.pi * t / 24) + 0.5 * rng.normal(size=240)
    steps, levels = np.arange(1, 13), np.array(LEVELS)
    padded = np.pad(y[None], ((0, 0), (16, 0)), constant_values=np.nan)
    told, shown = choose(padded, (24, 168)), detect(padded)
    assert told.tolist() != shown.tolist()
    assert shown[0, 0] > 0
    (one, first, _), (two, second, _) = (view(load(), padded, p, steps, levels) for p in (told, shown))
    share = second[0] ** 8 / (first[0] ** 8 + second[0] ** 8)
    assert 0.02 < share < 0.98
    assert abs(share - 0.5) > 0.1
    q = quantiles(long_frame("a", y), 12)
    np.testing.assert_allclose(q, share * one + (1 - share) * two, rtol=1e-6)


def test_seasons_that_are_told_are_the_only_view():
    rng = np.random.default_rng(9)
    y = 20 + np.sin(2 * np.pi * np.arange(256) / 20) + 0.2 * rng.normal(size=256)
    assert detect(y[None])[0, 0] == 20
    alone = view(load(), y[None], np.array([[7, 0, 0]]), np.arange(1, 13), np.array(LEVELS))[0]
    np.testing.assert_allclose(quantiles(long_frame("a", y), 12, Pretrained((7,))), alone, rtol=1e-9)


@pytest.mark.parametrize("seasons", [None, ()])
def test_what_came_near_zero_and_was_never_below_does_not_go_below(seasons):
    cases = np.array([900.0, 1200, 700, 1500, 800, 1100, 600, 300, 90, 40, 12, 25])
    assert quantiles(long_frame("a", cases), 6, Pretrained(seasons)).min() == 0.0
    counts = np.random.default_rng(1).poisson(0.4, 200).astype(float)
    assert quantiles(long_frame("a", counts), 24, Pretrained(seasons)).min() == 0.0
    assert quantiles(long_frame("a", cases - 1000.0), 6, Pretrained(seasons)).min() < -1000.0


def test_impossible_seasons_and_weights_are_refused():
    with pytest.raises(ModelError, match="seasons="):
        Pretrained((0,)).fit(panel(hourly(5)))
    with pytest.raises(ModelError, match="not been fitted"):
        Pretrained().predict(3, LEVELS)
    with pytest.raises(ModelError, match=r"nothing\.npz"):
        Pretrained(weights="nothing.npz").fit(panel(hourly(5))).predict(3, LEVELS)


@pytest.mark.slow
def test_gaps_cost_little_on_real_hourly_series(shared):
    """A fifth of the points missing at random (which cost 11 %), and a missing week (2 %)."""
    table = pl.read_csv(
        shared / "forecasting/m4/Hourly-train.csv", null_values=["NA"], infer_schema_length=None
    )[::10]
    values = [row[np.isfinite(row)] for row in table[:, 1:].cast(pl.Float64).to_numpy()]
    outcome = np.array([y[-48:] for y in values])
    size = np.array([np.abs(y[24:-48] - y[:-72]).mean() for y in values])[:, None]
    rng = np.random.default_rng(0)
    losses = []
    for kind in ("complete", "points", "week"):
        frames = []
        for i, y in enumerate(values):
            x = y[:-48].copy()
            if kind == "points":
                x[rng.random(len(x)) < 0.2] = np.nan
            if kind == "week":
                x[-14 * 24 : -7 * 24] = np.nan
            frames.append(long_frame(f"s{i:03}", x))
        q = quantiles(pl.concat(frames), 48)
        losses.append(loss(outcome / size, q / size[..., None]))
    assert losses[1] < 1.15 * losses[0]
    assert losses[2] < 1.05 * losses[0]
