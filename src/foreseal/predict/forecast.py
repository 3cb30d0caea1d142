"""``foreseal.forecast(df, h)``: a forecast from any data frame, without a project."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from foreseal.clock import Frequency, format_instant
from foreseal.errors import DataError, DataWarning, ModelError
from foreseal.frame import UTC_TIME, Kind, Panel, infer_frequency, read, refuse_repeats, shift
from foreseal.predict import engine
from foreseal.predict.covariates import Covariates, read_covariates
from foreseal.predict.grid import Grid
from foreseal.predict.model import Model
from foreseal.records import Forecast

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


@dataclass(frozen=True)
class Result:
    """A forecast in the form of the frame it was made from.

    ``frame`` has the user's kind, column names and time zone, a ``cutoff`` and one column per quantile
    level; ``forecast`` is the same in Foreseal's own form, and ``history`` what it rests on.
    """

    frame: Any
    forecast: Forecast
    history: pl.DataFrame
    freq: Frequency

    @property
    def ran(self) -> Mapping[str, str]:
        """What actually ran: members and weights, guard, calibration, versions."""
        return self.forecast.ran

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The levels, ascending."""
        return self.forecast.quantiles

    def summary(self) -> str:
        """A few lines for a person: what was forecast, by what, how it was checked."""
        frame, ran = self.forecast.frame, self.forecast.ran
        series = frame["unique_id"].n_unique()
        first, last = frame["ds"].sort()[0], frame["ds"].sort()[-1]
        lines = [
            f"{frame.height} forecasts: {series} series, {frame.height // series} steps of {self.freq}, "
            f"{format_instant(first)} to {format_instant(last)}",
            f"levels      {', '.join(f'{level:g}' for level in self.quantiles)}",
        ]
        for key in ("preset", "members", "weights", "windows", "guard", "calibrated", "bounds"):
            if ran.get(key):
                lines.append(f"{key:<11} {ran[key]}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()


def forecast(
    df: Any,
    h: int,
    *,
    preset: str = "balanced",
    models: Sequence[str | Model] | None = None,
    quantiles: Sequence[float] | None = None,
    level: Sequence[float] | None = None,
    freq: str | Frequency | None = None,
    cutoff: datetime | str | None = None,
    X_df: Any = None,
    timezone: str | None = None,
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
) -> Result:
    """Forecast ``h`` steps of every series of a long frame (pandas, Polars, pyarrow) as quantiles.

    Without ``cutoff`` each series is forecast from its own last ``ds``. With it, only values known by then
    count: those whose ``known_at`` column, if there is one, is at or before the cutoff, else those whose step
    has ended by then (``ds`` + one step); the forecast covers the first ``h`` steps at or after the cutoff.
    The ``cutoff`` column of the result is that instant, or the end of each series' last step.

    ``models`` replaces the members of the preset; a single one is used as it is, without guard and
    calibration. ``level=[80]`` is short for the quantiles 0.1 and 0.9 (the median is added). ``X_df`` holds
    covariates: ``time_col``, optionally ``id_col``, numeric columns; those known for all ``h`` steps count as
    known in advance, also in the past, the others at the end of their step. Series without any value are
    left out with a `DataWarning`. Naive times are taken and returned as they are; ``timezone`` (IANA) sets
    the calendar, by default that of ``time_col``.

    Raises `DataError` (the frame) or `ModelError` (horizon, levels, models), naming the series.
    """
    levels = engine.check(h, _levels(quantiles, level))
    frame, kind = read(df, id_col=id_col, time_col=time_col, target_col=target_col)
    zone = timezone or getattr(kind.ds, "time_zone", None) or "UTC"
    known_at = "known_at" in frame.columns
    if known_at and cutoff is None:
        raise DataError(
            "The frame has a known_at column, so what was known depends on the cutoff.",
            hint="Give cutoff=, or drop the column and keep one row per series and instant.",
        )
    frame = frame.select("unique_id", "ds", "y", *(["known_at"] if known_at else []))
    refuse_repeats(frame, ("unique_id", "ds", *(["known_at"] if known_at else [])))
    at = None if cutoff is None else _instant(cutoff, kind)
    if at is not None:
        # What became known later must not even decide the frequency, or which series there are.
        frame = frame.filter(pl.col("known_at") <= at if known_at else pl.col("ds") < at)
        if frame.is_empty():
            raise DataError(f"Nothing was known at {format_instant(at)}.", hint="Give a later cutoff.")
    step = _frequency(freq, frame)
    wide = None if X_df is None else read_covariates(X_df, id_col, time_col)
    frame = _without_empty(frame)
    common: dict[str, Any] = {"preset": preset, "models": models}
    if at is None:
        made, history = _from_own_ends(frame, step, zone, wide, h, levels, common)
    else:
        vintages = frame if known_at else _known_at_end_of_step(frame, step, zone)

        def known(origin: datetime) -> Panel:
            return Panel(as_known(vintages, origin), step, cutoff=origin, timezone=zone)

        covariates = _told_apart(wide, known(at), h)

        def panel_at(origin: datetime) -> Panel:
            return _with_covariates(known(origin), covariates)

        history = known(at).frame
        if history.is_empty():
            raise DataError(f"Nothing was known at {format_instant(at)}.", hint="Give a later cutoff.")
        made = engine.predict_at(panel_at, at, h, levels, **common)
    return Result(kind.give(made.frame), made, history, step)


def as_known(vintages: pl.DataFrame, cutoff: datetime) -> pl.DataFrame:
    """For each series and instant the latest value with ``known_at <= cutoff``, sorted."""
    return (
        vintages.filter(pl.col("known_at") <= cutoff)
        .sort("unique_id", "ds", "known_at")
        .group_by("unique_id", "ds", maintain_order=True)
        .agg(pl.col("y").last())
    )


def _from_own_ends(
    frame: pl.DataFrame,
    freq: Frequency,
    zone: str,
    wide: pl.DataFrame | None,
    h: int,
    levels: tuple[float, ...],
    common: dict[str, Any],
) -> tuple[Forecast, pl.DataFrame]:
    """Forecast each series from its own end; past origins are numbers of steps back from each end."""
    frame = frame.sort("unique_id", "ds")
    ends = frame.group_by("unique_id", maintain_order=True).agg(last=pl.col("ds").max())

    covariates = _told_apart(wide, Panel(frame, freq, timezone=zone), h)

    def panel_at(back: int) -> Panel:
        if not back:
            return _with_covariates(Panel(frame, freq, timezone=zone), covariates)
        last = [shift(end, freq, -back, zone) for end in ends["last"]]
        earlier = ends.with_columns(pl.Series("last", last, UTC_TIME))
        kept = frame.join(earlier, on="unique_id").filter(pl.col("ds") <= pl.col("last")).drop("last")
        # The last step stays even where it is missing, for it says where each series ends.
        absent = earlier.rename({"last": "ds"}).join(kept, on=["unique_id", "ds"], how="anti")
        absent = absent.join(kept, on="unique_id", how="semi").with_columns(y=pl.lit(None, pl.Float64))
        rows = pl.concat([kept, absent]).sort("unique_id", "ds")
        return _with_covariates(Panel(rows, freq, timezone=zone), covariates)

    now = panel_at(0)
    length = int(frame.group_by("unique_id").len()["len"].max() or 0)  # type: ignore[arg-type]
    wanted = engine.wanted_windows(now, common["preset"])
    stride = max(1, min(h, length // 2 // wanted))
    backs = [back for back in range(stride * wanted, 0, -stride) if length - back >= max(length / 2, 2)]
    made = engine.run(panel_at, 0, backs, h, levels, baseline=engine.BASELINE, past={}, **common)
    return made, frame


def _told_apart(wide: pl.DataFrame | None, panel: Panel, h: int) -> Covariates | None:
    """The covariates, told apart by whether they reach over the horizon of the real forecast."""
    if wide is None or panel.frame.is_empty():
        return None
    return Covariates.of(wide, Grid.of(panel).future(h)[0])


def _with_covariates(panel: Panel, covariates: Covariates | None) -> Panel:
    """A panel of some origin with what was known of the covariates there."""
    if covariates is None or panel.frame.is_empty():
        return panel
    grid = Grid.of(panel)
    starts = pl.DataFrame({"unique_id": grid.ids, "start": pl.Series(grid.starts, dtype=UTC_TIME)})
    return replace(panel, covariates=covariates.before(starts))


def _levels(quantiles: Sequence[float] | None, level: Sequence[float] | None) -> tuple[float, ...]:
    if quantiles is not None and level is not None:
        raise ModelError("quantiles= and level= say the same thing twice.", hint="Give one of them.")
    if level is None:
        return tuple(quantiles if quantiles is not None else QUANTILES)
    if any(not 0 < share < 100 for share in level):
        raise ModelError(
            f"level={list(level)} must be percentages between 0 and 100.", hint="Such as [50, 80]."
        )
    tails = {round(tail, 10) for share in level for tail in (0.5 - share / 200, 0.5 + share / 200)}
    return tuple(sorted(tails | {0.5}))


def _frequency(freq: str | Frequency | None, frame: pl.DataFrame) -> Frequency:
    if isinstance(freq, Frequency):
        return freq
    return infer_frequency(frame) if freq is None else Frequency.parse(freq)


def _without_empty(frame: pl.DataFrame) -> pl.DataFrame:
    has = pl.col("y").fill_nan(None).is_not_null().any().over("unique_id")
    empty = frame.filter(~has)["unique_id"].unique().sort().to_list()
    if empty and len(empty) == frame["unique_id"].n_unique():
        raise DataError("No series has any value.", hint="Check target_col and the file it came from.")
    if empty:
        warnings.warn(
            f"{len(empty)} series without any value left out: {', '.join(empty[:5])}"
            f"{', …' if len(empty) > 5 else ''}.",
            DataWarning,
            stacklevel=3,
        )
    return frame.filter(has)


def _known_at_end_of_step(frame: pl.DataFrame, freq: Frequency, zone: str) -> pl.DataFrame:
    if freq.step is not None:
        return frame.with_columns(known_at=pl.col("ds") + freq.step)
    ends = {ds: shift(ds, freq, 1, zone) for ds in frame["ds"].unique()}
    return frame.with_columns(known_at=pl.col("ds").replace_strict(ends, return_dtype=UTC_TIME))


def _instant(cutoff: datetime | str, kind: Kind) -> datetime:
    """The cutoff in UTC; a naive one is read as the frame's own times are."""
    instant = datetime.fromisoformat(cutoff) if isinstance(cutoff, str) else cutoff
    if instant.tzinfo is not None:
        return instant.astimezone(UTC)
    zone = getattr(kind.ds, "time_zone", None)
    if zone:
        raise DataError(
            f"The cutoff {instant} has no time zone, but {kind.time_col!r} has.", hint="Give it one."
        )
    return instant.replace(tzinfo=UTC)
