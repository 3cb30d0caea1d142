"""Acts for cases from a matrix of costs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal.decide.matrix import CostMatrix
from foreseal.decide.policy import make_policy
from foreseal.decide.regret import regret
from foreseal.errors import ModelError, SettingsError
from foreseal.records import Probabilities

NONE = pl.DataFrame(schema={"case_id": pl.String, "y": pl.Float64})
LENDER = {"accept": (0.0, 5.0), "reject": (1.0, 0.0)}


def cases(*p: float) -> Probabilities:
    return Probabilities(
        pl.DataFrame({"case_id": [f"c{k}" for k in range(len(p))], "p": list(map(float, p))})
    )


def acts(policy: CostMatrix, *p: float) -> list[str]:
    return [str(each.value) for each in policy.decide(cases(*p), NONE).option("expected").action]


def test_two_acts_are_a_threshold_at_the_ratio_of_their_costs() -> None:
    assert acts(CostMatrix(LENDER), 0.1, 0.166, 0.167, 0.9) == ["accept", "accept", "reject", "reject"]


def test_an_act_in_the_middle_has_a_band_of_its_own_where_it_is_cheap_enough() -> None:
    costs = {**LENDER, "refer": (0.5, 1.75)}
    assert acts(CostMatrix(costs, refer="refer"), 0.13, 0.14, 0.22, 0.23) == [
        "accept",
        "refer",
        "refer",
        "reject",
    ]
    assert "refer" not in acts(CostMatrix({**LENDER, "refer": (0.9, 0.9)}), *np.linspace(0, 1, 101))


def test_treating_above_a_threshold_is_the_matrix_of_net_benefit() -> None:
    policy = CostMatrix({"leave": (0.0, 1.0), "treat": (0.1 / 0.9, 0.0)})
    assert acts(policy, 0.09, 0.11) == ["leave", "treat"]


@given(
    p=st.lists(st.floats(0, 1), min_size=1, max_size=8),
    costs=st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=2, max_size=4),
)
def test_no_assignment_of_acts_is_expected_to_cost_less(
    p: list[float], costs: list[tuple[float, float]]
) -> None:
    policy = CostMatrix({f"a{k}": pair for k, pair in enumerate(costs)})
    decision = policy.decide(cases(*p), NONE)
    best = sum(min((1 - each) * a + each * b for a, b in costs) for each in p)
    assert decision.expected_cost == pytest.approx(best)
    assert min(option.expected_cost for option in decision.options) >= best - 1e-9


def test_the_cost_is_that_of_the_labels_that_are_known() -> None:
    policy = CostMatrix(LENDER)
    decision = policy.decide(cases(0.1, 0.1, 0.9), NONE)
    outcome = pl.DataFrame({"case_id": ["c0", "c2", "other"], "y": [1.0, 0.0, 1.0]})
    found = regret(policy, decision, outcome)
    assert (found.cost, found.costs["all accept"], found.costs["all reject"]) == (6.0, 5.0, 1.0)
    assert found.value == 5.0


def test_the_likelier_label_is_acted_on_as_if_it_were_certain() -> None:
    """At 0.3 an accepted case is expected to cost 1.5 and a rejected one 0.7, but label 0 is likelier."""
    decision = CostMatrix(LENDER).decide(cases(0.3, 0.7), NONE)
    plans = {option.name: [each.value for each in option.action] for option in decision.options}
    assert plans["expected"] == ["reject", "reject"]
    assert plans["likelier"] == ["accept", "reject"]
    assert decision.option("likelier").expected_cost == pytest.approx(0.3 * 5 + 0.3 * 1)


def test_nobody_to_decide_about_is_no_error() -> None:
    decision = CostMatrix(LENDER).decide(Probabilities(cases(0.5).frame.clear()), NONE)
    assert decision.expected_cost == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"costs": {"accept": [0, 5]}}, "at least two acts"),
        ({"costs": {"accept": [0, 5], "reject": [1]}}, "reject is"),
        ({"costs": {"accept": [0, 5], "reject": [1, float("nan")]}}, "two numbers"),
        ({"costs": {"accept": [0, 5], "re ject": [1, 0]}}, "no name of an act"),
        ({"costs": {"accept": [0, 5], "reject": [1, 0]}, "refer": "ask"}, "has no costs"),
    ],
)
def test_impossible_costs_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        make_policy("cost_matrix", options)


def test_a_probability_beyond_one_is_refused() -> None:
    with pytest.raises(ModelError, match="outside"):
        CostMatrix(LENDER).decide(cases(1.5), NONE)
