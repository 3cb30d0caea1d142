"""Features cut into bins whose risk rises or falls in one direction, with the weight of evidence of each.

A feature is first cut finely (numbers at rounded quantiles, text by level); then neighbours are joined so
that the penalised likelihood of the labels is largest among all partitions that are monotone, leave no bin
too small and have no more than `MAX_BINS` bins: dynamic programming, exact. Levels of text have no order of
their own; they are put in the order of their risk, and those that few cases have are one.

The weight of evidence is ``ln(odds of the bin / odds of all)``, with `PRIOR` cases of average risk added to
each bin (I. J. Good, *Probability and the Weighing of Evidence*, 1950); positive means riskier.

Edges are rounded to two significant digits and have `LEAST_CASES` or more on either side, a level that fewer
have is never shown, and a bin that fewer are in (of missing values, or of what is rare) tells nothing: its
weight is none. So a table of bins gives away nobody's value or label, however few the cases are. A case is a
person, of whom there is one row.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_BINS = 8
LEAST_SHARE = 0.05
LEAST_CASES = 20
"""As few as reports of groups show. A share alone would show one person's value while there are few."""
FINE = 20
PRIOR = 10.0
BIN_COST = 1.0
"""Gain of log likelihood that a further bin of numbers must bring. Levels are joined only to be few."""

MISSING, OTHER = "missing", "any other"


@dataclass(frozen=True, slots=True)
class Bins:
    """How one feature is cut: ``woe`` and ``labels`` by bin, the share of the cases in each; ``told`` are the
    bins with enough cases to be told of, and ``woe`` is 0 in the others.

    Numbers: bin ``k`` holds ``edges[k - 1] < x <= edges[k]``. Text: ``levels`` gives each level's bin. The
    last bin is for missing values, and for text the one before it for levels rare or never seen.
    """

    name: str
    labels: tuple[str, ...]
    woe: Floats
    share: Floats
    told: NDArray[np.bool_]
    edges: tuple[float, ...] = ()
    levels: Mapping[str, int] | None = None

    @property
    def informative(self) -> bool:
        """Whether there is more than one bin with enough cases, and they differ."""
        return bool(np.ptp(self.woe[self.told]) > 0) if self.told.any() else False

    @property
    def information(self) -> float:
        """How much the bins tell: the mean of the squared weights of evidence."""
        return float(self.woe**2 @ self.share)

    def assign(self, column: pl.Series) -> Ints:
        """The bin of each value."""
        if self.levels is None:
            x = column.cast(pl.Float64, strict=False).to_numpy().astype(float)
            found = np.searchsorted(np.asarray(self.edges, float), x, side="left")
            return np.where(np.isfinite(x), found, len(self.labels) - 1).astype(np.int64)
        rest, missing = len(self.labels) - 2, len(self.labels) - 1
        return np.array(
            [missing if each is None else self.levels.get(each, rest) for each in as_text(column)], np.int64
        )

    def unseen(self, column: pl.Series) -> int:
        """How many values are levels that no case had that was learnt from."""
        if self.levels is None:
            return 0
        return sum(each is not None and each not in self.levels for each in as_text(column))


def as_text(column: pl.Series) -> list[str | None]:
    """Levels as text; empty text is missing."""
    return [each or None for each in column.cast(pl.String).to_list()]


def cut(column: pl.Series, y: Ints) -> Bins:
    """Bins of one feature for labels 0 and 1, both of which occur."""
    numeric = column.dtype.is_numeric() or column.dtype == pl.Boolean
    return _cut_numbers(column, y) if numeric else _cut_levels(column, y)


def _cut_numbers(column: pl.Series, y: Ints) -> Bins:
    x = column.cast(pl.Float64).to_numpy().astype(float)
    known = np.isfinite(x)
    fine = _fine_edges(x[known])
    place = np.searchsorted(fine, x[known], side="left")
    n = np.bincount(place, minlength=len(fine) + 1).astype(float)
    bad = np.bincount(place, weights=y[known], minlength=len(fine) + 1).astype(float)
    ends = max((join(n, bad, sign, BIN_COST, len(y)) for sign in (1, -1)), key=lambda found: found[0])[1]
    edges = tuple(float(fine[end]) for end in ends[:-1])
    place = np.where(known, np.searchsorted(np.asarray(edges, float), x, side="left"), len(edges) + 1)
    texts = [f"{edge:g}" for edge in edges]
    labels = [f"<= {texts[0]}"] if edges else ["all"]
    labels += [f"{a} to {b}" for a, b in itertools.pairwise(texts)]
    labels += [f"> {texts[-1]}"] if edges else []
    return _bins(column.name, (*labels, MISSING), place, y, edges=edges)


def _cut_levels(column: pl.Series, y: Ints) -> Bins:
    values = as_text(column)
    counts: dict[str, list[float]] = {}
    for each, label in zip(values, y.tolist(), strict=True):
        if each is not None:
            count = counts.setdefault(each, [0.0, 0.0])
            count[0] += 1
            count[1] += label
    least, rate = _least(len(y)), float(y.mean())
    common = {level: (n, bad) for level, (n, bad) in counts.items() if n >= least}
    rare = [counts[level] for level in counts if level not in common]
    groups: list[tuple[tuple[str, ...], float, float]] = [((k,), n, b) for k, (n, b) in common.items()]
    if sum(n for n, _ in rare) >= least:
        groups.append(((), sum(n for n, _ in rare), sum(b for _, b in rare)))
    groups.sort(key=lambda g: ((g[2] + PRIOR * rate) / (g[1] + PRIOR), g[0]))
    n, bad = np.array([g[1] for g in groups]), np.array([g[2] for g in groups])
    ends = join(n, bad, 1, 0.0, len(y))[1] if groups else []
    starts = [0, *(end + 1 for end in ends)][: len(ends)]
    levels: dict[str, int] = {}
    labels: list[str] = []
    rest = len(ends)
    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        named = [names for names, _, _ in groups[start : end + 1]]
        labels.append(" | ".join(name for names in named for name in names or (OTHER,)))
        levels |= {name: k for names in named for name in names}
        rest = k if () in named else rest
    levels |= {level: rest for level in counts if level not in common}
    place = np.array([len(ends) + 1 if each is None else levels[each] for each in values], np.int64)
    return _bins(column.name, (*labels, OTHER, MISSING), place, y, levels=levels)


def _bins(
    name: str,
    labels: tuple[str, ...],
    place: Ints,
    y: Ints,
    *,
    edges: tuple[float, ...] = (),
    levels: Mapping[str, int] | None = None,
) -> Bins:
    n = np.bincount(place, minlength=len(labels)).astype(float)
    bad = np.bincount(place, weights=y, minlength=len(labels))
    rate = float(y.mean())
    woe = np.log((bad + PRIOR * rate) / (n - bad + PRIOR * (1 - rate))) - np.log(rate / (1 - rate))
    told = n >= LEAST_CASES
    return Bins(name, labels, np.where(told, woe, 0.0), n / len(y), told, edges, levels)


def _least(total: int) -> float:
    """How many cases a bin, or a level that is shown, must have."""
    return max(LEAST_SHARE * total, LEAST_CASES)


def _fine_edges(x: Floats) -> Floats:
    """At most `FINE` rounded cuts that leave something on either side."""
    if not len(x):
        return np.zeros(0)
    cuts = np.quantile(x, np.arange(1, FINE) / FINE, method="inverted_cdf")
    rounded = np.unique([float(f"{each:.2g}") for each in cuts])
    found: Floats = rounded[(rounded >= x.min()) & (rounded < x.max())]
    return found


def join(n: Floats, bad: Floats, sign: int, cost: float, total: int) -> tuple[float, list[int]]:
    """The best monotone partition of ordered groups, and its value: the last group of each bin.

    ``n`` cases and ``bad`` of them in each group; ``sign`` is 1 if the risk is to rise. A bin has at least
    `LEAST_SHARE` of ``total`` cases and `LEAST_CASES`, unless there is but one.
    """
    size = len(n)
    N, B = np.concatenate([[0.0], np.cumsum(n)]), np.concatenate([[0.0], np.cumsum(bad)])
    count, hits = N[None, 1:] - N[:-1, None], B[None, 1:] - B[:-1, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(count > 0, hits / count, np.nan)
        value = _xlogy(hits, rate) + _xlogy(count - hits, 1 - rate) - cost
    allowed = (count >= _least(total)) & np.triu(np.ones((size, size), bool))
    # best[b, i, j]: of partitions of groups 0..j into b + 1 bins the last of which is i..j.
    best = np.full((MAX_BINS, size, size), -np.inf)
    before = np.full((MAX_BINS, size, size), -1)
    best[0, 0] = np.where(allowed[0], value[0], -np.inf)
    for i in range(1, size):
        # Bins h..i-1 by row, ends j by column.
        rising = sign * (rate[None, i, :] - rate[:i, i - 1, None]) > 0
        for b in range(1, MAX_BINS):
            usable = np.where(rising, best[b - 1, :i, i - 1, None], -np.inf)
            h = usable.argmax(axis=0)
            found = np.where(allowed[i], usable[h, np.arange(size)] + value[i], -np.inf)
            best[b, i], before[b, i] = found, np.where(np.isfinite(found), h, -1)
    b, i = map(int, np.unravel_index(int(np.argmax(best[:, :, size - 1])), (MAX_BINS, size)))
    total_value = float(best[b, i, size - 1])
    if not np.isfinite(total_value):
        return float(np.nan_to_num(value[0, -1])), [size - 1]
    ends, j = [size - 1], size - 1
    while b:
        i, j, b = int(before[b, i, j]), i - 1, b - 1
        ends.append(int(j))
    return total_value, ends[::-1]


def _xlogy(x: Floats, y: Floats) -> Floats:
    return np.where(x > 0, x * np.log(np.where(y > 0, y, 1.0)), 0.0)
