"""Moving what is too much here to where there is room: linear programs over a graph of regions, by HiGHS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from foreseal.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
else:
    Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Moves:
    """``arcs`` are pairs of indices of regions, from and to; a unit of room that stays free costs ``idle``,
    of demand that finds none ``short``, of demand that is moved along an arc ``transfer``."""

    count: int
    arcs: tuple[tuple[int, int], ...]
    idle: float
    short: float
    transfer: float

    @classmethod
    def among(
        cls,
        regions: Sequence[str],
        neighbours: Mapping[str, Sequence[str]],
        idle: float,
        short: float,
        transfer: float,
    ) -> Self:
        """The arcs between those of ``neighbours`` that are among ``regions``."""
        at = {region: k for k, region in enumerate(regions)}
        arcs = tuple(
            (at[region], at[other]) for region in regions for other in neighbours[region] if other in at
        )
        return cls(len(regions), arcs, idle, short, transfer)

    def best(self, demand: Array) -> Array:
        """Room (regions,) of least mean cost over scenarios of demand (scenarios, regions)."""
        sparse = _scipy().sparse
        scenarios = len(demand)
        after, weights = self._after(scenarios)
        room = sparse.vstack([-sparse.identity(self.count)] * scenarios)
        cost = np.concatenate([np.zeros(self.count), np.tile(weights, scenarios) / scenarios])
        found = _solve(cost, sparse.hstack([room, after]).tocsr(), -demand.ravel())
        best: Array = found[: self.count]
        return best

    def costs(self, room: Array, demand: Array) -> Array:
        """The least cost (scenarios,) of each scenario of demand (scenarios, regions) with this room."""
        scenarios = len(demand)
        after, weights = self._after(scenarios)
        found = _solve(np.tile(weights, scenarios), after, (room[None] - demand).ravel())
        cost: Array = (found.reshape(scenarios, -1) * weights).sum(axis=1)
        return cost

    def moved(self, room: Array, demand: Array) -> tuple[Array, Array]:
        """What each region takes over and hands on (regions,) each, under one demand (regions,) at least
        cost."""
        after, weights = self._after(1)
        flow = _solve(weights, after, room - demand)[2 * self.count :]
        away, here = (np.array([arc[end] for arc in self.arcs], int) for end in (0, 1))
        taken, handed = (np.bincount(end, flow, self.count).astype(float) for end in (here, away))
        return taken, handed

    def solver(self) -> str:
        return f"HiGHS by SciPy {_scipy().__version__}"

    def _after(self, scenarios: int) -> tuple[Any, Array]:
        """What follows on the outcome: free - short - moved away + moved here = room - demand, and what each
        variable costs in one scenario."""
        sparse = _scipy().sparse
        one = sparse.identity(self.count)
        away, here = (np.array([arc[end] for arc in self.arcs], int) for end in (0, 1))
        column = np.arange(len(self.arcs))
        signs = np.concatenate([-np.ones(len(column)), np.ones(len(column))])
        flow = sparse.coo_matrix(
            (signs, (np.concatenate([away, here]), np.concatenate([column, column]))),
            shape=(self.count, len(self.arcs)),
        )
        block = sparse.hstack([one, -one, flow])
        weights = np.concatenate(
            [
                np.full(self.count, self.idle),
                np.full(self.count, self.short),
                np.full(len(column), self.transfer),
            ]
        )
        return sparse.block_diag([block] * scenarios).tocsr(), weights


def _solve(cost: Array, matrix: Any, right: Array) -> Array:
    found = _scipy().optimize.linprog(cost, A_eq=matrix, b_eq=right, bounds=(0, None), method="highs")
    if found.status != 0:
        raise UsageError(f"HiGHS found no plan: {found.message}", hint="Check the costs and the forecast.")
    solution: Array = found.x
    return solution


def _scipy() -> Any:
    try:
        import scipy
        import scipy.optimize
        import scipy.sparse
    except ImportError:
        raise MissingExtra("medicine", "Planning beds") from None
    return scipy
