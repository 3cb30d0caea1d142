"""When somebody is to be seen next."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from foreseal.decide.next_visit import NextVisit
from foreseal.decide.policy import make_policy
from foreseal.errors import ModelError, SettingsError
from foreseal.records import Curves

NONE = pl.DataFrame(schema={"case_id": pl.String, "time": pl.Float64, "event": pl.Int64})
DAYS = 182.0


def curves(**survival: list[float]) -> Curves:
    rows = [(case, k, s) for case, curve in survival.items() for k, s in enumerate(curve, start=1)]
    return Curves(pl.DataFrame(rows, schema=["case_id", "step", "survival"], orient="row"), DAYS)


def plan(policy: NextVisit, option: str, **survival: list[float]) -> dict[str, float]:
    action = policy.decide(curves(**survival), NONE).option(option).action
    return {each.key: float(each.value) / DAYS for each in action}


def outcome(case: str, last: int, event: bool) -> pl.DataFrame:
    steps = list(range(1, last + 1))
    y = [float(event and k == last) for k in steps]
    return pl.DataFrame({"case_id": case, "step": steps, "y": y, "days": DAYS})


def test_the_visit_is_the_first_by_which_the_risk_reaches_the_threshold() -> None:
    found = plan(
        NextVisit(threshold=0.1, longest=3, fixed=()),
        "threshold",
        soon=[0.85, 0.8, 0.7, 0.6],
        exactly=[0.95, 0.9, 0.85, 0.8],
        never=[0.99, 0.98, 0.97, 0.96],
    )
    assert found == {"soon": 1, "exactly": 2, "never": 3}


def test_expected_cost_is_the_mean_cost_over_lifetimes_drawn_from_the_curve() -> None:
    policy = NextVisit(longest=4, visit=1.3, late=0.7, fixed=(1, 2, 3))
    curve = np.array([0.9, 0.7, 0.65, 0.4, 0.3])
    said = policy.decide(curves(a=curve.tolist()), NONE)
    chance = np.append(-np.diff(np.append(1.0, curve)), curve[-1])
    ends = [outcome("a", k, True) for k in range(1, 6)] + [outcome("a", 5, False)]
    for option in said.options:
        mean = sum(p * policy.cost(option.action, end) for p, end in zip(chance, ends, strict=True))
        assert option.expected_cost == pytest.approx(mean)
    least = said.option("least").expected_cost
    assert all(least <= option.expected_cost + 1e-12 for option in said.options)


def test_an_event_is_found_at_the_next_visit_and_a_lost_case_costs_the_visits_it_had() -> None:
    policy = NextVisit(longest=4, visit=1.0, late=10.0, fixed=(2,))
    action = policy.decide(curves(a=[0.9] * 4), NONE).option("every 2").action
    assert policy.cost(action, outcome("a", 1, True)) == 1 + 10 * 1.5  # found a step and a half later
    assert policy.cost(action, outcome("a", 2, True)) == 1 + 10 * 0.5
    assert policy.cost(action, outcome("a", 3, True)) == 2 + 10 * 1.5
    assert policy.cost(action, outcome("a", 4, False)) == 2
    assert policy.cost(action, outcome("b", 4, False)) == 0


def test_nobody_due_is_a_decision_about_nobody() -> None:
    frame = pl.DataFrame(schema={"case_id": pl.String, "step": pl.Int64, "survival": pl.Float64})
    assert NextVisit().decide(Curves(frame, DAYS), NONE).option("threshold").action == ()


def test_options_that_mean_nothing_and_curves_too_short_are_refused() -> None:
    for options, message in (
        ({"threshold": 1.5}, "between 0 and 1"),
        ({"longest": 2, "fixed": [3]}, "count steps"),
        ({"late": -1.0}, "not below 0"),
    ):
        with pytest.raises(SettingsError, match=message):
            make_policy("next_visit", options)
    with pytest.raises(ModelError, match="fewer than 4 steps"):
        NextVisit().decide(curves(a=[0.9, 0.8]), NONE)
