"""Graph ridge on networks whose future is known to lie with the neighbours."""

from __future__ import annotations

import warnings
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict.graph import GraphRidge
from tests.predict.panels import START, long_frame, panel

LEVELS = (0.1, 0.5, 0.9)
STEP = timedelta(minutes=5)


def chain(length: int = 900, sensors: int = 5, seed: int = 0) -> np.ndarray:
    """A wave that runs down a road: each sensor has what the one before had two steps earlier, and noise."""
    rng = np.random.default_rng(seed)
    first = 10 * rng.normal(size=length + 40)
    road = np.stack([np.roll(first, 2 * k)[40:] for k in range(sensors)])
    return 50 + road + 0.3 * rng.normal(size=road.shape)


def network(y: np.ndarray, **kwargs: object) -> Panel:
    rows = [long_frame(f"s{k}", row, START, STEP) for k, row in enumerate(y)]
    return panel(pl.concat(rows), "5min", **kwargs)


def upstream(sensors: int) -> np.ndarray:
    return np.eye(sensors, k=-1)


def medians(model: GraphRidge, y: np.ndarray, h: int = 2) -> np.ndarray:
    made = model.fit(network(y)).predict(h, LEVELS).frame
    return made["q0.5"].to_numpy().reshape(len(y), h)


def test_a_wave_is_seen_coming_by_those_who_know_the_graph():
    y = chain()
    known, future = y[:, :-2], y[:, -2:]
    got = medians(GraphRidge(adjacency=upstream(5)), known)
    assert np.abs(got - future)[1:].mean() < 2.0
    assert np.abs(known[:, -1:] - future)[1:].mean() > 4.0


def test_a_graph_that_nobody_told_is_learnt():
    y = chain(seed=3)
    known, future = y[:, :-2], y[:, -2:]
    model = GraphRidge()
    assert np.abs(medians(model, known) - future)[1:].mean() < 4.0
    assert model.predict(1, LEVELS).ran["graph"] == "learnt"


def test_rows_of_the_adjacency_are_matched_by_name():
    y = chain()
    shuffled = [3, 0, 4, 1, 2]
    told = GraphRidge(adjacency=upstream(5)[np.ix_(shuffled, shuffled)], sensors=[f"s{k}" for k in shuffled])
    np.testing.assert_allclose(medians(told, y), medians(GraphRidge(adjacency=upstream(5)), y))


def test_coordinates_may_be_told_or_stand_in_covariates():
    y = chain(400)
    places = {f"s{k}": (34.0 + 0.01 * k, -118.0) for k in range(5)}
    made = network(y)
    columns = made.frame.select("unique_id", "ds").with_columns(
        latitude=pl.col("unique_id").replace_strict({name: at[0] for name, at in places.items()}),
        longitude=pl.lit(-118.0),
    )
    told = GraphRidge(coordinates=places).fit(made).predict(3, LEVELS)
    read = GraphRidge().fit(network(y, covariates=columns)).predict(3, LEVELS)
    assert told.ran["graph"] == read.ran["graph"] == "coordinates"
    assert told.frame.equals(read.frame)


def test_profiles_of_the_day_carry_horizons_far_beyond_the_lags():
    t = np.arange(288 * 6)
    rng = np.random.default_rng(1)
    y = 50 + 20 * np.sin(2 * np.pi * t / 288) + rng.normal(size=(4, len(t)))
    got = medians(GraphRidge(), y[:, :-144], 144)
    assert np.abs(got - y[:, -144:]).mean() < 2.0


def test_quantiles_hold_what_they_say_at_past_origins():
    y = chain(1200, seed=5)
    backs = list(range(400, 1, -7))
    values, _ = GraphRidge(adjacency=upstream(5), refit=400).roll(network(y), backs, 2, (0.1, 0.9))
    outcome = np.stack([y[:, y.shape[1] - back : y.shape[1] - back + 2] for back in backs])
    inside = (outcome >= values[..., 0]) & (outcome <= values[..., 1])
    assert 0.74 < inside.mean() < 0.88


def test_the_median_and_the_mean_of_a_skewed_network_differ():
    rng = np.random.default_rng(2)
    y = 60 - 20 * (rng.random((4, 900)) < 0.15)
    levels = tuple((k + 0.5) / 40 for k in range(40))
    made = GraphRidge().fit(network(y)).predict(1, levels).frame
    values = made.select(pl.selectors.starts_with("q")).to_numpy()
    assert np.abs(np.median(values, axis=1) - 60).max() < 1.5
    assert np.abs(values.mean(axis=1) - 57).max() < 2.5


def test_a_past_origin_sees_nothing_from_there_on():
    y = chain(500)
    changed = y.copy()
    changed[:, -50:] += 1000.0
    for graph in (None, upstream(5)):
        model = GraphRidge(adjacency=graph)
        one, _ = model.roll(network(y), [0, 50], 3, LEVELS)
        other, _ = model.roll(network(changed), [0, 50], 3, LEVELS)
        np.testing.assert_array_equal(one[1], other[1])
        cut = model.fit(network(y[:, :-50])).predict(3, LEVELS).frame.select("q0.1", "q0.5", "q0.9")
        np.testing.assert_allclose(one[1].reshape(-1, 3), cut.to_numpy())


def test_missing_constant_and_tiny_sensors_get_finite_ordered_quantiles():
    y = chain(600)
    rng = np.random.default_rng(4)
    y[0, rng.random(600) < 0.3] = np.nan
    y[1] = 7.0
    y[2, :-10] = np.nan
    y[3, -60:] = np.nan
    with pytest.warns(ModelWarning, match="graph_ridge: 1 series too short .*: s2"):
        made = GraphRidge().fit(network(y, cutoff=START + 600 * STEP)).predict(30, LEVELS)
    values = made.frame.select("q0.1", "q0.5", "q0.9").to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) >= 0).all()
    assert np.allclose(values.reshape(5, 30, 3)[1], 7.0)
    assert made.ran["naive"] == "1"


def test_a_network_too_young_to_learn_from_is_said_to_be():
    with pytest.warns(ModelWarning, match="2 series too short"):
        made = GraphRidge().fit(network(chain(20, 2))).predict(4, LEVELS)
    assert made.ran["naive"] == "2"
    assert np.isfinite(made.frame["q0.5"].to_numpy()).all()


def test_sensors_that_end_at_different_times_are_forecast_from_their_own():
    y = chain(700)
    rows = [long_frame(f"s{k}", row[: 700 - 3 * (k == 2)], START, STEP) for k, row in enumerate(y)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = GraphRidge(adjacency=upstream(5)).fit(panel(pl.concat(rows), "5min")).predict(2, LEVELS).frame
    late = made.filter(pl.col("unique_id") == "s2")
    assert late["ds"].to_list() == [START + 697 * STEP, START + 698 * STEP]
    assert np.abs(late["q0.5"].to_numpy() - y[2, 697:699]).max() < 3.0
    cut = network(y[:, :697])
    alone = GraphRidge(adjacency=upstream(5)).fit(cut).predict(2, LEVELS).frame
    np.testing.assert_allclose(late["q0.5"], alone.filter(pl.col("unique_id") == "s2")["q0.5"], rtol=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"adjacency": [[0, 1, 0]]}, "must be square"),
        ({"adjacency": np.eye(3)}, "3 rows for 5 sensors"),
        ({"adjacency": -np.ones((5, 5))}, "negative"),
        ({"adjacency": np.eye(2), "sensors": ["x", "y"]}, "names none of the series"),
        ({"coordinates": {"x": (1.0, 2.0)}}, "name none of the series"),
        ({"coordinates": {"s0": (100.0, 2.0)}}, "latitude must lie"),
        ({"coordinates": {"s0": (1.0, 2.0)}, "adjacency": np.eye(5)}, "Both"),
    ],
)
def test_a_graph_that_is_none_is_refused(arguments, message):
    with pytest.raises(ModelError, match=message):
        GraphRidge(**arguments).fit(network(chain(100))).predict(1, LEVELS)
