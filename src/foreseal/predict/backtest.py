"""Rolling origins over the two clocks: what would have been said before, and what became of it.

The only way to data is a function from an origin to the panel known there. An origin is a cutoff (an
instant) or, for series that each end at their own time, a number of steps back from each end.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import UTC_TIME, Panel
from foreseal.predict.grid import FloatArray, IntArray
from foreseal.predict.model import Model
from foreseal.records import Forecast, quantile_column

Origin = TypeVar("Origin", bound=Hashable)
KEYS = ("window", "unique_id", "ds")
ROWS: dict[str, pl.DataType | type[pl.DataType]] = {
    "unique_id": pl.String,
    "ds": UTC_TIME,
    "cutoff": UTC_TIME,
}


@dataclass(frozen=True)
class Past:
    """Past forecasts of several members joined with outcomes known now.

    ``index`` has ``window, unique_id, ds, cutoff, y``, sorted by its first three columns; windows count from
    0, the oldest. ``values`` holds each member's quantiles, shape (rows, levels), in the same order.
    ``window`` and ``series`` number the rows; series refer to ``ids``.
    """

    index: pl.DataFrame
    values: Mapping[str, FloatArray]
    ids: tuple[str, ...]
    quantiles: tuple[float, ...]

    @property
    def y(self) -> FloatArray:
        """Outcomes, one per row."""
        return self.index["y"].to_numpy()

    @property
    def window(self) -> IntArray:
        """Number of the window of each row."""
        return self.index["window"].to_numpy()

    @property
    def series(self) -> IntArray:
        """Position in ``ids`` of the series of each row."""
        return (
            self.index["unique_id"].replace_strict(self.ids, range(len(self.ids))).cast(pl.Int64).to_numpy()
        )

    @property
    def windows(self) -> IntArray:
        """Numbers of the windows with at least one outcome, ascending."""
        return np.unique(self.window)

    def digest(self) -> str:
        """Hex SHA-256 of the joined frame: everything that weights, guard and calibration are made from.

        Hashed are, in this order: a JSON line ``[members, levels, rows]``, the JSON list of the rows'
        ``unique_id``, then as little-endian 64-bit numbers the windows, ``ds`` and ``cutoff`` (microseconds
        since 1970) and ``y``, and each member's quantiles row by row.
        """
        members = sorted(self.values)
        head = [members, [f"{level:g}" for level in self.quantiles], self.index.height]
        digest = hashlib.sha256()
        for part in (head, self.index["unique_id"].to_list()):
            digest.update(json.dumps(part, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
        for name in ("window", "ds", "cutoff"):
            digest.update(self.index[name].to_physical().to_numpy().astype("<i8").tobytes())
        for values in (self.y, *(self.values[member] for member in members)):
            digest.update(values.astype("<f8").tobytes())
        return digest.hexdigest()


def roll(
    panel_at: Callable[[Origin], Panel],
    origins: Sequence[Origin],
    models: Mapping[str, Callable[[], Model]],
    h: int,
    quantiles: Sequence[float],
    past: MutableMapping[tuple[str, Origin], Forecast],
) -> None:
    """Add to ``past`` the forecast of every model at every origin that it does not hold yet.

    Warnings of models are left out here: they concern a past that is only looked at to judge them.
    """
    for origin in origins:
        absent = [name for name in models if not _holds(past.get((name, origin)), quantiles)]
        if absent:
            panel = panel_at(origin)
            for name in absent:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ModelWarning)
                    past[name, origin] = models[name]().fit(panel).predict(h, quantiles)


def join(
    past: Mapping[tuple[str, Origin], Forecast],
    origins: Sequence[Origin],
    members: Sequence[str],
    known: pl.DataFrame,
    quantiles: Sequence[float],
) -> Past:
    """The members' forecasts at past origins with the outcomes in ``known`` (``unique_id, ds, y``)."""
    columns = [quantile_column(level) for level in quantiles]
    schema = {**ROWS, **dict.fromkeys(columns, pl.Float64)}
    wanted = list(schema)
    outcomes = known.select("unique_id", "ds", pl.col("y").fill_nan(None)).drop_nulls()
    index: pl.DataFrame | None = None
    values = {}
    for member in members:
        frames = [past[member, origin].frame for origin in origins]
        if any(frame.columns != wanted for frame in frames):
            frames = [frame.select(wanted) for frame in frames]
        numbers = np.repeat(np.arange(len(frames)), [frame.height for frame in frames])
        joined = (
            pl.concat([pl.DataFrame(schema=schema), *frames])
            .with_columns(window=pl.Series(numbers, dtype=pl.Int64))
            .join(outcomes, on=["unique_id", "ds"])
            .sort(KEYS)
        )
        mine = joined.select("window", "unique_id", "ds", "cutoff", "y")
        index = mine if index is None else index
        values[member] = joined.select(columns).to_numpy()
        if not mine.equals(index) or not np.isfinite(values[member]).all():
            raise ModelError(
                f"Model {member!r} did not forecast the same series and steps as {members[0]!r} in the past.",
                hint="A model forecasts h steps of every series that has a value, in finite numbers.",
            )
    if index is None:
        raise ModelError("There is no member to look back at.")
    ids = tuple(index["unique_id"].unique().sort().to_list())
    return Past(index, values, ids, tuple(quantiles))


def _holds(forecast: Forecast | None, quantiles: Sequence[float]) -> bool:
    return forecast is not None and forecast.quantiles == tuple(quantiles)
