"""Where to place facilities of limited capacity, so that people travel least: a capacitated p-median.

Places are towns whose population is forecast; each is served by one of ``k`` that are chosen among them. The
mixed-integer program is solved by HiGHS through SciPy (extra ``population``). Distances are great circles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from foreseal.decide.scenarios import Scenarios
from foreseal.errors import MissingExtra, ModelError, UsageError
from foreseal.pictures import Acted, Chart, Picture, Provision, latest
from foreseal.records import Decision, Forecast, Option, RegretKind, Setting

Array: TypeAlias = npt.NDArray[np.float64]
EARTH = 6371.0
"""Mean radius, km."""

SECONDS = 60.0
"""What the solver is given; beyond it the best plan found is not taken."""


@dataclass(frozen=True, slots=True)
class Facilities:
    """``places`` maps the series to latitude and longitude in degrees. Each of the ``k`` facilities serves at
    most ``capacity`` persons at the quantile ``reserve`` of all towns' forecasts; whoever is above it when
    the outcome comes costs ``overload`` km. The last step of the horizon counts."""

    places: Mapping[str, tuple[float, float]]
    k: int
    capacity: float = float("inf")
    reserve: float = 0.9
    overload: float = 100.0

    cost_unit: ClassVar[str] = "{person}.km"
    regret_kind: ClassVar[RegretKind] = "modelled"

    def __post_init__(self) -> None:
        if not 1 <= self.k <= len(self.places):
            raise ValueError(f"k is {self.k}; there are {len(self.places)} places")
        if not self.capacity > 0 or not self.overload >= 0 or not 0 < self.reserve < 1:
            raise ValueError("capacity must be above 0, overload not below, and reserve between 0 and 1")
        for name, (lat, lon) in self.places.items():
            if not (-90 <= lat <= 90 and -180 <= lon <= 180):
                raise ValueError(f"{name} lies at latitude {lat:g}, longitude {lon:g}, which is nowhere")

    def decide(self, prediction: Forecast, history: pl.DataFrame) -> Decision:
        """The plan of least expected travel, and those for the medians and for the newest counts.

        Raises `ModelError` for places without a forecast or count, and for a capacity that cannot do.
        """
        scenarios, weights = self._scenarios(prediction)
        reserve = np.array([np.interp(self.reserve, prediction.quantiles, row) for row in scenarios])
        median = np.array([np.interp(0.5, prediction.quantiles, row) for row in scenarios])
        demands = {
            "expected": (scenarios @ weights, reserve),
            "median": (median, median),
            "newest_count": (counts := self._newest(history), counts),
        }
        away = distances(self.places)
        options = []
        for name, (people, most) in demands.items():
            serves = place(away, people, most, self.k, self.capacity)
            cost = float(weights @ [self._cost(away, serves, each) for each in scenarios.T])
            options.append(Option(name, self._action(serves), cost))
        ran = {
            "solver": "HiGHS through scipy.optimize.milp, to optimality",
            "scenarios": f"{len(weights)} quantile levels, all places at the same level",
            "distance": "great circle",
        }
        return Decision("facilities", "expected", tuple(options), self.cost_unit, self.regret_kind, ran=ran)

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        """Person-kilometres of the outcome's people, and ``overload`` for each above a capacity. Places
        without an outcome count nothing."""
        names = list(self.places)
        found = dict(outcome.sort("ds").select("unique_id", "y").iter_rows())
        people = np.array([found.get(name) or 0.0 for name in names])
        served = {setting.key: setting.value for setting in action}
        if set(served) != set(names) or not set(served.values()) <= set(names):
            raise UsageError("The action is no plan for these places.", hint="Each is served by one of them.")
        serves = np.array([names.index(str(served[name])) for name in names])
        return self._cost(distances(self.places), serves, people)

    def pictures(self, acts: Sequence[Acted]) -> tuple[Picture, ...]:
        """The map of who is served where, and each facility's people against its capacity."""
        act = latest(acts)
        served = {setting.key: str(setting.value) for setting in act.action}
        wanted = act.wanted().filter(
            pl.col("unique_id").is_in(list(served)), pl.col("ds") == pl.col("ds").max()
        )
        people = dict(wanted.select("unique_id", "middle").iter_rows())
        places = pl.DataFrame(
            [
                (
                    name,
                    lon,
                    lat,
                    "site" if name in served.values() else "place",
                    served[name],
                    people.get(name),
                )
                for name, (lat, lon) in self.places.items()
                if name in served
            ],
            schema=["name", "x", "y", "kind", "group", "amount"],
            orient="row",
        )
        lines = tuple((site, (site, name)) for name, site in served.items() if name != site)
        load = (
            wanted.with_columns(
                pl.col("unique_id").replace_strict(served, return_dtype=pl.String).alias("name")
            )
            .group_by("name", "ds")
            .agg(
                pl.lit(self.capacity).alias("provided"),
                pl.col("low", "middle", "high").sum(),
                pl.when(pl.col("y").is_not_null().any()).then(pl.col("y").sum()).alias("asked"),
            )
            .sort("name")
        )
        chart = Chart(act.cutoff, places, lines, "{persons}", geographic=True)
        return chart, Provision(act.cutoff, load, "{persons}")

    def _cost(self, away: Array, serves: npt.NDArray[np.int64], people: Array) -> float:
        load = np.bincount(serves, weights=people, minlength=len(people))
        over = np.maximum(load - self.capacity, 0.0).sum()
        return float(people @ away[np.arange(len(people)), serves] + self.overload * over)

    def _action(self, serves: npt.NDArray[np.int64]) -> tuple[Setting, ...]:
        names = list(self.places)
        return tuple(Setting(name, names[site]) for name, site in zip(names, serves, strict=True))

    def _scenarios(self, prediction: Forecast) -> tuple[Array, Array]:
        """People (places, scenarios) at the last step, and the scenarios' weights."""
        absent = sorted(set(self.places) - set(prediction.frame["unique_id"]))
        if absent:
            raise ModelError(
                f"There is no forecast of {', '.join(absent[:5])}.", hint="Places are called as series are."
            )
        each = [Scenarios.of(prediction, name) for name in self.places]
        return np.maximum(np.stack([s.values[-1] for s in each]), 0.0), each[0].weights

    def _newest(self, history: pl.DataFrame) -> Array:
        rows = history.filter(pl.col("unique_id").is_in(list(self.places)) & pl.col("y").is_finite())
        newest = dict(rows.sort("ds").group_by("unique_id").agg(pl.col("y").last()).iter_rows())
        absent = sorted(set(self.places) - set(newest))
        if absent:
            raise ModelError(f"There is no count of {', '.join(absent[:5])}.")
        return np.array([max(newest[name], 0.0) for name in self.places])


def distances(places: Mapping[str, tuple[float, float]]) -> Array:
    """Great-circle distances (places, places), km, by the haversine formula."""
    lat, lon = np.radians(np.array(list(places.values()), float)).T
    half = (
        np.sin((lat[:, None] - lat) / 2) ** 2
        + np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    )
    away: Array = 2 * EARTH * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return away


def place(
    away: Array, people: Array, most: Array, k: int, capacity: float = float("inf")
) -> npt.NDArray[np.int64]:
    """The site (places,) that serves each place: ``k`` of them, of least ``people @ distance``, none above
    ``capacity`` when ``most`` people come.

    Raises `ModelError` if there is no such plan, `MissingExtra` without SciPy.
    """
    try:
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array, eye_array, hstack, kron
    except ImportError:
        raise MissingExtra("population", "facilities") from None
    n, hint = len(people), "Raise capacity or k, or lower reserve."
    if most.sum() > k * capacity or most.max() > capacity:
        what = (
            f"{most.max():.0f} people of one place" if most.max() > capacity else f"{most.sum():.0f} people"
        )
        raise ModelError(f"{k} facilities of capacity {capacity:.0f} cannot serve {what}.", hint=hint)
    # x[i, j]: site j serves place i; then y[j]: there is a facility.
    costs = np.concatenate([(people[:, None] * away).ravel(), np.zeros(n)])
    one, each = csr_array(np.ones((1, n))), eye_array(n)
    served = hstack([kron(each, one), csr_array((n, n))])
    only = hstack([eye_array(n * n), -kron(one.T, each)])
    number = hstack([csr_array((1, n * n)), one])
    rules = [
        LinearConstraint(served.tocsr(), 1, 1),
        LinearConstraint(only.tocsr(), -np.inf, 0),
        LinearConstraint(number.tocsr(), k, k),
    ]
    if np.isfinite(capacity):
        load = hstack([kron(csr_array(most[None, :]), each), -capacity * each])
        rules.append(LinearConstraint(load.tocsr(), -np.inf, 0))
    found = milp(
        costs,
        constraints=rules,
        integrality=np.ones(len(costs)),
        bounds=Bounds(0, 1),
        options={"time_limit": SECONDS},
    )
    if found.status == 2:
        raise ModelError(
            f"No {k} places can serve all without one above the capacity of {capacity:.0f}.", hint=hint
        )
    if found.status != 0:
        raise ModelError(f"The solver found no proven plan within {SECONDS:.0f} s.", hint="Use fewer places.")
    serves: npt.NDArray[np.int64] = found.x[: n * n].reshape(n, n).argmax(axis=1)
    return serves
