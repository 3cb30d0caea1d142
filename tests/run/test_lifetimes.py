"""Survival targets, from what was watched to what is sealed and scored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from projects import go

from foreseal.clock import Frequency
from foreseal.errors import SettingsError
from foreseal.records import Curves, Target
from foreseal.run import Project, lifetimes
from foreseal.run.create import create
from foreseal.run.forecasting import read_cases
from foreseal.run.receipts import verify_receipts, write_receipts
from foreseal.run.results import Results

START = datetime(2020, 1, 1, tzinfo=UTC)
SETTINGS = """
[project]
name = "clinic"

[clock]
mode = "replay"

[datasets.patients]
source = "csv"
kind = "cases"
path = "{path}"
case_id = "patient"
features = {{ age = "float" }}
labels = {{ {labels} }}
known_at = {{ column = "seen" }}
labels_known_at = "told"

[targets.relapse]
dataset = "patients"
cutoffs = {{ start = 2020-02-01, end = 2020-03-01, every = "28d" }}
deadline = "1d"
horizon = 3
freq = "{freq}"
decimals = 4
rule = "brier"
also = ["log"]
baseline = "kaplan_meier"
models = ["kaplan_meier"]
outcome = {{ deadline = "{settles}" }}
score_bound = 10

[decisions.visit]
policy = "next_visit"
from = "relapse"
options = {{ threshold = 0.2, longest = 3 }}
"""
LABELS = 'time = "float", event = "int"'


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))


def people() -> list[tuple[str, int, float, float, str]]:
    """Patient, day seen, age, days watched, event: one a day, steps of 60 days."""
    ends = [(30.0, 1), (45.0, 0), (20.0, 0), (60.0, 1), (90.0, 0), (100.0, 1), (150.0, 0), (400.0, 0)]
    return [(f"p{k:02d}", k, 40.0 + k, *map(str, ends[k % len(ends)])) for k in range(60)]


def project(folder: Path, *extra: str, **given: str) -> Project:
    create(folder / "clinic", name="clinic")
    rows = ["patient,seen,told,age,time,event"]
    for name, day, age, time, event in people():
        seen = START + timedelta(days=day)
        told = seen + timedelta(days=min(float(time), 200.0) + 1)
        rows.append(f"{name},{seen:%Y-%m-%dT%H:%M:%SZ},{told:%Y-%m-%dT%H:%M:%SZ},{age},{time},{event}")
    path = folder / "patients.csv"
    path.write_text("\n".join([*rows, *extra]) + "\n")
    toml = folder / "clinic" / "foreseal.toml"
    seal = toml.read_text()[toml.read_text().index("[seal]") :]
    values = {"path": str(path), "labels": LABELS, "freq": "60d", "settles": "250d", **given}
    toml.write_text(SETTINGS.format(**values) + "\n" + seal)
    return Project.open(folder / "clinic")


def test_each_step_is_scored_among_those_still_watched_and_every_receipt_verifies(tmp_path: Path) -> None:
    made = project(tmp_path)
    done = go(made)
    assert (done.settled, done.forecasts, done.decisions, done.failures) == (2, 4, 2, [])
    results, target = Results(made), made.targets["relapse"]
    said = {name: (float(time), int(event)) for name, _, _, time, event in people()}
    outcomes = results.outcomes(target)
    expected = {}
    for case in {key.rsplit(" ", 1)[0] for key in results.forecasts(target, "us")["case_id"]}:
        time, event = said[case]
        for step in (1, 2, 3):
            low, high = (step - 1) * 60.0, step * 60.0
            if event and low < time <= high:
                expected[f"{case} {step}"] = 1.0
            elif time > high or (not event and time >= low + 30.0):
                expected[f"{case} {step}"] = 0.0
    assert dict(outcomes.select("case_id", "y").iter_rows()) == expected
    rows = results.forecasts(target, "us").join(outcomes, on=["case_id", "cutoff"])
    brier = ((rows["p"] - rows["y"]) ** 2).mean()
    assert results.record(target, "us").mean == pytest.approx(brier, abs=1e-6)
    for decided in results.decisions("visit"):
        assert decided.costs["threshold"] > 0.0
    verdicts = verify_receipts(made, write_receipts(made))
    assert len(verdicts) == 8
    assert all(verdict.ok for verdict in verdicts.values())


def test_the_step_is_declared_with_the_target(tmp_path: Path) -> None:
    made = project(tmp_path)
    go(made, verbs=("collect", "forecast"))
    fields = made.history().targets["relapse"].body
    assert (fields["horizon"], fields["unit"], fields["freq"]) == (3, "60.d", "")


def test_a_curve_survives_being_sealed() -> None:
    target = Target(
        name="t", dataset="d", kind="cases", cutoffs=(START,), rule="brier", decimals=6, baseline="b",
        forecasters=("us",), deadline=timedelta(1), outcome_deadline=timedelta(400), horizon=4,
        freq=Frequency.parse("91d"),
    )  # fmt: skip
    rows = {"a b": [0.9, 0.5, 0.5, 0.1], "c": [1.0, 0.3, 0.0, 0.0]}
    frame = pl.DataFrame(
        [(case, k, s) for case, curve in rows.items() for k, s in enumerate(curve, start=1)],
        schema=["case_id", "step", "survival"],
        orient="row",
    )
    back = lifetimes.curves(read_cases(lifetimes.encode(Curves(frame, 91.0), target), target), target)
    assert back.days == 91.0
    assert back.frame["case_id"].to_list() == frame["case_id"].to_list()
    np.testing.assert_allclose(back.frame["survival"], frame["survival"], atol=2e-6)


def test_the_rows_that_are_scored_make_the_true_risk_the_best_forecast() -> None:
    """Among 20 000 cases lost at random within and between steps, the life table comes back."""
    rng = np.random.default_rng(0)
    n, days, hazard = 20_000, 100.0, 0.004
    life, lost = rng.exponential(1 / hazard, n), rng.uniform(0, 500, n)
    time, event = np.minimum(life, lost), life <= lost
    for step in (1, 2, 3):
        watched = time - (step - 1) * days
        y = np.where(
            event & (watched <= days) & (watched > 0),
            1.0,
            np.where((watched > days) | (~event & (watched >= days / 2)), 0.0, np.nan),
        )
        best = np.nanmean(y)  # minimises the mean Brier score
        assert best == pytest.approx(1 - np.exp(-hazard * days), abs=0.015)


def test_rows_that_mean_nothing_are_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    stamp = "2020-01-05T00:00:00Z,2020-03-01T00:00:00Z"
    made = project(tmp_path, f"neg,{stamp},50,-3,1", f"two,{stamp},50,10,2", f"p04,{stamp},99,10,0")
    done = go(made)
    assert done.settled == 2
    with made.store() as store:
        reasons = store.rejected("patients")["reason"].to_list()
    assert any("negative" in reason for reason in reasons)
    assert any("neither 0 nor 1" in reason for reason in reasons)
    assert any("different values for the same key" in reason for reason in reasons)


def test_other_labels_unsteady_steps_and_early_outcomes_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="fixed length"):
        project(tmp_path / "a", freq="1mo")
    with pytest.raises(SettingsError, match="settles before its last step ends"):
        project(tmp_path / "b", settles="100d")
    made = project(tmp_path / "c", labels='event = "int"')
    done = go(made)
    assert done.forecasts == 0
    assert "no labels time and event" in done.failures[0]
