"""The untrained model: honest widths for any series, close to what good statistical models do."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest

from foreseal.errors import ModelError, ModelWarning
from foreseal.predict.catalogue import resolve
from foreseal.predict.closed_form import CONTEXTS, ClosedForm, contexts
from foreseal.predict.naive import SeasonalNaive
from foreseal.predict.pretrained import Pretrained
from foreseal.predict.stage import stage
from tests.predict.panels import hourly, long_frame, panel

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
COLUMNS = [f"q{level:g}" for level in LEVELS]


def quantiles(frame: pl.DataFrame, h: int, model: ClosedForm | None = None, freq: str = "1h") -> np.ndarray:
    """(series, h, levels), in the order of names."""
    made = (model or ClosedForm()).fit(panel(frame, freq)).predict(h, LEVELS)
    return made.frame.sort("unique_id", "ds").select(COLUMNS).to_numpy().reshape(-1, h, len(LEVELS))


def loss(outcome: np.ndarray, q: np.ndarray) -> float:
    below = outcome[..., None] - q
    return float(np.maximum(np.array(LEVELS) * below, (np.array(LEVELS) - 1) * below).mean())


def test_it_is_in_the_catalogue():
    assert resolve("closed_form") == ClosedForm()
    assert resolve("closed_form(seasons=(24, 168))") == ClosedForm((24, 168))


@pytest.mark.parametrize("model", [ClosedForm, Pretrained])
@pytest.mark.parametrize(
    "seasons", [(1,), (24, 12), (2, 3, 4, 5), (24.5,), (7, 7), (24, 2**63 - 1), (10**22,), (10**9 + 1,)]
)
def test_impossible_seasons_are_refused(model, seasons):
    with pytest.raises(ModelError, match="seasons="):
        model(seasons).fit(panel(hourly(5)))
    with pytest.raises(ModelError, match="seasons="):
        model(seasons).roll(panel(hourly(5)), [0], 3, LEVELS)


@pytest.mark.parametrize("model", [ClosedForm, Pretrained])
def test_the_longest_season_that_can_be_told_is_no_more_than_none(model):
    np.testing.assert_allclose(
        quantiles(hourly(5), 3, model((24, 10**9))), quantiles(hourly(5), 3, model((24,))), rtol=1e-5
    )


def test_it_needs_to_be_fitted():
    with pytest.raises(ModelError, match="not been fitted"):
        ClosedForm().predict(3, LEVELS)


HARD = {
    "one": [5.0],
    "two": [5.0, 6.0],
    "three": [1.0, np.nan, 4.0],
    "all missing": [np.nan] * 40,
    "huge": np.cumsum(np.ones(90)) * 1e300 / 90,
    "tiny": 1e-12 * np.random.default_rng(0).normal(size=90),
    "large": 1e12 + np.random.default_rng(0).normal(size=90),
    "outlier": [1.0, 2.0] * 30 + [1e12, 1.0],
    "growing": np.exp(0.2 * np.arange(100)),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("h", [1, 30])
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


@pytest.mark.parametrize("model", [ClosedForm, Pretrained])
@pytest.mark.parametrize("far", [1e13, 1e14, -1e14, 1e15])
def test_what_hardly_changes_for_its_size_is_not_taken_for_certain(model, far):
    """The oracle is the same series nearer to zero: what is seen of it is still exact."""
    y = 8.0 * np.round(np.random.default_rng(0).normal(size=300))
    near, apart = np.sign(far) * 1e9, np.diff(quantiles(long_frame("a", y + far), 12, model(())), axis=2)
    expected = quantiles(long_frame("a", y + near), 12, model(())) - near
    np.testing.assert_allclose(quantiles(long_frame("a", y + far), 12, model(())) - far, expected, atol=0.5)
    assert (apart.sum(axis=2) > 10.0).all()
    assert (quantiles(long_frame("a", np.full(300, far)), 12, model(())) == far).all()


def test_a_series_that_hardly_changes_leaves_those_beside_it_alone():
    y = np.random.default_rng(1).normal(size=(3, 200))
    y[1] += 1e15
    y[2] = 1e15
    known = stage(y, np.array([1, 5]), np.zeros((3, 3), np.int64))
    assert known.constant.tolist() == [False, False, True]
    assert known.log_ok.tolist() == [False, False, False]
    alone = stage(y[:1], np.array([1, 5]), np.zeros((1, 3), np.int64))
    np.testing.assert_allclose(known.candidates[0], alone.candidates[0], atol=1e-5)
    np.testing.assert_allclose(known.scale[:2], y[:2].std(axis=1), rtol=0.02)


@pytest.mark.parametrize("model", [ClosedForm, Pretrained])
def test_the_largest_numbers_are_forecast_with_a_width(model):
    y = np.where(np.arange(300) % 2, 1.7e308, -1.7e308)
    np.testing.assert_allclose(quantiles(long_frame("a", y), 6, model())[0, :, 3], y[:6], rtol=0.01)
    rough = np.clip(np.random.default_rng(2).normal(size=300) / 4, -1, 1) * 1.7e308
    q = quantiles(long_frame("a", rough), 6, model())
    assert np.isfinite(q).all()
    assert (q[..., -1] / 2 - q[..., 0] / 2 > 2e307).all()


def test_counts_that_rest_at_zero_do_not_go_below():
    y = np.random.default_rng(1).poisson(0.4, 200).astype(float)
    q = quantiles(long_frame("a", y), 24)
    assert q.min() == 0.0
    assert q[..., -1].max() >= 1.0


def test_what_came_near_zero_and_was_never_below_does_not_go_below():
    cases = np.array([900.0, 1200, 700, 1500, 800, 1100, 600, 300, 90, 40, 12, 25])
    assert quantiles(long_frame("a", cases), 6).min() >= 0.0
    # Far from zero, the sign of what comes is open.
    assert quantiles(long_frame("a", 300 + np.cumsum(np.full(40, -7.0)) + cases[:1] / 9), 12).min() < 120.0
    assert quantiles(long_frame("a", np.linspace(30, 4, 20)), 12).min() < 0.0


def test_series_of_all_lengths_share_a_panel():
    rng = np.random.default_rng(2)
    frame = pl.concat(long_frame(f"s{n}", 10 + rng.normal(size=n)) for n in (3, 40, 65, 200, 700, 1500))
    q = quantiles(frame, 12)
    assert q.shape == (6, 12, len(LEVELS))
    # Frames of one starting instant end at different ones; alone or together nothing changes.
    alone = quantiles(frame.filter(pl.col("unique_id") == "s200"), 12)
    names = sorted(f"s{n}" for n in (3, 40, 65, 200, 700, 1500))
    np.testing.assert_allclose(q[names.index("s200")], alone[0], rtol=1e-4)


def test_contexts_hold_each_series_once_and_reach_back_as_far_as_seasons_need():
    y = np.full((4, 5000), np.nan)
    for row, n in enumerate((30, 64, 600, 5000)):
        y[row, -n:] = np.arange(n)
    parts = list(contexts(y, (24, 400), 10))
    assert sorted(int(row) for rows, _ in parts for row in rows) == [0, 1, 2, 3]
    widths = {int(row): part.shape[1] for rows, part in parts for row in rows}
    assert widths == {0: 64, 1: 64, 2: 1024, 3: 3200}
    assert {part.shape[1] for _, part in contexts(y, (24,), 10)} == {64, CONTEXTS[-1]}
    assert all(len(rows) == 1 for rows, _ in contexts(y, (24,), 1))


def test_two_seasons_and_noise_are_forecast_with_the_coverage_announced():
    """Sharper than the seasonal naive, and outcomes fall between the quantiles as often as they say."""
    frame = hourly(days=43, series=30, seed=3)
    t = 24 * 42
    past = frame.filter(pl.int_range(pl.len()).over("unique_id") < t)
    outcome = frame.filter(pl.int_range(pl.len()).over("unique_id") >= t)["y"].to_numpy().reshape(30, 24)
    order = np.argsort([f"s{i}" for i in range(30)])
    outcome = outcome[order]
    q = quantiles(past, 24)
    naive = SeasonalNaive(168).fit(panel(past)).predict(24, LEVELS).frame
    theirs = naive.sort("unique_id", "ds").select(COLUMNS).to_numpy().reshape(30, 24, len(LEVELS))
    assert loss(outcome, q) < 0.8 * loss(outcome, theirs)
    inside = ((outcome >= q[..., 1]) & (outcome <= q[..., 5])).mean()
    assert 0.7 < inside < 0.93


def test_a_horizon_far_beyond_the_backtest_keeps_season_and_width():
    t = np.arange(24 * 40)
    rng = np.random.default_rng(4)
    y = 10 + np.sin(2 * np.pi * t / 24) + 0.2 * rng.normal(size=len(t))
    q = quantiles(long_frame("a", y), 24 * 14)
    truth = 10 + np.sin(2 * np.pi * (len(t) + np.arange(24 * 14)) / 24)
    assert np.abs(q[0, :, 3] - truth).mean() < 0.15
    assert (q[0, -24:, -1] - q[0, -24:, 0]).mean() < 3.0


def test_the_seasons_told_are_used():
    rng = np.random.default_rng(5)
    pattern = rng.normal(size=11)
    y = np.tile(pattern, 30) + 0.05 * rng.normal(size=330)
    q = quantiles(long_frame("a", y), 11, ClosedForm((11,)))
    np.testing.assert_allclose(q[0, :, 3], pattern, atol=0.15)


def test_what_ran_is_told():
    assert ClosedForm().fit(panel(hourly(5))).predict(3, LEVELS).ran == {"stage": "1"}


@pytest.mark.slow
def test_on_real_hourly_series_it_beats_the_seasonal_naive(shared):
    table = pl.read_csv(
        shared / "forecasting/m4/Hourly-train.csv", null_values=["NA"], infer_schema_length=None
    )[::12]
    values = [row[np.isfinite(row)] for row in table[:, 1:].cast(pl.Float64).to_numpy()]
    frame = pl.concat(long_frame(f"s{i:03}", y[:-48]) for i, y in enumerate(values))
    outcome = np.array([y[-48:] for y in values])
    size = np.array([np.abs(y[24:-48] - y[:-72]).mean() for y in values])[:, None]
    q = quantiles(frame, 48)
    naive = SeasonalNaive(24).fit(panel(frame)).predict(48, LEVELS).frame
    theirs = naive.sort("unique_id", "ds").select(COLUMNS).to_numpy().reshape(-1, 48, len(LEVELS))
    scaled = size[..., None]
    assert loss(outcome / size, q / scaled) < 0.85 * loss(outcome / size, theirs / scaled)
