"""What a model is: the protocols of this room.

A constructor stores keyword arguments and does nothing else, so that ``repr(model)`` names a model
completely; what is learnt goes into attributes that ``fit`` sets. ``fit`` on a zero-shot model only keeps
the panel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import polars as pl

from foreseal.errors import DataError
from foreseal.frame import Panel
from foreseal.predict.grid import FloatArray
from foreseal.records import Curves, Forecast, Probabilities


@runtime_checkable
class Model(Protocol):
    """Forecasts series as quantiles."""

    def fit(self, panel: Panel) -> Self:
        """Learn from a panel. Raises `ModelError` if there is nothing to learn from."""
        ...

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        """The next ``h`` steps of every series of the panel that has any value."""
        ...


@runtime_checkable
class Rolling(Protocol):
    """A model that can also say at once what it would have said at past origins; optional, for speed."""

    def roll(
        self, panel: Panel, backs: Sequence[int], columns: int, quantiles: Sequence[float]
    ) -> tuple[FloatArray, Mapping[str, str]]:
        """Quantiles (len(backs), series, columns, levels) on `Grid.of(panel)`, and what to put into ``ran``.

        Origin ``b`` lies ``backs[b]`` columns before the first one to forecast and sees nothing from there
        on, except covariates known in advance; 0 is the forecast itself and must hold finite numbers for
        every series. NaN where a series had too short a history at a past origin.
        """
        ...


@runtime_checkable
class Trained(Protocol):
    """A model that was trained before it saw data here, and says by whom and on what; optional."""

    def origin(self) -> Mapping[str, str]:
        """Digests, versions and seeds, to be sealed. Raises `ModelError` if the weights cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class Cases:
    """Subjects with features known at the cutoff and, where it is known by then, a label.

    ``features`` has ``case_id`` and numeric columns; ``labels`` has ``case_id, y`` with y 0 or 1.
    """

    features: pl.DataFrame
    labels: pl.DataFrame

    def __post_init__(self) -> None:
        for name, frame, needed in (
            ("features", self.features, {"case_id"}),
            ("labels", self.labels, {"case_id", "y"}),
        ):
            absent = needed - set(frame.columns)
            if absent:
                raise DataError(f"The {name} have no column {', '.join(sorted(absent))}.")
            if frame["case_id"].is_duplicated().any():
                raise DataError(
                    f"The {name} have more than one row for a case.", hint="Keep the latest vintage."
                )


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Subjects with features known at the cutoff and how long they were watched by then.

    ``features`` has ``case_id`` and numeric columns; ``labels`` has ``case_id, time, event``: days from the
    subject's start to the event (``event`` 1), or to when it was last seen without one (0).
    """

    features: pl.DataFrame
    labels: pl.DataFrame

    def __post_init__(self) -> None:
        Cases(self.features, self.labels.rename({"event": "y"}, strict=False))
        absent = {"time", "event"} - set(self.labels.columns)
        if absent:
            raise DataError(f"The labels have no column {', '.join(sorted(absent))}.")
        if not self.labels["event"].drop_nulls().is_in([0, 1]).all():
            raise DataError("event must be 0 or 1.", hint="1 where it happened, 0 where it had not by then.")
        if (self.labels["time"].drop_nulls() < 0).any():
            raise DataError("A time is negative.", hint="Times count in days from a subject's start.")


@runtime_checkable
class Classifier(Protocol):
    """Gives each case the probability of its positive label."""

    def fit(self, cases: Cases) -> Self:
        """Learn from the cases that have a label."""
        ...

    def predict(self, features: pl.DataFrame) -> Probabilities:
        """One probability per row of ``case_id`` and the features learnt from."""
        ...


@runtime_checkable
class Survival(Protocol):
    """Gives each case a survival curve."""

    def fit(self, lifetimes: Lifetimes) -> Self:
        """Learn from the cases that were watched."""
        ...

    def predict(self, features: pl.DataFrame, times: Sequence[float]) -> Curves:
        """One curve per row of ``case_id`` and the features learnt from, at equally spaced ``times`` in
        days, the first of them one step from the start."""
        ...
