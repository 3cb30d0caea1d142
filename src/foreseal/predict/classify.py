"""Probabilities for cases: the share of positives, and a logistic regression on standardised features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foreseal.errors import MissingExtra, ModelError
from foreseal.predict.columns import Columns
from foreseal.predict.model import Cases
from foreseal.records import Probabilities

PENALTIES = np.logspace(-3, 2, 11)
FOLDS = 5
# Beyond this a probability says nothing more, but a mistake would cost without bound.
LEAST_PROBABILITY = 1e-4


@dataclass
class Prevalence:
    """The share of positive labels so far for every case, from one half (Krichevsky and Trofimov) at the
    start: what a classifier has to beat."""

    share_: float | None = field(default=None, init=False, repr=False, compare=False)
    labelled_: int = field(default=0, init=False, repr=False, compare=False)

    def fit(self, cases: Cases) -> Self:
        y = cases.labels["y"].drop_nulls().to_numpy()
        self.share_, self.labelled_ = float((y.sum() + 0.5) / (len(y) + 1.0)), len(y)
        return self

    def predict(self, features: pl.DataFrame) -> Probabilities:
        if self.share_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(cases) first.")
        frame = features.select("case_id", p=pl.lit(self.share_, pl.Float64))
        return Probabilities(frame, {"labelled": str(self.labelled_)})


@dataclass
class Logistic:
    """Logistic regression with an L2 penalty (scikit-learn): ``penalty``, or if 0 chosen by cross-validated
    log loss.

    Text has a column for each common level. Features are standardised, missing values set to the mean, and
    one that never varies counts for nothing. With fewer than `FOLDS` labels of either kind it gives the
    `Prevalence`, and ``ran`` says so.
    """

    penalty: float = 0.0
    columns_: Columns | None = field(default=None, init=False, repr=False, compare=False)
    centre_: NDArray[np.float64] | None = field(default=None, init=False, repr=False, compare=False)
    spread_: NDArray[np.float64] | None = field(default=None, init=False, repr=False, compare=False)
    model_: Any = field(default=None, init=False, repr=False, compare=False)
    prevalence_: Prevalence | None = field(default=None, init=False, repr=False, compare=False)
    ran_: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fit(self, cases: Cases) -> Self:
        try:
            import sklearn
            from sklearn.linear_model import LogisticRegression
            from sklearn.model_selection import GridSearchCV, StratifiedKFold
        except ImportError:
            raise MissingExtra("cases", "The model 'logistic'") from None
        if not (np.isfinite(self.penalty) and self.penalty >= 0.0):
            raise ModelError(f"The penalty {self.penalty} of 'logistic' is not a number from 0 up.")
        self.columns_ = Columns.of(cases.features)
        labels = cases.labels.select("case_id", "y").drop_nulls()
        learnt = cases.features.join(labels, on="case_id")
        # Not by case: pseudonyms are drawn anew in every project, and folds would differ.
        learnt = learnt.sort([*self.columns_.names, "y"], nulls_last=True)
        x, y = self.columns_.matrix(learnt), learnt["y"].cast(pl.Int64).to_numpy()
        if not np.isin(y, (0, 1)).all():
            raise ModelError("Labels of cases must be 0 or 1.", hint="Say which label is the positive one.")
        self.prevalence_ = Prevalence().fit(cases)
        self.ran_ = {"labelled": str(len(y)), "scikit-learn": sklearn.__version__}
        self.model_ = None
        if min((y == 0).sum(), (y == 1).sum()) < FOLDS or not x.shape[1]:
            self.ran_["fallback"] = "prevalence: too few labels of one kind"
            return self
        known = np.isfinite(x)
        count = np.maximum(known.sum(axis=0), 1)
        self.centre_ = np.where(known, x, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, (x - self.centre_) ** 2, 0.0).sum(axis=0) / count)
        self.spread_ = np.where(spread > 0.0, spread, np.inf)
        search = GridSearchCV(
            LogisticRegression(max_iter=2_000, tol=1e-8),
            {"C": [1.0 / self.penalty] if self.penalty else PENALTIES},
            cv=StratifiedKFold(FOLDS, shuffle=True, random_state=0),
            scoring="neg_log_loss",
        ).fit(self._standardised(x), y)
        self.model_ = search.best_estimator_
        self.ran_["penalty"] = f"{1.0 / search.best_params_['C']:g}"
        return self

    def predict(self, features: pl.DataFrame) -> Probabilities:
        if self.prevalence_ is None or self.columns_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(cases) first.")
        if self.model_ is None or features.is_empty():
            return Probabilities(self.prevalence_.predict(features).frame, dict(self.ran_))
        p = self.model_.predict_proba(self._standardised(self.columns_.matrix(features)))[:, 1]
        p = np.clip(p, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
        return Probabilities(features.select("case_id").with_columns(p=pl.Series(p)), dict(self.ran_))

    def _standardised(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self.centre_ is not None
        assert self.spread_ is not None
        return np.nan_to_num((x - self.centre_) / self.spread_)
