"""A round of vans that brings each site its stock for the period and takes back what is left of the last."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import ClassVar

import numpy as np
import polars as pl

from foreseal.decide import routes
from foreseal.decide.routes import Tours
from foreseal.decide.scenarios import Scenarios
from foreseal.decide.stock import chances, expected_cost, mismatch, newsvendor
from foreseal.errors import ModelError, ModelWarning
from foreseal.pictures import Acted, Chart, Picture, Provision, latest
from foreseal.records import Decision, Forecast, Option, RegretKind, Setting

METRES = 1000.0


@dataclass(frozen=True, slots=True)
class Round:
    """Newsvendor stock for the first period of each series ``goods@site``, and tours that bring it.

    ``sites`` are coordinates in km, ``home`` is where vans start. A piece left costs ``over``, one short
    ``under``, a kilometre ``per_km``. Compared: ``distribution``, stock from the quantiles; ``point``, from
    the mean of the same forecast to the nearest piece; and ``nearest``, the first stock on tours that go on
    to the nearest site; where these need more vans than there are, those of ``distribution``, each from
    site to nearest site. What is expected to cost least is chosen. Series of a site that is not listed are
    left out with a `ModelWarning`. Costs follow from these prices and the observed demand, which does not
    depend on what was brought.
    """

    sites: Mapping[str, tuple[float, ...]]
    home: tuple[float, ...]
    vehicles: int
    capacity: int
    over: float = 1.0
    under: float = 9.0
    per_km: float = 0.5
    iterations: int = 300
    seed: int = 0

    cost_unit: ClassVar[str] = "{EUR}"
    regret_kind: ClassVar[RegretKind] = "modelled"

    def __post_init__(self) -> None:
        if any(len(point) != 2 for point in (self.home, *self.sites.values())):
            raise ValueError("home and each of sites must be two coordinates in km")
        if min(self.over, self.under) <= 0 or self.per_km < 0:
            raise ValueError("over and under must be above 0, per_km not below 0")
        if min(self.vehicles, self.capacity, self.iterations) < 1:
            raise ValueError("vehicles, capacity and iterations must be at least 1")
        if any(set(name) & set(" >@") for name in self.sites):
            raise ValueError("a site's name has no space, '>' or '@'")

    def decide(self, prediction: Forecast, history: pl.DataFrame) -> Decision:
        del history
        stocks: dict[str, dict[str, int]] = {"distribution": {}, "point": {}}
        expected = dict.fromkeys(stocks, 0.0)
        unknown = []
        for name in sorted(prediction.frame["unique_id"].unique()):
            if name.rpartition("@")[2] not in self.sites:
                unknown.append(name)
                continue
            found = Scenarios.of(prediction, name)
            demand = chances(found.values[0].tolist(), found.weights.tolist())
            stocks["distribution"][name] = newsvendor(demand, self.over, self.under)
            stocks["point"][name] = int(np.rint(demand @ np.arange(len(demand))))
            for option, stock in stocks.items():
                expected[option] += expected_cost(stock[name], demand, self.over, self.under)
        if unknown:
            warnings.warn(
                f"round: {len(unknown)} series of sites that are not listed are left out: "
                f"{', '.join(unknown[:5])}{', …' if len(unknown) > 5 else ''}.",
                ModelWarning,
                stacklevel=2,
            )
        if not stocks["point"]:
            raise ModelError("No series is of a site in [sites].", hint="Series are called goods@site.")
        ds = prediction.frame["ds"].min()
        assert isinstance(ds, datetime)
        made = [self._option(name, ds, stock, expected[name]) for name, stock in stocks.items()]
        made.append(
            self._option("nearest", ds, stocks["distribution"], expected["distribution"], nearest=True)
        )
        chosen = min(made, key=lambda option: option.expected_cost).name
        return Decision("round", chosen, tuple(made), self.cost_unit, self.regret_kind)

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        stock = {each.key: float(each.value) for each in action if not each.key.startswith("tour ")}
        first = outcome.filter(pl.col("ds") == pl.col("ds").min())
        asked = {name: max(y, 0.0) for name, y in first.select("unique_id", "y").iter_rows()}
        total = sum(
            float(mismatch(stock[name], asked[name], self.over, self.under))
            for name in sorted(asked)
            if name in stock
        )
        tours = [str(each.value).split(" > ") for each in action if each.key.startswith("tour ")]
        return total + self.per_km * sum(map(self.kilometres, tours))

    def pictures(self, acts: Sequence[Acted]) -> tuple[Picture, ...]:
        """The map of the tours, and the stock of each series against what was asked for."""
        act = latest(acts)
        stock = {s.key: float(s.value) for s in act.action if not s.key.startswith("tour ")}
        tours = {s.key: str(s.value).split(" > ") for s in act.action if s.key.startswith("tour ")}
        home = next(name for name in ("home", "home >", "home @") if name not in self.sites)
        rows = [(home, *self.home, "site", "", None)]
        rows += [
            (
                site,
                *self.sites[site],
                "place",
                tour,
                sum(n for uid, n in stock.items() if uid.endswith(f"@{site}")),
            )
            for tour, sites in tours.items()
            for site in sites
        ]
        places = pl.DataFrame(rows, schema=["name", "x", "y", "kind", "group", "amount"], orient="row")
        lines = tuple((tour, (home, *sites, home)) for tour, sites in tours.items())
        first = act.wanted().filter(
            pl.col("ds") == pl.col("ds").min(), pl.col("unique_id").is_in(list(stock))
        )
        frame = first.select(
            pl.col("unique_id").alias("name"),
            "ds",
            pl.col("unique_id").replace_strict(stock, return_dtype=pl.Float64).alias("provided"),
            "low",
            "middle",
            "high",
            pl.col("y").alias("asked"),
        )
        chart = Chart(act.cutoff, places, lines, "{piece}", geographic=False)
        return chart, Provision(act.cutoff, frame, "{piece}")

    def kilometres(self, tour: list[str]) -> float:
        """Length of a tour that starts and ends at home; each leg to the metre."""
        points = [self.home, *(self.sites[name] for name in tour), self.home]
        legs = [round(math.dist(a, b) * METRES) for a, b in pairwise(points)]
        return sum(legs) / METRES

    def _option(
        self, name: str, ds: datetime, stock: Mapping[str, int], expected: float, *, nearest: bool = False
    ) -> Option:
        names = sorted(self.sites)
        loads = {site: sum(n for uid, n in stock.items() if uid.endswith(f"@{site}")) for site in names}
        names = [site for site in names if loads[site]]
        points = [(p[0], p[1]) for p in (self.home, *(self.sites[site] for site in names))]
        distances = routes.euclidean(points, METRES)
        wanted = [loads[site] for site in names]
        tours: Tours = ()
        if nearest:
            tours = routes.nearest_tours(distances, wanted, self.capacity, len(names))
        if not nearest or len(tours) > self.vehicles:
            tours = routes.best_tours(
                distances, wanted, self.capacity, self.vehicles, iterations=self.iterations, seed=self.seed
            )
        if nearest:
            # Nothing changes for tours by the rule itself; the shortest ones keep their loads alone.
            tours = tuple(routes.in_nearest_order(distances, tour) for tour in tours)
        settings = [Setting(uid, float(n), "{piece}", ds) for uid, n in stock.items()]
        settings += [
            Setting(f"tour {k}", " > ".join(names[stop] for stop in tour), "", ds)
            for k, tour in enumerate(tours, 1)
        ]
        travelled = routes.length(tours, distances) / METRES
        return Option(name, tuple(settings), expected + self.per_km * travelled)
