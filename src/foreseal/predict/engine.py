"""One forecast at one cutoff: members, weights, guard, calibration, in this order, each on its own windows.

    past origins, oldest first     what happens there
    ───────────────────────────    ──────────────────────────────────────────
    first 2/5 (and the remainder)  weights of the members
    next 1/5                       guard: is the combination better than the baseline?
    last 2/5                       conformal calibration of the combination

With fewer than five past windows the guard shares those of the weights, and with fewer than two there is no
calibration. What ran is in the forecast's ``ran``.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import math
import platform
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from foreseal.clock import Frequency
from foreseal.errors import ModelError
from foreseal.frame import Panel, shift
from foreseal.predict import catalogue
from foreseal.predict.backtest import LEAST_SHARE, Makers, Past, Views, look_back, recall
from foreseal.predict.combine import Mixture, guard, weigh
from foreseal.predict.conformal import Calibration, calibrate
from foreseal.predict.grid import FloatArray, Grid
from foreseal.predict.model import Model
from foreseal.predict.presets import Preset, find
from foreseal.records import Forecast, quantile_column

BASELINE = "seasonal_naive"
# With ".statsforecast" behind it, a name is a key of a sealed entry, which takes 64 characters.
MAX_NAME = 48
# Steps of a horizon at most; memory and work grow with them.
LONGEST = 100_000
# Windows without all their outcomes that are added where most series are short.
SHORT_WINDOWS = 4
# What members say of how many series of a part: those of all parts are added up.
COUNTS = (".naive", ".failed", ".empirical")


@dataclass(frozen=True)
class Account:
    """What was learnt from the past of some series, so that accounts of several parts can be put together.

    ``weights`` is the mean weight of each member; ``windows`` how many served weights, guard, calibration;
    ``guarded`` how many of ``series`` got the baseline alone; ``bounded`` how many are kept from going below
    zero; ``calibrated`` how many are calibrated; ``digest`` that of the past.
    """

    series: int
    bounded: int
    ran: dict[str, str]
    weights: dict[str, float] | None = None
    windows: tuple[int, int, int] = (0, 0, 0)
    guarded: int = 0
    calibrated: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Plan:
    """What to do: the members by name with a constructor each (baseline first), and how far to look back."""

    makers: Makers
    preset: Preset
    named: str
    baseline: str

    @classmethod
    def of(cls, preset: str, models: Sequence[str | Model] | None, baseline: str = BASELINE) -> Plan:
        """Raises `ModelError` for a preset or model that does not exist."""
        chosen = find(preset)
        return cls(_makers(chosen, models, baseline), chosen, preset if models is None else "", baseline)

    @property
    def alone(self) -> bool:
        """Whether one model was asked for, which is then used as it is."""
        return len(self.makers) == 1

    @property
    def joint(self) -> bool:
        """Whether a member learns from how series go together, so that a panel must not be taken apart."""
        return any(getattr(make(), "joint", False) for make in self.makers.values())

    def windows(self, series: int) -> int:
        """How many past windows to look at: the preset's, fewer where many series share the evidence."""
        return max(self.preset.least, round(self.preset.windows / math.sqrt(max(1, series))))


def predict_at(
    panel_at: Callable[[datetime], Panel],
    cutoff: datetime,
    h: int,
    quantiles: Sequence[float],
    *,
    preset: str = "balanced",
    models: Sequence[str | Model] | None = None,
    baseline: str = BASELINE,
    past: MutableMapping[tuple[str, datetime], Forecast] | None = None,
    every: Frequency | None = None,
    windows: int | None = None,
) -> Forecast:
    """The combined, calibrated forecast of ``h`` steps from a cutoff; a pure function of its arguments.

    ``panel_at(cutoff)`` is the only way to data. Past cutoffs lie ``every`` apart (by default the span of
    the horizon, in local days if whole) and number at most ``windows``. ``past`` caches the members' own
    forecasts of this target by (member, cutoff): the result is the same whether it is empty or full.
    """
    levels = check(h, quantiles)
    return predict(
        panel_at,
        cutoff,
        h,
        levels,
        Plan.of(preset, models, baseline),
        past=past,
        every=every,
        windows=windows,
    )


def predict(
    panel_at: Callable[[datetime], Panel],
    cutoff: datetime,
    h: int,
    levels: tuple[float, ...],
    plan: Plan,
    *,
    past: MutableMapping[tuple[str, datetime], Forecast] | None = None,
    every: Frequency | None = None,
    windows: int | None = None,
) -> Forecast:
    """`predict_at` for a plan and levels that have been checked."""
    now = _with_values(panel_at(cutoff))
    step = every or _span(now.freq, h)
    wanted = plan.windows(now.frame["unique_id"].n_unique()) if windows is None else windows
    first = now.frame["ds"].min()
    origins = [] if plan.alone else [shift(cutoff, step, -j, now.timezone) for j in range(wanted, 0, -1)]
    if isinstance(first, datetime):
        origins = [origin for origin in origins if origin - first >= LEAST_SHARE * (cutoff - first)]
    views = recall(
        lambda origin: now if origin == cutoff else _with_values(panel_at(origin)),
        cutoff,
        origins,
        plan.makers,
        h,
        levels,
        {} if past is None else past,
    )
    least = now.frame.group_by("unique_id").agg(pl.col("y").fill_nan(None).min()).sort("unique_id")
    made, account = _conclude(views, plan, levels, least["y"].to_numpy() >= 0.0)
    return Forecast(made, levels, tell([account], plan))


def predict_panel(
    panel: Panel,
    h: int,
    levels: tuple[float, ...],
    plan: Plan,
    covariates: Callable[[Panel], Panel],
    windows: int | None = None,
) -> tuple[pl.DataFrame, Account]:
    """The combined, calibrated forecast of a panel without revisions, each series from its own first step.

    ``covariates`` adds to a panel of some origin what was known of them there; ``levels`` ascend. Every
    series needs a value.
    """
    panel = Grid.hold(panel)
    grid = Grid.of(panel)
    wanted = plan.windows(len(grid.ids)) if windows is None else windows
    backs = [] if plan.alone else _backs(grid, h, wanted)
    views = look_back(panel, backs, plan.makers, h, levels, covariates)
    return _conclude(views, plan, levels, np.nanmin(grid.y, axis=1) >= 0.0)


def _backs(grid: Grid, h: int, wanted: int) -> list[int]:
    """Past origins, in columns back from the present one, oldest first.

    They lie a horizon apart; where the history is short, closer. The latest one has all its outcomes, for the
    last steps ahead are the hardest; where most series are too short for that, later ones are added.
    """
    span = grid.y.shape[1] - np.isfinite(grid.y).argmax(axis=1)
    longest, usual = (int((1.0 - LEAST_SHARE) * size) for size in (span.max(), np.median(span)))
    day = min((s for s in grid.freq.seasons if s <= h), default=1)
    latest = min(-(-h // day) * day, longest)
    if latest < 1 or wanted < 1:
        return []
    stride = min(h, (longest - latest) // max(wanted - 1, 1))
    season = max((s for s in grid.freq.seasons if s <= stride), default=1)
    stride = max(stride - stride % season, 1)
    backs = [back for back in (latest + stride * j for j in range(wanted - 1, -1, -1)) if back <= longest]
    if usual < latest + stride:
        backs += list(range(latest - 1, max(usual // 2, 1) - 1, -1))[:SHORT_WINDOWS]
    return backs


def _conclude(
    views: Views, plan: Plan, levels: tuple[float, ...], positive: np.ndarray
) -> tuple[pl.DataFrame, Account]:
    """The combination of what the members say, calibrated and kept in bounds."""
    account = Account(len(positive), int(positive.sum()), dict(views.ran))
    # What is judged and combined is what would be issued: a baseline kept above zero is another one.
    now, before = _bounded(views.now, positive), _bounded(views.past.values, positive)
    if plan.alone:
        [out] = now.values()
    else:
        mixture, calibration, account = _learn(replace(views.past, values=before), plan, account)
        out = mixture.combine(now)
        out = out if calibration is None else calibration.apply(out)
        out = _bounded({"": out}, positive)[""]
    flat = np.sort(out, axis=2).reshape(-1, len(levels))
    columns = [pl.Series(quantile_column(level), flat[:, k]) for k, level in enumerate(levels)]
    return views.index.with_columns(columns), account


def _bounded(values: Mapping[str, FloatArray], positive: np.ndarray) -> dict[str, FloatArray]:
    """Each member's quantiles (…, series, steps, levels), those of ``positive`` series not below zero."""
    floor = np.where(positive, 0.0, -np.inf)[:, None, None]
    return {name: np.maximum(array, floor) for name, array in values.items()}


def _learn(past: Past, plan: Plan, account: Account) -> tuple[Mixture, Calibration | None, Account]:
    """Weights, guard and calibration from past forecasts and their outcomes, and the account of them."""
    first, second, last = past.split()
    mixture = guard(weigh(first, plan.baseline), second if len(second.y) else first, plan.baseline)
    calibration = calibrate(mixture.combine(last.values), last)
    account = replace(
        account,
        weights=dict(zip(mixture.members, mixture.weights.mean(axis=0).tolist(), strict=True)),
        windows=(len(first.y), len(second.y), len(last.y)),
        guarded=int(mixture.guarded.sum()),
        calibrated=0 if calibration is None else account.series,
        digest=past.digest(),
    )
    return mixture, calibration, account


def tell(accounts: Sequence[Account], plan: Plan) -> dict[str, str]:
    """``ran``: what actually ran, of all parts together."""
    series = sum(account.series for account in accounts)
    ran = {"members": " ".join(plan.makers)}
    for key in dict.fromkeys(key for account in accounts for key in account.ran):
        told = [account.ran[key] for account in accounts if key in account.ran]
        counts = key.endswith(COUNTS) and all(text.isdigit() for text in told)
        ran[key] = str(sum(map(int, told))) if counts else ", ".join(dict.fromkeys(told))
    if plan.alone:
        ran["calibrated"] = "no: one model was asked for, as it is"
    else:
        ran |= {"preset": plan.named} if plan.named else {}
        ran |= {"baseline": plan.baseline}
        mean = {
            name: sum(account.series * (account.weights or {}).get(name, 0.0) for account in accounts)
            / series
            for name in plan.makers
        }
        ran["weights"] = " ".join(f"{name}={weight:.4f}" for name, weight in mean.items())
        most = max(account.windows for account in accounts)
        ran["windows"] = "weights={} guard={} calibration={}".format(*most)
        guarded = sum(account.guarded for account in accounts)
        ran["guard"] = f"baseline alone for {guarded} of {series} series"
        calibrated = sum(account.calibrated for account in accounts)
        few = any(not account.calibrated and not account.windows[2] for account in accounts)
        reason = "too few past windows" if few else "past quantiles did not lie apart"
        ran["calibrated"] = "yes" if calibrated == series else f"no: {reason}"
        if 0 < calibrated < series:
            ran["calibrated"] = f"{calibrated} of {series} series: {reason}"
        ran["calibration"] = _digest([account.digest for account in accounts])
    bounded = sum(account.bounded for account in accounts)
    if bounded:
        ran["bounds"] = "[0, inf)" + ("" if bounded == series else f" for {bounded} of {series} series")
    return ran | {"python": platform.python_version(), "numpy": np.__version__, "polars": pl.__version__}


def _digest(digests: list[str]) -> str:
    """That of the only part, or the SHA-256 of the digests of all in order, one a line."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def check(h: int, quantiles: Sequence[float]) -> tuple[float, ...]:
    """The levels as floats, ascending. Raises `ModelError` for a horizon or levels that make no forecast."""
    if not isinstance(h, (int, np.integer)) or isinstance(h, bool) or h < 1:
        raise ModelError(f"A horizon of {h!r} steps is impossible.", hint="Give a whole number from 1.")
    if h > LONGEST:
        raise ModelError(
            f"A horizon of {h} steps is longer than the {LONGEST} that are made.",
            hint="Forecast longer steps, such as days instead of minutes.",
        )
    try:
        levels = tuple(float(level) for level in quantiles)
    except (TypeError, ValueError):
        raise ModelError(
            f"quantiles={quantiles!r} is no list of levels.", hint="Such as [0.1, 0.5, 0.9]."
        ) from None
    if not levels or any(not 0.0 < level < 1.0 for level in levels) or len(set(levels)) < len(levels):
        raise ModelError(
            f"Quantile levels {levels} must be different numbers between 0 and 1.",
            hint="Such as (0.1, 0.5, 0.9).",
        )
    return tuple(sorted(levels))


def member_name(model: str | Model) -> str:
    """What a model is called in ``ran`` and in the cache: as it calls itself, or else by its expression or
    the repr of an instance, of which a long one gives way to its digest."""
    made = catalogue.resolve(model) if isinstance(model, str) else model
    full = model.strip() if isinstance(model, str) else repr(model)
    short = full
    if len(full) > MAX_NAME:
        short = f"{full.partition('(')[0][:24]}-{hashlib.sha256(full.encode()).hexdigest()[:12]}"
    return str(getattr(made, "called", short))


def _makers(preset: Preset, models: Sequence[str | Model] | None, baseline: str) -> Makers:
    """A constructor of every member by name, baseline first; a single model asked for is alone."""
    if models is not None and (isinstance(models, str) or not isinstance(models, Sequence)):
        raise ModelError(f"models={models!r} is no list.", hint=f"Write models=[{models!r}].")
    chosen: Sequence[str | Model] = preset.members if models is None else models
    if not chosen:
        raise ModelError("No model was asked for.", hint="Leave out models=, or name at least one.")
    wanted = chosen if models is not None and len(chosen) == 1 else (baseline, *chosen)
    makers: dict[str, Callable[[], Model]] = {}
    for model in wanted:
        if isinstance(model, str):
            makers[member_name(model)] = functools.partial(catalogue.resolve, model)
        elif isinstance(model, Model) and not isinstance(model, type):
            makers[member_name(model)] = functools.partial(copy.deepcopy, model)
        else:
            raise ModelError(
                f"{model!r} is no model.",
                hint="Give a name such as 'ridge', or an object with fit and predict.",
            )
    return makers


def _with_values(panel: Panel) -> Panel:
    """The panel without series that have no value at all."""
    has = pl.col("y").fill_nan(None).is_not_null().any().over("unique_id")
    frame = panel.frame.filter(has)
    if frame.is_empty():
        raise ModelError("No series has a value at this cutoff.", hint="Check the cutoff and known_at.")
    return panel if frame.height == panel.frame.height else replace(panel, frame=frame)


def _span(freq: Frequency, h: int) -> Frequency:
    """The span of ``h`` steps as one step, in days if whole days, so that it follows the calendar."""
    whole = Frequency(freq.count * h, freq.unit)
    if whole.step is not None and whole.step % timedelta(days=1) == timedelta(0):
        return Frequency(whole.step // timedelta(days=1), "d")
    return whole
