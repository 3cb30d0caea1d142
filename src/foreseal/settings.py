"""foreseal.toml -> frozen settings. Unknown keys are errors that name the nearest known key.

Tables whose keys belong to somebody else (a source's options in ``[datasets.X]``, a policy's in
``[decisions.X.options]``) are kept as they are and checked by `foreseal.options.build` against the dataclass
of the thing they configure, when the project is opened.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from foreseal.errors import SettingsError
from foreseal.options import build, refuse_unknown, span
from foreseal.target import PLAIN, TargetTable, refuse_hindsight

FILE_NAME = "foreseal.toml"


def _zone(value: Any) -> str:
    try:
        ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone; use an IANA name such as 'Europe/Vienna'") from None
    return str(value)


def _title(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 64 or not value.isprintable():
        raise ValueError(f"{value!r} is not a name of 1 to 64 characters")
    return value


def _heading(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 400 or "\n" in value:
        raise ValueError(f"{value!r} is not a line of up to 400 characters")
    return value


@dataclass(frozen=True, slots=True)
class ProjectTable:
    """``[project]``."""

    name: str = field(metadata={"convert": _title})
    title: str = field(default="", metadata={"convert": _heading})
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
        return KnownAt("delay", delay=span(value["delay"]))
    if isinstance(value, dict) and list(value) == ["column"]:
        return KnownAt("column", column=str(value["column"]))
    raise ValueError("""write "load", { delay = "1h" } or { column = "..." }""")


@dataclass(frozen=True, slots=True)
class ConsentTable:
    """``consent = { column, purpose }``: a feature of 0 and 1 that says whether a person agreed, and to what.

    The column is shown to no model.
    """

    column: str
    purpose: str = field(metadata={"convert": _title})


def _called(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(name, str) and name for name in value.values()):
        raise ValueError('write a table of series and what they are called: { "42" = "Pennsylvania" }')
    return value


@dataclass(frozen=True, slots=True)
class Dataset:
    """``[datasets.X]``: what is kept, under which terms, and where it comes from.

    ``options`` are the source's own keys. ``called`` is what the report calls series by id. ``quality``
    configures rules that flag and never drop.
    """

    source: str
    kind: Literal["series", "cases"] = "series"
    title: str = ""
    unit: str | Mapping[str, str] = "1"
    licence: str = ""
    origin: str = ""
    crs: str = ""
    personal: bool = False
    consent: ConsentTable | None = field(
        default=None, metadata={"convert": lambda v: build(ConsentTable, v, "consent")}
    )
    timezone: str = field(default="", metadata={"convert": _zone})
    known_at: KnownAt = field(default_factory=KnownAt, metadata={"convert": _known_at})
    called: Mapping[str, str] = field(default_factory=dict, metadata={"convert": _called})
    quality: Mapping[str, Any] = field(default_factory=dict, metadata={"convert": dict})
    options: Mapping[str, Any] = field(default_factory=dict, metadata={"convert": dict})


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
    wait: timedelta = field(default=timedelta(seconds=2), metadata={"convert": span})


@dataclass(frozen=True, slots=True)
class AnchorTable:
    """An outside clock that attests checkpoints: one ``every`` so often. ``options`` belong to the anchor."""

    every: timedelta = field(default=timedelta(hours=1), metadata={"convert": span})
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

    ``timestamp`` is the anchor that asks a timestamp authority, ``chain`` the one that sends transactions
    to a contract; ``anchors`` are those of other packages.
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
    chain: AnchorTable | None = field(
        default=None, metadata={"convert": lambda v: _anchor(v, "chain in [seal]")}
    )
    anchors: Mapping[str, AnchorTable] = field(
        default_factory=dict,
        metadata={
            "convert": lambda v: {name: _anchor(each, f"[seal.anchors.{name}]") for name, each in v.items()}
        },
    )

    def __post_init__(self) -> None:
        for name in self._own:
            if name in self.anchors:
                raise ValueError(f"the anchor {name!r} is the key {name}, not one of anchors")

    @property
    def outside(self) -> dict[str, AnchorTable]:
        """Every outside clock, by the name of its anchor."""
        return {**{name: each for name, each in self._own.items() if each}, **self.anchors}

    @property
    def _own(self) -> dict[str, AnchorTable | None]:
        return {"timestamp": self.timestamp, "chain": self.chain}


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


def _check_references(settings: Settings) -> None:
    """Names are plain, for they become file names; those that point at other tables point at something."""
    for kind in ("datasets", "targets", "decisions"):
        for name in getattr(settings, kind):
            if not PLAIN.fullmatch(name):
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
        target.cutoffs.refuse_none(settings.project.timezone, where)
        if settings.clock.mode == "live":
            refuse_hindsight(target, settings.project.timezone, where, cases=cases)
        if cases == (target.rule == "wis"):
            raise SettingsError(
                f"{where} scores {'cases' if cases else 'series'} with {target.rule!r}.",
                hint="Series are scored with 'wis', cases with 'brier' or 'log'.",
            )
        if cases and target.freq and settings.datasets[target.dataset].personal:
            raise SettingsError(
                f"{where} asks for survival curves of a personal dataset, which are not supported.",
                hint="Ask for the probability of the label by the outcome's deadline: leave freq out.",
            )
        if cases and len(target.models or settings.models.members or ("logistic",)) != 1:
            raise SettingsError(
                f"{where} would be answered by several classifiers.",
                hint='Give it one: models = ["logistic"]',
            )
    for name, decision in settings.decisions.items():
        exists(decision.target, "target", f"[decisions.{name}]", settings.targets)
        about = settings.targets[decision.target].dataset
        if settings.datasets[about].personal and settings.datasets[about].consent is None:
            raise SettingsError(
                f"[decisions.{name}] decides about people, and [datasets.{about}] does not say who agreed.",
                hint='Name the column: consent = { column = "consent", purpose = "credit decision" }',
            )
    for name, each in settings.datasets.items():
        if each.consent and not each.personal:
            raise SettingsError(
                f"[datasets.{name}] has consent, but is not personal.", hint="Set personal = true."
            )
