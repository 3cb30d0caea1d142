"""The long-frame contract: what a model is given, checked at the door, and users' own frames in and out.

A long frame has one row per value: ``unique_id: str``, ``ds: Datetime("us", "UTC")``, ``y: Float64`` where
null or NaN means missing. Forecasts add ``cutoff`` and one column ``q0.1`` per quantile level.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl

from foreseal.clock import Frequency, format_instant, format_span
from foreseal.errors import DataError, UsageError

UTC_TIME = pl.Datetime("us", "UTC")
WALL_TIME = pl.Datetime("us")


@dataclass(frozen=True, slots=True)
class Panel:
    """Series as known at a cutoff.

    ``frame`` is a long frame sorted by ``unique_id, ds``. The first step to forecast is ``start`` for every
    series if given, else each series' first grid instant at or after ``cutoff`` if given, else the step
    after its own last ``ds``; rows from there on are not shown to models. ``covariates`` is a wide frame
    (optional ``unique_id``, ``ds``, one numeric column each) exactly as known at the cutoff, where rows at
    and after the first step are values known in advance. ``timezone`` (IANA) is that of calendars.
    ``aligned`` may hold the panel's arrays (`foreseal.predict.grid.Grid`), so that they are made once.
    ``vintages``, where values are revised, gives ``unique_id, ds, y, known_at``: every value known by the
    cutoff, the superseded ones too, in the order of ``known_at``.
    """

    frame: pl.DataFrame
    freq: Frequency
    cutoff: datetime | None = None
    start: datetime | None = None
    covariates: pl.DataFrame | None = None
    timezone: str = "UTC"
    aligned: object = field(default=None, repr=False, compare=False)
    vintages: Callable[[], pl.DataFrame] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        schema = self.frame.schema
        wrong = [
            f"{name}: {schema.get(name)}"
            for name, kind in (("unique_id", pl.String), ("ds", UTC_TIME), ("y", pl.Float64))
            if schema.get(name) != kind
        ]
        if wrong:
            raise DataError(
                f"A panel needs unique_id: String, ds: Datetime('us', 'UTC') and y: Float64; got {wrong}.",
                hint="foreseal.frame.read() turns a user's frame into this form.",
            )

    def ids(self) -> tuple[str, ...]:
        """Names of the series, sorted."""
        return tuple(self.frame["unique_id"].unique().sort().to_list())


@dataclass(frozen=True, slots=True)
class Kind:
    """What a user's frame was, so that a result can be given back in the same form.

    ``backend`` is a narwhals name (``pandas``, ``polars``, ``pyarrow``); ``ds`` is the time column's Polars
    type (naive stays naive, a date stays a date), ``id`` that of the series' names.
    """

    backend: str
    id: pl.DataType
    ds: pl.DataType
    id_col: str = "unique_id"
    time_col: str = "ds"
    target_col: str = "y"

    def give(self, frame: pl.DataFrame) -> Any:
        """``frame`` (with ``unique_id, ds, cutoff`` in UTC) as the user's kind, with the user's names."""
        times = [_as_given(name, self.ds) for name in ("ds", "cutoff") if name in frame.columns]
        out = frame.with_columns(pl.col("unique_id").cast(self.id), *times)
        out = out.rename({"unique_id": self.id_col, "ds": self.time_col})
        if self.backend == "polars":
            return out
        if self.backend == "pyarrow":
            return out.to_arrow()
        import narwhals.stable.v2 as nw

        # Column by column: Polars' own conversion to pandas would need pyarrow.
        zone = getattr(self.ds, "time_zone", None)
        columns: dict[str, Any] = {}
        for column in out.iter_columns():
            if isinstance(column.dtype, pl.Datetime) and zone:
                column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            listed = column.dtype in (pl.String, pl.Date)
            columns[column.name] = column.to_list() if listed else column.to_numpy()
        backend: Any = self.backend
        given = nw.from_dict(columns, backend=backend)
        if zone:
            stamps = nw.col(self.time_col, "cutoff").dt.replace_time_zone("UTC")
            given = given.with_columns(stamps.dt.convert_time_zone(zone))
        return given.to_native()


def _as_given(name: str, kind: pl.DataType) -> pl.Expr:
    zone = getattr(kind, "time_zone", None)
    if zone:
        return pl.col(name).dt.convert_time_zone(zone).cast(kind)
    return pl.col(name).dt.replace_time_zone(None).cast(kind)


def read(
    df: Any, *, id_col: str = "unique_id", time_col: str = "ds", target_col: str | None = "y"
) -> tuple[pl.DataFrame, Kind]:
    """A user's frame (pandas, Polars, pyarrow) as a long frame in UTC, other columns kept, and its `Kind`.

    Naive times are taken as they are, as if in UTC. With ``target_col=None`` (covariates) there is no ``y``,
    and ``unique_id`` only if the frame has it.
    Raises `DataError` naming the column, and the series and instant where there is one.
    """
    frame, backend = as_polars(df)
    kind = door(frame.schema, backend, id_col, time_col, target_col)
    return canonical(frame, kind, target=target_col is not None), kind


def door(schema: pl.Schema, backend: str, id_col: str, time_col: str, target_col: str | None) -> Kind:
    """What a frame with these columns is. Raises `DataError` if it is no frame of series."""
    named = [time_col, *([id_col, target_col] if target_col else [])]
    absent = [name for name in named if name not in schema]
    if absent:
        raise DataError(
            f"The frame has no column {', '.join(map(repr, absent))}; it has {', '.join(schema) or 'none'}.",
            hint="Name yours with id_col=, time_col= and target_col=.",
        )
    if not (schema[time_col].is_(pl.Date) or isinstance(schema[time_col], pl.Datetime)):
        raise DataError(
            f"Column {time_col!r} holds {schema[time_col]}, not dates or times.",
            hint="Parse it first, for example with str.to_datetime() or pandas.to_datetime().",
        )
    if target_col and not schema[target_col].is_numeric():
        raise DataError(
            f"Column {target_col!r} holds {schema[target_col]}, not numbers.", hint="Convert it first."
        )
    return Kind(
        backend, schema.get(id_col, pl.String()), schema[time_col], id_col, time_col, target_col or "y"
    )


def canonical(frame: pl.DataFrame, kind: Kind, *, target: bool = True) -> pl.DataFrame:
    """Rows of a frame that passed the `door`, as a long frame in UTC, other columns kept.

    Raises `DataError` for rows without a name or time, and for infinite values.
    """
    named = {kind.id_col: "unique_id", kind.time_col: "ds"} | ({kind.target_col: "y"} if target else {})
    if not target and kind.id_col not in frame.columns:
        del named[kind.id_col]
    taken = [name for name in named.values() if name in frame.columns and name not in named]
    frame = frame.drop(taken).rename(named)
    for name in ("unique_id", "ds"):
        # A number that is no number is no name either; as text it would be called "NaN".
        lost = frame[name].null_count() if name in frame.columns else 0
        if name in frame.columns and frame.schema[name].is_float():
            lost += int(frame[name].is_nan().sum())
        if lost:
            given = kind.id_col if name == "unique_id" else kind.time_col
            raise DataError(f"{lost} rows have no {given}.", hint="Drop or repair them.")
    types = {"unique_id": pl.String, "y": pl.Float64}
    frame = frame.with_columns(
        *(pl.col(name).cast(to) for name, to in types.items() if name in named.values()),
        *(_as_utc(name, was) for name, was in frame.schema.items() if was.is_temporal()),
    )
    if target:
        _refuse_infinite(frame)
    return frame


def as_polars(df: Any) -> tuple[pl.DataFrame, str]:
    """A pandas, Polars or pyarrow frame as a Polars one, and what it was."""
    import narwhals.stable.v2 as nw

    try:
        frame = nw.from_native(df, eager_only=True)
    except TypeError:
        raise DataError(
            f"{type(df).__name__} is not a data frame.",
            hint="Give a pandas or Polars frame or a pyarrow table.",
        ) from None
    except nw.exceptions.DuplicateError:
        names = [str(name) for name in getattr(df, "column_names", df.columns)]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"The frame has column {twice!r} more than once.", hint="Drop or rename one."
        ) from None
    backend = frame.implementation.value
    if backend == "polars":
        return df, backend
    if backend == "pyarrow":
        table = pl.from_arrow(df)
        assert isinstance(table, pl.DataFrame)
        return table, backend
    columns = []
    for column in frame.iter_columns():
        if isinstance(column.dtype, nw.Datetime):
            zone = column.dtype.time_zone
            naive = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else column
            values = pl.Series(column.name, naive.to_numpy())
            columns.append(values.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else values)
        elif column.dtype.is_numeric():
            columns.append(pl.Series(column.name, column.to_numpy(), nan_to_null=True))
        else:
            columns.append(_of_objects(column.name, column.to_list()))
    return pl.DataFrame(columns), backend


def _of_objects(name: str, values: list[Any]) -> pl.Series:
    """A pandas column of objects: text, dates, numbers with None."""
    # pandas writes a missing text as NaN.
    values = [None if isinstance(value, float) and value != value else value for value in values]
    zones = {str(value.tzinfo) for value in values if isinstance(value, datetime)}
    if len(zones) > 1:
        raise DataError(
            f"Column {name!r} mixes time zones: {', '.join(sorted(zones))}.",
            hint="Convert it to one first, for example with pandas.to_datetime(..., utc=True).",
        )
    try:
        return pl.Series(name, values)
    except (TypeError, pl.exceptions.PolarsError):
        kinds = sorted({type(value).__name__ for value in values if value is not None})
        raise DataError(
            f"Column {name!r} mixes {', '.join(kinds)}.", hint="Convert it to one type first."
        ) from None


def _as_utc(name: str, kind: pl.DataType) -> pl.Expr:
    if not kind.is_(pl.Date) and not isinstance(kind, pl.Datetime):
        return pl.col(name)
    column = (
        pl.col(name).cast(pl.Datetime("us")) if getattr(kind, "time_zone", None) is None else pl.col(name)
    )
    if getattr(kind, "time_zone", None) is None:
        return column.dt.replace_time_zone("UTC")
    return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")


def _refuse_infinite(frame: pl.DataFrame) -> None:
    infinite = frame.filter(pl.col("y").is_infinite())
    if not infinite.is_empty():
        row = infinite.row(0, named=True)
        raise DataError(
            f"Series {row['unique_id']!r} is infinite at {format_instant(row['ds'])}.",
            hint="Replace infinite values by missing ones, or drop the rows.",
        )


def refuse_repeats(frame: pl.DataFrame, keys: Sequence[str] = ("unique_id", "ds")) -> None:
    """Raise `DataError`, naming the series and the instant, if two rows share the same keys."""
    repeats = frame.filter(frame.select(keys).is_duplicated())
    if not repeats.is_empty():
        row = repeats.row(0, named=True)
        raise DataError(
            f"Series {row.get('unique_id', '')!r} has more than one row at {format_instant(row['ds'])} "
            f"({repeats.height} such rows in all).",
            hint="Keep one row per series and instant, or give a known_at column and a cutoff.",
        )


def check_zone(name: str) -> str:
    """The name of a time zone that exists. Raises `UsageError`."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise UsageError(
            f"There is no time zone {name!r}.", hint="Give an IANA name such as 'Europe/Paris'."
        ) from None
    return name


def shift(instant: datetime, freq: Frequency, steps: int, timezone: str = "UTC") -> datetime:
    """``instant`` moved by steps; days and longer units step on the wall clock of ``timezone``.

    Where the clocks change, a time that comes twice is the first one, one that is skipped an hour later.
    """
    if timezone == "UTC" or (freq.step is not None and freq.step < timedelta(days=1)):
        return freq.shift(instant, steps)
    zone = ZoneInfo(timezone)
    local = instant.astimezone(zone).replace(tzinfo=None)
    return freq.shift(local, steps).replace(tzinfo=zone).astimezone(UTC)


def first_step(anchor: datetime, freq: Frequency, cutoff: datetime, timezone: str = "UTC") -> datetime:
    """The first instant at or after ``cutoff`` on the grid that runs through ``anchor``."""
    if freq.step is not None:
        steps = -((anchor - cutoff) // freq.step)
    else:
        steps = ((cutoff.year - anchor.year) * 12 + cutoff.month - anchor.month) // freq.months
    while shift(anchor, freq, steps, timezone) >= cutoff:
        steps -= 1
    while shift(anchor, freq, steps, timezone) < cutoff:
        steps += 1
    return shift(anchor, freq, steps, timezone)


def infer_frequency(frame: pl.DataFrame, timezone: str = "UTC") -> Frequency:
    """The step shared by all series of a long frame, days and longer counted on the clock of ``timezone``
    where they follow it. Raises `DataError` if there is none, naming a series."""
    rows = frame.select("unique_id", "ds").unique().sort("unique_id", "ds")
    gaps = _gaps(rows)
    if gaps.is_empty():
        raise DataError(
            "Every series has a single row, so the frequency cannot be inferred.", hint="Give freq='1d'."
        )
    step = _commonest(gaps)
    # A day in which the clocks are put forward has 23 hours.
    if step >= 23 * _HOUR and by_local_days(rows["ds"], timezone):
        rows = rows.with_columns(to_wall(pl.col("ds"), timezone))
        gaps = _gaps(rows)
        step = _commonest(gaps)
    calendar = _calendar_frequency(rows) if step >= 28 * _DAY else None
    if calendar is not None:
        return calendar
    settled = _usual_gaps(gaps, 3).filter(pl.col("gap") != step)
    if not settled.is_empty():
        raise _mixed(step, settled["unique_id"][0], settled["gap"][0])
    uneven = gaps.filter(pl.col("gap") % step != 0)
    if not uneven.is_empty():
        name = uneven["unique_id"][0]
        own = gaps.filter(pl.col("unique_id") == name)["gap"]
        if own.n_unique() == 1:
            raise _mixed(step, name, own[0])
        raise _irregular(name, own)
    for unit, size in _UNITS:
        if step % size == 0:
            return Frequency(step // size, unit)
    return Frequency(step, "us")


def coarser(frame: pl.DataFrame, freq: Frequency, timezone: str = "UTC") -> Frequency | None:
    """The step of the series of a long frame if it is several of ``freq``, else None."""
    try:
        found = infer_frequency(frame, timezone)
    except DataError:
        return None  # too few rows, or series of several frequencies
    if found.step and freq.step:
        return found if found.step > freq.step and not found.step % freq.step else None
    return found if found.months and (freq.step or found.months > freq.months) else None


def by_local_days(ds: pl.Series, timezone: str) -> bool:
    """Whether days (and longer) between these instants are those of ``timezone``, not of UTC.

    They are of the clock that shows fewer times of day; where both show as many, because the data crosses no
    clock change, they are local unless they begin at midnight in UTC and not there.
    """
    if timezone == "UTC":
        return False
    utc = ds.dt.time().unique()
    local = ds.dt.convert_time_zone(timezone).dt.time().unique()
    if len(utc) != len(local):
        return len(local) < len(utc)
    midnight = time(0)
    return midnight in local or midnight not in utc


def refuse_steps_in_dates(kind: Kind, freq: Frequency) -> None:
    """Raise `DataError` if steps of ``freq`` cannot be told apart by a column of dates."""
    if kind.ds.is_(pl.Date) and freq.step is not None and freq.step % timedelta(days=1):
        raise DataError(
            f"Column {kind.time_col!r} holds dates, which cannot carry steps of {freq}.",
            hint=f"Give {kind.time_col} as datetimes, or freq='1d'.",
        )


def _gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """``unique_id, gap`` in microseconds, of sorted rows."""
    gap = pl.col("ds").diff().over("unique_id").dt.total_microseconds()
    return rows.select("unique_id", gap=gap).drop_nulls()


def _commonest(gaps: pl.DataFrame) -> int:
    """The gap that is the usual one of most series."""
    usual = _usual_gaps(gaps, 1)
    return int(usual.group_by("gap").len().sort(["len", "gap"], descending=[True, False])["gap"][0])


def _mixed(step: int, name: str, gap: int) -> DataError:
    most, other = (format_span(timedelta(microseconds=each)) for each in (step, gap))
    return DataError(
        f"Mixed frequencies: most series step by {most}, series {name!r} by {other}.",
        hint="Give freq=, or forecast the two kinds separately.",
    )


def _irregular(name: str, gaps: pl.Series) -> DataError:
    counts = gaps.value_counts().sort(["count", "gap"], descending=[True, False])
    times = counts["count"][0]
    most, *rest = (format_span(timedelta(microseconds=gap)) for gap in counts["gap"])
    others = f"{', '.join(rest[:3])}{', …' if len(rest) > 3 else ''}"
    return DataError(
        f"Series {name!r} has no regular step: its commonest is {most} ({times} of {len(gaps)}), "
        f"others are {others}.",
        hint="Round the times to whole steps and aggregate, or give freq=.",
    )


_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_UNITS = (
    ("w", 604_800_000_000),
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("min", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
)


def _usual_gaps(gaps: pl.DataFrame, least: int) -> pl.DataFrame:
    """The most frequent gap of every series that has at least ``least`` gaps, most of them alike."""
    counts = gaps.group_by("unique_id", "gap").len().with_columns(all=pl.col("len").sum().over("unique_id"))
    best = (
        counts.sort(["unique_id", "len", "gap"], descending=[False, True, False])
        .group_by("unique_id", maintain_order=True)
        .first()
    )
    return best.filter((pl.col("all") >= least) & ((least == 1) | (2 * pl.col("len") > pl.col("all"))))


def _calendar_frequency(frame: pl.DataFrame) -> Frequency | None:
    """Months, quarters or years, if every ds falls on the same day (or the last day) of its month."""
    ds = frame.select(
        "unique_id", "ds", last=pl.col("ds").dt.month_end() == pl.col("ds"), day=pl.col("ds").dt.day()
    )
    same = ds.group_by("unique_id").agg(one=pl.col("day").n_unique() == 1, end=pl.col("last").all())
    if not (same["one"] | same["end"]).all():
        return None
    month = pl.col("ds").dt.year() * 12 + pl.col("ds").dt.month()
    gaps = ds.sort("unique_id", "ds").select("unique_id", gap=month.diff().over("unique_id")).drop_nulls()
    usual = _usual_gaps(gaps, 1)
    most = usual.group_by("gap").len().sort(["len", "gap"], descending=[True, False])["gap"][0]
    other = _usual_gaps(gaps, 3).filter(pl.col("gap") != most)
    if not other.is_empty():
        raise DataError(
            f"Mixed frequencies: most series step by {most} months, series {other['unique_id'][0]!r} by "
            f"{other['gap'][0]}.",
            hint="Give freq=, or forecast the two kinds separately.",
        )
    step = functools.reduce(np.gcd, gaps["gap"].unique().to_list())
    for unit, months in (("y", 12), ("q", 3), ("mo", 1)):
        if step and step % months == 0:
            return Frequency(int(step // months), unit)
    return None


def to_wall(column: pl.Expr, timezone: str) -> pl.Expr:
    return column.dt.convert_time_zone(timezone).dt.replace_time_zone(None)


def from_wall(column: pl.Expr, timezone: str) -> pl.Expr:
    """UTC of a wall-clock time: the first of two, and an hour later if the clock skips it."""
    there = column.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    later = (column + timedelta(hours=1)).dt.replace_time_zone(
        timezone, ambiguous="earliest", non_existent="null"
    )
    return pl.coalesce(there, later).dt.convert_time_zone("UTC")
