"""The aims of the application epidemic, on the season that its configuration was chosen on."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.apps_epidemic import BASELINE, US, run, table


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_season_is_forecast_better_than_the_hubs_baseline_asks(shared: Path) -> None:
    found = run(("2023-24",), scale=False)["seasons"]["2023-24"]
    rows = {row["model"]: row for row in found["table"]}
    ours = rows[US]
    assert (found["tasks"], ours["missing"]) == (6354, 0)
    assert ours["relative_wis"] <= 0.75
    assert ours["relative_log_wis"] <= 0.72
    assert ours["cover_95"] >= 0.88
    assert found["seconds"] < 300
    assert rows[BASELINE]["skill"] == 1.0
    # As measured by other code from the same files, with later outcomes.
    assert rows["FluSight-ensemble"]["relative_wis"] == pytest.approx(0.731, abs=0.004)
    assert rows["FluSight-ensemble"]["relative_log_wis"] == pytest.approx(0.729, abs=0.004)
    assert US in table({"seasons": {"2023-24": found}})
