from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from foreseal.decide.routes import best_tours, euclidean, in_nearest_order, length, nearest_tours
from foreseal.errors import ModelError
from tests.conftest import require

SUPPLY = 'pip install "foreseal[supply]"'


def cheapest(distances: np.ndarray, loads: list[int], capacity: int, vehicles: int) -> int:
    """Every order of the clients, cut everywhere it can be."""
    best = 10**9
    for order in itertools.permutations(range(len(loads))):
        for cuts in itertools.product((False, True), repeat=len(order) - 1):
            tours, tour = [], [order[0]]
            for client, cut in zip(order[1:], cuts, strict=True):
                if cut:
                    tours.append(tuple(tour))
                    tour = []
                tour.append(client)
            tours.append(tuple(tour))
            if len(tours) <= vehicles and all(sum(loads[k] for k in t) <= capacity for t in tours):
                best = min(best, length(tuple(tours), distances))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_small_tours_are_the_shortest_there_are(seed: int) -> None:
    require("pyvrp", SUPPLY)
    rng = np.random.default_rng(seed)
    distances = euclidean([(x, y) for x, y in rng.uniform(0, 100, (7, 2))], 10)
    loads = rng.integers(1, 5, 6).tolist()
    tours = best_tours(distances, loads, 8, 4, iterations=200)
    assert sorted(k for tour in tours for k in tour) == list(range(6))
    assert all(sum(loads[k] for k in tour) <= 8 for tour in tours)
    assert length(tours, distances) == cheapest(distances, loads, 8, 4)
    assert tours == best_tours(distances, loads, 8, 4, iterations=200)


def test_lengths_are_added_up_leg_by_leg() -> None:
    distances = euclidean([(0, 0), (3, 4), (3, 0)])
    assert length(((0, 1),), distances) == 5 + 4 + 3
    assert length(((0,), (1,)), distances) == 10 + 6
    assert length((), distances) == 0


def test_loads_that_cannot_be_carried_are_refused_with_numbers() -> None:
    distances = euclidean([(0, 0), (1, 0), (2, 0), (3, 0)])
    with pytest.raises(ModelError, match="load of 9 is more than a vehicle carries: 8"):
        best_tours(distances, [9, 1, 1], 8, 3, iterations=10)
    with pytest.raises(ModelError, match="18 pieces are more than 2 vehicles of 8"):
        best_tours(distances, [6, 6, 6], 8, 2, iterations=10)
    require("pyvrp", SUPPLY)
    with pytest.raises(ModelError, match="No 2 tours of 10 carry"):
        best_tours(distances, [6, 6, 6], 10, 2, iterations=50)
    assert best_tours(distances[:1, :1], [], 8, 3, iterations=10) == ()


def test_the_simple_rule_goes_on_to_the_nearest_that_fits() -> None:
    distances = euclidean([(0, 0), (1, 0), (2, 0), (-3, 0)])
    assert nearest_tours(distances, [4, 4, 4], 8, 3) == ((0, 1), (2,))
    with pytest.raises(ModelError, match="needs 3 vehicles; there are 2"):
        nearest_tours(distances, [6, 6, 6], 10, 2)


def test_a_tour_in_nearest_order_keeps_its_clients() -> None:
    distances = euclidean([(0, 0), (1, 0), (2, 0), (-3, 0), (9, 9)])
    assert in_nearest_order(distances, (2, 1, 0)) == (0, 1, 2)
    assert in_nearest_order(distances, (2,)) == (2,)
    assert in_nearest_order(distances, ()) == ()


def test_best_known_tours_have_the_published_cost(shared: Path) -> None:
    for path in sorted((shared / "supply" / "vrp").glob("X-n1*.vrp"))[:4]:
        lines = path.read_text().split("NODE_COORD_SECTION")[1].split("DEMAND_SECTION")[0].split()
        points = [(float(x), float(y)) for x, y in zip(lines[1::3], lines[2::3], strict=True)]
        solution = path.with_suffix(".sol").read_text().splitlines()
        tours = tuple(
            tuple(int(k) - 1 for k in line.split(":")[1].split())
            for line in solution
            if line.startswith("Route")
        )
        (cost,) = (int(line.split()[1]) for line in solution if line.startswith("Cost"))
        assert length(tours, euclidean(points)) == cost
