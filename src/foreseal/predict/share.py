"""The forecast of one part of a frame, wherever it is made, and all parts put together."""

from __future__ import annotations

import functools
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from foreseal.clock import Frequency, format_instant
from foreseal.errors import DataError, DataWarning, ForesealWarning
from foreseal.frame import (
    UTC_TIME,
    Kind,
    Panel,
    by_local_days,
    coarser,
    infer_frequency,
    refuse_repeats,
    shift,
    to_wall,
)
from foreseal.predict import catalogue, engine
from foreseal.predict.covariates import Covariates, Reach, account, reaches, warn_unused
from foreseal.predict.engine import Account, Plan
from foreseal.predict.grid import Grid, IntArray
from foreseal.predict.model import Model
from foreseal.records import Forecast

NAMED = 5
# A cutoff so many horizons or seasons after the last value is more likely a typing error.
FAR = 10
MONTH = timedelta(days=30)
# Series of so long a time without a weekend are taken for series of working days.
LONG_ENOUGH = timedelta(days=28)
SATURDAY = 6
# Of 64-bit nanoseconds since 1970, as pandas counts them.
NANOSECONDS_END = datetime(2262, 4, 11, tzinfo=UTC)


@dataclass(frozen=True)
class Share:
    """What became of one part: its forecast and the account of it (None if it had no value at all), series
    left out, warnings, and how far its covariates reach."""

    frame: pl.DataFrame | None
    account: Account | None
    empty: tuple[str, ...] = ()
    warned: tuple[tuple[type[Warning], str], ...] = ()
    reaches: Mapping[str, Reach] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """What to do with every part; picklable if the models are. ``inferred`` tells that ``freq`` was found in
    another part, so that this one may differ."""

    h: int
    levels: tuple[float, ...]
    preset: str
    models: Sequence[str | Model] | None
    freq: Frequency
    inferred: bool
    zone: str
    cutoff: datetime | None = None

    def __call__(self, part: tuple[pl.DataFrame, pl.DataFrame | None]) -> Share:
        """Forecast the series of ``unique_id, ds, y``, with their covariates if any.

        Raises `DataError`, naming the series.
        """
        rows, wide = part
        frame = rows.select("unique_id", "ds", "y").sort("unique_id", "ds")
        again = (
            (pl.col("unique_id") == pl.col("unique_id").shift()) & (pl.col("ds") == pl.col("ds").shift())
        ).any()
        if frame.select(again).item():
            refuse_repeats(frame)
        frame = known_by(frame, self.cutoff, self.freq, self.zone)
        frame, empty = without_empty(frame)
        if frame.is_empty():
            return Share(None, None, empty)
        if self.inferred:
            _refuse_another(frame, self.freq, self.zone)
        panel = Grid.hold(Panel(frame, self.freq, cutoff=self.cutoff, timezone=self.zone))
        covariates = None if wide is None else Covariates.of(wide, Grid.of(panel).future(self.h)[0])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ForesealWarning)
            warn_of_far_cutoff(frame, self.cutoff, self.freq, self.h)
            made, learnt = engine.predict_panel(
                panel,
                self.h,
                self.levels,
                Plan.of(self.preset, self.models),
                functools.partial(with_covariates, covariates),
            )
            _warn_of_weekends(frame, made, self.freq, self.zone)
        warned = tuple((w.category, str(w.message)) for w in caught)
        met = {} if covariates is None else reaches(covariates, panel, self.h)
        return Share(made, learnt, empty, warned, met)


def without_empty(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """A frame sorted by series without those that have no value at all, and the names of these."""
    if frame.is_empty():
        return frame, ()
    starts, _ = runs(frame)
    has = np.add.reduceat(np.isfinite(frame["y"].fill_null(np.nan).to_numpy()), starts) > 0
    if has.all():
        return frame, ()
    empty = frame["unique_id"].gather(starts[~has])
    return frame.filter(~pl.col("unique_id").is_in(empty.implode())), tuple(empty.to_list())


def runs(frame: pl.DataFrame) -> tuple[IntArray, IntArray]:
    """First row and number of rows of each series of a sorted frame."""
    lengths = frame["unique_id"].rle().struct.field("len").to_numpy().astype(np.int64)
    return lengths.cumsum() - lengths, lengths


def known_by(rows: pl.DataFrame, cutoff: datetime | None, freq: Frequency, zone: str) -> pl.DataFrame:
    """Rows whose step has ended by the cutoff."""
    if cutoff is None:
        return rows
    if freq.step is not None:
        return rows.filter(pl.col("ds") + freq.step <= cutoff)
    ends = {ds: shift(ds, freq, 1, zone) for ds in rows["ds"].unique()}
    return rows.filter(pl.col("ds").replace_strict(ends, return_dtype=UTC_TIME) <= cutoff)


def gather(
    shares: Iterable[Share],
    plan: Plan,
    levels: tuple[float, ...],
    cutoff: datetime | None,
    wide: pl.DataFrame | None = None,
    h: int = 0,
) -> Forecast:
    """One forecast, sorted by series; warns once of each kind of thing. Raises `DataError` if it is empty.

    ``wide`` holds the covariates of all parts, if any, of ``h`` steps ahead."""
    frames, accounts, found = [], [], []
    empty: list[str] = []
    warned: Counter[tuple[type[Warning], str]] = Counter()
    for share in shares:
        empty += share.empty
        warned.update(share.warned)
        if share.frame is not None and share.account is not None:
            frames.append(share.frame)
            accounts.append(share.account)
            found.append(share.reaches)
    if not frames and not empty and cutoff is not None:
        raise DataError(f"Nothing was known at {format_instant(cutoff)}.", hint="Give a later cutoff.")
    warn_of_empty(empty, all_of_them=not frames)
    # What many parts say alike differs in names only: the first of a kind stands for all.
    kinds: dict[tuple[type[Warning], str], list[str]] = {}
    for category, text in warned:
        kinds.setdefault((category, text.partition(":")[0]), []).append(text)
    for (category, _), texts in kinds.items():
        more = f" ({len(texts) - 1} parts of the frame say so too.)" if len(texts) > 1 else ""
        warnings.warn(texts[0] + more, category, stacklevel=3)
    frame = pl.concat(frames) if len(frames) > 1 else frames[0]
    if not frame["unique_id"].is_sorted():
        frame = frame.sort("unique_id", "ds")
    told = {} if wide is None else tell_covariates(found, wide, h, plan)
    return Forecast(frame, levels, engine.tell(accounts, plan) | told)


def tell_covariates(
    found: Sequence[Mapping[str, Reach]], wide: pl.DataFrame, h: int, plan: Plan
) -> dict[str, str]:
    """What ``ran`` says of the covariates, with a warning of those that do less than they seem to."""
    if not any(catalogue.may_use_covariates(make()) for make in plan.makers.values()):
        warn_unused(f"the preset {plan.named!r}" if plan.named else f"models ({', '.join(plan.makers)})")
        return {"covariates": "used by no member"}
    return {"covariates": account(found, wide, h)}


def warn_of_empty(empty: Sequence[str], *, all_of_them: bool) -> None:
    """Warn of series without any value. Raises `DataError` if there are no others."""
    if all_of_them:
        raise DataError("No series has any value.", hint="Check target_col and the file it came from.")
    if empty:
        left = f"{', '.join(empty[:NAMED])}{', …' if len(empty) > NAMED else ''}"
        warnings.warn(f"{len(empty)} series without any value left out: {left}.", DataWarning, stacklevel=4)


def warn_of_far_cutoff(frame: pl.DataFrame, cutoff: datetime | None, freq: Frequency, h: int) -> None:
    """Warn if even the latest of all values is many horizons and seasons older than the cutoff."""
    last = frame["ds"].max()
    if cutoff is None or not isinstance(last, datetime):
        return
    steps = (cutoff - last) // (freq.step or freq.months * MONTH)
    if steps > FAR * max(h, *freq.seasons, 1):
        warnings.warn(
            f"The cutoff {format_instant(cutoff)} is far beyond the data: the last value is at "
            f"{format_instant(last)}, {steps} steps of {freq} earlier.",
            DataWarning,
            stacklevel=2,
        )


def warn_of_longer_steps(parts: Sequence[pl.DataFrame], freq: Frequency, zone: str) -> None:
    """Warn if the frequency asked for is finer than that of the series: most steps would have no value."""
    found = coarser(parts[0], freq, zone) if parts else None
    if found is not None:
        warnings.warn(
            f"The series step by {found}, and freq={str(freq)!r} was asked for: the steps between are taken "
            f"as missing, and forecast. Give freq={str(found)!r}, or none, for the series' own step.",
            DataWarning,
            stacklevel=3,
        )


def refuse_end(
    parts: Sequence[pl.DataFrame], cutoff: datetime | None, freq: Frequency, h: int, kind: Kind
) -> None:
    """Raise `DataError` if ``h`` steps from the last value on go beyond the dates that can be given back."""
    times = [cutoff] if cutoff else [part["ds"].max() for part in parts]
    last = max((time for time in times if isinstance(time, datetime)), default=None)
    if last is None:
        return
    nanoseconds = getattr(kind.ds, "time_unit", None) == "ns"
    latest = NANOSECONDS_END if nanoseconds else datetime.max.replace(tzinfo=UTC)
    try:
        ends = freq.shift(last, h) < latest
    except (OverflowError, ValueError):
        ends = False
    if not ends:
        raise DataError(
            f"{h} steps of {freq} from {format_instant(last)} on end after {latest:%Y-%m-%d}, the last date "
            f"that column {kind.time_col!r} can hold.",
            hint="Give a shorter horizon.",
        )


def _warn_of_weekends(frame: pl.DataFrame, made: pl.DataFrame, freq: Frequency, zone: str) -> None:
    """Warn if days are forecast that the series never have."""
    if str(freq) != "1d":
        return
    clock = zone if by_local_days(frame["ds"], zone) else "UTC"
    weekend = to_wall(pl.col("ds"), clock).dt.weekday() >= SATURDAY
    span = pl.col("ds").max() - pl.col("ds").min()
    without = (
        frame.group_by("unique_id")
        .agg(none=~weekend.any() & (span >= LONG_ENOUGH))
        .filter("none")["unique_id"]
        .sort()
    )
    if without.is_empty() or not made.select(weekend.any()).item():
        return
    named = f"{', '.join(map(repr, without[:NAMED]))}{', …' if len(without) > NAMED else ''}"
    warnings.warn(
        f"{len(without)} series without Saturdays and Sundays: {named}. Weekends are forecast too, and "
        "count as steps of h.",
        DataWarning,
        stacklevel=2,
    )


def _refuse_another(frame: pl.DataFrame, freq: Frequency, zone: str) -> None:
    """Raise `DataError` if the series of this part clearly step otherwise than those of others."""
    starts, lengths = runs(frame)
    if freq.step is not None:
        gaps = np.diff(frame["ds"].to_physical().to_numpy(), append=0)
        step = freq.step // timedelta(microseconds=1)
        within = np.ones(len(gaps), bool)
        within[starts + lengths - 1] = False
        usual = np.add.reduceat(within & (gaps == step), starts)
        if (gaps[within] % step == 0).all() and (2 * usual >= lengths - 1).all():
            return
    elif (lengths == 1).all():
        return
    found = infer_frequency(frame, zone)
    if found != freq:
        raise DataError(
            f"Mixed frequencies: most series step by {freq}, series {frame['unique_id'][0]!r} by {found}.",
            hint="Give freq=, or forecast the two kinds separately.",
        )


def with_covariates(covariates: Covariates | None, panel: Panel) -> Panel:
    """A panel of some origin with what was known of the covariates there."""
    if covariates is None or panel.frame.is_empty():
        return panel
    grid = Grid.of(panel)
    starts = pl.DataFrame({"unique_id": grid.ids, "start": pl.Series(grid.starts, dtype=UTC_TIME)})
    return replace(panel, covariates=covariates.before(starts))
