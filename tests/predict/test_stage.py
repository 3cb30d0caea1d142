"""What the closed-form stage promises, whatever comes in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from foreseal.predict.candidates import CANDIDATES
from foreseal.predict.features import LOCAL, OVERALL
from foreseal.predict.origins import HORIZON
from foreseal.predict.stage import Stage, stage

STEPS = np.array([1, 3, 8, 24])
EMPTY = np.full(64, np.nan)


def series(count: int, length: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(length)
    season = rng.uniform(0, 3, (count, 1)) * np.sin(2 * np.pi * t / 12)
    return (
        20 + season + 0.3 * np.cumsum(rng.normal(size=(count, length)), 1) + rng.normal(size=(count, length))
    )


def told(count: int, *periods: int) -> np.ndarray:
    out = np.zeros((count, 3), np.int64)
    out[:, : len(periods)] = periods
    return out


def values(known: Stage) -> np.ndarray:
    return known.centre[:, None, None] + known.scale[:, None, None] * known.candidates


def ending(*last: float) -> np.ndarray:
    y = EMPTY.copy()
    y[len(y) - len(last) :] = last
    return y


def with_gaps(length: int, share: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    y = series(1, length, 1)[0]
    y[rng.random(length) < share] = np.nan
    return y


HARD = {
    "all missing": EMPTY,
    "one value": ending(5.0),
    "two values": ending(5.0, 6.0),
    "two far apart": np.where(np.arange(64) == 3, 5.0, ending(6.0)),
    "three values": ending(1.0, 2.0, 4.0),
    "one old value": np.where(np.arange(64) == 3, 5.0, EMPTY),
    "constant": np.full(64, 7.0),
    "zero": np.zeros(64),
    "nearly constant": np.full(64, 1e12) + np.tile([0.0, 1e-3], 32),
    "huge": series(1, 64)[0] * 1e300,
    "tiny": series(1, 64)[0] * 1e-300,
    "infinite": np.where(np.arange(64) % 17 == 3, np.inf, series(1, 64)[0]),
    "half missing": with_gaps(64, 0.5),
    "mostly missing": with_gaps(64, 0.95),
    "ends long ago": np.where(np.arange(64) < 30, series(1, 64)[0], np.nan),
    "intermittent": np.where(np.arange(64) % 17 == 0, 3.0, 0.0),
    "one outlier": np.where(np.arange(64) == 30, 1e9, 1.0),
    "exponential": np.exp(0.3 * np.arange(64)),
    "long": series(1, 2500)[0],
    "odd length": series(1, 83)[0],
    "short": series(1, 9)[0],
}


@pytest.mark.parametrize("periods", [(), (12,), (4, 12), (12, 24, 48)])
@pytest.mark.parametrize("name", HARD)
def test_everything_is_finite_for_any_series(name, periods):
    known = stage(HARD[name][None], STEPS, told(1, *periods))
    for field in dataclasses.fields(Stage):
        part = getattr(known, field.name)
        if field.name != "residuals":
            assert np.isfinite(part.astype(float)).all(), field.name
    assert min(known.scale.min(), known.unit.min(), known.loss_scale.min()) > 0
    assert np.abs(known.candidates).max() <= 30
    assert max(np.abs(known.local).max(), np.abs(known.overall).max()) <= 12


def test_shapes_are_as_announced():
    known = stage(series(3, 128), STEPS)
    assert known.candidates.shape == (3, 4, len(CANDIDATES))
    assert known.local.shape == (3, 4, len(LOCAL))
    assert known.overall.shape == (3, len(OVERALL))
    assert known.patches.shape == (3, 4, 96)
    assert known.residuals.shape == (3, 3, HORIZON)
    none = stage(np.empty((0, 64)), STEPS)
    assert none.candidates.shape == (0, 4, len(CANDIDATES))


@pytest.mark.parametrize("factor", [1e12, 1e-12, 3.0])
def test_scaling_and_shifting_a_series_scales_and_shifts_its_forecasts(factor):
    y = series(6, 200)
    plain, scaled = stage(y, STEPS, told(6, 12)), stage(factor * y, STEPS, told(6, 12))
    np.testing.assert_allclose(values(scaled), factor * values(plain), rtol=2e-4)
    np.testing.assert_allclose(scaled.overall, plain.overall, atol=5e-3)
    negative = y - 40
    shifted = stage(negative - 1000, STEPS, told(6, 12))
    np.testing.assert_allclose(values(shifted), values(stage(negative, STEPS, told(6, 12))) - 1000, rtol=1e-5)


def test_a_step_does_not_depend_on_the_other_steps_asked_for():
    y = series(8, 300)
    some, many = stage(y, np.array([5, 40]), told(8, 12)), stage(y, np.arange(1, 65), told(8, 12))
    for name in ("candidates", "local", "median", "season", "noise"):
        np.testing.assert_allclose(
            getattr(some, name), getattr(many, name)[:, [4, 39]], atol=2e-4, err_msg=name
        )
    for name in ("overall", "errors", "loss_scale", "weights"):
        np.testing.assert_allclose(getattr(some, name), getattr(many, name), atol=1e-5, err_msg=name)


def test_a_series_does_not_depend_on_the_others_in_its_batch():
    y = series(70, 90)
    y[::2, :30] = np.nan
    periods = told(70, 12)
    periods[::3] = told(24, 7, 21)
    together = stage(y, STEPS, periods)
    for row in (0, 1, 33, 69):
        alone = stage(y[row : row + 1], STEPS, periods[row : row + 1])
        np.testing.assert_allclose(alone.candidates[0], together.candidates[row], atol=1e-4)
        np.testing.assert_allclose(alone.overall[0], together.overall[row], atol=1e-3)


def test_padding_with_missing_values_changes_nothing():
    y = series(4, 96)
    padded = np.concatenate([np.full((4, 160), np.nan), y], axis=1)
    short, long = stage(y, STEPS, told(4, 12)), stage(padded, STEPS, told(4, 12))
    np.testing.assert_allclose(values(long), values(short), rtol=1e-4)
    np.testing.assert_allclose(long.errors, short.errors, rtol=1e-2)


def test_the_backtest_at_an_origin_is_the_forecast_made_from_what_was_known_there():
    """The oracle cuts the series itself and asks the stage again."""
    y = series(5, 240) - 100.0
    known = stage(y, STEPS, told(5, 12))
    horizon = 240 // 5
    for row in range(5):
        errors, residuals = [], []
        for j, offset in enumerate((horizon, horizon + 24, horizon + 48)):
            past = stage(y[row : row + 1, :-offset], np.arange(1, horizon + 1), told(1, 12))
            outcome = y[row, 240 - offset :][:horizon]
            made = values(past)[0]
            errors.append(np.abs(made - outcome[:, None]))
            mixed = made @ known.weights[row]
            residuals.append(outcome - mixed)
            np.testing.assert_allclose(
                known.residuals[row, j, :horizon] * known.scale[row], residuals[-1], atol=2e-3
            )
        mean = np.concatenate(errors).mean(axis=0)
        np.testing.assert_allclose(known.errors[row] * known.scale[row], mean, rtol=2e-3)


def test_the_mixture_prefers_what_was_right_before():
    t = np.arange(200)
    y = np.array([np.sin(2 * np.pi * t / 12) + 0.01 * np.cos(t**2)])
    known = stage(y, STEPS, told(1, 12))
    np.testing.assert_allclose(known.weights.sum(axis=1), 1, rtol=1e-5)
    assert (known.weights[~known.valid] == 0).all()
    truth = np.sin(2 * np.pi * (199 + STEPS) / 12)
    np.testing.assert_allclose(known.centre + known.scale * known.median[0], truth, atol=0.05)


def test_rows_may_ask_for_detection_one_by_one():
    t = np.arange(400)
    y = np.sin(2 * np.pi * t / 24) + 0.1 * np.random.default_rng(0).normal(size=(3, 400))
    periods = np.array([[-1, -1, -1], [0, 0, 0], [12, 0, 0]])
    assert stage(y, STEPS, periods).periods[:, 0].tolist() == [24, 0, 12]


def test_what_is_not_observed_is_not_backtested():
    y = series(1, 100)
    y[0, 60:90] = np.nan
    known = stage(y, STEPS, told(1, 12))
    at = 100 - 20 + np.arange(20)
    assert (np.isfinite(known.residuals[0, 0, :20]) == np.isfinite(y[0, at])).all()


def test_a_value_below_zero_rules_out_logarithms_however_old_it_is():
    y = np.stack([series(1, 700)[0]] * 2)
    y[1, 3] = -1.0
    assert stage(y, STEPS, told(2, 12)).log_ok.tolist() == [True, False]
