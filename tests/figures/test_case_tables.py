"""Tables about probabilities for cases: gains and ROC, distribution, groups, drift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.figures.drift import drift_table
from foreseal.figures.groups import LEAST, group_of, group_table
from foreseal.figures.separation import area, distribution_table, gains_table
from tests.conftest import require

START = datetime(2024, 1, 1, tzinfo=UTC)


def made_up(n: int = 300, cutoffs: int = 1, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    p = np.round(rng.beta(2, 5, n), 2)
    keys = {
        "case_id": [f"c{k}" for k in range(n)],
        "cutoff": [START + timedelta(days=k % cutoffs) for k in range(n)],
    }
    y = (rng.random(n) < p).astype(float)
    return pl.DataFrame({**keys, "p": p}), pl.DataFrame({**keys, "y": y})


def test_the_area_is_that_of_scikit_learn_ties_included() -> None:
    require("sklearn", 'pip install "foreseal[cases]"')
    from sklearn.metrics import roc_auc_score

    probabilities, outcomes = made_up()
    assert area(probabilities, outcomes) == pytest.approx(roc_auc_score(outcomes["y"], probabilities["p"]))
    assert np.isnan(area(probabilities, outcomes.with_columns(y=pl.lit(0.0))))


def test_gains_go_from_the_riskiest_tenth_to_everybody() -> None:
    probabilities, outcomes = made_up()
    table = gains_table(probabilities, outcomes)
    assert table.row(-1) == (1.0, probabilities["p"].min(), 1.0, 1.0)
    assert table["captured"].is_sorted()
    top = probabilities.join(outcomes, on=["case_id", "cutoff"]).sort(
        "p", "case_id", descending=[True, False]
    )
    assert table["captured"][0] == pytest.approx(top["y"][:30].sum() / outcomes["y"].sum())
    assert gains_table(probabilities, outcomes.with_columns(y=pl.lit(1.0))).is_empty()


def test_every_case_is_in_one_bin_of_the_distribution() -> None:
    probabilities, outcomes = made_up()
    table = distribution_table(probabilities, outcomes)
    assert table["negative"].sum() == (outcomes["y"] == 0).sum()
    assert table["positive"].sum() == (outcomes["y"] == 1).sum()


def test_groups_too_small_to_show_are_left_out_and_shares_are_of_who_was_decided_about() -> None:
    probabilities, outcomes = made_up()
    few = pl.when(pl.int_range(pl.len()) < LEAST - 1).then(pl.lit("few")).otherwise(pl.lit("many"))
    groups = probabilities.select("case_id", feature=pl.lit("size"), group=few)
    acts = probabilities[LEAST:].select(
        "case_id", "cutoff", act=pl.when(pl.col("p") < 0.2).then(pl.lit("accept")).otherwise(pl.lit("reject"))
    )
    (row,) = group_table(probabilities, outcomes, groups, acts, "accept").iter_rows(named=True)
    assert (row["group"], row["n"]) == ("many", 300 - LEAST + 1)
    assert row["done"] == pytest.approx((acts["act"] == "accept").mean())
    assert row["low"] < row["observed"] < row["high"]


def test_numbers_are_grouped_between_cuts_and_text_by_value() -> None:
    found = group_of(pl.Series("age", [25.0, 25.5, 60.0, 61.0, None]), (25, 60))
    assert found.to_list() == ["<= 25", "25 to 60", "25 to 60", "> 60", "missing"]
    assert group_of(pl.Series("t", ["a", None]), ()).to_list() == ["a", "missing"]


def test_a_shift_exceeds_chance_and_the_same_distribution_seldom_does() -> None:
    probabilities, _ = made_up(3000, cutoffs=30, seed=4)
    table = drift_table(probabilities)
    assert table.height == 29
    assert (table["psi"] > table["chance"]).mean() < 0.2
    last = pl.col("cutoff") == pl.col("cutoff").max()
    moved = probabilities.with_columns(p=pl.when(last).then((pl.col("p") + 0.3).clip(0, 1)).otherwise("p"))
    (psi,) = drift_table(moved).tail(1)["psi"]
    assert psi > 5 * table["chance"][-1]
