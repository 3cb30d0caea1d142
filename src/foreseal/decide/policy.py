"""The Policy protocol: a distribution becomes an act, and an act has a cost.

A policy is a frozen dataclass. Its fields are the costs and constraints that the project states in
``[decisions.X.options]``; they are validated when it is made, so that `decide` and `cost` are pure functions
of what they are given. Other packages add policies through the entry-point group ``foreseal.policies``.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast, runtime_checkable

from foreseal.errors import SettingsError
from foreseal.options import build

if TYPE_CHECKING:
    import polars as pl

    from foreseal.records import Decision, RegretKind, Setting

GROUP = "foreseal.policies"

CATALOGUE: Mapping[str, str] = {
    "cost_matrix": "foreseal.decide.matrix:CostMatrix",
    "webster": "foreseal.decide.webster:Webster",
    "beds": "foreseal.decide.beds:Beds",
    "next_visit": "foreseal.decide.next_visit:NextVisit",
}


@runtime_checkable
class Policy(Protocol):
    """A rule that acts on a forecast, and the cost of an act once the outcome is known.

    For a target of cases the prediction is `foreseal.records.Probabilities`, and frames have ``case_id, y``;
    each `Setting` of an action says what is done about the case that is its key. For survival curves it is
    `foreseal.records.Curves`, ``history`` has ``case_id, time, event`` and an outcome ``case_id, step, y,
    days``.
    """

    cost_unit: ClassVar[str]
    """UCUM unit of every cost."""

    regret_kind: ClassVar[RegretKind]
    """How the cost of an act that was not taken becomes known."""

    def decide(self, prediction: Any, history: pl.DataFrame) -> Decision:
        """The action of least expected cost for a `Forecast` or `Probabilities`, and its alternatives.

        ``history`` has ``unique_id, ds, y`` as known at the forecast's cutoff.
        """
        ...

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        """Cost of ``action`` under ``outcome`` (``unique_id, ds, y``); absent instants count nothing."""
        ...


def policy_names() -> tuple[str, ...]:
    """The names that `make_policy` knows, ours and those of installed packages."""
    return tuple(sorted({*CATALOGUE, *(point.name for point in entry_points(group=GROUP))}))


def policy_class(name: str) -> type[Policy]:
    """The class behind a policy's name; nothing is imported before it is asked for."""
    if name in CATALOGUE:
        return cast("type[Policy]", EntryPoint(name, CATALOGUE[name], GROUP).load())
    for point in entry_points(group=GROUP, name=name):
        return cast("type[Policy]", point.load())
    near = difflib.get_close_matches(name, policy_names(), n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known policies: {', '.join(policy_names())}."
    raise SettingsError(f"There is no policy {name!r}.", hint=hint)


def make_policy(
    name: str,
    options: Mapping[str, Any],
    *,
    where: str = "options",
    defaults: Mapping[str, Any] | None = None,
) -> Policy:
    """The policy ``name`` with the options of a TOML table; ``where`` names the table in messages.

    ``defaults`` holds what the project knows anyway, such as its ``timezone``: used by policies that have a
    field of that name and were not told otherwise. Raises `SettingsError` for unknown, missing or impossible
    options.
    """
    cls = policy_class(name)
    fields = {f.name for f in dataclasses.fields(cast(Any, cls)) if f.init}
    known = {key: value for key, value in (defaults or {}).items() if key in fields}
    return build(cls, {**known, **options}, where)
