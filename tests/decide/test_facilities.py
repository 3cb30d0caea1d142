"""Placing facilities: as good as trying everything, and clear where capacity cannot do."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from foreseal.decide.facilities import EARTH, Facilities, distances, place
from foreseal.decide.policy import make_policy
from foreseal.errors import ModelError, SettingsError, UsageError
from foreseal.records import Forecast
from tests.conftest import require

AT = datetime(2021, 5, 15, tzinfo=UTC)
LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture(autouse=True)
def solver() -> None:
    require("scipy", 'pip install "foreseal[population]"')


def towns(n: int, seed: int = 0) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng(seed)
    return {f"town {k}": (44 + rng.random(), -80 + rng.random()) for k in range(n)}


def forecast(median: np.ndarray, names: list[str]) -> Forecast:
    frame = pl.DataFrame({"unique_id": names, "ds": AT, "cutoff": AT}).with_columns(
        pl.col("ds", "cutoff").dt.cast_time_unit("us"),
        *(
            pl.Series(f"q{level:g}", median * factor)
            for level, factor in zip(LEVELS, (0.9, 1.0, 1.2), strict=True)
        ),
    )
    return Forecast(frame, LEVELS, {})


def count(people: np.ndarray, names: list[str]) -> pl.DataFrame:
    frame = pl.DataFrame({"unique_id": names, "ds": AT, "y": people.astype(float)})
    return frame.with_columns(pl.col("ds").dt.cast_time_unit("us"))


def test_distances_are_those_of_the_spherical_law_of_cosines() -> None:
    places = towns(6)
    away = distances(places)
    for (i, a), (j, b) in itertools.product(enumerate(places.values()), repeat=2):
        (lat, lon), (other, east) = (tuple(map(math.radians, each)) for each in (a, b))
        cosine = math.sin(lat) * math.sin(other) + math.cos(lat) * math.cos(other) * math.cos(lon - east)
        assert away[i, j] == pytest.approx(EARTH * math.acos(min(cosine, 1.0)), abs=1e-2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slack", [math.inf, 1.15])
def test_no_other_sites_and_no_other_service_mean_less_travel(seed: int, slack: float) -> None:
    n, k = 6, 2
    people = np.random.default_rng(seed).integers(1, 50, n) * 1000.0
    away, capacity = distances(towns(n, seed)), people.sum() / k * slack
    if people.max() > capacity:
        pytest.skip("one town is too large")
    best = math.inf
    for sites in itertools.combinations(range(n), k):
        for serves in itertools.product(sites, repeat=n):
            if np.bincount(serves, weights=people, minlength=n).max() <= capacity:
                best = min(best, float(people @ away[np.arange(n), list(serves)]))
    found = place(away, people, people, k, capacity)
    assert people @ away[np.arange(n), found] == pytest.approx(best)


def test_a_plan_is_judged_by_the_people_who_come_and_by_those_turned_away() -> None:
    places = towns(5)
    names, people = list(places), np.array([9e3, 4e3, 3e3, 2e3, 1e3])
    policy = Facilities(places=places, k=2, capacity=12_500.0, reserve=0.9, overload=50.0)
    decision = policy.decide(forecast(people, names), count(people, names))
    serves = [names.index(str(setting.value)) for setting in decision.option("expected").action]
    assert len(set(serves)) == 2
    assert np.bincount(serves, weights=1.2 * people).max() <= 12_500
    travel = people @ distances(places)[np.arange(5), serves]
    assert policy.cost(decision.option("expected").action, count(people, names)) == pytest.approx(travel)
    over = np.maximum(np.bincount(serves, weights=2 * people) - 12_500, 0).sum()
    cost = policy.cost(decision.option("expected").action, count(2 * people, names))
    assert cost == pytest.approx(2 * travel + 50.0 * over)
    assert {option.name for option in decision.options} == {"expected", "median", "newest_count"}


def test_infeasible_capacity_says_what_to_change() -> None:
    places = towns(4)
    names, people = list(places), np.full(4, 1000.0)
    for capacity, message in ((1500.0, "cannot serve 4800 people"), (1100.0, "1200 people of one place")):
        policy = Facilities(places=places, k=2, capacity=capacity)
        with pytest.raises(ModelError, match=message) as caught:
            policy.decide(forecast(people, names), count(people, names))
        assert caught.value.hint == "Raise capacity or k, or lower reserve."
    # Three towns of two thirds each fit two sites in sum, and not one by one.
    with pytest.raises(ModelError, match="No 2 places can serve all"):
        place(distances(towns(3)), np.full(3, 2.0), np.full(3, 2.0), 2, 3.0)


def test_places_without_a_forecast_are_named() -> None:
    places = towns(3)
    names = list(places)
    policy = Facilities(places=places, k=1)
    with pytest.raises(ModelError, match="no forecast of town 2"):
        policy.decide(forecast(np.ones(2), names[:2]), count(np.ones(3), names))
    with pytest.raises(ModelError, match="no count of town 0"):
        policy.decide(forecast(np.ones(3), names), count(np.ones(2), names[1:]))
    with pytest.raises(UsageError, match="no plan for these places"):
        policy.cost((), count(np.ones(3), names))


def test_a_place_outside_the_world_is_refused() -> None:
    with pytest.raises(SettingsError, match="latitude 144"):
        make_policy("facilities", {"places": {"x": [144.0, 0.0]}, "k": 1})
    with pytest.raises(SettingsError, match="k is 2; there are 1 places"):
        make_policy("facilities", {"places": {"x": [44.0, 0.0]}, "k": 2})
