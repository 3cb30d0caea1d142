"""Ask the models: what was known at a cutoff becomes a prediction, and the prediction a payload."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from foreseal.clock import format_instant
from foreseal.errors import ModelError
from foreseal.exact import round_decimal
from foreseal.frame import Panel
from foreseal.predict.grid import Grid
from foreseal.records import Forecast, Probabilities, Snapshot, Target, as_levels, quantile_column
from foreseal.seal import payload

if TYPE_CHECKING:
    from foreseal.settings import ModelsTable
    from foreseal.store.store import Store


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A store with the number of appends fixed, so that a whole step reads one state of each dataset."""

    store: Store
    n: dict[str, int]
    timezone: str

    @classmethod
    def latest(cls, store: Store, datasets: Sequence[str], timezone: str) -> Knowledge:
        """Everything appended so far to these datasets."""
        return cls(store, {name: store.latest_n(name) for name in datasets}, timezone)

    def snapshots(self, cutoff: datetime) -> list[Snapshot]:
        """The digest of each dataset as known at ``cutoff``."""
        return [self.store.snapshot(name, cutoff, n) for name, n in self.n.items()]

    def series(self, dataset: str, cutoff: datetime) -> pl.DataFrame:
        """``unique_id, ds, y`` as known at ``cutoff``."""
        return self.store.as_of(dataset, cutoff, self.n[dataset]).select("unique_id", "ds", "y")

    def vintages(self, dataset: str, cutoff: datetime) -> pl.DataFrame:
        """``unique_id, ds, y, known_at`` of every value known at ``cutoff``, the superseded ones too."""
        found = self.store.vintages(dataset, n=self.n[dataset], cutoff=cutoff)
        return found.select("unique_id", "ds", "y", "known_at").sort("known_at", maintain_order=True)

    def features(self, dataset: str, cutoff: datetime) -> pl.DataFrame:
        """``case_id`` and the feature columns as known at ``cutoff``."""
        names = self.store.schema(dataset).features
        return self.store.as_of_features(dataset, cutoff, self.n[dataset]).select("case_id", *names)

    def labels(self, dataset: str, cutoff: datetime) -> pl.DataFrame:
        """``case_id, y, known_at, n``: the first label column as known at ``cutoff``."""
        first = next(iter(self.store.schema(dataset).labels))
        found = self.store.as_of_labels(dataset, cutoff, self.n[dataset])
        return found.select("case_id", pl.col(first).alias("y"), "known_at", "n")

    def covariates(self, datasets: Sequence[str], cutoff: datetime) -> pl.DataFrame | None:
        """One column ``dataset/unique_id`` per series of the covariate datasets, joined on ``ds``."""
        wide: pl.DataFrame | None = None
        for name in datasets:
            own = self.series(name, cutoff).with_columns(
                pl.format("{}/{}", pl.lit(name), "unique_id").alias("as")
            )
            if own.is_empty():
                continue  # nothing of it is known
            own = own.pivot("as", index="ds", values="y")
            wide = own if wide is None else wide.join(own, on="ds", how="full", coalesce=True)
        return None if wide is None else wide.sort("ds")

    def panel(self, target: Target, cutoff: datetime) -> Panel:
        """What a model sees at ``cutoff``."""
        if target.freq is None:
            raise ModelError(f"The target {target.name!r} has no frequency.")
        return Panel(
            self.series(target.dataset, cutoff),
            target.freq,
            cutoff=cutoff,
            covariates=self.covariates(target.covariates, cutoff),
            timezone=self.timezone,
            vintages=lambda: self.vintages(target.dataset, cutoff),
        )


def snapshot_fields(snapshots: Sequence[Snapshot]) -> list[dict[str, Any]]:
    """Snapshots as an entry names them."""
    return [
        {"dataset": s.dataset, "n": s.n, "digest": s.digest, "rows": s.rows, "witnessed": s.witnessed}
        for s in snapshots
    ]


def forecast_series(
    knowledge: Knowledge,
    target: Target,
    cutoff: datetime,
    models: ModelsTable,
    past: MutableMapping[tuple[str, datetime], Forecast],
) -> Forecast:
    """Quantiles for the horizon after ``cutoff``.

    ``past`` caches the members' earlier forecasts; with an empty one the same result takes longer.
    """
    from foreseal.predict.engine import predict_at

    def panel_at(when: datetime) -> Panel:
        return knowledge.panel(target, when)

    return predict_at(
        panel_at,
        cutoff,
        target.horizon,
        target.quantiles,
        preset=models.preset,
        models=models.members or None,
        baseline=target.baseline,
        past=past,
    )


def series_payload(forecast: Forecast, target: Target) -> bytes:
    """Canonical bytes of quantiles, rounded to the target's decimals (rounding keeps their order)."""
    columns = [quantile_column(level) for level in target.quantiles]
    rows = [
        (uid, format_instant(ds), *(round_decimal(value, target.decimals) for value in values))
        for uid, ds, *values in forecast.frame.select("unique_id", "ds", *columns).iter_rows()
    ]
    return payload.forecast_series(as_levels(target.quantiles), target.decimals).encode(rows)


def cases_due(knowledge: Knowledge, target: Target, seq: int) -> list[str]:
    """Cases whose features became known since the cutoff before, and whose label is not known yet."""
    cutoff = target.cutoffs[seq]
    store, n = knowledge.store, knowledge.n[target.dataset]
    known = store.as_of_features(target.dataset, cutoff, n)["case_id"]
    labelled = store.as_of_labels(target.dataset, cutoff, n)["case_id"]
    earlier = store.as_of_features(target.dataset, target.cutoffs[seq - 1], n)["case_id"] if seq else labelled
    return sorted(set(known) - set(labelled) - set(earlier))


def horizon(knowledge: Knowledge, target: Target, seq: int) -> pl.DataFrame:
    """What was to be forecast at a cutoff, whether anybody did: ``unique_id, ds``, or ``case_id``."""
    if target.kind == "cases":
        return pl.DataFrame({"case_id": cases_due(knowledge, target, seq)}, schema={"case_id": pl.String})
    panel = knowledge.panel(target, target.cutoffs[seq])
    if panel.frame.is_empty():
        return panel.frame.select("unique_id", "ds")
    return Grid.of(panel).future(target.horizon)[0].select("unique_id", "ds")


def forecast_cases(
    knowledge: Knowledge, target: Target, seq: int, spec: str, hidden: Sequence[str] = ()
) -> Probabilities:
    """A probability for each case that is due at cutoff ``seq``, from a classifier expression.

    ``hidden`` are features that no model is shown.
    """
    from foreseal.predict.catalogue import resolve_classifier
    from foreseal.predict.model import Cases

    cutoff = target.cutoffs[seq]
    features = knowledge.features(target.dataset, cutoff).drop(hidden)
    labels = knowledge.labels(target.dataset, cutoff).select("case_id", "y")
    classifier = resolve_classifier(spec).fit(Cases(features, labels))
    due = cases_due(knowledge, target, seq)
    return classifier.predict(features.filter(pl.col("case_id").is_in(due)))


def cases_payload(found: Probabilities, target: Target) -> bytes:
    """Canonical bytes of probabilities, rounded to the target's decimals."""
    rows = [
        (case, round_decimal(p, target.decimals))
        for case, p in found.frame.select("case_id", "p").iter_rows()
    ]
    return payload.forecast_cases(target.decimals).encode(rows)


def read_series(data: bytes, target: Target, cutoff: datetime) -> pl.DataFrame:
    """``unique_id, ds, cutoff, q…`` of a sealed payload."""
    layout = payload.forecast_series(as_levels(target.quantiles), target.decimals)
    rows = layout.decode(data)
    scale = 10.0**target.decimals
    frame: dict[str, Any] = {
        "unique_id": [row[0].decode() for row in rows],
        "ds": pl.Series([row[1] for row in rows], dtype=pl.Datetime("us", "UTC")),
        "cutoff": pl.Series([cutoff] * len(rows), dtype=pl.Datetime("us", "UTC")),
    }
    for k, level in enumerate(target.quantiles):
        frame[quantile_column(level)] = pl.Series([row[2 + k] / scale for row in rows], dtype=pl.Float64)
    return pl.DataFrame(frame, schema_overrides={"unique_id": pl.String})


def read_outcome(data: bytes, target: Target) -> pl.DataFrame:
    """``unique_id, ds, y`` (cases: ``case_id, y``) of a sealed outcome."""
    schema: dict[str, Any] = {"case_id": pl.String, "y": pl.Float64}
    layout, scale = payload.outcome_cases(), 1.0
    if target.kind == "series":
        schema = {"unique_id": pl.String, "ds": pl.Datetime("us", "UTC"), "y": pl.Float64}
        layout, scale = payload.outcome_series(target.decimals), 10.0**target.decimals
    rows = [(key.decode(), *more, y / scale) for key, *more, y, _ in layout.decode(data)]
    return pl.DataFrame(rows, schema=schema, orient="row")


def read_cases(data: bytes, target: Target) -> pl.DataFrame:
    """``case_id, p`` of a revealed payload."""
    rows = payload.forecast_cases(target.decimals).decode(data)
    scale = 10.0**target.decimals
    return pl.DataFrame(
        [(row[0].decode(), row[1] / scale) for row in rows],
        schema={"case_id": pl.String, "p": pl.Float64},
        orient="row",
    )
