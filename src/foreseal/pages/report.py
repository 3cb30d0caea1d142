"""What a report says, as plain data: `foreseal.run` fills it, `foreseal.pages.render` sets it on the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import polars as pl

from foreseal.pictures import Picture
from foreseal.records import RegretKind, Setting, Target
from foreseal.score.record import TrackRecord


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What is known of a dataset.

    ``rows`` counts vintages, ``subjects`` series or cases, ``appends`` accepted batches. ``rejected`` counts
    rows that were not kept, by reason; ``flagged`` kept rows, by quality flag; ``witnessed`` rows that came
    in an append sealed before a cutoff (the rest is claimed). ``notes`` are sentences about this dataset,
    such as what its source left out and why.
    """

    name: str
    kind: Literal["series", "cases"]
    rows: int
    subjects: int
    appends: int
    unit: Mapping[str, str] | str = "1"
    title: str = ""
    licence: str = ""
    origin: str = ""
    known_at: str = ""
    first: datetime | None = None
    last: datetime | None = None
    witnessed: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    flagged: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetReport:
    """One forecaster's record on one target.

    For series ``forecasts`` has ``unique_id, ds, cutoff`` and the quantile columns, ``outcomes`` has
    ``unique_id, ds, cutoff, y``, and ``baseline`` is like ``forecasts``, the baseline's. For cases they have
    ``case_id, cutoff, p`` and ``case_id, cutoff, y``. ``ran`` says what ran at the latest cutoff. Of cases,
    ``groups`` has ``case_id, feature, group`` to be compared, and ``acts`` ``case_id, cutoff, act``: what was
    decided, of which ``act`` is looked at.
    """

    target: Target
    record: TrackRecord
    forecasts: pl.DataFrame
    outcomes: pl.DataFrame
    ran: Mapping[str, str] = field(default_factory=dict)
    groups: pl.DataFrame = field(default_factory=pl.DataFrame)
    acts: pl.DataFrame = field(default_factory=pl.DataFrame)
    act: str = ""
    baseline: pl.DataFrame = field(default_factory=pl.DataFrame)


@dataclass(frozen=True, slots=True)
class DecisionReport:
    """All decisions of one name.

    ``costs`` has a row per cutoff and option: ``cutoff, option, chosen`` (bool), ``expected_cost`` and
    ``cost`` (null until the outcome is known). ``states`` counts decisions by approval state. ``plan`` is the
    action that was chosen at ``plan_cutoff``, the latest one. ``options`` are the policy's costs and
    constraints as the project states them. ``pictures`` are what the policy shows, ``without`` says why it
    could not.
    """

    name: str
    target: str
    policy: str
    cost_unit: str
    regret_kind: RegretKind
    costs: pl.DataFrame
    states: Mapping[str, int] = field(default_factory=dict)
    plan: tuple[Setting, ...] = ()
    plan_cutoff: datetime | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    without: str = ""


@dataclass(frozen=True, slots=True)
class LogReport:
    """State of the log. ``checkpoint`` is the signed note as published, ``root`` hex.

    ``authors`` maps the public keys that may speak to the names they declared.

    ``receipts`` counts those that were verified offline when the report was written, out of
    ``receipts_total``; ``failures`` names the ones that were not.
    """

    origin: str
    size: int
    root: str
    checkpoint: str
    vkey: str
    authors: Mapping[str, str] = field(default_factory=dict)
    receipts: int = 0
    receipts_total: int = 0
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything on the page. Instants are UTC and shown in ``timezone``; ``written_at`` is the clock's now.

    ``commands`` are what a reader types to check the claims, from the folder that holds the project.
    """

    project: str
    mode: Literal["live", "replay"]
    timezone: str
    written_at: datetime
    version: str
    title: str = ""
    datasets: tuple[DatasetReport, ...] = ()
    targets: tuple[TargetReport, ...] = ()
    decisions: tuple[DecisionReport, ...] = ()
    log: LogReport | None = None
    commands: tuple[str, ...] = ()
