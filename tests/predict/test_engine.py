"""One forecast at one cutoff: what it may know, what it may depend on, and what it says of itself."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foreseal.errors import ModelError
from foreseal.predict import engine
from foreseal.predict.engine import Account, Plan, predict_at, tell
from foreseal.predict.naive import SeasonalNaive
from foreseal.records import Forecast
from tests.predict.panels import START, hourly, panel, two_clocks

LEVELS = (0.1, 0.5, 0.9)
DAYS = 45
HOUR = timedelta(hours=1)


def vintages(days=DAYS, series=2):
    frame = hourly(days, series)
    return frame.with_columns(known_at=pl.col("ds") + HOUR)


def weather(days=DAYS):
    """A covariate measured with a delay, and one forecast two days ahead."""
    ds = [START + i * HOUR for i in range(24 * days)]
    rng = np.random.default_rng(5)
    frame = pl.DataFrame({"ds": ds, "temp": rng.normal(size=len(ds)), "plan": rng.normal(size=len(ds))})
    frame = frame.with_columns(pl.col("ds").cast(pl.Datetime("us", "UTC")))
    measured = frame.select(
        "ds", "temp", pl.lit(None, pl.Float64).alias("plan"), known_at=pl.col("ds") + 3 * HOUR
    )
    planned = frame.select(
        "ds", pl.lit(None, pl.Float64).alias("temp"), "plan", known_at=pl.col("ds") - 48 * HOUR
    )
    return frame, pl.concat([measured, planned])


def joined(covariates, cutoff):
    known = covariates.filter(pl.col("known_at") <= cutoff).sort("ds", "known_at")
    return known.group_by("ds", maintain_order=True).agg(pl.col("temp", "plan").drop_nulls().last())


def reader(rows, covariates):
    plain = two_clocks(rows)

    def panel_at(cutoff):
        seen = plain(cutoff)
        return panel(seen.frame, cutoff=cutoff, covariates=joined(covariates, cutoff))

    return panel_at


ROWS = vintages()
WEATHER = weather()[1]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(24 * 30, 24 * (DAYS - 3)), st.floats(-1e9, 1e9), st.integers(0, 2**16))
def test_what_becomes_known_after_the_cutoff_changes_nothing(hour, wild, seed):
    """The leakage canary: values, revisions of old values, covariates and plans, all with a wild value and a
    later known_at, move neither the forecast nor the frame that weights and calibration are made from."""
    cutoff = START + hour * HOUR
    future = pl.col("known_at") > cutoff
    canary = ROWS.with_columns(y=pl.when(future).then(wild).otherwise("y"))
    rng = np.random.default_rng(seed)
    revised = ROWS.sample(500, seed=seed).with_columns(
        y=pl.Series(wild * rng.normal(size=500)), known_at=pl.lit(cutoff + timedelta(microseconds=1))
    )
    poisoned = WEATHER.with_columns(
        pl.when(future & pl.col(name).is_not_null()).then(wild).otherwise(pl.col(name)).alias(name)
        for name in ("temp", "plan")
    )
    late = WEATHER.sample(500, seed=seed).with_columns(
        temp=pl.lit(wild), plan=pl.lit(-wild), known_at=pl.lit(cutoff + timedelta(microseconds=1))
    )
    honest = predict_at(reader(ROWS, WEATHER), cutoff, 24, LEVELS, windows=6)
    planted = predict_at(
        reader(pl.concat([canary, revised]), pl.concat([poisoned, late])), cutoff, 24, LEVELS, windows=6
    )
    assert honest.frame.equals(planted.frame)
    assert honest.ran == planted.ran
    assert len(honest.ran["calibration"]) == 64


def test_the_canary_would_sing():
    """The same plants change the forecast when they are known an hour before the cutoff."""
    cutoff = START + 24 * 40 * HOUR
    late = ROWS.filter(pl.col("ds") == cutoff - 2 * HOUR).with_columns(
        y=pl.lit(1e6), known_at=pl.lit(cutoff - HOUR)
    )
    honest = predict_at(reader(ROWS, WEATHER), cutoff, 24, LEVELS, windows=6)
    leaked = predict_at(reader(pl.concat([ROWS, late]), WEATHER), cutoff, 24, LEVELS, windows=6)
    assert not honest.frame.equals(leaked.frame)


def test_no_panel_is_asked_for_after_the_cutoff():
    asked = []
    panel_at = two_clocks(ROWS)
    cutoff = START + 24 * 40 * HOUR
    predict_at(lambda c: (asked.append(c), panel_at(c))[1], cutoff, 24, LEVELS, windows=5)
    assert max(asked) == cutoff
    assert sorted(asked) == [cutoff - timedelta(days=d) for d in range(5, -1, -1)]


def test_a_warm_cache_gives_the_same_bytes_as_a_cold_one():
    panel_at, past, days = two_clocks(ROWS), {}, range(38, 42)
    for day in days:
        cutoff = START + timedelta(days=day)
        warm = predict_at(panel_at, cutoff, 24, LEVELS, past=past, windows=5)
        cold = predict_at(panel_at, cutoff, 24, LEVELS, windows=5)
        assert warm.frame.equals(cold.frame)
        assert warm.ran == cold.ran
    assert {type(forecast) for forecast in past.values()} == {Forecast}
    fitted = len(past)
    predict_at(panel_at, START + timedelta(days=42), 24, LEVELS, past=past, windows=5)
    assert len(past) == fitted + 3


def test_the_digest_changes_with_any_outcome_that_calibrates():
    cutoff = START + timedelta(days=40)
    first = predict_at(two_clocks(ROWS), cutoff, 24, LEVELS, windows=6)
    rows = ROWS.with_columns(
        y=pl.when(pl.col("ds") == cutoff - 30 * HOUR).then(pl.col("y") + 1e-9).otherwise("y")
    )
    assert (
        predict_at(two_clocks(rows), cutoff, 24, LEVELS, windows=6).ran["calibration"]
        != first.ran["calibration"]
    )


def test_what_ran_is_told_in_words():
    ran = predict_at(two_clocks(ROWS), START + timedelta(days=40), 24, LEVELS, windows=10).ran
    assert ran["members"] == "seasonal_naive pretrained ridge"
    assert ran["windows"] == "weights=4 guard=2 calibration=4"
    assert ran["calibrated"] == "yes"
    assert ran["bounds"] == "[0, inf)"
    assert all(isinstance(value, str) for value in ran.values())


def test_what_parts_count_is_added_up():
    plan = Plan.of("balanced", None)
    said = [{"theta.failed": "2", "theta.naive": "3", "closed_form.stage": "1"}] * 2
    ran = tell([Account(5, 0, told, digest=str(k)) for k, told in enumerate(said)], plan)
    assert (ran["theta.failed"], ran["theta.naive"], ran["closed_form.stage"]) == ("4", "6", "1")


def test_a_series_that_never_changed_is_not_said_to_lack_windows():
    rows = ROWS.with_columns(y=pl.lit(7.0))
    ran = predict_at(two_clocks(rows), START + timedelta(days=40), 24, LEVELS, windows=10).ran
    assert ran["windows"] == "weights=4 guard=2 calibration=4"
    assert ran["calibrated"] == "no: past quantiles did not lie apart"


def test_with_few_windows_the_guard_shares_those_of_the_weights():
    """As the table in the module says: calibration from two windows on, a guard of its own from five."""
    found = {}
    for windows in (1, 2, 4, 5):
        made = predict_at(
            two_clocks(ROWS),
            START + timedelta(days=40),
            24,
            LEVELS,
            models=["naive", "drift"],
            windows=windows,
        )
        found[windows] = made.ran["windows"], made.ran["calibrated"]
    assert found == {
        1: ("weights=1 guard=0 calibration=0", "no: too few past windows"),
        2: ("weights=1 guard=0 calibration=1", "yes"),
        4: ("weights=2 guard=0 calibration=2", "yes"),
        5: ("weights=2 guard=1 calibration=2", "yes"),
    }


def test_each_of_weights_guard_and_calibration_sees_windows_of_its_own_bounded_as_issued(monkeypatch):
    seen = {}
    for name, place in (("weigh", 0), ("guard", 1), ("calibrate", 1)):
        real = getattr(engine, name)

        def spy(*args, name=name, place=place, real=real):
            seen[name] = args[place]
            return real(*args)

        monkeypatch.setattr(engine, name, spy)
    rows = ROWS.with_columns(y=(pl.col("y") - 90).clip(lower_bound=0))
    predict_at(
        two_clocks(rows), START + timedelta(days=40), 24, LEVELS, models=["naive", "drift"], windows=10
    )
    first = {name: set(past.first[:, 0].tolist()) for name, past in seen.items()}
    assert [len(first[name]) for name in ("weigh", "guard", "calibrate")] == [4, 2, 4]
    assert len(set.union(*first.values())) == 10
    assert all(values.min() == 0.0 for past in seen.values() for values in past.values.values())


def test_quantiles_are_in_order_and_a_history_above_zero_is_forecast_above_zero():
    rows = ROWS.with_columns(y=(pl.col("y") - 90).clip(lower_bound=0))
    out = predict_at(two_clocks(rows), START + timedelta(days=40), 24, LEVELS, windows=6).frame
    values = out.select("q0.1", "q0.5", "q0.9").to_numpy()
    assert (np.diff(values, axis=1) >= 0).all()
    assert values.min() == 0.0


def test_a_history_below_zero_is_not_bounded():
    rows = ROWS.with_columns(y=pl.col("y") - 500)
    made = predict_at(two_clocks(rows), START + timedelta(days=40), 24, LEVELS, windows=6)
    assert "bounds" not in made.ran
    assert made.frame["q0.5"].max() < 0


def test_a_single_model_is_used_as_it_is():
    cutoff = START + timedelta(days=40)
    made = predict_at(two_clocks(ROWS), cutoff, 24, LEVELS, models=["seasonal_naive(24)"])
    raw = SeasonalNaive(24).fit(two_clocks(ROWS)(cutoff)).predict(24, LEVELS)
    assert made.frame.equals(raw.frame)
    assert made.ran["calibrated"].startswith("no")


def test_an_instance_serves_as_a_member_and_is_left_unfitted():
    model = SeasonalNaive(24)
    made = predict_at(
        two_clocks(ROWS), START + timedelta(days=40), 24, LEVELS, models=[model, "drift"], windows=3
    )
    assert made.ran["members"] == "seasonal_naive SeasonalNaive(season=24) drift"
    assert model.grid_ is None


class Broken:
    """A member that forecasts only one series."""

    def fit(self, panel):
        self.inner = SeasonalNaive(24).fit(panel)
        return self

    def predict(self, h, quantiles):
        made = self.inner.predict(h, quantiles)
        return Forecast(made.frame.head(h), made.quantiles)


def test_a_member_that_leaves_out_a_series_is_named():
    with pytest.raises(ModelError, match="left out series"):
        predict_at(
            two_clocks(ROWS), START + timedelta(days=40), 24, LEVELS, models=[Broken(), "drift"], windows=3
        )


def test_a_new_series_without_any_past_window_is_forecast_too():
    new = (
        hourly(2, seed=9).tail(5).with_columns(unique_id=pl.lit("new"), ds=pl.col("ds") + timedelta(days=38))
    )
    rows = pl.concat([ROWS, new.with_columns(known_at=pl.col("ds") + HOUR)])
    with pytest.warns(match="too short"):
        out = predict_at(two_clocks(rows), START + timedelta(days=40), 24, LEVELS, windows=6).frame
    assert out.filter(pl.col("unique_id") == "new").height == 24


@pytest.mark.parametrize(
    ("h", "levels", "kwargs", "message"),
    [
        (0, LEVELS, {}, "horizon of 0"),
        (1, (0.5, 1.0), {}, "between 0 and 1"),
        (1, (), {}, "between 0 and 1"),
        (1, LEVELS, {"preset": "balancd"}, "no preset"),
        (1, LEVELS, {"models": []}, "No model"),
        (1, LEVELS, {"models": ["nonsense"]}, "no model 'nonsense'"),
    ],
)
def test_what_cannot_be_forecast_is_refused(h, levels, kwargs, message):
    with pytest.raises(ModelError, match=message):
        predict_at(two_clocks(ROWS), START + timedelta(days=40), h, levels, **kwargs)
