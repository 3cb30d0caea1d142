"""``foreseal.forecast(df, h)``: a forecast from any data frame, without a project."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from foreseal.clock import Frequency, format_instant
from foreseal.errors import DataError, ModelError, UsageError
from foreseal.frame import (
    Kind,
    Panel,
    check_zone,
    infer_frequency,
    refuse_repeats,
    refuse_steps_in_dates,
)
from foreseal.predict import workers
from foreseal.predict.covariates import Covariates, reaches, read_covariates
from foreseal.predict.engine import Plan, check, predict
from foreseal.predict.grid import Grid
from foreseal.predict.model import Model
from foreseal.predict.parts import Whole
from foreseal.predict.share import (
    Task,
    gather,
    known_by,
    refuse_end,
    tell_covariates,
    warn_of_empty,
    warn_of_far_cutoff,
    warn_of_longer_steps,
    with_covariates,
    without_empty,
)
from foreseal.records import Forecast

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


@dataclass(frozen=True)
class Result:
    """A forecast in the form of the frame it was made from.

    ``frame`` has the user's kind, column names and time zone, a ``cutoff`` and one column per quantile
    level; ``forecast`` is the same in Foreseal's own form.
    """

    forecast: Forecast
    freq: Frequency
    kind: Kind
    known: Callable[[], pl.DataFrame] = field(repr=False)

    @functools.cached_property
    def frame(self) -> Any:
        """The forecast as the user's kind of frame."""
        return self.kind.give(self.forecast.frame)

    @functools.cached_property
    def history(self) -> pl.DataFrame:
        """What the forecast rests on: ``unique_id, ds, y``, sorted."""
        return self.known()

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
        for key in ("preset", "members", "weights", "windows", "guard", "calibrated", "bounds", "covariates"):
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
    n_jobs: int = 1,
    engine: str = "local",
) -> Result:
    """Forecast ``h`` steps of every series of a long frame (pandas, Polars, pyarrow) as quantiles.

    Without ``cutoff`` each series is forecast from its own last ``ds``. With it, only values known by then
    count: those whose ``known_at`` column, if there is one, is at or before the cutoff, else those whose step
    has ended by then (``ds`` + one step); the forecast covers the first ``h`` steps at or after the cutoff.
    The ``cutoff`` column of the result is that instant, or the end of each series' last step.

    ``models`` replaces the members of the preset; a single one is used as it is, without guard and
    calibration. ``level=[80]`` is short for the quantiles 0.1 and 0.9 (the median is added). ``X_df`` holds
    covariates: ``time_col``, optionally ``id_col``, numeric columns; those known for all ``h`` steps count as
    known in advance, also in the past, the others at the end of their step; ``ran["covariates"]`` says which
    is which, and a `DataWarning` tells of those that fall short, match nothing or serve no member. Series
    without any value are left out with a `DataWarning`. Naive times are taken and returned as they are;
    ``timezone`` (IANA) sets the calendar, by default that of ``time_col``.

    Many series are worked on in parts of a few hundred, which share evidence; ``n_jobs`` parts at a time (-1
    is one per core) in processes of this machine or, with ``engine="ray"``, on Ray. The forecast is the same.
    A Polars LazyFrame is read a part at a time.

    Raises `DataError` (the frame) or `ModelError` (horizon, levels, models), naming the series.
    """
    levels = check(h, wanted_levels(quantiles, level))
    plan = Plan.of(preset, models)
    workers.check(n_jobs, engine)
    whole = Whole.of(df, id_col, time_col, target_col)
    kind = whole.kind
    zone = check_zone(timezone or getattr(kind.ds, "time_zone", None) or "UTC")
    at = None if cutoff is None else _instant(cutoff, kind)
    wide = None if X_df is None else read_covariates(X_df, id_col, time_col)
    given = wanted_frequency(freq)
    if given is not None:
        refuse_steps_in_dates(kind, given)
    if whole.known_at:
        return _of_vintages(whole, h, levels, plan, given, at, wide, zone)
    parts = whole.parts(plan.joint)
    seen: list[pl.DataFrame] = []
    step = given
    if given is not None:
        seen.extend(itertools.islice(parts, 1))
        warn_of_longer_steps(seen, given, zone)
    while step is None:
        part = next(parts, None)
        if part is not None:
            seen.append(part)
        # What became known later must not even decide the frequency.
        rows = part if part is not None else pl.concat(seen or [whole.rows()])
        rows = rows if at is None else rows.filter(pl.col("ds") < at)
        if part is None or not rows["unique_id"].is_unique().all():
            step = _frequency(rows, at, zone)
    refuse_end(seen, at, step, h, kind)
    task = Task(int(h), levels, preset, models, step, given is None, zone, at)
    work = ((part, _covariates_of(part, wide)) for part in itertools.chain(seen, parts))
    shares = workers.spread(task, work, n_jobs=n_jobs, engine=engine)
    made = gather(shares, plan, levels, at, wide, int(h))

    def history() -> pl.DataFrame:
        rows = known_by(whole.rows().select("unique_id", "ds", "y"), at, step, zone)
        return rows.filter(pl.col("unique_id").is_in(made.frame["unique_id"].unique().implode())).sort(
            "unique_id", "ds"
        )

    return Result(made, step, kind, history)


def _covariates_of(part: pl.DataFrame, wide: pl.DataFrame | None) -> pl.DataFrame | None:
    """Those of the part's series only, for they are sent to a worker with it."""
    if wide is None or "unique_id" not in wide.columns:
        return wide
    return wide.filter(pl.col("unique_id").is_in(part["unique_id"].unique().implode()))


def _of_vintages(
    whole: Whole,
    h: int,
    levels: tuple[float, ...],
    plan: Plan,
    freq: Frequency | None,
    at: datetime | None,
    wide: pl.DataFrame | None,
    zone: str,
) -> Result:
    """A forecast from values that were revised: at each past origin, what was known then."""
    if at is None:
        raise DataError(
            "The frame has a known_at column, so what was known depends on the cutoff.",
            hint="Give cutoff=, or drop the column and keep one row per series and instant.",
        )
    frame = whole.rows().select("unique_id", "ds", "y", "known_at")
    refuse_repeats(frame, ("unique_id", "ds", "known_at"))
    frame = frame.filter(pl.col("known_at") <= at)
    step = freq or _frequency(frame, at, zone)
    frame, empty = without_empty(frame.sort("unique_id", "ds"))
    warn_of_empty(empty, all_of_them=frame.is_empty())
    warn_of_far_cutoff(frame, at, step, h)

    def known(origin: datetime) -> Panel:
        def vintages() -> pl.DataFrame:
            return frame.filter(pl.col("known_at") <= origin).sort("known_at", maintain_order=True)

        return Panel(as_known(frame, origin), step, cutoff=origin, timezone=zone, vintages=vintages)

    now = known(at)
    covariates = None if wide is None else Covariates.of(wide, Grid.of(now).future(h)[0])
    made = predict(lambda origin: with_covariates(covariates, known(origin)), at, h, levels, plan)
    if covariates is not None:
        told = tell_covariates([reaches(covariates, now, h)], covariates.wide, h, plan)
        made = replace(made, ran={**made.ran, **told})
    return Result(made, step, whole.kind, lambda: now.frame)


def as_known(vintages: pl.DataFrame, cutoff: datetime) -> pl.DataFrame:
    """For each series and instant the latest value with ``known_at <= cutoff``, sorted."""
    return (
        vintages.filter(pl.col("known_at") <= cutoff)
        .sort("unique_id", "ds", "known_at")
        .group_by("unique_id", "ds", maintain_order=True)
        .agg(pl.col("y").last())
    )


def wanted_levels(quantiles: Sequence[float] | None, level: Sequence[float] | None) -> Sequence[float]:
    """The quantile levels of ``quantiles=`` or ``level=``. Raises `ModelError` for both, or for no share."""
    if quantiles is not None and level is not None:
        raise ModelError("quantiles= and level= say the same thing twice.", hint="Give one of them.")
    if level is None:
        return quantiles if quantiles is not None else QUANTILES
    try:
        shares = [float(share) for share in level]
    except (TypeError, ValueError):
        shares = []
    if not shares or any(not 0 < share < 100 for share in shares):
        raise ModelError(
            f"level={level!r} must be a list of percentages between 0 and 100.", hint="Such as [50, 80]."
        )
    if max(shares) < 1:
        raise ModelError(
            f"level={level!r} is less than one percent.",
            hint=f"Levels are percentages: level={[round(100 * share, 6) for share in shares]!r}.",
        )
    tails = {round(tail, 10) for share in shares for tail in (0.5 - share / 200, 0.5 + share / 200)}
    return tuple(sorted(tails | {0.5}))


def wanted_frequency(freq: str | Frequency | None) -> Frequency | None:
    """The frequency of ``freq=``, None if it is to be inferred. Raises `UsageError`."""
    if freq is None or isinstance(freq, Frequency):
        return freq
    if not isinstance(freq, str):
        raise UsageError(f"freq={freq!r} is no frequency.", hint="Such as '1h', '1d' or '1mo'.")
    return Frequency.parse(freq)


def _frequency(frame: pl.DataFrame, at: datetime | None, zone: str) -> Frequency:
    if frame.is_empty() and at is not None:
        raise DataError(f"Nothing was known at {format_instant(at)}.", hint="Give a later cutoff.")
    if frame.is_empty():
        raise DataError("The frame has no rows.", hint="Check the file it came from.")
    return infer_frequency(frame, zone)


def _instant(cutoff: datetime | str, kind: Kind) -> datetime:
    """The cutoff in UTC; a naive one is read as the frame's own times are."""
    try:
        instant = datetime.fromisoformat(cutoff) if isinstance(cutoff, str) else cutoff
    except ValueError:
        instant = None
    if not isinstance(instant, datetime):
        raise DataError(f"cutoff={cutoff!r} is no time.", hint="Such as '2024-06-01T00:00:00'.")
    if instant.tzinfo is not None:
        return instant.astimezone(UTC)
    zone = getattr(kind.ds, "time_zone", None)
    if zone:
        raise DataError(
            f"The cutoff {instant} has no time zone, but {kind.time_col!r} has.", hint="Give it one."
        )
    return instant.replace(tzinfo=UTC)
