"""A time-of-day signal plan for one junction whose volume is forecast.

The plan minimises the *expected* total delay over the forecast's quantiles. Delay is convex in volume and
rises steeply near capacity, so a plan for the median alone gives too little cycle when the day turns out
busy. The options beside the chosen one: the plan for the median (``point``), the plan for the volumes of the
same local hours a week before (``last_week``), and Webster's closed formula for the median (``webster``).

Steps are independent: a queue left over from one hour does not delay the next, as the analysis starts each
step without a queue (see `foreseal.decide.delay`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from foreseal.clock import format_instant, to_us
from foreseal.decide.delay import Array
from foreseal.decide.scenarios import Scenarios
from foreseal.decide.signal import Junction, best_greens, total_delay, webster_greens
from foreseal.errors import UsageError
from foreseal.pictures import Acted, Phases, Picture
from foreseal.records import Decision, Forecast, Option, RegretKind, Setting

if TYPE_CHECKING:
    from collections.abc import Sequence

WEEK = timedelta(days=7)
COMPASS = (("north", "south"), ("east", "west"))


@dataclass(frozen=True, slots=True)
class Webster:
    """The junction and the limits of its plans. Times are seconds, flows vehicles per hour.

    ``shares`` divides the junction's volume among its approaches and adds up to 1; the junction's volume is
    ``scale`` times the forecast one. ``lanes`` and ``saturation_flow`` (per lane) are one number for all
    approaches or one for each. ``phases`` lists the approaches that have green together. ``periods`` are the
    local times of day (``timezone``) at which the plan may change; left out, it may change at every step.
    ``hours`` is the step of the series, and with it the analysis period of the delay formula.
    """

    shares: Mapping[str, float]
    scale: float = 1.0
    lanes: Mapping[str, int] | int = 1
    saturation_flow: Mapping[str, float] | float = 1800.0
    phases: tuple[tuple[str, ...], ...] = ()
    lost_time: float = 4.0
    yellow: float = 4.0
    all_red: float = 1.0
    min_green: float = 10.0
    min_cycle: float = 40.0
    max_cycle: float = 120.0
    cycle_step: float = 5.0
    periods: tuple[str, ...] = ()
    hours: float = 1.0
    timezone: str = "UTC"
    series: str = ""

    cost_unit: ClassVar[str] = "{vehicle}.h"
    regret_kind: ClassVar[RegretKind] = "modelled"

    def __post_init__(self) -> None:
        if not self.shares or abs(sum(self.shares.values()) - 1) > 1e-9:
            raise ValueError(f"shares add up to {sum(self.shares.values()):g}, not to 1")
        if min(self.shares.values()) <= 0:
            raise ValueError("every share must be above 0; leave out approaches without traffic")
        for name in ("scale", "lost_time", "yellow", "min_green", "min_cycle", "cycle_step", "hours"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be above 0")
        if self.all_red < 0:
            raise ValueError("all_red must not be negative")
        for name in ("lanes", "saturation_flow"):
            self._check_per_approach(name, getattr(self, name))
        self._check_phases()
        self._check_times()
        try:
            ZoneInfo(self.timezone)
            starts = [time.fromisoformat(text) for text in self.periods]
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(f"periods or timezone: {error}; write periods as '07:30'") from error
        if any(a >= b for a, b in itertools.pairwise(starts)) or any(start.tzinfo for start in starts):
            raise ValueError("periods must be local times of day that ascend")

    def _check_per_approach(self, name: str, given: Mapping[str, float] | float) -> None:
        table = given if isinstance(given, Mapping) else dict.fromkeys(self.shares, given)
        if set(table) != set(self.shares):
            raise ValueError(f"{name} names {', '.join(table)}; shares names {', '.join(self.shares)}")
        if any(not 0 < value < float("inf") for value in table.values()):
            raise ValueError(f"{name} must be above 0")

    def _check_phases(self) -> None:
        served = [approach for phase in self.served for approach in phase]
        if sorted(served) != sorted(self.shares):
            raise ValueError(
                f"phases serve {', '.join(served) or 'nobody'}; every approach of shares "
                f"({', '.join(self.shares)}) needs exactly one phase"
            )

        if len(self.served) < 2:
            raise ValueError("a signal needs at least two phases")

    def _check_times(self) -> None:
        least = len(self.served) * (self.min_green + self.yellow + self.all_red)
        if not max(self.min_cycle, least) <= self.max_cycle:
            raise ValueError(
                f"max_cycle is {self.max_cycle:g} s; the phases need {max(self.min_cycle, least):g} s"
            )
        if self.lost_time >= self.min_green + self.yellow + self.all_red:
            raise ValueError("lost_time leaves nothing of the minimum green")
        spare = np.array([self.min_cycle - least, self.cycle_step])
        if np.abs(spare - np.rint(spare)).max() > 1e-9:
            raise ValueError("cycles must leave whole seconds above the minimum greens and change times")

    @property
    def served(self) -> tuple[tuple[str, ...], ...]:
        """Approaches by phase: ``phases``, or north with south and east with west."""
        return self.phases or tuple(
            kept for pair in COMPASS if (kept := tuple(name for name in pair if name in self.shares))
        )

    def junction(self) -> Junction:
        """The numbers behind the options."""
        order = [(name, index) for index, phase in enumerate(self.served) for name in phase]

        def each(given: Mapping[str, float] | float) -> Array:
            table = given if isinstance(given, Mapping) else dict.fromkeys(self.shares, given)
            return np.array([table[name] for name, _ in order], float)

        change = self.yellow + self.all_red
        cycles = np.arange(self.min_cycle, self.max_cycle + 1e-9, self.cycle_step)
        return Junction(
            share=self.scale * each(self.shares),
            flow=each(self.lanes) * each(self.saturation_flow),
            phase=tuple(index for _, index in order),
            cycles=cycles[cycles >= len(self.served) * (self.min_green + change) - 1e-9],
            min_green=self.min_green,
            change=change,
            lost=self.lost_time,
            hours=self.hours,
        )

    def decide(self, prediction: Forecast, history: pl.DataFrame) -> Decision:
        """The plan of least expected delay for the forecast's steps, and three plans to compare it with."""
        scenarios = Scenarios.of(prediction, self.series)
        volumes, weights = np.maximum(scenarios.values, 0.0), scenarios.weights
        series = self.series or str(prediction.frame["unique_id"][0])
        before, found = self._last_week(scenarios, history.filter(pl.col("unique_id") == series))
        median = np.maximum(scenarios.median, 0.0)[:, None]
        junction, steps, one = self.junction(), self._periods(scenarios.ds), np.ones(1)

        plans: dict[str, Array] = {name: np.zeros((len(volumes), junction.phases)) for name in _OPTIONS}
        for rows in steps:
            plans["expected"][rows] = best_greens(junction, volumes[rows], weights)
            plans["point"][rows] = best_greens(junction, median[rows], one)
            plans["last_week"][rows] = best_greens(junction, before[rows], one)
            plans["webster"][rows] = webster_greens(junction, median[rows])
        starts = [(int(rows[0]), scenarios.ds[rows[0]]) for rows in steps]
        options = tuple(
            Option(
                name,
                self._action([(ds, greens[row]) for row, ds in starts]),
                float((total_delay(junction, volumes, greens) @ weights).sum()),
            )
            for name, greens in plans.items()
        )
        ran = {
            "delay": f"HCM 2000 equation 16-9, T = {self.hours:g} h",
            "search": (
                f"all cycles {junction.cycles[0]:g}..{junction.cycles[-1]:g} s by {self.cycle_step:g} s, "
                "all splits by 1 s"
            ),
            "scenarios": f"{len(weights)} quantile levels, trapezoidal weights",
            "last_week": found,
        }
        return Decision("webster", "expected", options, self.cost_unit, self.regret_kind, ran=ran)

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        """Delay in vehicle-hours that the formula gives for the plan under the observed volumes.

        Steps without an observed volume are left out. Raises `UsageError` if the action is not a plan for
        this junction or an outcome lies before its start.
        """
        starts, greens = self._read(action)
        seen = outcome.filter(pl.col("y").is_finite())
        if self.series:
            seen = seen.filter(pl.col("unique_id") == self.series)
        if seen.is_empty():
            return 0.0
        instants: list[datetime] = seen["ds"].to_list()
        rows = np.searchsorted([*map(to_us, starts)], [*map(to_us, instants)], "right") - 1
        if rows.min() < 0:
            raise UsageError(
                f"An outcome at {format_instant(min(instants))} lies before the plan starts, at "
                f"{format_instant(starts[0])}.",
                hint="Judge a plan by the outcomes of the forecast it was made from.",
            )
        volumes = np.maximum(seen["y"].to_numpy().astype(float), 0.0)[:, None]
        return float(total_delay(self.junction(), volumes, greens[rows]).sum())

    def pictures(self, acts: Sequence[Acted]) -> tuple[Picture, ...]:
        """The latest plan: green and change of each phase, from period to period."""
        act = acts[-1]
        starts, greens = self._read(act.action)
        instants = act.forecast["ds"].unique().sort().to_list()
        ends = [*starts[1:], instants[-1] + timedelta(hours=self.hours)]
        change = self.yellow + self.all_red
        rows = [
            (start, end, name, seconds)
            for start, end, plan in zip(starts, ends, greens.tolist(), strict=True)
            for phase, green in zip(self.served, plan, strict=True)
            for name, seconds in (("+".join(phase), green), ("", change))
        ]
        schema: dict[str, Any] = dict.fromkeys(("start", "end"), pl.Datetime("us", "UTC"))
        schema |= {"phase": pl.String, "seconds": pl.Float64}
        return (Phases(act.cutoff, pl.DataFrame(rows, schema=schema, orient="row"), self.timezone),)

    def _keys(self) -> list[str]:
        return [f"green {'+'.join(phase)}" for phase in self.served]

    def _action(self, plan: Sequence[tuple[datetime, Array]]) -> tuple[Setting, ...]:
        """Settings hold from their ``ds`` until the next; a plan that does not change is not repeated."""
        change = self.yellow + self.all_red
        settings: list[Setting] = []
        running: list[float] = []
        for ds, greens in plan:
            if greens.tolist() != running:
                running = greens.tolist()
                settings.append(Setting("cycle", float(greens.sum() + change * len(greens)), "s", ds))
                settings += [Setting(k, float(g), "s", ds) for k, g in zip(self._keys(), greens, strict=True)]
        return tuple(settings)

    def _read(self, action: Sequence[Setting]) -> tuple[list[datetime], Array]:
        """The inverse of `_action`: starts and displayed greens ``[start, phase]``."""
        plan: dict[datetime, dict[str, float]] = {}
        for setting in action:
            if setting.ds is not None and setting.key in self._keys():
                plan.setdefault(setting.ds, {})[setting.key] = float(setting.value)
        if not plan or any(len(greens) != len(self._keys()) for greens in plan.values()):
            raise UsageError(
                f"The action is not a plan for this junction, which has {', '.join(self._keys())}.",
                hint="Judge an action with the options it was decided with.",
            )
        starts = sorted(plan)
        return starts, np.array([[plan[ds][key] for key in self._keys()] for ds in starts])

    def _periods(self, instants: Sequence[datetime]) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """Rows of consecutive steps that share one plan."""
        if not self.periods:
            return [np.array([row]) for row in range(len(instants))]
        zone = ZoneInfo(self.timezone)
        starts = [time.fromisoformat(text) for text in self.periods]
        labels = [sum(start <= ds.astimezone(zone).time() for start in starts) for ds in instants]
        # Before the first start of the day the last one of the day before still runs.
        labels = [label or len(starts) for label in labels]
        cuts = [row for row in range(1, len(labels)) if labels[row] != labels[row - 1]]
        return np.split(np.arange(len(labels)), cuts)

    def _last_week(self, scenarios: Scenarios, history: pl.DataFrame) -> tuple[Array, str]:
        """Volumes ``[step, 1]`` a week before at the same local time, and how they were found."""
        zone = ZoneInfo(self.timezone)
        seen = history.filter(pl.col("y").is_finite()).with_columns(
            pl.col("ds").dt.convert_time_zone(self.timezone).dt.replace_time_zone(None)
        )
        known: dict[datetime, float] = dict(zip(seen["ds"].to_list(), seen["y"].to_list(), strict=True))
        usual = dict(seen.group_by(pl.col("ds").dt.time()).agg(pl.col("y").median()).iter_rows())
        values, counts = np.zeros((len(scenarios.ds), 1)), [0, 0, 0]
        for row, ds in enumerate(scenarios.ds):
            local = ds.astimezone(zone).replace(tzinfo=None)
            candidates = (known.get(local - WEEK), usual.get(local.time()), float(scenarios.median[row]))
            rank, value = next((k, v) for k, v in enumerate(candidates) if v is not None)
            values[row] = max(value, 0.0)
            counts[rank] += 1
        words = ("a week before", "median of that hour in the history", "median of the forecast")
        return values, ", ".join(f"{n} {word}" for n, word in zip(counts, words, strict=True) if n)


_OPTIONS = ("expected", "point", "last_week", "webster")
