"""What would have been said at past origins: the same at once as one by one, and blind to what came later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.errors import ModelError
from foreseal.predict import catalogue
from foreseal.predict.backtest import Past, look_back, recall
from foreseal.predict.grid import Grid
from foreseal.predict.model import Rolling
from foreseal.predict.naive import SeasonalNaive
from foreseal.records import Forecast
from tests.predict.panels import CHICAGO, START, hourly, long_frame, panel, two_clocks

LEVELS = (0.1, 0.5, 0.9)
BACKS = [96, 72, 48, 24]
ROLLING = ["seasonal_naive", "seasonal_naive(24)", "closed_form", "pretrained", "ridge"]


def ragged(days=30):
    """Two long series, one with gaps, and a short one, all with one end."""
    frame = hourly(days, 3, seed=1)
    lost = np.random.default_rng(0).random(frame.height) < 0.1
    gaps = frame.with_columns(
        y=pl.when((pl.col("unique_id") == "s1") & pl.Series(lost)).then(None).otherwise("y")
    )
    return gaps.filter((pl.col("unique_id") != "s2") | (pl.col("ds") >= START + timedelta(days=days - 12)))


class OneByOne:
    """The same model without its way of forecasting from many origins."""

    def __init__(self, expression):
        self.expression = expression

    def fit(self, panel):
        self.model = catalogue.resolve(self.expression).fit(panel)
        return self

    def predict(self, h, quantiles):
        return self.model.predict(h, quantiles)


def views(frame, makers, backs=BACKS, h=24, **kwargs):
    return look_back(Grid.hold(panel(frame, **kwargs)), backs, makers, h, LEVELS, lambda p: p)


def both(expression, frame, **kwargs):
    makers = {"at once": lambda: catalogue.resolve(expression), "one by one": lambda: OneByOne(expression)}
    return views(frame, makers, **kwargs)


@pytest.mark.filterwarnings("ignore::foreseal.errors.ModelWarning")
@pytest.mark.parametrize("expression", ROLLING)
def test_many_origins_at_once_say_what_each_alone_would(expression):
    assert isinstance(catalogue.resolve(expression), Rolling)
    seen = both(expression, ragged())
    known = seen.past.known
    assert known.sum() > 200
    at_once, alone = (seen.past.values[name][known] for name in ("at once", "one by one"))
    # The ridge's origins lie as close as the shortest history that any origin has of them allows.
    np.testing.assert_allclose(at_once, alone, rtol=0.15 if expression == "ridge" else 1e-6)
    np.testing.assert_allclose(seen.now["at once"], seen.now["one by one"], rtol=1e-9)


@pytest.mark.filterwarnings("ignore::foreseal.errors.ModelWarning")
@pytest.mark.parametrize("expression", ROLLING)
def test_no_origin_sees_what_comes_after_it(expression):
    frame = ragged()
    end = frame["ds"].max()
    assert isinstance(end, datetime)
    wild = frame.with_columns(
        y=pl.when(pl.col("ds") > end - timedelta(hours=48)).then(pl.col("y") * 50 + 1e5).otherwise("y")
    )
    makers = {"model": lambda: catalogue.resolve(expression)}
    honest, planted = (views(df, makers).past for df in (frame, wild))
    first = slice(0, 3)  # 96, 72 and 48 steps back
    np.testing.assert_array_equal(honest.values["model"][first], planted.values["model"][first])
    assert not np.array_equal(honest.values["model"][3], planted.values["model"][3])


def test_outcomes_are_the_values_that_came():
    frame = hourly(20, 1)
    past = views(frame, {"naive": lambda: catalogue.resolve("seasonal_naive")}).past
    y = frame["y"].to_numpy()
    for window, back in enumerate(BACKS):
        np.testing.assert_array_equal(past.y[window, 0], y[len(y) - back :][:24])
        assert past.first[window, 0] == frame["ds"].to_physical()[len(y) - back]


def test_a_window_too_near_for_all_steps_has_the_outcomes_there_are():
    past = views(hourly(20, 1), {"naive": lambda: catalogue.resolve("seasonal_naive")}, backs=[30, 5]).past
    assert past.known.sum(axis=2).tolist() == [[24], [5]]


def test_a_series_is_not_judged_where_it_had_hardly_begun():
    frame = pl.concat([hourly(20, 1), long_frame("z", np.arange(48.0), START + timedelta(days=18))])
    # 32 steps back it had 16 of its 48 values, which is something, but less than two fifths.
    backs = [96, 72, 48, 32, 24]
    past = views(frame, {"naive": lambda: catalogue.resolve("seasonal_naive")}, backs).past
    assert past.known.any(axis=2).tolist() == [[True, False]] * 4 + [[True, True]]


def test_past_steps_are_hours_of_the_wall_clock_across_a_change_of_clocks():
    """On the night of 2021-03-14 Chicago has no hour two; its column has no outcome, and others are right."""
    start = datetime(2021, 3, 1, 6, tzinfo=UTC)
    frame = long_frame("a", np.arange(24.0 * 16 - 1), start)
    past = views(
        frame, {"naive": lambda: catalogue.resolve("seasonal_naive(24)")}, backs=[72, 48], timezone=CHICAGO
    ).past
    missing = np.isnan(past.y)
    assert missing.sum() == 1
    assert missing[0, 0, 2]
    there = past.y[0, 0][~missing[0, 0]]
    assert (np.diff(there) == 1).all()


class Repeating:
    """A model that says what the seasonal naive would, and says so."""

    def fit(self, panel):
        self.inner = SeasonalNaive().fit(panel)
        return self

    def predict(self, h, quantiles):
        made = self.inner.predict(h, quantiles)
        return Forecast(made.frame, made.quantiles, {"naive": str(made.frame["unique_id"].n_unique())})


class RollingRepeating(Repeating):
    """The same, from many origins at once."""

    def roll(self, panel, backs, columns, quantiles):
        values, _ = SeasonalNaive().roll(panel, backs, columns, quantiles)
        return values, {"naive": str(len(Grid.of(panel).ids))}


@pytest.mark.parametrize("kind", [Repeating, RollingRepeating])
@pytest.mark.parametrize("revised", [False, True])
def test_a_member_that_only_repeats_the_baseline_is_left_out_though_the_baseline_never_is(kind, revised):
    makers = {"base": kind, "drift": lambda: catalogue.resolve("drift"), "idle": kind}
    if revised:
        rows = hourly(20, 2).with_columns(known_at=pl.col("ds") + timedelta(hours=1))
        now = START + timedelta(days=19)
        origins = [now - timedelta(days=days) for days in (3, 2, 1)]
        seen = recall(two_clocks(rows), now, origins, makers, 24, LEVELS, {})
    else:
        seen = views(hourly(20, 2), makers)
    assert list(seen.now) == list(seen.past.values) == ["base", "drift"]
    assert seen.ran["idle.naive"] == "2"


def test_weights_guard_and_calibration_share_no_window():
    y = np.random.default_rng(0).normal(size=(10, 4, 3))
    y[:7, 1] = np.nan
    y[:9, 2] = np.nan
    y[:, 3] = np.nan
    past = Past(("a", "b", "c", "d"), (0.5,), np.zeros((10, 4), np.int64), y, {"m": y[..., None]})
    parts = [np.nan_to_num(part.y, nan=0.0) for part in past.split()]
    counts = [part.known.any(axis=2).sum(axis=0).tolist() for part in past.split()]
    assert counts == [[4, 2, 1, 0], [2, 0, 0, 0], [4, 1, 0, 0]]
    total = sum(np.abs(part).sum() for part in parts)
    assert total == pytest.approx(np.nansum(np.abs(y)))


class Silent:
    """A model that gives no number."""

    def fit(self, panel):
        self.grid = Grid.of(panel)
        return self

    def roll(self, panel, backs, columns, quantiles):
        return np.full((len(backs), len(Grid.of(panel).ids), columns, len(quantiles)), np.nan), {}

    def predict(self, h, quantiles):
        raise AssertionError


def test_a_model_that_gives_no_numbers_is_named():
    with pytest.raises(ModelError, match="Model 'silent' gave no numbers"):
        views(hourly(20, 1), {"silent": Silent})
