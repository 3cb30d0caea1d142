"""``diagnosis``: probabilities on three sets by 2 x 5 folds, and one sealed run.

Breast cancer and digits (is it an eight) come with scikit-learn, Cleveland heart is the shared file
``medicine/heart_cleveland.arff``. ``average`` is the application's: the mean log odds of
``logistic``, its penalty chosen by cross-validation, and of one with penalty 1. ``plain`` is scikit-learn's
logistic regression on standardised features as it comes. Folds are stratified by label, seed 0. The
difference in Brier score is paired over the ten folds; since training folds overlap, its p corrects the
variance by test over training size (Nadeau and Bengio, 2003).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.apps_progression import paired
from bench.example import made, replay
from foreseal import rules
from foreseal.apps.diagnosis import load
from foreseal.predict.average import Average
from foreseal.predict.classify import Logistic, Prevalence
from foreseal.predict.model import Cases

SHARED = Path(os.environ.get("FORESEAL_SHARED", "../shared")) / "data" / "medicine" / "heart_cleveland.arff"
THRESHOLD = 0.1
AVERAGE = ("logistic", "logistic(penalty=1)")
FOLDS, REPEATS = 5, 2


def run() -> dict[str, Any]:
    """Scores by set, and what the example sealed."""
    sets = {name: load(name) for name in ("breast_cancer", "digits")}
    if SHARED.is_file():
        sets["heart"] = heart(SHARED)
    return {"sets": {name: measure(frame) for name, frame in sets.items()}, "example": example()}


def heart(path: Path) -> pl.DataFrame:
    """13 features of 303 patients, and ``label``: any narrowing of a vessel."""
    lines = path.read_text().splitlines()
    start = next(k for k, line in enumerate(lines) if line.strip().lower() == "@data")
    names = [line.split()[1].strip("'") for line in lines if line.lower().startswith("@attribute")]
    rows = [line.split(",") for line in lines[start + 1 :] if line.strip() and not line.startswith("%")]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    frame = frame.select(pl.all().str.strip_chars(" '").replace("?", None).cast(pl.Float64))
    return frame.select(pl.exclude(names[-1]), label=(pl.col(names[-1]) > 0).cast(pl.Int64))


def measure(frame: pl.DataFrame) -> dict[str, Any]:
    """Means over the folds, and the paired difference to the plain regression."""
    from sklearn.model_selection import RepeatedStratifiedKFold

    cases = frame.with_row_index("k").with_columns(case_id=pl.format("c{}", "k")).drop("k")
    features, labels = cases.drop("label"), cases.select("case_id", y="label")
    y = frame["label"].to_numpy()
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
    found: dict[str, list[tuple[float, ...]]] = {}
    for train, test in folds.split(y, y):
        learnt, asked = Cases(features[train], labels[train]), features[test]
        said = {
            "prevalence": Prevalence().fit(learnt).predict(asked).frame["p"].to_numpy(),
            "plain": plain(learnt, asked),
            "logistic": Logistic().fit(learnt).predict(asked).frame["p"].to_numpy(),
            "average": Average(AVERAGE).fit(learnt).predict(asked).frame["p"].to_numpy(),
        }
        for name, p in said.items():
            p = np.clip(p, 1e-6, 1 - 1e-6)
            row = (
                float(rules.brier(y[test], p).mean()),
                float(rules.log_score(y[test], p).mean()),
                rules.net_benefit(y[test], p, THRESHOLD),
            )
            found.setdefault(name, []).append(row)
    result: dict[str, Any] = {"cases": frame.height, "positive": int(y.sum())}
    for name, rows in found.items():
        brier, log, benefit = (round(float(each), 4) for each in np.mean(rows, axis=0))
        result[name] = {"brier": brier, "log": log, "net_benefit": benefit}
    result["net_benefit_all"] = round(rules.net_benefit(y, np.ones(len(y)), THRESHOLD), 4)
    difference = np.subtract([row[0] for row in found["average"]], [row[0] for row in found["plain"]])
    return {**result, "beside_plain": paired(difference)}


def plain(learnt: Cases, asked: pl.DataFrame) -> np.ndarray:
    """scikit-learn's logistic regression as it comes, on standardised features."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = learnt.features.join(learnt.labels, on="case_id", maintain_order="left")
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=2_000))
    model.fit(rows.drop("case_id", "y").to_numpy(), rows["y"].to_numpy())
    found: np.ndarray = model.predict_proba(asked.drop("case_id").to_numpy())[:, 1]
    return found


def example() -> dict[str, Any]:
    """One run as `foreseal init --app diagnosis` and `foreseal run` do it, read back from its log."""
    with made("diagnosis") as folder:
        results, account = replay(folder)
        project = results.project
        (record,) = results.records()
        target = project.targets["malignant"]
        rows = results.forecasts(target, "us").join(results.outcomes(target), on=["case_id", "cutoff"])
        y, p = rows["y"].to_numpy(), rows["p"].to_numpy()
        costs: dict[str, float] = {}
        acts: dict[str, int] = {}
        for decided in results.decisions("biopsy"):
            for option, cost in decided.costs.items():
                costs[option] = costs.get(option, 0.0) + cost
            for setting in decided.options[decided.chosen]:
                acts[str(setting.value)] = acts.get(str(setting.value), 0) + 1
        return {
            **account,
            "cases": rows.height,
            "brier": round(record.mean, 4),
            "baseline": round(record.baseline_mean, 4),
            "log": {rule: [round(each, 4) for each in pair] for rule, pair in record.also.items()},
            "net_benefit": round(rules.net_benefit(y, p, THRESHOLD), 4),
            "net_benefit_all": round(rules.net_benefit(y, np.ones(len(y)), THRESHOLD), 4),
            "acts": acts,
            "costs": {option: round(cost, 2) for option, cost in costs.items()},
        }


def table(found: dict[str, Any]) -> str:
    lines = []
    for name, each in found["sets"].items():
        lines.append(
            f"{name}: {each['cases']} cases, {each['positive']} positive; Brier, log score, net benefit at "
            f"{THRESHOLD:g} (all: {each['net_benefit_all']})"
        )
        for model in ("prevalence", "plain", "logistic", "average"):
            row = each[model]
            lines.append(f"  {model:<12}{row['brier']:>8.4f}{row['log']:>9.4f}{row['net_benefit']:>9.4f}")
        beside = each["beside_plain"]
        lines.append(
            f"  average less plain, Brier: {beside['difference']:+.4f}, lower in {beside['folds_better']} "
            f"of {FOLDS * REPEATS} folds, corrected t = {beside['t']}, p = {beside['p']}"
        )
    each = found["example"]
    lines += [
        f"example: {each['cutoffs']} cutoffs, {each['cases']} cases in {each['seconds']} s of CPU time, "
        f"{each['verified']} of {each['receipts']} receipts verified",
        f"  Brier {each['brier']} (share so far {each['baseline']}), log {each['log']['log'][0]} "
        f"({each['log']['log'][1]}), net benefit at {THRESHOLD:g}: {each['net_benefit']} (all: "
        f"{each['net_benefit_all']})",
        "  acts " + ", ".join(f"{act} {n}" for act, n in sorted(each["acts"].items())),
        "  cost " + ", ".join(f"{option} {cost:g}" for option, cost in each["costs"].items()),
    ]
    return "\n".join(lines)
