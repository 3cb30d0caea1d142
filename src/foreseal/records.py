"""What crosses from room to room: frozen records that explain themselves.

Frames inside records are Polars frames. Every instant is an aware ``datetime`` in UTC. Quantile columns are
named ``q0.1``; see `foreseal.frame` for the long-frame contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

    from foreseal.clock import Frequency

RegretKind = Literal["observed", "modelled", "randomised"]
ApprovalState = Literal["proposed", "approved", "rejected"]


def quantile_column(level: float) -> str:
    """``q0.1`` for the level 0.1."""
    return f"q{level:g}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A dataset as known at a cutoff after its first ``n`` appends.

    ``digest`` is the hex SHA-256 Merkle root over the appends' prefix roots, ``rows`` the number of vintages
    under it, and ``witnessed`` how many of those rows came in appends that had been sealed before ``cutoff``.
    """

    dataset: str
    cutoff: datetime
    n: int
    digest: str
    rows: int
    witnessed: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was refused at the door. ``row`` is its number in ``file`` (a CSV's line), from 1, or 0."""

    file: str
    row: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Target:
    """A question declared in advance. Times of ``deadline`` and ``outcome_deadline`` are spans.

    ``cutoffs`` lists every instant at which a forecast is due; the position in it is the forecast's ``seq``.
    A forecast of series covers the ``horizon`` steps from the first grid instant at or after the cutoff. It
    must be sealed by ``cutoff + deadline``. The outcome is the value known ``outcome_deadline`` after the
    end of the horizon (for cases: after the cutoff).
    """

    name: str
    dataset: str
    kind: Literal["series", "cases"]
    cutoffs: tuple[datetime, ...]
    rule: str
    decimals: int
    baseline: str
    forecasters: tuple[str, ...]
    deadline: timedelta
    outcome_deadline: timedelta
    outcome_vintage: str = "latest_at_deadline"
    missing: Literal["baseline", "bound"] = "baseline"
    horizon: int = 1
    freq: Frequency | None = None
    quantiles: tuple[float, ...] = ()
    score_bound: float = 1.0
    also: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    commit: bool = False
    unit: str = "1"

    @property
    def survival(self) -> bool:
        """Whether curves are asked for: of cases, ``horizon`` steps of ``freq`` from a case's start."""
        return self.kind == "cases" and self.freq is not None

    @property
    def times(self) -> tuple[float, ...]:
        """Ends of the steps of a survival curve, in days."""
        step = self.freq.step if self.freq is not None else None
        if not self.survival or step is None:
            return ()
        return tuple((k + 1) * (step / timedelta(days=1)) for k in range(self.horizon))

    def settles_at(self, cutoff: datetime) -> datetime:
        """When the outcome of the forecast made at ``cutoff`` is fixed."""
        if self.kind == "series" and self.freq is not None:
            return self.freq.shift(cutoff, self.horizon) + self.outcome_deadline
        return cutoff + self.outcome_deadline


@dataclass(frozen=True, slots=True)
class Forecast:
    """Predictive quantiles: ``frame`` has ``unique_id, ds, cutoff`` and one ``q…`` column per level.

    Quantiles never cross. ``ran`` tells what actually ran: members and weights, fallbacks, versions, seeds,
    thread counts; its values are strings, so that it can be sealed as it is.
    """

    frame: pl.DataFrame
    quantiles: tuple[float, ...]
    ran: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probabilities:
    """Probability of the positive label: ``frame`` has ``case_id, p``. ``ran`` as in `Forecast`.

    ``reasons`` gives, for a model that can say so, what spoke most for the positive label of a case, the
    weightiest first. They tell of a person's features, so ``ran`` never holds them.
    """

    frame: pl.DataFrame
    ran: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Curves:
    """Survival curves: ``frame`` has ``case_id, step, survival``, the probability that nothing has happened
    by the end of each step, counted from 1. ``days`` is the length of a step. ``ran`` as in `Forecast`."""

    frame: pl.DataFrame
    days: float
    ran: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of an action: ``key`` is set to ``value`` (in ``unit``) at ``ds``, or throughout if None."""

    key: str
    value: float | str
    unit: str = ""
    ds: datetime | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """An action that could be taken, with the cost expected under the prediction."""

    name: str
    action: tuple[Setting, ...]
    expected_cost: float


@dataclass(frozen=True, slots=True)
class Decision:
    """The action chosen among the listed options, and what it rests on.

    ``cost_unit`` is the unit of every cost. ``regret_kind`` says how regret will be known: *observed* (the
    outcome did not depend on the action), *modelled* (through a formula or simulator) or *randomised*.
    """

    policy: str
    chosen: str
    options: tuple[Option, ...]
    cost_unit: str
    regret_kind: RegretKind
    state: ApprovalState = "proposed"
    ran: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.chosen not in {option.name for option in self.options}:
            raise ValueError(f"the chosen option {self.chosen!r} is not among the options")

    def option(self, name: str) -> Option:
        """The option of that name."""
        return next(option for option in self.options if option.name == name)

    @property
    def expected_cost(self) -> float:
        """Expected cost of the chosen option."""
        return self.option(self.chosen).expected_cost


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a target settles on: ``frame`` has ``unique_id, ds, y, known_at`` or ``case_id, y, known_at``.

    ``expected`` counts the values that were forecast, ``witnessed`` those in ``frame`` whose append had been
    sealed by the time they became known; the rest is claimed.
    """

    target: str
    cutoff: datetime
    frame: pl.DataFrame
    expected: int
    witnessed: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """One forecaster at one cutoff of one target. ``mean`` is over the ``n`` values that had an outcome.

    ``status`` is ``scored``, or why the target's rule for missing forecasts was applied: ``missing``,
    ``late``, ``unrevealed``, ``malformed``.
    """

    target: str
    forecaster: str
    seq: int
    cutoff: datetime
    rule: str
    status: str
    mean: float
    n: int


def as_levels(quantiles: Sequence[float]) -> tuple[str, ...]:
    """Quantile levels as the text that is sealed: ``('0.05', '0.5')``."""
    return tuple(f"{level:g}" for level in quantiles)
