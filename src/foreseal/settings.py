"""foreseal.toml -> frozen settings. Unknown keys are errors that name the nearest known key.

Tables whose keys belong to somebody else (a source's options in ``[datasets.X]``, a policy's in
``[decisions.X.options]``) are kept as they are and checked by `foreseal.options.build` against the dataclass
of the thing they configure, when the project is opened.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from foreseal.clock import YEARS, Frequency, format_instant, parse_duration
from foreseal.errors import SettingsError
from foreseal.exact import MAX_DECIMALS, MAX_LEVEL_DECIMALS, MAX_WHOLE
from foreseal.options import build, refuse_unknown

FILE_NAME = "foreseal.toml"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
MAX_CUTOFFS = 100_000
MAX_HORIZON = 100_000
RULES = ("wis", "brier", "log")


def _span(value: Any) -> timedelta:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration; write it as text: '1h'")
    return parse_duration(value)


def _freq(value: Any) -> Frequency:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a frequency; write it as text: '1h'")
    return Frequency.parse(value)


def _day(value: Any) -> date:
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError(f"{value!r} is not a date; write 2018-08-01 without quotes")
    if not YEARS[0] <= value.year < YEARS[1]:
        raise ValueError(f"{value} does not lie between the years {YEARS[0]} and {YEARS[1]}")
    return value


def _clock_time(value: Any) -> time:
    return time.fromisoformat(value) if isinstance(value, str) else typing.cast(time, value)


def _zone(value: Any) -> str:
    try:
        ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone; use an IANA name such as 'Europe/Vienna'") from None
    return str(value)


def _rule(value: Any) -> str:
    if value not in RULES:
        raise ValueError(f"{value!r} is not a scoring rule; known: {', '.join(RULES)}")
    return str(value)


def _levels(value: Any) -> tuple[float, ...]:
    levels = tuple(float(v) for v in value)
    if not levels or any(not 0 < v < 1 for v in levels) or any(a >= b for a, b in itertools.pairwise(levels)):
        raise ValueError("quantiles must lie in (0, 1) and ascend")
    if any(float(f"{v:g}") != v for v in levels):
        raise ValueError("quantiles have more than six significant digits")
    if any(round(v, MAX_LEVEL_DECIMALS) != v for v in levels):
        raise ValueError(f"quantiles have more than {MAX_LEVEL_DECIMALS} decimals")
    return levels


def _title(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 64 or not value.isprintable():
        raise ValueError(f"{value!r} is not a name of 1 to 64 characters")
    return value


@dataclass(frozen=True, slots=True)
class ProjectTable:
    """``[project]``."""

    name: str = field(metadata={"convert": _title})
    app: str = ""
    timezone: str = field(default="UTC", metadata={"convert": _zone})


@dataclass(frozen=True, slots=True)
class ClockTable:
    """``[clock]``."""

    mode: Literal["live", "replay"] = "live"


@dataclass(frozen=True, slots=True)
class KnownAt:
    """When a value became known: from a ``column``, a fixed ``delay`` after ``ds``, or at ``load``."""

    kind: Literal["column", "delay", "load"] = "load"
    column: str = ""
    delay: timedelta = timedelta(0)

    def __str__(self) -> str:
        if self.kind == "delay":
            return f"delay {int(self.delay.total_seconds())}s"
        return f"column {self.column}" if self.kind == "column" else "load"


def _known_at(value: Any) -> KnownAt:
    if value == "load":
        return KnownAt()
    if isinstance(value, dict) and list(value) == ["delay"]:
        return KnownAt("delay", delay=_span(value["delay"]))
    if isinstance(value, dict) and list(value) == ["column"]:
        return KnownAt("column", column=str(value["column"]))
    raise ValueError("""write "load", { delay = "1h" } or { column = "..." }""")


@dataclass(frozen=True, slots=True)
class Dataset:
    """``[datasets.X]``: what is kept, under which terms, and where it comes from.

    ``options`` are the source's own keys. ``quality`` configures rules that flag and never drop.
    """

    source: str
    kind: Literal["series", "cases"] = "series"
    title: str = ""
    unit: str | Mapping[str, str] = "1"
    licence: str = ""
    origin: str = ""
    crs: str = ""
    personal: bool = False
    timezone: str = field(default="", metadata={"convert": _zone})
    known_at: KnownAt = field(default_factory=KnownAt, metadata={"convert": _known_at})
    quality: Mapping[str, Any] = field(default_factory=dict, metadata={"convert": dict})
    options: Mapping[str, Any] = field(default_factory=dict, metadata={"convert": dict})


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """``cutoffs = { start, end, every, at }``: local dates and time of day in the project's time zone."""

    start: date = field(metadata={"convert": _day})
    end: date = field(metadata={"convert": _day})
    every: timedelta = field(default=timedelta(days=1), metadata={"convert": _span})
    at: time = field(default=time(0), metadata={"convert": _clock_time})

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        if self.every <= timedelta(0):
            raise ValueError("every must be longer than nothing")
        if (self.end - self.start) / self.every > MAX_CUTOFFS:
            raise ValueError(f"more than {MAX_CUTOFFS} cutoffs")

    def instants(self, timezone: str) -> tuple[datetime, ...]:
        """All cutoffs in UTC. Steps of whole days keep the local time of day across clock changes."""
        zone = ZoneInfo(timezone)
        first = datetime.combine(self.start, self.at, zone)
        last = datetime.combine(self.end, time.max, zone)
        daily = self.every % timedelta(days=1) == timedelta(0)
        found: list[datetime] = []
        for k in range(MAX_CUTOFFS + 1):
            local = first + k * self.every if daily else first.astimezone(UTC) + k * self.every
            if local.astimezone(UTC) > last.astimezone(UTC):
                break
            found.append(local.astimezone(UTC))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """``outcome = { vintage, deadline }``: which vintage a target settles on, and when."""

    deadline: timedelta = field(metadata={"convert": _span})
    vintage: Literal["latest_at_deadline"] = "latest_at_deadline"


@dataclass(frozen=True, slots=True)
class TargetTable:
    """``[targets.X]``: a question declared in advance."""

    dataset: str
    cutoffs: Cutoffs = field(metadata={"convert": lambda v: build(Cutoffs, v, "cutoffs")})
    deadline: timedelta = field(metadata={"convert": _span})
    rule: str = field(metadata={"convert": _rule})
    baseline: str
    score_bound: float
    outcome: OutcomeTable = field(metadata={"convert": lambda v: build(OutcomeTable, v, "outcome")})
    forecasters: tuple[str, ...] = ("us",)
    horizon: int = 1
    freq: Frequency | None = field(default=None, metadata={"convert": _freq})
    quantiles: tuple[float, ...] = field(default=(), metadata={"convert": _levels})
    decimals: int = 2
    missing: Literal["baseline", "bound"] = "baseline"
    models: tuple[str, ...] = ()
    also: tuple[str, ...] = field(default=(), metadata={"convert": lambda v: tuple(map(_rule, v))})
    covariates: tuple[str, ...] = ()
    commit: bool = False

    def __post_init__(self) -> None:
        if self.rule == "wis" and not (self.quantiles and self.freq):
            raise ValueError("rule 'wis' needs quantiles and freq")
        if not 1 <= self.horizon <= MAX_HORIZON:
            raise ValueError(f"horizon must lie between 1 and {MAX_HORIZON}")
        if not 0 <= self.decimals <= MAX_DECIMALS:
            raise ValueError(f"decimals must lie between 0 and {MAX_DECIMALS}")
        if len(self.forecasters) != 1 or "baseline" in self.forecasters:
            raise ValueError("forecasters names one forecaster, and not 'baseline'")
        if not _PLAIN.fullmatch(self.forecasters[0]):
            raise ValueError("a forecaster's name has letters, digits, _ and - only")
        if not 0 < self.score_bound < 10.0**MAX_WHOLE:
            raise ValueError(
                f"score_bound must be above 0, with at most {MAX_WHOLE} digits before the point: "
                "it is what a missing forecast scores at worst"
            )
        if self.commit and self.missing != "bound":
            raise ValueError(
                'commit = true needs missing = "bound": who may stay silent about a bad forecast at the price '
                "of the baseline chooses between the two when the outcome is known"
            )
        if self.rule in self.also or "wis" in self.also or (self.also and self.rule == "wis"):
            raise ValueError(
                "also lists other rules of the same kind: 'brier' beside 'log', or 'log' beside 'brier'"
            )


@dataclass(frozen=True, slots=True)
class ModelsTable:
    """``[models]``: a preset, or a list of model expressions such as ``"seasonal_naive(168)"``."""

    preset: Literal["fast", "balanced", "best"] = "balanced"
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DecisionTable:
    """``[decisions.X]``: a policy applied to a target's forecasts. ``options`` belong to the policy."""

    policy: str
    target: str
    approval: Literal["none", "person"] = "none"
    options: Mapping[str, Any] = field(default_factory=dict, metadata={"convert": dict})


@dataclass(frozen=True, slots=True)
class WitnessesTable:
    """``[seal] witnesses = { need, of, tolerate, own, wait }``: who cosigns, and how many must.

    ``of`` lists ``"VKEY URL"``; ``own`` names those that the log's operator runs; ``wait`` is how long
    sealing waits for them.
    """

    need: int
    of: tuple[str, ...]
    tolerate: int = 0
    own: tuple[str, ...] = ()
    wait: timedelta = field(default=timedelta(seconds=2), metadata={"convert": _span})


@dataclass(frozen=True, slots=True)
class AnchorTable:
    """An outside clock that attests checkpoints: one ``every`` so often. ``options`` belong to the anchor."""

    every: timedelta = field(default=timedelta(hours=1), metadata={"convert": _span})
    options: Mapping[str, Any] = field(default_factory=dict, metadata={"convert": dict})

    def __post_init__(self) -> None:
        if self.every < timedelta(minutes=1):
            raise ValueError("every must be at least 1min: an anchor is for intervals, not for forecasts")


def _anchor(value: Any, where: str) -> AnchorTable:
    """An anchor's own options apart from ours."""
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a table")
    own = {"every": value["every"]} if "every" in value else {}
    rest = {key: option for key, option in value.items() if key != "every"}
    return build(AnchorTable, {**own, "options": rest}, where)


@dataclass(frozen=True, slots=True)
class SealTable:
    """``[seal]``: the log's origin, the public keys that are trusted inside this project, witnesses, anchors.

    ``timestamp`` is the anchor that asks a timestamp authority; ``anchors`` are those of other packages.
    """

    origin: str
    key: str = ""
    author: str = ""
    witnesses: WitnessesTable | None = field(
        default=None, metadata={"convert": lambda v: build(WitnessesTable, v, "witnesses in [seal]")}
    )
    timestamp: AnchorTable | None = field(
        default=None, metadata={"convert": lambda v: _anchor(v, "timestamp in [seal]")}
    )
    anchors: Mapping[str, AnchorTable] = field(
        default_factory=dict,
        metadata={
            "convert": lambda v: {name: _anchor(each, f"[seal.anchors.{name}]") for name, each in v.items()}
        },
    )

    def __post_init__(self) -> None:
        if "timestamp" in self.anchors:
            raise ValueError("the anchor 'timestamp' is the key timestamp, not one of anchors")

    @property
    def outside(self) -> dict[str, AnchorTable]:
        """Every outside clock, by the name of its anchor."""
        return {**({"timestamp": self.timestamp} if self.timestamp else {}), **self.anchors}


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole foreseal.toml."""

    path: Path
    project: ProjectTable
    seal: SealTable
    clock: ClockTable = ClockTable()
    models: ModelsTable = ModelsTable()
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    targets: Mapping[str, TargetTable] = field(default_factory=dict)
    decisions: Mapping[str, DecisionTable] = field(default_factory=dict)


def _dataset(table: Mapping[str, Any], where: str) -> Dataset:
    """A dataset's own keys apart from its source's."""
    own = {f.name for f in dataclasses.fields(Dataset)} - {"options"}
    rest = {key: value for key, value in table.items() if key not in own}
    return build(Dataset, {k: v for k, v in table.items() if k in own} | {"options": rest}, where)


def _decision(table: Mapping[str, Any], where: str) -> DecisionTable:
    """``from`` is a word of Python's, so the field is called ``target``."""
    refuse_unknown(table, ("policy", "from", "approval", "options"), where)
    if "from" not in table:
        raise SettingsError(f"{where} has no 'from'.", hint="Name the target whose forecasts it acts on.")
    renamed = {("target" if key == "from" else key): value for key, value in table.items()}
    return build(DecisionTable, renamed, where)


def load(path: Path) -> Settings:
    """Read and check a foreseal.toml (or the one in a folder)."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(
            f"No {FILE_NAME} in {(path.parent if path.name == FILE_NAME else path).resolve()}.",
            hint="Make a project with: foreseal init --app traffic my-city",
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not UTF-8: {error.reason} at byte {error.start}.") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}.") from error
    return parse(tables, file)


def parse(tables: Mapping[str, Any], file: Path) -> Settings:
    """Settings from a parsed TOML document; ``file`` is where it came from."""
    refuse_unknown(
        tables, ("project", "clock", "datasets", "targets", "models", "decisions", "seal"), FILE_NAME
    )
    for name in ("project", "seal"):
        if name not in tables:
            raise SettingsError(f"{file} has no table [{name}].", hint=f"Add [{name}].")
    settings = Settings(
        path=file,
        project=build(ProjectTable, tables["project"], "[project]"),
        seal=build(SealTable, tables["seal"], "[seal]"),
        clock=build(ClockTable, tables.get("clock", {}), "[clock]"),
        models=build(ModelsTable, tables.get("models", {}), "[models]"),
        datasets={
            name: _dataset(table, f"[datasets.{name}]") for name, table in tables.get("datasets", {}).items()
        },
        targets={
            name: build(TargetTable, table, f"[targets.{name}]")
            for name, table in tables.get("targets", {}).items()
        },
        decisions={
            name: _decision(table, f"[decisions.{name}]")
            for name, table in tables.get("decisions", {}).items()
        },
    )
    _check_references(settings)
    return settings


def _refuse_hindsight(target: TargetTable, settings: Settings, where: str, *, cases: bool) -> None:
    """Live forecasts are due before outcomes are: series within the horizon, cases before they settle."""
    if settings.clock.mode == "replay":
        return
    for cutoff in target.cutoffs.instants(settings.project.timezone):
        end = cutoff + target.outcome.deadline
        if not cases and target.freq:
            end = target.freq.shift(cutoff, target.horizon)
        if cutoff + target.deadline > end:
            raise SettingsError(
                f"{where} has a deadline after the end of its horizon: a forecast at the cutoff "
                f"{cutoff:%Y-%m-%d} could be sealed until {format_instant(cutoff + target.deadline)}, when its "
                "outcome is known.",
                hint=f"The deadline may lie at {format_instant(end)} at the latest.",
            )


def _check_references(settings: Settings) -> None:
    """Names are plain, for they become file names; those that point at other tables point at something."""
    for kind in ("datasets", "targets", "decisions"):
        for name in getattr(settings, kind):
            if not _PLAIN.fullmatch(name):
                raise SettingsError(
                    f"[{kind}.{name}] is not a usable name.",
                    hint="Use at most 64 letters, digits, _ and -, beginning with a letter or digit.",
                )

    def exists(name: str, kind: str, where: str, known: Mapping[str, object]) -> None:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"Add a table [{kind}s.{name}]."
            raise SettingsError(f"{where} names the {kind} {name!r}, which does not exist.", hint=hint)

    for name, target in settings.targets.items():
        where = f"[targets.{name}]"
        for dataset in (target.dataset, *target.covariates):
            exists(dataset, "dataset", where, settings.datasets)
        loaded = [
            d for d in (target.dataset, *target.covariates) if settings.datasets[d].known_at.kind == "load"
        ]
        if loaded and settings.clock.mode == "replay":
            raise SettingsError(
                f"[datasets.{loaded[0]}] is known at the time of loading: a replay would know nothing of it.",
                hint='Say when its values became known: known_at = { delay = "1h" } or { column = "..." }',
            )
        cases = settings.datasets[target.dataset].kind == "cases"
        _refuse_hindsight(target, settings, where, cases=cases)
        if cases == (target.rule == "wis"):
            raise SettingsError(
                f"{where} scores {'cases' if cases else 'series'} with {target.rule!r}.",
                hint="Series are scored with 'wis', cases with 'brier' or 'log'.",
            )
        if cases and len(target.models or settings.models.members or ("logistic",)) != 1:
            raise SettingsError(
                f"{where} would be answered by several classifiers.",
                hint='Give it one: models = ["logistic"]',
            )
    for name, decision in settings.decisions.items():
        exists(decision.target, "target", f"[decisions.{name}]", settings.targets)
