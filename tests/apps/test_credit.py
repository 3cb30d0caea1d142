"""Credit: an outcome is known four weeks after the application, and a withdrawal on its evening."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from foreseal.apps.credit import FIRST, GermanCredit
from foreseal.collect.source import Context


def test_outcomes_are_known_28_days_after_their_applications() -> None:
    features, labels = GermanCredit().read(Context())
    applied = features.rows.group_by("case_id").agg(pl.col("known_at").min().alias("applied"))
    both = labels.rows.join(applied, on="case_id")
    assert both.height == labels.rows.height == applied.height == 1000
    assert (both["known_at"] - both["applied"]).unique().to_list() == [timedelta(days=28)]
    assert applied["applied"].min() == FIRST
    assert applied["applied"].max() == FIRST + timedelta(days=124)
    assert applied.group_by("applied").len()["len"].unique().to_list() == [8]


def test_a_withdrawn_consent_is_a_later_vintage_of_the_same_day() -> None:
    features, _ = GermanCredit().read(Context())
    several = features.rows.filter(pl.len().over("case_id") == 2).sort("case_id", "known_at")
    assert several["consent"].to_list() == [1, 0] * (several.height // 2)
    spans = several.group_by("case_id").agg(pl.col("known_at").max() - pl.col("known_at").min())
    assert spans["known_at"].unique().to_list() == [timedelta(hours=18)]
    assert several.height > 60
