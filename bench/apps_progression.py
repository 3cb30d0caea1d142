"""``progression``: integrated Brier scores on two cohorts and on PBC, and one sealed run.

Each model of `foreseal.predict.survival`, and plain Cox (scikit-survival, ridge 0.1, no logarithms) by 2 x 5
folds, stratified by event, seed 0: the score is integrated over fifty times from the 10th to the 80th
percentile of the test fold's times, with censoring weights from the training fold. The difference to Cox is
paired over the ten folds; since training folds overlap, its p corrects the variance by test over training
size (Nadeau and Bengio, 2003).

Of PBC (``medicine/pbc.csv`` of the shared data), the 312 patients of the trial; transplanted ones are lost.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.example import made, replay
from foreseal import rules
from foreseal.apps.progression import load
from foreseal.predict.model import Lifetimes
from foreseal.predict.survival import MEMBERS, KaplanMeier, MeanCurves
from foreseal.records import Curves

SHARED = Path(os.environ.get("FORESEAL_SHARED", "../shared")) / "data" / "medicine" / "pbc.csv"
FOLDS, REPEATS, TIMES = 5, 2, 50


def run() -> dict[str, Any]:
    """Scores by cohort, and what the example sealed."""
    found: dict[str, Any] = {"cohorts": {name: cohort(load(name)) for name in ("gbsg2", "whas500")}}
    if SHARED.is_file():
        found["cohorts"]["pbc"] = cohort(pbc(SHARED))
    return {**found, "example": example()}


def pbc(path: Path) -> pl.DataFrame:
    """Features as numbers, ``time``, ``event`` (death)."""
    frame = pl.read_csv(path, null_values=["NA", ""]).filter(pl.col("trt").is_not_null())
    features = frame.drop("id", "status", "time").with_columns(pl.col("sex") == "f").cast(pl.Float64)
    event = (frame["status"] == 2).cast(pl.Int64)
    return features.with_columns(time=frame["time"].cast(pl.Float64), event=event)


def cohort(frame: pl.DataFrame) -> dict[str, Any]:
    """Mean score of each model over the folds, and how it compares with Cox."""
    from sklearn.model_selection import RepeatedStratifiedKFold

    cases = frame.with_row_index("k").with_columns(case_id=pl.format("c{}", "k")).drop("k")
    features, labels = cases.drop("time", "event"), cases.select("case_id", "time", "event")
    event = frame["event"].to_numpy()
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
    scores: dict[str, list[float]] = {}
    for train, test in folds.split(event, event):
        known = labels[train]
        # Beyond the last time of the training fold nothing is known of censoring.
        test = test[labels[test]["time"].to_numpy() < known["time"].max()]
        end, happened = (labels[test][name].to_numpy() for name in ("time", "event"))
        times = np.linspace(*np.percentile(end, [10, 80]), TIMES)
        curves = _curves(Lifetimes(features[train], known), features[test], times)
        for name, curve in curves.items():
            weights = (known["time"], known["event"])
            score = rules.integrated_brier(end, happened, curve, times, weights)
            scores.setdefault(name, []).append(score)
    return {
        "patients": frame.height,
        "events": int(event.sum()),
        **{name: {"ibs": round(float(np.mean(each)), 4)} for name, each in scores.items()},
        **{
            f"beside_{name}": paired(np.subtract(scores["mean"], scores[name]))
            for name in ("plain_cox", "cox")
        },
    }


def _curves(learnt: Lifetimes, features: pl.DataFrame, times: np.ndarray) -> dict[str, np.ndarray]:
    def values(found: Curves) -> np.ndarray:
        return found.frame["survival"].to_numpy().reshape(features.height, -1)

    found = {"kaplan_meier": values(KaplanMeier().fit(learnt).predict(features, list(times)))}
    for name in MEMBERS:
        found[name] = values(MeanCurves((name,)).fit(learnt).predict(features, list(times)))
    found["plain_cox"] = plain_cox(learnt, features, times)
    # The mean of the members is what `MeanCurves` gives, without fitting them again.
    return {**found, "mean": np.mean([found[name] for name in MEMBERS], axis=0)}


def plain_cox(learnt: Lifetimes, features: pl.DataFrame, times: np.ndarray) -> np.ndarray:
    """Survival by Cox on standardised features without logarithms, missing ones at the mean."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    names = [name for name in features.columns if name != "case_id"]
    x, z = (each.select(names).to_numpy() for each in (learnt.features, features))
    centre, spread = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    x, z = (np.nan_to_num((each - centre) / spread) for each in (x, z))
    event, end = learnt.labels["event"].to_numpy() == 1, learnt.labels["time"].to_numpy()
    y = np.array(list(zip(event, end, strict=True)), dtype=[("event", bool), ("time", float)])
    fitted = CoxPHSurvivalAnalysis(alpha=0.1).fit(x, y)
    return np.array([curve(times) for curve in fitted.predict_survival_function(z)])


def paired(difference: np.ndarray) -> dict[str, float]:
    """Mean difference, its corrected t over the folds, and the two-sided p."""
    from scipy import stats

    n = len(difference)
    error = np.sqrt((1.0 / n + 1.0 / (FOLDS - 1)) * difference.var(ddof=1))
    t = float(difference.mean() / error)
    return {
        "difference": round(float(difference.mean()), 4),
        "folds_better": int((difference < 0).sum()),
        "t": round(t, 2),
        "p": round(float(2 * stats.t.sf(abs(t), n - 1)), 4),
    }


def example() -> dict[str, Any]:
    """One run as `foreseal init --app progression` and `foreseal run` do it, read back from its log."""
    with made("progression") as folder, warnings.catch_warnings():
        results, account = replay(folder)
        project = results.project
        (record,) = results.records()
        costs: dict[str, float] = {}
        for decided in results.decisions("follow_up"):
            for option, cost in decided.costs.items():
                costs[option] = costs.get(option, 0.0) + cost
        outcomes = results.outcomes(project.targets["recurrence"])
        return {
            **account,
            "steps": outcomes.height,
            "events": int(outcomes["y"].sum()),
            "brier": round(record.mean, 5),
            "baseline": round(record.baseline_mean, 5),
            "log": {rule: [round(each, 4) for each in pair] for rule, pair in record.also.items()},
            "costs": {option: round(cost, 1) for option, cost in costs.items()},
        }


def table(found: dict[str, Any]) -> str:
    lines = []
    for name, each in found["cohorts"].items():
        lines.append(f"{name}: {each['patients']} patients, {each['events']} events; integrated Brier score")
        for model in ("kaplan_meier", "plain_cox", *MEMBERS, "mean"):
            lines.append(f"  {model:<14}{each[model]['ibs']:>8.4f}")
        for name in ("plain_cox", "cox"):
            beside = each[f"beside_{name}"]
            lines.append(
                f"  mean less {name} {beside['difference']:+.4f}, lower in {beside['folds_better']} of "
                f"{FOLDS * REPEATS} folds, corrected t = {beside['t']}, p = {beside['p']}"
            )
    each = found["example"]
    lines += [
        f"example: {each['cutoffs']} cutoffs in {each['seconds']} s of CPU time, {each['verified']} of "
        f"{each['receipts']} receipts verified",
        f"  {each['steps']} steps watched, {each['events']} events; Brier {each['brier']} "
        f"(Kaplan-Meier {each['baseline']}), log {each['log']['log'][0]} ({each['log']['log'][1]})",
        "  follow-up cost " + ", ".join(f"{option} {cost:g}" for option, cost in each["costs"].items()),
    ]
    return "\n".join(lines)
