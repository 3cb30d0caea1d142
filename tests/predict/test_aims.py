"""The figures of `bench.loops` and `bench.parts`, on the real data."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_graph_ridge_beats_every_linear_model_at_every_horizon_in_both_errors(shared):
    from bench.loops import compare

    rows = {row["model"]: row for row in compare(shared / "traffic")["models"]}
    ours = [rows.pop(name) for name in list(rows) if name.startswith("foreseal")]
    assert len(rows) == 5
    for own in ours:
        for rival in rows.values():
            for horizon, errors in own["errors"].items():
                assert errors["rmse"] < rival["errors"][horizon]["rmse"]
                assert errors["mae"] < rival["errors"][horizon]["mae"]


def test_intermittent_loses_less_than_the_last_24_months_of_each_part(shared):
    from bench.parts import compare

    rows = {row["model"]: row for row in compare(shared / "supply")["models"]}
    assert rows["empirical, 24 months"]["pinball"] == pytest.approx(0.1784, abs=5e-5)
    ours = rows["foreseal intermittent"]
    assert ours["pinball"] <= 0.174
    assert ours["covered"]["0.99"] == pytest.approx(0.99, abs=0.005)
