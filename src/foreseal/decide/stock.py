"""Stock levels from distributions of demand: the newsvendor's, and (s, S) with a fixed cost per order.

Demand is whole pieces, given as the probabilities of 0, 1, 2, ... They come from forecast quantiles as
weighted scenarios (see `foreseal.decide.scenarios`), never from a mean and a standard deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foreseal.errors import ModelError

Array = npt.NDArray[np.float64]
MAX_PIECES = 100_000


def chances(values: Sequence[float], weights: Sequence[float]) -> Array:
    """Probabilities of 0, 1, ... pieces from weighted scenarios; less than 0 is 0, a part a piece.

    Raises `ModelError` where one has more than `MAX_PIECES`.
    """
    pieces = np.ceil(np.maximum(np.asarray(values, float), 0.0) - 1e-9)
    if pieces.max(initial=0.0) > MAX_PIECES:
        raise ModelError(
            f"A demand of {pieces.max():g} pieces is more than {MAX_PIECES}.", hint="Count larger units."
        )
    found: Array = np.bincount(pieces.astype(np.int64), np.asarray(weights, float)).astype(np.float64)
    found /= found.sum()
    return found


def several(steps: Sequence[Array]) -> Array:
    """Probabilities of the total of independent steps."""
    total = np.ones(1)
    for each in steps:
        total = np.convolve(total, each)
    return total


def newsvendor(demand: Array, over: float, under: float) -> int:
    """The least stock that meets demand with probability ``under / (over + under)``, which minimises the
    expected cost of ``over`` per piece left and ``under`` per piece short."""
    ratio = under / (over + under)
    return min(int(np.searchsorted(np.cumsum(demand), ratio - 1e-12)), len(demand) - 1)


def expected_cost(stock: float, demand: Array, over: float, under: float) -> float:
    """Expected cost of ``stock`` pieces for one period."""
    return float(mismatch(stock, np.arange(len(demand)), over, under) @ demand)


def mismatch(stock: float, demand: npt.ArrayLike, over: float, under: float) -> Array:
    """Cost of pieces left and pieces short."""
    left = stock - np.asarray(demand, float)
    return np.maximum(left, 0.0) * over + np.maximum(-left, 0.0) * under


@dataclass(frozen=True, slots=True)
class Levels:
    """Order up to ``upto`` when stock on hand and on order, less what is owed, is at or below ``reorder``.
    ``cost`` is the expected cost per period in the long run."""

    reorder: int
    upto: int
    cost: float


def best_levels(demand: Array, lead: int, fixed: float, over: float, under: float) -> Levels:
    """The best (s, S): Zheng and Federgruen, Operations Research 39 (1991), 654-665.

    ``demand`` is that of one period, periods being independent; an order placed at a period's beginning
    comes ``lead`` periods later, in time for that period's demand. ``fixed`` is paid per order, ``over`` per
    piece left and ``under`` per piece owed at each period's end. What cannot be met is owed.
    """
    if demand[0] >= 1.0 - 1e-12:
        return Levels(-1, 0, 0.0)  # nothing is ever asked for
    ahead = several([demand] * (lead + 1))
    until = newsvendor(ahead, over, under)
    run = _Run(demand, ahead, fixed, over, under)
    low = until - 1
    while run.cost(low, until) > run.at(low):
        low -= 1
    upto, best = until, run.cost(low, until)
    high = upto + 1
    while run.at(high) <= best:
        if run.cost(low, high) < best:
            upto = high
            while run.cost(low, upto) <= run.at(low + 1):
                low += 1
            best = run.cost(low, upto)
        high += 1
    return Levels(low, upto, best)


def long_run(
    levels: tuple[int, int], demand: Array, lead: int, fixed: float, over: float, under: float
) -> float:
    """Expected cost per period of any (s, S) in the long run; the rest as in `best_levels`."""
    if demand[0] >= 1.0 - 1e-12:
        return levels[1] * over  # what is there stays there
    ahead = several([demand] * (lead + 1))
    return _Run(demand, ahead, fixed, over, under).cost(*levels)


class _Run:
    """Long-run costs, with what the renewal equation has given so far."""

    def __init__(self, demand: Array, ahead: Array, fixed: float, over: float, under: float) -> None:
        self.demand, self.ahead, self.fixed, self.over, self.under = demand, ahead, fixed, over, under
        self.visits = [1.0 / (1.0 - demand[0])]
        self.costs: dict[int, float] = {}

    def at(self, position: int) -> float:
        """Expected cost of a period, of the stock position that decides it."""
        if position not in self.costs:
            self.costs[position] = expected_cost(position, self.ahead, self.over, self.under)
        return self.costs[position]

    def cost(self, reorder: int, upto: int) -> float:
        """Cost per period of (s, S): over one cycle, by the expected visits to each position."""
        span = upto - reorder
        while len(self.visits) < span:
            k = len(self.visits)
            asked = self.demand[1 : k + 1]
            earlier = np.array(self.visits[k - len(asked) : k])[::-1]
            self.visits.append(float(asked @ earlier) / (1.0 - self.demand[0]))
        visits = self.visits[:span]
        total = sum(m * self.at(upto - j) for j, m in enumerate(visits))
        return float((self.fixed + total) / sum(visits))


def ledger(
    levels: tuple[float, float], demand: Sequence[float], start: float, lead: int
) -> tuple[list[float], list[float]]:
    """Stock at the end of each period (what is owed is below 0), and what was ordered at its beginning, for
    (s, S) under one path of demand; the same rule as in `run_levels`."""
    reorder, upto = levels
    hand, due = float(start), [0.0] * (len(demand) + lead + 1)
    stock, orders = [], []
    for period, asked in enumerate(demand):
        position = hand + sum(due[period : period + lead + 1])
        orders.append(upto - position if position <= reorder else 0.0)
        due[period + lead] += orders[-1]
        hand += due[period] - max(asked, 0.0)
        due[period] = 0.0
        stock.append(hand)
    return stock, orders


def run_levels(
    levels: tuple[float, float],
    demand: npt.ArrayLike,
    start: float,
    lead: int,
    fixed: float,
    over: float,
    under: float,
) -> Array:
    """Cost of (s, S) under paths ``[path, period]`` of demand, with ``start`` pieces on hand at first."""
    paths = np.maximum(np.atleast_2d(np.asarray(demand, float)), 0.0)
    reorder, upto = levels
    hand = np.full(len(paths), float(start))
    due = np.zeros((len(paths), paths.shape[1] + lead + 1))
    cost = np.zeros(len(paths))
    for period in range(paths.shape[1]):
        position = hand + due[:, period : period + lead + 1].sum(axis=1)
        order = np.where(position <= reorder, upto - position, 0.0)
        cost += np.where(order > 0, fixed, 0.0)
        due[:, period + lead] += order
        hand = hand + due[:, period] - paths[:, period]
        due[:, period] = 0.0
        cost += np.maximum(hand, 0.0) * over + np.maximum(-hand, 0.0) * under
    return cost
