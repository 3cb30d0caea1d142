from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import polars as pl
import pytest

from foreseal.decide import policy as room
from foreseal.decide.policy import Policy, make_policy, policy_class, policy_names
from foreseal.decide.regret import Regret, regret
from foreseal.errors import SettingsError
from foreseal.records import Decision, Option, Setting

SHARES = {"north": 0.3, "south": 0.3, "east": 0.2, "west": 0.2}


def test_every_policy_of_the_catalogue_loads_and_is_a_policy() -> None:
    for name in room.CATALOGUE:
        assert {"decide", "cost", "cost_unit", "regret_kind"} <= set(dir(policy_class(name)))
    assert isinstance(make_policy("webster", {"shares": SHARES}), Policy)


def test_an_unknown_policy_names_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match="no policy 'webstr'") as caught:
        policy_class("webstr")
    assert caught.value.hint == "Did you mean 'webster'?"


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"shares": SHARES, "scal": 1.0}, "unknown key 'scal'", "'scale'"),
        ({}, "no 'shares'", "shares = "),
        ({"shares": SHARES, "scale": "a tenth"}, "scale in .* is 'a tenth'", ""),
        ({"shares": {**SHARES, "west": 0.3}}, "shares add up to 1.1", ""),
    ],
)
def test_a_wrong_option_says_where_and_what(options: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        make_policy("webster", options, where="[decisions.plan.options]")
    assert "[decisions.plan.options]" in caught.value.message
    assert hint in caught.value.hint


def test_what_the_project_knows_fills_in_only_what_was_not_said() -> None:
    known = {"timezone": "Europe/Vienna", "currency": "EUR"}
    assert make_policy("webster", {"shares": SHARES}, defaults=known).timezone == "Europe/Vienna"  # type: ignore[attr-defined]
    said = make_policy("webster", {"shares": SHARES, "timezone": "Asia/Tokyo"}, defaults=known)
    assert said.timezone == "Asia/Tokyo"  # type: ignore[attr-defined]


def test_an_installed_package_adds_its_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("salting", "foreseal.decide.webster:Webster", room.GROUP)

    def entry_points(*, group: str, name: str | None = None) -> Iterator[EntryPoint]:
        assert group == room.GROUP
        return iter([point] if name in (None, "salting") else [])

    monkeypatch.setattr(room, "entry_points", entry_points)
    assert policy_names() == tuple(sorted([*room.CATALOGUE, "salting"]))
    assert policy_class("salting").__name__ == "Webster"


class Umbrella:
    """Costs 1 to carry, 10 to be without in the rain."""

    cost_unit = "1"
    regret_kind = "observed"

    def decide(self, prediction: object, history: pl.DataFrame) -> Decision:
        options = tuple(Option(n, (Setting("umbrella", n),), 0.0) for n in ("take", "leave"))
        return Decision("umbrella", "take", options, self.cost_unit, "observed")

    def cost(self, action: tuple[Setting, ...], outcome: pl.DataFrame) -> float:
        return 1.0 if action[0].value == "take" else 10.0 * float(outcome["y"].sum())


@pytest.mark.parametrize(("rain", "best", "value"), [(0.0, "leave", 1.0), (1.0, "take", 0.0)])
def test_regret_is_the_cost_above_the_best_option_in_hindsight(rain: float, best: str, value: float) -> None:
    policy = Umbrella()
    decision = policy.decide(None, pl.DataFrame())
    judged = regret(policy, decision, pl.DataFrame({"y": [rain]}))  # type: ignore[arg-type]
    assert (judged.best, judged.value, judged.kind) == (best, value, "observed")


def test_the_chosen_option_is_the_best_among_equals() -> None:
    assert Regret("b", {"a": 2.0, "b": 2.0, "c": 3.0}, "1", "modelled").best == "b"
