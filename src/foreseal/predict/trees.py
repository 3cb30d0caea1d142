"""Boosted trees for cases (scikit-learn's histogram gradient boosting)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import polars as pl

from foreseal.errors import MissingExtra, ModelError
from foreseal.predict.classify import FOLDS, LEAST_PROBABILITY, Prevalence
from foreseal.predict.columns import Columns
from foreseal.predict.model import Cases
from foreseal.records import Probabilities


@dataclass
class Boosted:
    """Small trees, many of them: ``trees`` of at most ``leaves`` leaves, learning rate ``rate``.

    Text has a column for each common level. With fewer than `FOLDS` labels of either kind it gives the
    `Prevalence`, and ``ran`` says so.
    """

    trees: int = 100
    leaves: int = 6
    rate: float = 0.05

    columns_: Columns | None = field(default=None, init=False, repr=False, compare=False)
    model_: Any = field(default=None, init=False, repr=False, compare=False)
    prevalence_: Prevalence | None = field(default=None, init=False, repr=False, compare=False)
    ran_: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fit(self, cases: Cases) -> Self:
        try:
            import sklearn
            from sklearn.ensemble import HistGradientBoostingClassifier
            from threadpoolctl import threadpool_limits
        except ImportError:
            raise MissingExtra("cases", "The model 'boosted'") from None
        self.prevalence_, self.model_ = Prevalence().fit(cases), None
        self.columns_ = Columns.of(cases.features)
        learnt = cases.features.join(cases.labels.select("case_id", "y").drop_nulls(), on="case_id")
        learnt = learnt.sort([*self.columns_.names, "y"], nulls_last=True)
        x, y = self.columns_.matrix(learnt), learnt["y"].cast(pl.Int64).to_numpy()
        self.ran_ = {"labelled": str(len(y)), "scikit-learn": sklearn.__version__}
        if min((y == 0).sum(), (y == 1).sum()) < FOLDS or not x.shape[1]:
            self.ran_["fallback"] = "prevalence: too few labels of one kind"
            return self
        model = HistGradientBoostingClassifier(
            max_iter=self.trees,
            max_leaf_nodes=self.leaves,
            learning_rate=self.rate,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=0,
        )
        with threadpool_limits(1):
            self.model_ = model.fit(x, y)
        return self

    def predict(self, features: pl.DataFrame) -> Probabilities:
        if self.prevalence_ is None or self.columns_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(cases) first.")
        if self.model_ is None or features.is_empty():
            return Probabilities(self.prevalence_.predict(features).frame, dict(self.ran_))
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            p = self.model_.predict_proba(self.columns_.matrix(features))[:, 1]
        p = np.clip(p, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
        return Probabilities(features.select("case_id").with_columns(p=pl.Series(p)), dict(self.ran_))
