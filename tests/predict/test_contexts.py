"""Series that end in missing values: forecast from their last value on, or by the seasonal naive."""

from __future__ import annotations

import warnings
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

import foreseal
from foreseal.errors import ModelWarning
from foreseal.predict.closed_form import ClosedForm
from foreseal.predict.contexts import LONGEST_SILENCE, contexts
from foreseal.predict.naive import SeasonalNaive
from foreseal.predict.pretrained import Pretrained
from foreseal.records import Forecast
from tests.predict.panels import START, long_frame, panel

LEVELS = (0.05, 0.5, 0.95)
MODELS = [ClosedForm(), Pretrained()]
MODEL = pytest.mark.parametrize("model", MODELS, ids=["closed_form", "pretrained"])


def wave(length: int, seed: int = 0) -> np.ndarray:
    t = np.arange(length)
    return 50 + 10 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(seed).normal(size=length)


def silent(y: np.ndarray, steps: int) -> np.ndarray:
    y = y.copy()
    y[len(y) - steps :] = np.nan
    return y


def made(model, *rows: np.ndarray, h: int = 3, **options: object) -> tuple[np.ndarray, Forecast]:
    """Quantiles (series, h, levels), and the forecast."""
    frame = pl.concat(long_frame(f"s{k}", y) for k, y in enumerate(rows))
    said = model.fit(panel(frame, **options)).predict(h, LEVELS)
    columns = [f"q{level:g}" for level in LEVELS]
    return said.frame.sort("unique_id", "ds").select(columns).to_numpy().reshape(len(rows), h, -1), said


@MODEL
@pytest.mark.parametrize("gap", [1, 40, 500, 1023, 1024])
def test_a_silence_is_forecast_over_from_the_last_value(model, gap):
    assert gap <= LONGEST_SILENCE
    y = wave(2500)
    q, said = made(model, silent(y, gap))
    expected, _ = made(model, y[: len(y) - gap], h=gap + 3)
    np.testing.assert_allclose(q[0], expected[0, gap:], rtol=1e-4)
    truth = 50 + 10 * np.sin(2 * np.pi * (2500 + np.arange(3)) / 24)
    assert np.abs(q[0, :, 1] - truth).max() < 3.0
    assert (q[0, :, 2] - q[0, :, 0] > 1.0).all()
    assert "naive" not in said.ran


@MODEL
@pytest.mark.parametrize("gap", [1025, 1400])
def test_a_longer_silence_gets_the_seasonal_naive_and_a_warning_that_names_the_series(model, gap):
    y = silent(wave(3000), gap)
    with pytest.warns(ModelWarning, match=r"1 series silent for too long \('s1'\)"):
        q, said = made(model, wave(3000, 1), y)
    naive, _ = made(SeasonalNaive(), wave(3000, 1), y)
    np.testing.assert_array_equal(q[1], naive[1])
    assert said.ran["naive"] == "1"
    assert (q[1, :, 2] > q[1, :, 0]).all()
    # The one beside it is not touched.
    np.testing.assert_allclose(q[0], made(model, wave(3000, 1))[0][0], rtol=1e-5)


@MODEL
def test_rows_that_are_absent_before_a_cutoff_are_a_silence_like_missing_values(model):
    y = wave(1500)
    cutoff = START + 1500 * timedelta(hours=1)
    q, _ = made(model, y[:1300], cutoff=cutoff)
    np.testing.assert_array_equal(q, made(model, silent(y, 200))[0])


@MODEL
def test_series_of_different_silence_are_forecast_together_as_alone(model):
    rows = [silent(wave(700, k), gap) for k, gap in enumerate((0, 1, 3, 30, 70, 256, 300, 0))]
    rows.append(np.append(np.full(690, np.nan), [4.0, 5.0, 7.0, np.nan, 6.0, 5.0, 7.0, 6.0, np.nan, np.nan]))
    together, _ = made(model, *rows, h=30)
    for y, q in zip(rows, together, strict=True):
        alone, _ = made(model, y, h=30)
        np.testing.assert_allclose(q, alone[0], rtol=1e-3)


@MODEL
@pytest.mark.parametrize("values", [1, 2, 24])
def test_a_sensor_that_comes_back_after_a_long_silence_is_not_taken_for_certain(model, values):
    y = wave(3000)
    y[-1400:-values] = np.nan
    y[-values:] = y[-values] if values < 3 else y[-values:]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        q, said = made(model, y)
    if values < 3:
        assert ["silent for too long" in str(each.message) for each in caught] == [True]
        np.testing.assert_array_equal(q, made(SeasonalNaive(), y)[0])
        assert said.ran["naive"] == "1"
    assert (q[0, :, 2] > q[0, :, 0]).all()
    assert q.min() > 0.0
    assert q.max() < 110.0


@MODEL
@pytest.mark.parametrize(("count", "warns"), [(23, True), (24, False)])
def test_few_equal_values_are_warned_of_where_that_is_all_the_model_saw(model, count, warns):
    for y in (
        np.full(count, 7.0),
        np.concatenate([np.full(40, 7.0), np.full(1100, np.nan), np.full(count, 7.0)]),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            q, _ = made(model, y)
        assert ["never changed" in str(each.message) for each in caught] == [True] * warns
        assert (q == 7.0).all()


@pytest.mark.parametrize("season", [8766, 2_000_000])
def test_a_context_is_about_as_long_as_its_history_however_long_the_season(season):
    """Memory is that of the contexts: no more than twice what they hold, so many at a time."""
    y = np.full((40, 3000), np.nan)
    for row in range(40):
        y[row, -(1025 + 40 * row) :] = 1.0
    parts = list(contexts(y, (24, season), 16))
    assert sorted(row for rows, _ in parts for row in rows) == list(range(40))
    for rows, part in parts:
        assert part.shape[1] <= 3008
        assert (part.shape[1] < 2 * np.isfinite(part).sum(axis=1)).all()
        assert part.size <= 16 * 1024
        for row, own in zip(rows, part, strict=True):
            np.testing.assert_array_equal(own[np.isfinite(own)], y[row, np.isfinite(y[row])])
    # Without the longest season nothing beyond 1 024 columns is read.
    assert {part.shape[1] for _, part in contexts(y, (24,), 16)} == {1024}


@MODEL
def test_past_origins_say_what_was_said_then(model):
    """Within a silence, before it, and after it has become too long."""
    y = silent(wave(2600), 1400)
    frame = pl.concat([long_frame("a", y), long_frame("b", wave(2600, 1))])
    with pytest.warns(ModelWarning, match="silent for too long"):
        out, ran = model.roll(panel(frame), [0, 400, 1000, 1450], 3, LEVELS)
    assert ran["naive"] == "1"
    for k, back in enumerate((400, 1000, 1450)):
        then, _ = made(model, y[:-back], wave(2600, 1)[:-back])
        np.testing.assert_allclose(out[k + 1], then, rtol=1e-4)


@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_an_ensemble_gets_along_with_members_that_have_nothing_of_their_own_to_say(preset):
    """Alone such a series leaves the member out; beside others it is a member like any other."""
    name = {"fast": "closed_form", "balanced": "pretrained"}[preset]
    y = silent(wave(1800), 1400)
    with pytest.warns(ModelWarning, match="silent for too long"):
        alone = foreseal.forecast(long_frame("a", y), h=3, preset=preset, quantiles=LEVELS)
    assert alone.forecast.ran[f"{name}.naive"] == "1"
    assert f"{name}=0.0000" in alone.forecast.ran["weights"]
    frame = pl.concat([long_frame("a", y), long_frame("b", wave(1800, 1))])
    with pytest.warns(ModelWarning, match=r"silent for too long \('a'\)"):
        both = foreseal.forecast(frame, h=3, preset=preset, quantiles=LEVELS)
    for result in (alone, both):
        q = (
            result.frame.filter(pl.col("unique_id") == "a")
            .select(f"q{level:g}" for level in LEVELS)
            .to_numpy()
        )
        assert (q > 25.0).all()
        assert (q[:, 2] > q[:, 0]).all()
    assert f"{name}=0.0000" not in both.forecast.ran["weights"]
