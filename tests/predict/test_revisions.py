"""What was known earlier is rebuilt from vintages, and teaches how young values get revised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.clock import Frequency
from foreseal.frame import Panel
from foreseal.predict.backfill import Backfill
from foreseal.predict.grid import Grid
from foreseal.predict.growth import FLOOR, logs
from foreseal.predict.revisions import Revisions

WEEK = timedelta(weeks=1)
START = datetime(2024, 1, 6, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")


def vintages(
    values: np.ndarray, shares: tuple[float, ...], lag: timedelta = timedelta(days=4)
) -> pl.DataFrame:
    """Reports of ``values`` (series, weeks): after ``lag`` the first share of each, a week later the next."""
    rows = [
        (f"s{s}", START + k * WEEK, share * float(values[s, k]), START + (k + age) * WEEK + lag)
        for s in range(len(values))
        for k in range(values.shape[1])
        for age, share in enumerate(shares)
    ]
    frame = pl.DataFrame(rows, schema=["unique_id", "ds", "y", "known_at"], orient="row")
    return frame.with_columns(pl.col("ds", "known_at").cast(TIME)).sort("known_at", maintain_order=True)


def panel(rows: pl.DataFrame, cutoff: datetime) -> Panel:
    known = rows.filter(pl.col("known_at") <= cutoff)
    last = known.group_by("unique_id", "ds", maintain_order=True).last().sort("unique_id", "ds")
    return Panel(
        last.select("unique_id", "ds", "y"), Frequency(1, "w"), cutoff=cutoff, vintages=lambda: known
    )


@pytest.mark.parametrize("seed", range(3))
def test_every_age_holds_what_was_known_at_its_cutoff(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = vintages(rng.gamma(2.0, 50.0, (3, 20)), (0.8, 0.9, 1.0)).filter(pl.Series(rng.random(180) < 0.8))
    cutoff = START + 19 * WEEK + timedelta(days=4, hours=1)
    here = panel(rows, cutoff)
    grid = Grid.of(here)
    found = Revisions.of(here, grid, 4)
    assert found is not None
    length = grid.y.shape[1]
    for age in range(4):
        for s, uid in enumerate(grid.ids):
            for column in range(length):
                back = length - 1 - column - age
                ds = grid.instants(column - length)[0]
                then = rows.filter(
                    (pl.col("unique_id") == uid)
                    & (pl.col("ds") == ds)
                    & (pl.col("known_at") <= cutoff - back * WEEK)
                )
                expected = then["y"][-1] if back >= 0 and then.height else np.nan
                assert np.array_equal(found.seen[age, s, column], expected, equal_nan=True)


def test_there_is_nothing_to_see_without_vintages_or_a_cutoff() -> None:
    rows = vintages(np.full((1, 5), 10.0), (1.0,))
    here = panel(rows, START + 5 * WEEK)
    bare = Panel(here.frame, here.freq, cutoff=here.cutoff)
    assert Revisions.of(bare, Grid.of(bare), 2) is None


def learnt(values: np.ndarray, shares: tuple[float, ...]) -> Backfill:
    cutoff = START + (values.shape[1] - 1) * WEEK + timedelta(days=5)
    here = panel(vintages(values, shares), cutoff)
    grid = Grid.of(here)
    found = Revisions.of(here, grid, 3)
    assert found is not None
    return Backfill.of(found, logs(grid.y), FLOOR, grid.y.shape[1] - 1)


def test_late_reports_are_made_up_for() -> None:
    values = np.random.default_rng(1).gamma(20.0, 50.0, (6, 60))
    found = learnt(values, (0.8, 0.95, 1.0))
    usual = np.median(found.usual, axis=0)
    assert usual[0] == pytest.approx(-np.log(0.8), rel=0.25)
    assert usual[1] == pytest.approx(-np.log(0.95), rel=0.25)
    assert usual[2] == pytest.approx(0.0, abs=1e-9)
    assert found.weight.sum() == pytest.approx(1.0)
    assert found.errors(np.random.default_rng(0), 5).shape == (5, 6, 3)


def test_values_that_are_never_revised_are_left_alone() -> None:
    found = learnt(np.random.default_rng(1).gamma(20.0, 50.0, (4, 30)), (1.0,))
    assert not found.usual.any()


def test_few_revisions_are_believed_only_in_part() -> None:
    values = np.random.default_rng(1).gamma(20.0, 50.0, (6, 60))
    early, late = (learnt(values[:, :n], (0.8, 1.0, 1.0)).usual[:, 0].mean() for n in (6, 60))
    assert 0.0 < early < 0.6 * late


def planted(late: np.ndarray, size: np.ndarray) -> Backfill:
    """Learnt from what first reports of constant counts ``size`` lacked, ``late`` (series, weeks) in logs."""
    z = np.repeat(np.log(size + FLOOR)[:, None], late.shape[1], axis=1)
    first, whole = np.exp(z - late) - FLOOR, np.exp(z) - FLOOR
    return Backfill.of(Revisions(np.stack([first, whole])), z, FLOOR, late.shape[1] - 1)


def test_revisions_of_late_weigh_more_than_older_ones() -> None:
    """Eight weeks of new habits outweigh thirty of old ones."""
    late = np.full((5, 40), 0.1)
    late[:, 30:] = 0.4
    usual = planted(late, np.full(5, 300.0)).usual
    assert (usual[:, 0] > 0.3).all()
    assert np.abs(usual[:, 1]).max() < 1e-9


def test_one_series_that_reports_otherwise_is_corrected_otherwise() -> None:
    late = np.full((8, 40), 0.1)
    late[2] = 0.6
    usual = planted(late, np.full(8, 300.0)).usual[:, 0]
    assert usual[2] > 0.35
    assert (np.delete(usual, 2) < 0.15).all()


def test_a_large_series_says_more_of_what_is_usual_than_small_ones() -> None:
    """One of 400 times the size weighs twenty times as much as each of eight."""
    late = np.full((9, 40), 0.1)
    late[0] = 0.5
    size = np.array([40_000.0, *[100.0] * 8])
    small = planted(late, size).usual[1:, 0]
    assert (small > 0.15).all()
    assert (planted(late, np.full(9, 100.0)).usual[1:, 0] < 0.11).all()
