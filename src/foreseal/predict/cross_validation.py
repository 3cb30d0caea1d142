"""``foreseal.cross_validation(df, h)``: forecasters judged at past origins, side by side.

Every window is a call of its own that holds only what was known at its origin: rows before it, or, with
``known_at``, the values known by then. No forecaster sees another window's answers.
"""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from foreseal.clock import Frequency
from foreseal.errors import DataError, DataWarning, ForesealError, ModelError, ModelWarning
from foreseal.frame import Kind, Panel, check_zone, infer_frequency, refuse_steps_in_dates, shift
from foreseal.predict.covariates import Covariates, reaches, read_covariates
from foreseal.predict.engine import BASELINE, Plan, check, member_name
from foreseal.predict.forecast import forecast, wanted_frequency, wanted_levels
from foreseal.predict.grid import Grid
from foreseal.predict.leaderboard import leaderboard
from foreseal.predict.model import Model
from foreseal.predict.parts import Whole
from foreseal.predict.presets import find
from foreseal.predict.share import tell_covariates
from foreseal.records import quantile_column


@dataclass(frozen=True)
class Failure:
    """A forecaster that gave nothing at one window; the baseline's forecast stands in for it."""

    forecaster: str
    window: int
    reason: str


@dataclass(frozen=True)
class CrossValidation:
    """Forecasts of several forecasters at past origins, with what came.

    ``scored`` has one row per forecaster, window, series and step: ``forecaster, window, unique_id, ds,
    cutoff, y`` and a column per quantile level; rows whose outcome is missing are left out. ``window`` counts
    from 0, the oldest. ``seconds`` is the CPU time of each forecaster, also in worker processes, but
    not on Ray. ``history`` holds the values that no window asked for.
    """

    scored: pl.DataFrame
    quantiles: tuple[float, ...]
    freq: Frequency
    kind: Kind
    failures: tuple[Failure, ...]
    seconds: dict[str, float]
    history: pl.DataFrame = field(repr=False)

    @functools.cached_property
    def frame(self) -> Any:
        """``scored`` as the user's kind of frame, with the user's names."""
        return self.kind.give(self.scored)

    def leaderboard(self) -> pl.DataFrame:
        """One row per forecaster, best first: see `foreseal.predict.leaderboard`."""
        return leaderboard(
            self.scored,
            self.quantiles,
            self.history,
            self.freq,
            baseline=BASELINE,
            seconds=self.seconds,
            failures={name: sum(each.forecaster == name for each in self.failures) for name in self.seconds},
        )


def cross_validation(
    df: Any,
    h: int,
    n_windows: int = 3,
    step_size: int | None = None,
    *,
    presets: Sequence[str] = ("balanced",),
    models: Sequence[str | Model] = (),
    quantiles: Sequence[float] | None = None,
    level: Sequence[float] | None = None,
    freq: str | Frequency | None = None,
    X_df: Any = None,
    timezone: str | None = None,
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
    n_jobs: int = 1,
    engine: str = "local",
) -> CrossValidation:
    """Forecast at ``n_windows`` past origins ``step_size`` steps apart (by default ``h``), the last one ``h``
    steps before each series' end, and join what came.

    Each of ``presets`` (combined, guarded, calibrated) and each of ``models`` (alone, as it is) is a
    forecaster, beside the baseline `seasonal_naive`. A series too short for a window is left out of it.
    With a ``known_at`` column the origins are instants, the last one such that all its outcomes have
    happened; each call sees the values known by its origin, outcomes are the latest values of the frame.

    Covariates count as known in advance only if they reach ``h`` steps beyond the frame's own end; each
    window sees the others up to its origin. The other arguments are those of `foreseal.forecast`.
    A forecaster that fails at a window is given the baseline's forecast there, listed in ``failures``, and a
    `ModelWarning` tells.

    Raises `DataError` (the frame) or `ModelError` (horizon, windows, levels, presets, models).
    """
    levels = check(h, wanted_levels(quantiles, level))
    step = h if step_size is None else step_size
    for name, value in (("n_windows", n_windows), ("step_size", step)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ModelError(f"{name}={value!r} is impossible.", hint="Give a whole number from 1.")
    for name, listed in (("presets", presets), ("models", models)):
        if isinstance(listed, str) or not isinstance(listed, Sequence):
            raise ModelError(f"{name}={listed!r} is no list.", hint=f"Write {name}=[{listed!r}].")
    for preset in presets:
        find(preset)
    whole = Whole.of(df, id_col, time_col, target_col)
    rows = whole.rows().sort("unique_id", "ds")
    if rows.is_empty():
        raise DataError("The frame has no rows.", hint="Check the file it came from.")
    given = wanted_frequency(freq)
    zone = check_zone(timezone or getattr(whole.kind.ds, "time_zone", None) or "UTC")
    freq = given or infer_frequency(rows.select("unique_id", "ds", "y"), zone)
    refuse_steps_in_dates(whole.kind, freq)
    contestants: dict[str, dict[str, Any]] = {BASELINE: {"models": [BASELINE]}}
    contestants |= {preset: {"preset": preset} for preset in presets}
    contestants |= {member_name(model): {"models": [model]} for model in models}
    outcomes, covariates = _outcomes(rows), None
    if X_df is not None:
        now = Panel(outcomes, freq, timezone=zone)
        wide = read_covariates(X_df, id_col, time_col)
        covariates = Covariates.of(wide, Grid.of(now).future(h)[0])
        asked = [model for preset in presets for model in find(preset).members] + list(models)
        plan = Plan.of("balanced", asked) if asked else Plan.of("balanced", [BASELINE])
        tell_covariates([reaches(covariates, now, h)], wide, h, plan)
    ask = functools.partial(
        forecast,
        h=h,
        quantiles=levels,
        freq=freq,
        timezone=zone,
        n_jobs=n_jobs,
        engine=engine,
    )
    views: Iterable[tuple[pl.DataFrame, datetime | None]]
    if whole.known_at:
        views = _instants(rows, h, n_windows, step, freq, zone)
    else:
        views = _ends(rows, h, n_windows, step)
    return _judge(views, contestants, ask, covariates, outcomes, levels, freq, whole.kind)


def _judge(
    views: Iterable[tuple[pl.DataFrame, datetime | None]],
    contestants: dict[str, dict[str, Any]],
    ask: Any,
    covariates: Covariates | None,
    outcomes: pl.DataFrame,
    levels: tuple[float, ...],
    freq: Frequency,
    kind: Kind,
) -> CrossValidation:
    """Every forecaster at every window, joined with the outcomes."""
    said: list[pl.DataFrame] = []
    failures: list[Failure] = []
    seconds = dict.fromkeys(contestants, 0.0)
    for window, (known, cutoff) in enumerate(views):
        baseline: pl.DataFrame | None = None
        wide = None if covariates is None else covariates.before(_starts(known, cutoff))
        for name, how in contestants.items():
            start = _cpu()
            try:
                with warnings.catch_warnings():
                    # Said once, before the first window, which are cut short on purpose.
                    warnings.filterwarnings("ignore", "X_df: ", DataWarning)
                    made = ask(known, cutoff=cutoff, X_df=wide, **how).forecast.frame
            except ForesealError as error:
                if baseline is None:
                    raise
                failures.append(Failure(name, window, error.message))
                warnings.warn(
                    f"{name} gave no forecast at window {window}: {error.message} "
                    f"{BASELINE} stands in for it.",
                    ModelWarning,
                    stacklevel=3,
                )
                made = baseline
            seconds[name] += _cpu() - start
            baseline = made if baseline is None else baseline
            said.append(
                made.select(pl.lit(name).alias("forecaster"), pl.lit(window).alias("window"), pl.all())
            )
    if not said:
        raise DataError(
            "No series is long enough for a single window.", hint="Ask for a smaller h, or fewer windows."
        )
    columns = [quantile_column(each) for each in levels]
    scored = (
        pl.concat(said)
        .join(outcomes, on=["unique_id", "ds"], how="inner")
        .select("forecaster", "window", "unique_id", "ds", "cutoff", "y", *columns)
        .sort("forecaster", "window", "unique_id", "ds")
    )
    history = outcomes.join(scored, on=["unique_id", "ds"], how="anti")
    return CrossValidation(scored, levels, freq, kind, tuple(failures), seconds, history)


def _cpu() -> float:
    """CPU-seconds of this process and of those it has waited for."""
    waited = os.times()
    return time.process_time() + waited.children_user + waited.children_system


def _ends(rows: pl.DataFrame, h: int, n_windows: int, step: int) -> Iterator[tuple[pl.DataFrame, None]]:
    """Oldest first: every series without its last steps; series that would have no value are left out."""
    left = pl.len().over("unique_id") - pl.int_range(pl.len()).over("unique_id")
    for back in range(n_windows - 1, -1, -1):
        known = rows.filter(left > h + back * step)
        if not known.is_empty():
            yield known, None


def _instants(
    rows: pl.DataFrame, h: int, n_windows: int, step: int, freq: Frequency, zone: str
) -> Iterator[tuple[pl.DataFrame, datetime]]:
    """Oldest first: all vintages, and an instant; `forecast` takes what was known by then."""
    last = rows["ds"].max()
    assert isinstance(last, datetime)
    for back in range(n_windows - 1, -1, -1):
        cutoff = shift(last, freq, 1 - h - back * step, zone)
        known = rows.filter(pl.col("known_at") <= cutoff)
        if not known.is_empty():
            yield known, cutoff


def _starts(known: pl.DataFrame, cutoff: datetime | None) -> pl.DataFrame:
    """``unique_id, start``: the instant from which on a window knows nothing of each series."""
    after = pl.col("ds").max() + timedelta(microseconds=1) if cutoff is None else pl.lit(cutoff)
    return known.group_by("unique_id").agg(after.alias("start"))


def _outcomes(rows: pl.DataFrame) -> pl.DataFrame:
    """The latest value of every instant, ``unique_id, ds, y``, without missing ones."""
    if "known_at" in rows.columns:
        rows = rows.sort("unique_id", "ds", "known_at").unique(["unique_id", "ds"], keep="last")
    return rows.select("unique_id", "ds", pl.col("y").fill_nan(None)).drop_nulls("y").sort("unique_id", "ds")
