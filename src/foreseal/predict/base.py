"""What is to be reconciled: forecasts of series of one structure, and the errors of such forecasts before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.errors import DataError, ModelError
from foreseal.frame import UTC_TIME, Kind, as_polars, canonical, door, refuse_repeats
from foreseal.predict.engine import BASELINE
from foreseal.predict.forecast import Result
from foreseal.predict.grid import FloatArray, IntArray
from foreseal.predict.structure import Structure
from foreseal.records import quantile_column

# Past rows below which joint errors are not known well enough.
LEAST_ROWS = 10
NAMED = 5
_QUANTILE = re.compile(r"q(0\.\d+|\d(?:\.\d+)?e-\d+)")


@dataclass(frozen=True)
class Base:
    """What is to be reconciled: ``values`` (series, steps, levels) of ``ids``, ``sums`` sums and then all
    leaves, in the order of the structure; ``times`` has ``ds, cutoff`` of every step."""

    ids: tuple[str, ...]
    sums: int
    values: FloatArray
    levels: tuple[float, ...]
    times: pl.DataFrame
    kind: Kind
    history: pl.DataFrame
    ran: Mapping[str, str]

    @classmethod
    def of(cls, result: Any, structure: Structure, id_col: str, time_col: str) -> Base:
        """Raises `DataError` for series that the structure does not name, missing leaves, and steps or
        numbers that are not the same for all."""
        empty = pl.DataFrame(schema={"unique_id": pl.String, "ds": UTC_TIME, "y": pl.Float64})
        if isinstance(result, Result):
            frame, kind, history, ran = result.forecast.frame, result.kind, result.history, result.ran
        else:
            frame, kind = _long(result, id_col, time_col)
            history, ran = empty, {}
        levels = _levels(frame)
        if "cutoff" not in frame.columns:
            frame = frame.with_columns(cutoff=pl.col("ds").min())
        refuse_repeats(frame)
        known = set(frame["unique_id"])
        strange = sorted(known - set(structure.ids))
        absent = [leaf for leaf in structure.leaves if leaf not in known]
        if strange:
            raise DataError(
                f"The structure does not name {_some(strange)}, of which there is a forecast.",
                hint="Name it there, or leave it out of the forecast.",
            )
        if absent:
            raise DataError(
                f"There is no forecast of {_some(absent)}, which the structure names as a part.",
                hint="Forecast every part, or take it out of the structure.",
            )
        ids = tuple(name for name in structure.ids if name in known)
        frame = frame.sort("unique_id", "ds")
        parts = {str(key[0]): part for key, part in frame.partition_by("unique_id", as_dict=True).items()}
        times = parts[ids[0]].select("ds", "cutoff")
        for name in ids:
            if not parts[name]["ds"].equals(times["ds"]):
                raise DataError(
                    f"Series {name!r} was forecast for other instants than {ids[0]!r}.",
                    hint="Forecast all of them from one cutoff, with cutoff=.",
                )
        columns = [quantile_column(level) for level in levels]
        values = np.sort(np.stack([parts[name].select(columns).to_numpy() for name in ids]), axis=2)
        if not np.isfinite(values).all():
            name = ids[int(np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))[0])]
            raise DataError(f"The forecast of {name!r} has missing quantiles.", hint="Forecast it again.")
        sums = len(ids) - len(structure.leaves)
        return cls(ids, sums, values, levels, times, kind, history, ran)

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Series (series,) without any negative quantile."""
        found: NDArray[np.bool_] = self.values.min(axis=(1, 2)) >= np.zeros(len(self.ids))
        return found


@dataclass(frozen=True)
class Errors:
    """Past errors (rows, series), the same in units of the width that was forecast, and the number (rows,)
    of the origin that each row was forecast from."""

    raw: FloatArray
    unit: FloatArray
    origin: IntArray

    @classmethod
    def of(
        cls, past: Any, ids: tuple[str, ...], forecaster: str | None, id_col: str, time_col: str
    ) -> Errors:
        """Outcome less median, of the past rows that hold every series."""
        scored = getattr(past, "scored", None)
        frame = scored if isinstance(scored, pl.DataFrame) else _long(past, id_col, time_col)[0]
        if "y" not in frame.columns:
            raise DataError(
                "The past has no column 'y', what came.", hint="Give what cross_validation returned."
            )
        if "forecaster" in frame.columns:
            names = frame["forecaster"].unique(maintain_order=True).to_list()
            others = [name for name in names if name != BASELINE] or names
            chosen = forecaster or (others[0] if len(others) == 1 else None)
            if chosen not in names:
                raise ModelError(
                    f"forecaster={forecaster!r} is none of those of the past: {', '.join(names)}.",
                    hint="Give the one that made the forecast.",
                )
            frame = frame.filter(pl.col("forecaster") == chosen)
        levels = _levels(frame)
        middle = quantile_column(min(levels, key=lambda level: abs(level - 0.5)))
        width = pl.col(quantile_column(levels[-1])) - pl.col(quantile_column(levels[0]))
        by = next((name for name in ("window", "cutoff") if name in frame.columns), "ds")
        key = list(dict.fromkeys([by, "ds"]))
        cells = frame.select(*key, "unique_id", error=pl.col("y") - pl.col(middle), width=width)
        refuse_repeats(cells, [*key, "unique_id"])
        absent = sorted(set(ids) - set(cells["unique_id"]))
        if absent:
            raise DataError(
                f"The past holds no forecast of {_some(absent)}.",
                hint="Cross-validate the same series, or leave past= out.",
            )
        wide = [cells.pivot("unique_id", index=key, values=what).sort(key) for what in ("error", "width")]
        raw, size = (part.select(map(pl.col, ids)).to_numpy().astype(np.float64) for part in wide)
        origin = wide[0][by].rank("dense").to_numpy().astype(np.int64)
        whole = np.isfinite(raw).all(axis=1)
        if whole.sum() < LEAST_ROWS:
            raise DataError(
                f"The past has {whole.sum()} rows with every series; {LEAST_ROWS} are needed.",
                hint="Ask cross_validation for more windows, or leave past= out.",
            )
        raw, size = raw[whole], size[whole]
        unit = np.divide(raw, size, out=raw.copy(), where=size > 0.0)
        return cls(raw, unit, origin[whole])


def _long(df: Any, id_col: str, time_col: str) -> tuple[pl.DataFrame, Kind]:
    """A user's frame of forecasts in Foreseal's own form, times in UTC."""
    frame, backend = as_polars(df)
    absent = [name for name in (id_col, time_col) if name not in frame.columns]
    if absent:
        raise DataError(
            f"The frame has no column {', '.join(map(repr, absent))}; it has {', '.join(frame.columns)}.",
            hint="Name yours with id_col= and time_col=.",
        )
    kind = door(frame.schema, backend, id_col, time_col, None)
    return canonical(frame, kind, target=False).with_columns(pl.col("unique_id").cast(pl.String)), kind


def _levels(frame: pl.DataFrame) -> tuple[float, ...]:
    """The levels of the quantile columns, ascending."""
    found = sorted(float(name[1:]) for name in frame.columns if _QUANTILE.fullmatch(name))
    if not found:
        raise DataError(
            f"The frame has no quantile columns; it has {', '.join(frame.columns)}.",
            hint="Give what foreseal.forecast returned, or its frame.",
        )
    return tuple(found)


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(map(repr, names[:NAMED]))}{', …' if len(names) > NAMED else ''}"
