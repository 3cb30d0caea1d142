"""Drift: whether the probabilities of a cutoff are distributed as those before it. A table only."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

BINS = 5
CHI2_95 = 9.487729036781154
"""95 % point of the chi-square distribution with ``BINS - 1`` degrees of freedom."""


def drift_table(probabilities: pl.DataFrame) -> pl.DataFrame:
    """``cutoff, n, p, psi, chance`` for every cutoff after the first one.

    ``p`` is the mean probability. ``psi`` is the population stability index against all earlier cutoffs, in
    fifths of these: the sum of ``(a - b) ln(a / b)`` over the bins' shares, half a case added to each bin.
    ``chance`` is what it would exceed in one of twenty cutoffs if nothing had changed: about
    ``(1 / n + 1 / m)`` times the 95 % point of chi-square (B. Yurdakul, 2018), for ``m`` earlier cases. Rules
    of thumb such as 0.1 and 0.25 are for thousands of cases.
    """
    rows = []
    cutoffs = probabilities["cutoff"].unique().sort().to_list()
    for cutoff in cutoffs[1:]:
        now = probabilities.filter(pl.col("cutoff") == cutoff)["p"].to_numpy()
        before = probabilities.filter(pl.col("cutoff") < cutoff)["p"].to_numpy()
        inner = np.unique(np.quantile(before, np.arange(1, BINS) / BINS))
        shares = []
        for values in (now, before):
            counts = np.bincount(np.searchsorted(inner, values, "left"), minlength=len(inner) + 1) + 0.5
            shares.append(counts / counts.sum())
        psi = float(np.sum((shares[0] - shares[1]) * np.log(shares[0] / shares[1])))
        chance = CHI2_95 * (1 / len(now) + 1 / len(before))
        rows.append((cutoff, len(now), float(now.mean()), psi, chance))
    time = probabilities.schema["cutoff"]
    schema: dict[str, Any] = {
        "cutoff": time,
        "n": pl.Int64,
        "p": pl.Float64,
        "psi": pl.Float64,
        "chance": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
