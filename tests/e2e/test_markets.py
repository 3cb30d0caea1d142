"""The figures of `bench.apps markets` and `traffic`, and a project on prices of one's own with faults."""

from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from projects import go

from foreseal.run import Project
from foreseal.run.create import create
from foreseal.run.receipts import verify_receipts, write_receipts
from foreseal.run.results import Results
from tests.conftest import require


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


def own_prices(folder: Path) -> None:
    """Two series of three years; the second is halted for a week, has a negative price and a day twice."""
    rng = np.random.default_rng(8)
    days = [date(2016, 1, 4) + timedelta(days=k) for k in range(1100)]
    days = [day for day in days if day.weekday() < 5]
    walk = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal((len(days), 2)), axis=0))
    rows = [f"{day},{a:.2f},{b:.2f}" for day, (a, b) in zip(days, walk, strict=True)]
    for k in range(300, 305):
        rows[k] = rows[k].rpartition(",")[0] + ","
    rows[400] = rows[400].rpartition(",")[0] + ",-1.5"
    rows.insert(500, rows[499].rpartition(",")[0] + ",1.23")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "prices.csv").write_text("\n".join(["date,north,south", *rows, ""]))


def test_prices_of_ones_own_with_gaps_and_faults_are_sealed_settled_and_verified(tmp_path: Path) -> None:
    require("arch", 'pip install "foreseal[finance]"')
    folder = tmp_path / "own"
    create(folder, app="markets")
    own_prices(folder)
    toml = folder / "foreseal.toml"
    text = toml.read_text()
    for old, new in (
        ('sets = ["sp500", "nasdaq", "wti"]', 'path = "data/prices.csv"'),
        ("start = 2018-01-02, end = 2018-12-31", "start = 2018-11-30, end = 2018-12-03"),
        ('"volatility"]', "\"volatility('ewma')\"]"),
    ):
        assert old in text
        text = text.replace(old, new)
    toml.write_text(text)
    project = Project.open(folder)
    done = go(project)
    assert not done.failures
    [collected] = done.collected
    assert collected.reasons == {
        "a price that is not above 0": 1,
        "two prices for one day": 2,
        "no return: the price before it was refused": 2,
    }
    decided = Results(project).decisions("portfolio")
    assert [bool(each.costs) for each in decided] == [True, False, False, True]
    for each in decided:
        held = {setting.key: float(setting.value) for setting in each.options["least_cvar"]}
        assert held["weight north"] + held["weight south"] + held["cash"] == pytest.approx(100, abs=1e-4)
        assert held["CVaR"] <= 3.0 + 1e-6
    verdicts = verify_receipts(project, write_receipts(project))
    assert len(verdicts) == done.forecasts + done.settled + done.decisions == 16
    assert all(verdict.ok for verdict in verdicts.values())


def test_detectors_in_a_sealed_project_beat_the_last_value(shared: Path) -> None:
    """The last two hours and the first forty detectors; `python -m bench.apps traffic` does all of them."""
    from bench.apps_traffic import run

    found = run(22, sensors=40)
    assert found["failures"] == []
    assert found["verified"] == found["receipts"] == 6
    assert found["log_verified"]
    assert found["wis"] < found["wis_baseline"]
    for ahead in ("30 min", "60 min"):
        assert found["errors"]["us"][ahead]["mae"] < found["errors"]["baseline"][ahead]["mae"]


@pytest.mark.slow
def test_var_and_shortfall_of_the_index_pass_their_backtests_over_2500_days() -> None:
    require("arch", 'pip install "foreseal[finance]"')
    require("sklearn", 'pip install "foreseal[cases]"')
    from bench.apps_markets import run

    found = run(others=False)
    rows = found["risk"]["S&P 500, to 2018"]
    ours = rows["volatility"]
    assert ours["days"] == 2500
    assert min(ours["kupiec"], ours["christoffersen"], ours["dynamic_quantile"]) > 0.05
    assert ours["fz0"] <= 1.13
    assert ours["red"] == 0.0
    assert all(ours["fz0"] < rows[name]["fz0"] for name in ("historical", "ewma", "garch_t"))
    told = found["direction"]
    assert told["variants"] == len(told["rows"]) == 8
    assert told["least_p_bonferroni"] > 0.05
    assert all(math.isfinite(row["skill"]) for row in told["rows"].values())
