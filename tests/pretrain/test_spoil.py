"""What happens to data on the way, in the shares of the model card; and mixtures of two series."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pretrain.generators import batch
from pretrain.generators.mixup import mixup
from pretrain.generators.rows import Paths, Rows
from pretrain.generators.spoil import spoil

Floats = NDArray[np.float64]
ROWS, BUCKET = 3000, 128


def rows(seed: int = 0, count: int = ROWS) -> Rows:
    return Rows(np.random.default_rng(seed), np.full(count, BUCKET), BUCKET)


@pytest.fixture(scope="module")
def spoilt() -> Floats:
    """White noise, as it is reported."""
    some = rows()
    return spoil(some, Paths.of(np.random.default_rng(1).normal(size=(ROWS, some.columns))))


def test_a_twelfth_of_the_rows_has_outliers(spoilt: Floats) -> None:
    away = np.abs(spoilt - np.nanmedian(spoilt, axis=1, keepdims=True))
    share = np.nanmax(away / np.nanmedian(away, axis=1, keepdims=True), axis=1) > 9
    assert 0.02 < share.mean() < 0.1


def test_a_sixth_of_the_rows_is_rounded(spoilt: Floats) -> None:
    values = [row[np.isfinite(row)] for row in spoilt]
    alike = np.array([len(np.unique(row)) < 0.7 * len(row) for row in values])
    assert 0.12 < alike.mean() < 0.22


def test_units_spread_over_many_powers_of_ten(spoilt: Floats) -> None:
    size = np.log10(np.nanstd(spoilt, axis=1))
    assert 1.2 < size.std() < 2.2
    assert np.median(size) == pytest.approx(1.0, abs=0.2)
    assert (size > 4).mean() > 0.01
    assert (size < -3).mean() > 0.01


def test_a_series_with_a_meaningful_zero_is_scaled_and_not_moved() -> None:
    some = rows()
    counts = np.random.default_rng(2).poisson(0.7, (ROWS, some.columns)).astype(float)
    values = spoil(some, Paths.of(counts, anchored=True))
    seen = np.isfinite(values)
    # Outliers may lift a zero or push below it, stuck sensors repeat another value.
    assert (((values == 0) == (counts == 0)) | ~seen).all(axis=1).mean() > 0.85
    assert (np.nanmin(values, axis=1) < 0).mean() < 0.05


def test_targets_have_missing_points_and_no_missing_stretches() -> None:
    drawn = batch(3, 12, 1000, 512)
    gone = np.isnan(drawn.target).mean(axis=1)
    assert (gone > 0).mean() > 0.1
    assert gone.max() < 0.7


def test_no_season_is_true_that_the_history_does_not_hold() -> None:
    for bucket in (64, 512):
        drawn = batch(3, 12, 1000, bucket)
        assert (drawn.periods <= drawn.n[:, None]).all()


def test_some_mixtures_pass_from_one_series_into_another() -> None:
    some = rows(count=400)
    t = np.arange(some.columns)
    pool = np.stack([np.sin(2 * np.pi * t / period) for period in (5, 7, 11, 13, 17, 19)])
    values = mixup(some, Paths.of(pool)).values

    def nearest(columns: slice) -> tuple[NDArray[np.int64], Floats]:
        fit = np.abs(np.corrcoef(values[:, columns], pool[:, columns])[: len(values), len(values) :])
        return fit.argmax(axis=1), fit.max(axis=1)

    (first, early), (last, late) = nearest(slice(0, 20)), nearest(slice(-40, None))
    passing = (early > 0.999) & (late > 0.999) & (first != last)
    assert 0.03 < passing.mean() < 0.15
