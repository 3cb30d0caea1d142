"""Credit: the application's card and its challengers on German credit, 2 x 5-fold.

Folds are scikit-learn's ``RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)``. Whatever a
model chooses it chooses inside the training part of a fold. Cost per applicant: 5 for a bad credit that is
accepted, 1 for a good one that is refused; accepted is whoever has a probability below 1/6.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import polars as pl

from foreseal.apps.credit import load
from foreseal.decide.matrix import CostMatrix
from foreseal.decide.regret import regret
from foreseal.errors import ModelWarning
from foreseal.figures.separation import area
from foreseal.predict.catalogue import resolve_classifier
from foreseal.predict.model import Cases

FAIR = "without=('age', 'foreign_worker')"
AIMS = {"auc": 0.79, "brier": 0.166, "cost": 0.508}
MODELS = {
    "accept all": "",
    "reject all": "",
    "prevalence": "prevalence",
    "card, 10 features at most, without age and origin (shipped)": f"scorecard({FAIR})",
    "card, 10 features at most": "scorecard",
    "card, all features": "scorecard(max_features=19)",
    "logistic": "logistic",
    "boosted trees": "boosted",
    "average of wide card, logistic, trees": (
        "average(members=('scorecard(max_features=19)', 'logistic', 'boosted'))"
    ),
}
LENDER = CostMatrix({"accept": (0.0, 5.0), "reject": (1.0, 0.0)})


def run() -> dict[str, Any]:
    """AUC, Brier score and cost per applicant of every model: mean over ten folds and their spread."""
    from sklearn.model_selection import RepeatedStratifiedKFold

    frame = load().with_columns(case_id=pl.format("c{}", pl.int_range(pl.len())))
    y = frame["bad"].to_numpy()
    folds = list(RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0).split(y, y))
    models = {}
    for name, spec in MODELS.items():
        started = time.process_time()
        scores = np.array([_fold(frame, spec, name, train, test) for train, test in folds])
        mean, spread = scores.mean(axis=0), scores.std(axis=0, ddof=1)
        models[name] = {
            "auc": float(mean[0]),
            "brier": float(mean[1]),
            "cost": float(mean[2]),
            "spread": {"auc": float(spread[0]), "brier": float(spread[1]), "cost": float(spread[2])},
            "seconds": (time.process_time() - started) / len(folds),
        }
    return {"data": "German credit, 1000 cases, 2 x 5-fold", "aims": AIMS, "models": models}


def _fold(
    frame: pl.DataFrame, spec: str, name: str, train: np.ndarray, test: np.ndarray
) -> tuple[float, float, float]:
    outcome = frame[test].select("case_id", y=pl.col("bad").cast(pl.Float64))
    if not spec:
        share = float(outcome["y"].mean() or 0.0)
        return 0.5, share if "accept" in name else 1 - share, 5 * share if "accept" in name else 1 - share
    features = frame.drop("bad")
    model = resolve_classifier(spec).fit(Cases(features[train], frame[train].select("case_id", y="bad")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)  # a level that only the held-out part has
        found = model.predict(features[test])
    joined = found.frame.join(outcome, on="case_id")
    cutoff = pl.lit(0).alias("cutoff")
    auc = area(found.frame.with_columns(cutoff), outcome.with_columns(cutoff))
    cost = regret(LENDER, LENDER.decide(found, outcome), outcome).cost / len(test)
    return auc, float(((joined["p"] - joined["y"]) ** 2).mean() or 0.0), cost


def table(found: dict[str, Any]) -> str:
    """The figures of `run` as a table in Markdown."""
    lines = [
        found["data"],
        "",
        "| model | AUC | Brier | cost per applicant | CPU s per fit |",
        "|---|---|---|---|---|",
    ]
    for name, each in found["models"].items():
        spread = each["spread"]
        lines.append(
            f"| {name} | {each['auc']:.3f} ± {spread['auc']:.3f} "
            f"| {each['brier']:.4f} ± {spread['brier']:.4f} "
            f"| {each['cost']:.3f} ± {spread['cost']:.3f} | {each['seconds']:.1f} |"
        )
    aims = found["aims"]
    lines.append(f"| aim | {aims['auc']} | {aims['brier']} | {aims['cost']} | |")
    return "\n".join(lines)
