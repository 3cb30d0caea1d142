"""The track record: every declared cutoff of one target and one forecaster, nothing left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from foreseal.records import Score, quantile_column
from foreseal.score.compare import Comparison, compare

BOOTSTRAP_DRAWS = 2000
BLOCK = 7
MIN_BLOCKS = 3


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often outcomes fell inside the central interval of nominal probability ``level``.

    ``low`` and ``high`` bound the observed share with 95 % confidence (circular block bootstrap over
    cutoffs); both are NaN where there are too few cutoffs. ``width`` is the mean width, in the unit of y.
    """

    level: float
    observed: float
    low: float
    high: float
    width: float
    n: int


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """One forecaster on one target, beside the target's baseline.

    ``scores`` has a row per settled cutoff: ``seq, cutoff, status, n, mean, baseline``. ``pending`` counts
    declared cutoffs that are not settled yet. Means weigh each value once; lower is better. ``also`` holds
    the mean of each further rule for the forecaster and for the baseline. Of the ``values`` that outcomes
    hold, ``witnessed`` came in appends that had been sealed in time; the rest is claimed. ``comparison`` is
    the confidence sequence of forecaster minus baseline over the cutoffs' mean scores, each cutoff once.
    """

    target: str
    forecaster: str
    rule: str
    scores: pl.DataFrame
    pending: int
    mean: float
    baseline_mean: float
    coverage: tuple[Coverage, ...] = ()
    also: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    values: int = 0
    witnessed: int = 0
    comparison: Comparison | None = None

    @property
    def ratio(self) -> float:
        """Mean score over the baseline's mean score; below 1 is better than the baseline."""
        return self.mean / self.baseline_mean if self.baseline_mean else float("nan")

    @property
    def skill(self) -> float:
        """``1 - ratio``: the share of the baseline's score that was saved."""
        return 1.0 - self.ratio

    @property
    def settled(self) -> int:
        """Cutoffs with a score."""
        return self.scores.height

    def not_scored(self) -> dict[str, int]:
        """Settled cutoffs at which no valid forecast was there, counted by reason."""
        counts = self.scores.filter(pl.col("status") != "scored")["status"].value_counts()
        return {str(status): int(n) for status, n in sorted(counts.iter_rows())}


def track_record(
    target: str,
    forecaster: str,
    scores: Sequence[Score],
    *,
    declared: int,
    coverage: tuple[Coverage, ...] = (),
    also: Mapping[str, tuple[float, float]] | None = None,
    values: int = 0,
    witnessed: int = 0,
    bound: float | None = None,
) -> TrackRecord:
    """Join a forecaster's scores with the baseline's, cutoff by cutoff; ``declared`` counts all cutoffs.

    ``bound`` is the target's ``score_bound``, at which differences are clipped for the comparison.
    """
    mine = {s.seq: s for s in scores if s.forecaster == forecaster}
    base = {s.seq: s for s in scores if s.forecaster == "baseline"}
    rows = [
        (s.seq, s.cutoff, s.status, s.n, s.mean, base[s.seq].mean if s.seq in base else None)
        for s in sorted(mine.values(), key=lambda s: s.seq)
    ]
    frame = pl.DataFrame(
        rows,
        schema={
            "seq": pl.Int64,
            "cutoff": pl.Datetime("us", "UTC"),
            "status": pl.String,
            "n": pl.Int64,
            "mean": pl.Float64,
            "baseline": pl.Float64,
        },
        orient="row",
    )
    counted = frame.filter(pl.col("n") > 0)

    def pooled(column: str) -> float:
        if counted.is_empty():
            return float("nan")
        return float(np.average(counted[column].to_numpy(), weights=counted["n"].to_numpy()))

    return TrackRecord(
        target=target,
        forecaster=forecaster,
        rule=scores[0].rule if scores else "",
        scores=frame,
        pending=declared - frame.height,
        mean=pooled("mean"),
        baseline_mean=pooled("baseline"),
        coverage=coverage,
        also=also or {},
        values=values,
        witnessed=witnessed,
        comparison=compare(counted["mean"], counted["baseline"].cast(pl.Float64), bound) if bound else None,
    )


def central_levels(quantiles: Sequence[float]) -> list[tuple[float, float, float]]:
    """``(probability, lower, upper)`` of each central interval among the quantile levels, widest last."""
    found = [
        (round(1 - 2 * low, 10), low, high)
        for low in quantiles
        for high in quantiles
        if low < high and abs(low + high - 1) < 1e-9
    ]
    return sorted(found)


def interval_coverage(
    forecasts: pl.DataFrame, outcomes: pl.DataFrame, quantiles: Sequence[float], *, seed: int = 0
) -> tuple[Coverage, ...]:
    """Coverage of every central interval.

    ``forecasts`` has ``unique_id, ds, cutoff, q…``; ``outcomes`` has ``unique_id, ds, cutoff, y``. Rows
    without an outcome do not count. Both ends of an interval belong to it.
    """
    joined = forecasts.join(outcomes, on=["unique_id", "ds", "cutoff"], how="inner").sort("cutoff")
    found = []
    for level, low, high in central_levels(quantiles):
        lower, upper = pl.col(quantile_column(low)), pl.col(quantile_column(high))
        by_cutoff = (
            joined.group_by("cutoff", maintain_order=True)
            .agg(
                pl.col("y").is_between(lower, upper).sum().alias("hits"),
                pl.len().alias("n"),
                (upper - lower).sum().alias("width"),
            )
            .sort("cutoff")
        )
        hits, n = by_cutoff["hits"].to_numpy(), by_cutoff["n"].to_numpy()
        if n.sum() == 0:
            continue
        below, above = block_bootstrap(hits, n, seed=seed)
        found.append(
            Coverage(
                level=level,
                observed=float(hits.sum() / n.sum()),
                low=below,
                high=above,
                width=float(by_cutoff["width"].sum() / n.sum()),
                n=int(n.sum()),
            )
        )
    return tuple(found)


def block_bootstrap(
    sums: np.ndarray, weights: np.ndarray, *, block: int = BLOCK, draws: int = BOOTSTRAP_DRAWS, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of ``sum(sums) / sum(weights)`` under a circular block bootstrap.

    Blocks of consecutive cutoffs keep their dependence (Politis and Romano, 1992). NaN where fewer than
    three blocks fit.
    """
    size = len(sums)
    if size < MIN_BLOCKS * block:
        return float("nan"), float("nan")
    starts = np.random.default_rng(seed).integers(0, size, size=(draws, -(-size // block)))
    index = (starts[:, :, None] + np.arange(block)).reshape(draws, -1)[:, :size] % size
    ratios = sums[index].sum(axis=1) / weights[index].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)
