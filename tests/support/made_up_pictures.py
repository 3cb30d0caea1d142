"""One picture of every kind that a policy can show, made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from foreseal.pictures import Alerts, Chart, Exceedances, Ledger, Phases, Picture, Provision

START = datetime(2018, 8, 1, 5, tzinfo=UTC)


def make_pictures(name: str = "north") -> tuple[Picture, ...]:
    """Names from the data are ``name``."""
    steps = [START + timedelta(days=k) for k in range(3)]
    places = pl.DataFrame(
        [("home", 0.0, 0.0, "site", "", None), (name, 1.0, 2.0, "place", name, 4.0)],
        schema=["name", "x", "y", "kind", "group", "amount"],
        orient="row",
    )
    wanted = {"low": 1.0, "middle": 2.0, "high": 4.0, "asked": [3.0, 5.0, None]}
    moved = {"provided": 4.0, "moved_in": 0.0, "moved_out": [0.0, 1.0, None]}
    levels = {"stock": [5.0, 0.0, 2.0], "ordered": [0.0, 7.0, 0.0], "reorder": 3.0, "upto": 8.0}
    series = {"name": name, "ds": steps}
    phases = [(START, steps[1], each, 20.0) for each in (name, "", "east", "")]
    return (
        Chart(START, places, ((name, ("home", name, "home")),), "{piece}", geographic=False),
        Provision(START, pl.DataFrame({**series, **moved, **wanted}), "{bed}"),
        Exceedances(pl.DataFrame({**series, "level": 0.01, "y": [-1.0, -3.0, 1.0], "limit": -2.0}), "%"),
        Ledger(START, pl.DataFrame({**series, **levels, **wanted}), "{piece}", known=False),
        Phases(START, pl.DataFrame(phases, schema=["start", "end", "phase", "seconds"], orient="row"), "UTC"),
        Alerts(
            pl.DataFrame({"option": [name], "hits": [1], "misses": [0], "false_alarms": [2], "quiet": [3]}),
            pl.DataFrame({**series, "chance": [0.1, 0.5, 0.9], "event": [False, True, None]}),
            0.25,
        ),
    )
