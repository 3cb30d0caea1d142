"""Tours of vehicles of one capacity from one depot, by PyVRP; and a simple rule to compare them with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from foreseal.errors import MissingExtra, ModelError

Matrix = npt.NDArray[np.int64]
Tours = tuple[tuple[int, ...], ...]


def euclidean(points: Sequence[tuple[float, float]], scale: float = 1.0) -> Matrix:
    """Distances of points, times ``scale``, rounded to whole numbers."""
    at = np.asarray(points, float)
    apart = np.hypot(*(at[:, None, :] - at[None, :, :]).T)
    whole: Matrix = np.rint(apart * scale).astype(np.int64)
    return whole


def best_tours(
    distances: Matrix,
    loads: Sequence[int],
    capacity: int,
    vehicles: int,
    *,
    iterations: int = 0,
    stop: Callable[[float], bool] | None = None,
    seed: int = 0,
) -> Tours:
    """Short tours that serve every client: client k is row k + 1 of ``distances``, the depot row 0.

    It stops after ``iterations``, which gives the same tours each time, or when ``stop``, given the best cost
    so far, says so. Raises `ModelError` where the loads cannot be carried, or no tours that do were found.
    """
    check_loads(loads, capacity, vehicles)
    if not loads:
        return ()
    try:
        from pyvrp import Client, Depot, Location, ProblemData, VehicleType, solve
        from pyvrp.stop import MaxIterations
    except ImportError:
        raise MissingExtra("supply", "Routing") from None
    data = ProblemData(
        locations=[Location(0, 0) for _ in range(len(loads) + 1)],
        clients=[Client(k + 1, delivery=[int(load)]) for k, load in enumerate(loads)],
        depots=[Depot(0)],
        vehicle_types=[VehicleType(vehicles, [capacity])],
        distance_matrices=[cast(Any, distances)],
        duration_matrices=[cast(Any, np.zeros_like(distances))],
    )
    found = solve(data, cast(Any, stop or MaxIterations(iterations)), seed=seed, collect_stats=False).best
    if not found.is_feasible():
        raise ModelError(
            f"No {vehicles} tours of {capacity} carry these {len(loads)} loads.",
            hint="Allow another vehicle, or search longer.",
        )
    tours = [tuple(each.idx for each in route if each.is_client()) for route in found.routes()]
    return tuple(sorted(tour for tour in tours if tour))


def nearest_tours(distances: Matrix, loads: Sequence[int], capacity: int, vehicles: int) -> Tours:
    """Each vehicle goes on to the nearest client whose load still fits. Raises as `best_tours` does."""
    check_loads(loads, capacity, vehicles)
    left, tours = set(range(len(loads))), []
    while left:
        tour: list[int] = []
        room, here = capacity, 0
        while fits := [k for k in left if loads[k] <= room]:
            nearest = min(fits, key=lambda k: (distances[here, k + 1], k))
            tour.append(nearest)
            left.remove(nearest)
            room, here = room - loads[nearest], nearest + 1
        tours.append(tuple(tour))
    if len(tours) > vehicles:
        raise ModelError(f"The nearest-client rule needs {len(tours)} vehicles; there are {vehicles}.")
    return tuple(tours)


def in_nearest_order(distances: Matrix, tour: Sequence[int]) -> tuple[int, ...]:
    """The same clients, each time the nearest of those that are left."""
    left, order, here = set(tour), [], 0
    while left:
        nearest = min(left, key=lambda k: (distances[here, k + 1], k))
        order.append(nearest)
        left.remove(nearest)
        here = nearest + 1
    return tuple(order)


def length(tours: Tours, distances: Matrix) -> int:
    """Total distance of tours that begin and end at the depot."""
    stops = [(0, *(k + 1 for k in tour), 0) for tour in tours]
    return sum(int(distances[a, b]) for stop in stops for a, b in pairwise(stop))


def check_loads(loads: Sequence[int], capacity: int, vehicles: int) -> None:
    """Raise `ModelError` where no tours can carry the loads."""
    if max(loads, default=0) > capacity:
        raise ModelError(
            f"A load of {max(loads)} is more than a vehicle carries: {capacity}.",
            hint="Raise capacity, or split the client.",
        )
    if sum(loads) > capacity * vehicles:
        raise ModelError(
            f"{sum(loads)} pieces are more than {vehicles} vehicles of {capacity} carry.",
            hint="Raise vehicles or capacity.",
        )
