"""The mean of several classifiers' log odds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import polars as pl

from foreseal.errors import ModelError
from foreseal.predict.model import Cases, Classifier
from foreseal.records import Probabilities


@dataclass
class Average:
    """``average(members=('scorecard', 'logistic'))``: each weighs the same. It gives no reasons."""

    members: tuple[str, ...] = ("scorecard", "logistic", "boosted")

    fitted_: tuple[Classifier, ...] = field(default=(), init=False, repr=False, compare=False)

    def fit(self, cases: Cases) -> Self:
        from foreseal.predict.catalogue import resolve_classifier

        if len(self.members) < 2:
            raise ModelError(
                "An average needs at least two members.", hint="members=('scorecard', 'logistic')"
            )
        self.fitted_ = tuple(resolve_classifier(each).fit(cases) for each in self.members)
        return self

    def predict(self, features: pl.DataFrame) -> Probabilities:
        if not self.fitted_:
            raise ModelError("The model has not been fitted.", hint="Call fit(cases) first.")
        found = [each.predict(features) for each in self.fitted_]
        p = np.array([each.frame["p"].to_numpy() for each in found])
        mean = np.mean(np.log(p / (1 - p)), axis=0)
        ran = {
            f"{name.partition('(')[0]}.{key}": text
            for name, each in zip(self.members, found, strict=True)
            for key, text in each.ran.items()
            if not key.startswith("points")
        }
        frame = features.select("case_id").with_columns(
            p=pl.Series(1 / (1 + np.exp(-mean)), dtype=pl.Float64)
        )
        return Probabilities(frame, {"members": ", ".join(self.members), **ran})
