"""Bins of monotone risk, whole points, reasons."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import polars as pl
import pytest

from foreseal.errors import ModelError, ModelWarning
from foreseal.predict.binning import BIN_COST, LEAST_CASES, LEAST_SHARE, MAX_BINS, cut, join
from foreseal.predict.catalogue import resolve_classifier
from foreseal.predict.model import Cases
from foreseal.predict.scorecard import Scorecard

N = 600


def made_up(seed: int = 1, n: int = N) -> Cases:
    """Risk rises with ``x`` and falls with ``z``, depends on ``kind``, and not on ``noise``."""
    rng = np.random.default_rng(seed)
    x, z, kind = rng.normal(size=n), rng.exponential(size=n), rng.integers(0, 4, n)
    logit = -1 + 1.2 * x - 0.8 * z + np.array([0.9, -0.9, 0.0, 0.4])[kind]
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    ids = [f"c{k:04d}" for k in range(n)]
    features = pl.DataFrame(
        {
            "case_id": ids,
            "x": x,
            "z": z,
            "kind": [f"kind {k}" for k in kind],
            "noise": rng.normal(size=n),
            "always": ["same"] * n,
            "age": rng.integers(20, 70, n).astype(float),
        }
    )
    return Cases(features, pl.DataFrame({"case_id": ids, "y": y}))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sign", [1, -1])
def test_the_partition_is_the_best_of_all_monotone_ones(seed: int, sign: int) -> None:
    rng = np.random.default_rng(seed)
    n = rng.integers(3, 30, 9).astype(float)
    bad = rng.binomial(n.astype(int), rng.random(9)).astype(float)
    total = int(n.sum())

    def likelihood(count: float, hits: float) -> float:
        parts = [(hits, hits / count), (count - hits, 1 - hits / count)]
        return sum(k * math.log(r) for k, r in parts if k)

    best = -math.inf
    for size in range(1, MAX_BINS + 1):
        for cuts in itertools.combinations(range(1, 9), size - 1):
            bounds = [0, *cuts, 9]
            counts = [(n[a:b].sum(), bad[a:b].sum()) for a, b in itertools.pairwise(bounds)]
            rates = [h / c for c, h in counts]
            small = any(c < max(LEAST_SHARE * total, LEAST_CASES) for c, _ in counts)
            if small or any(sign * (b - a) <= 0 for a, b in itertools.pairwise(rates)):
                continue
            best = max(best, sum(likelihood(c, h) - BIN_COST for c, h in counts))
    value, ends = join(n, bad, sign, BIN_COST, total)
    assert value == pytest.approx(best)
    assert ends[-1] == 8


def test_bins_of_a_number_rise_or_fall_in_one_direction_and_edges_are_round() -> None:
    cases = made_up()
    bins = cut(cases.features["x"], cases.labels["y"].to_numpy())
    assert (np.diff(bins.woe[: len(bins.edges) + 1]) > 0).all()
    assert all(float(f"{edge:.2g}") == edge for edge in bins.edges)
    shares = np.bincount(bins.assign(cases.features["x"]), minlength=len(bins.labels)) / N
    assert shares == pytest.approx(bins.share)


def test_missing_values_and_rare_levels_have_bins_of_their_own() -> None:
    y = np.array([0, 1] * 100)
    text = pl.Series("t", ["a"] * 90 + ["b"] * 89 + ["secret"] + [None] * 20)
    bins = cut(text, y)
    assert not any("secret" in label for label in bins.labels)
    assert bins.assign(pl.Series("t", [None, "never seen"])).tolist() == [
        len(bins.labels) - 1,
        bins.assign(pl.Series("t", ["secret"]))[0],
    ]
    numbers = cut(pl.Series("x", [float(k) if k % 3 else None for k in range(200)]), y)
    assert numbers.assign(pl.Series("x", [None]))[0] == len(numbers.labels) - 1


def few(n: int, kept: int) -> Cases:
    """``n`` cases whose label is known by ``who``, which nobody shares, and ``branch``, which ``kept`` do."""
    y = [int(k % 2 == 0) for k in range(n)]
    ids = [f"c{k:03d}" for k in range(n)]
    features = {
        "case_id": ids,
        "who": [f"+49 170 55501{k:03d}" for k in range(n)],
        "branch": ["north" if k < kept else "south" for k in range(n)],
        "income": [20.0 + k + 40 * (k % 2) for k in range(n)],
        "gap": [None if k % 2 == 0 and k < 10 else 1.0 + k % 2 for k in range(n)],
    }
    return Cases(pl.DataFrame(features), pl.DataFrame({"case_id": ids, "y": y}))


@pytest.mark.parametrize("n", [12, 19, 20, 21, 30, 39, 40, 60, 100, 200])
def test_nothing_that_fewer_than_twenty_cases_share_is_told_however_few_there_are(n: int) -> None:
    cases = few(n, 19)
    card = Scorecard().fit(cases)
    found = card.predict(cases.features)
    told = " ".join([*card.ran_.values(), *(each for said in found.reasons.values() for each in said)])
    assert "+49" not in told
    assert "north" not in told
    for name, text in card.ran_.items():
        if name.startswith("points."):
            labels = [part.rsplit(": ", 1)[0] for part in text.split("; ")]
            bins = cut(cases.features[name.removeprefix("points.")], cases.labels["y"].to_numpy())
            held = dict(zip(bins.labels, bins.share * n, strict=True))
            assert all(held[label] > 19.5 for label in labels), (name, text)
    assert ("fallback" in card.ran_) == (n <= 40)


def test_a_bin_of_few_costs_nobody_a_point_and_its_labels_change_nothing() -> None:
    cases = few(200, 100)
    at = cases.features["gap"].is_null()
    assert at.sum() == 5
    card = Scorecard().fit(cases)
    assert "missing" not in card.ran_["points.gap"]
    assert not any(
        "missing" in each for said in card.predict(cases.features).reasons.values() for each in said
    )
    ids = cases.features["case_id"].filter(at)
    y = pl.when(pl.col("case_id").is_in(ids.implode())).then(1 - pl.col("y")).otherwise("y")
    bins, turned = (
        cut(cases.features["gap"], labels["y"].to_numpy())
        for labels in (cases.labels, cases.labels.with_columns(y=y))
    )
    assert bins.woe[-1] == turned.woe[-1] == 0


def test_the_probability_can_be_worked_out_by_hand_from_the_points() -> None:
    cases = made_up()
    found = Scorecard().fit(cases).predict(cases.features)
    start = int(found.ran["points"].removeprefix("start "))
    tables = {
        name.removeprefix("points."): dict(part.rsplit(": ", 1) for part in text.split("; "))
        for name, text in found.ran.items()
        if name.startswith("points.")
    }
    assert 1 <= len(tables) <= 10
    assert "always" not in tables
    kinds = {level: int(p) for label, p in tables["kind"].items() for level in label.split(" | ")}
    for row, p in list(zip(cases.features.iter_rows(named=True), found.frame["p"], strict=True))[:50]:
        score = start + kinds[row["kind"]]
        for name in tables.keys() - {"kind"}:
            for label, points in tables[name].items():
                bounds = [float(each) for each in re.findall(r"-?[\d.]+(?:e[-+]\d+)?", label)]
                low, high = (-math.inf, bounds[0]) if "<=" in label else (bounds[0], math.inf)
                if " to " in label:
                    low, high = bounds
                if low < row[name] <= high:
                    score += int(points)
        odds = 20 * 2 ** ((score - 600) / 40)
        assert p == pytest.approx(1 / (1 + odds))


def test_points_of_a_number_move_in_one_direction_with_its_risk() -> None:
    ran = Scorecard().fit(made_up()).predict(made_up(2).features).ran
    for name, sign in (("x", -1), ("z", 1)):
        points = [int(part.rsplit(": ", 1)[1]) for part in ran[f"points.{name}"].split("; ")]
        assert points == sorted(points, reverse=sign < 0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_points_of_a_number_move_in_one_direction_where_another_feature_would_turn_them(seed: int) -> None:
    """The risk rises with ``x`` by way of ``g`` alone; within each ``g`` it has a hollow in the middle."""
    rng = np.random.default_rng(seed)
    x = rng.random(2000)
    g = rng.random(2000) < x
    y = (rng.random(2000) < 1 / (1 + np.exp(2 - 4 * g + 2.5 * (np.abs(x - 0.5) < 0.1)))).astype(int)
    ids = [f"c{k:04d}" for k in range(2000)]
    features = pl.DataFrame({"case_id": ids, "x": x, "g": np.where(g, "yes", "no")})
    ran = Scorecard().fit(Cases(features, pl.DataFrame({"case_id": ids, "y": y}))).ran_
    points = [int(part.rsplit(": ", 1)[1]) for part in ran["points.x"].split("; ")]
    assert len(points) > 3
    assert points == sorted(points, reverse=True)


def scattered(seed: int, signal: float, n: int = 200) -> Cases:
    """Eight numbers, the first of which tells something of the label if ``signal`` is not 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 8))
    y = (rng.random(n) < 1 / (1 + np.exp(0.5 - signal * x[:, 0]))).astype(int)
    ids = [f"c{k:05d}" for k in range(n)]
    features = pl.DataFrame({"case_id": ids, **{f"x{j}": x[:, j] for j in range(8)}})
    return Cases(features, pl.DataFrame({"case_id": ids, "y": y}))


def test_few_cases_with_many_numbers_give_probabilities_that_are_not_too_sure() -> None:
    """On new cases the log odds mean what they say, though on those learnt from they say far too much."""
    slopes = []
    for seed in range(6):
        new = scattered(seed + 100, 0.7, 5000)
        p = Scorecard().fit(scattered(seed, 0.7)).predict(new.features).frame["p"].to_numpy()
        odds, y = np.log(p / (1 - p)), new.labels["y"].to_numpy()
        a = b = 0.0
        for _ in range(30):  # Newton's steps to the slope and intercept of the calibration
            q = 1 / (1 + np.exp(-a - b * odds))
            w, e = q * (1 - q), y - q
            hessian = [[w.sum(), (w * odds).sum()], [(w * odds).sum(), (w * odds**2).sum()]]
            step = np.linalg.solve(hessian, [e.sum(), (e * odds).sum()])
            a, b = a + step[0], b + step[1]
        slopes.append(b)
    assert 0.95 < np.mean(slopes) < 1.45


def test_folds_that_are_held_out_say_nothing_of_bins_or_features() -> None:
    """Where nothing tells the labels apart, bins that had seen them would seem to, with a slope near 1."""
    for seed in range(6):
        ran = Scorecard().fit(scattered(seed, 0.0)).ran_
        slope = float(ran["calibration"].split()[1].rstrip(",")) if "calibration" in ran else 0.0
        assert slope < 0.6
        assert slope > 0 or ran["fallback"] == "prevalence: no feature tells the labels apart"


def test_the_weight_of_evidence_is_that_of_ten_further_cases_of_average_risk() -> None:
    text = pl.Series("t", ["a"] * 60 + ["b"] * 40)
    y = np.array([1] * 30 + [0] * 30 + [1] * 10 + [0] * 30)
    bins = cut(text, y)
    found = {label: woe for label, woe, told in zip(bins.labels, bins.woe, bins.told, strict=True) if told}
    expected = {"a": math.log((30 + 4) / (30 + 6) / (4 / 6)), "b": math.log((10 + 4) / (30 + 6) / (4 / 6))}
    assert found == pytest.approx(expected)


def test_reasons_are_what_cost_most_points_and_never_part_of_what_ran() -> None:
    cases = made_up()
    found = Scorecard().fit(cases).predict(cases.features)
    for case in cases.features["case_id"].to_list()[:100]:
        points = [int(text.rsplit(": ", 1)[1]) for text in found.reasons[case]]
        assert points == sorted(points)
        assert all(each < 0 for each in points)
        assert len(points) <= 4
    assert not any(case in text for text in found.ran.values() for case in cases.features["case_id"])


def test_it_tells_cases_apart_nearly_as_well_as_the_truth_and_is_calibrated() -> None:
    learnt, new = made_up(), made_up(7, 4000)
    p = Scorecard().fit(learnt).predict(new.features).frame["p"].to_numpy()
    y = new.labels["y"].to_numpy()
    assert np.mean((p - y) ** 2) < 0.9 * np.mean((y.mean() - y) ** 2)
    assert abs(p.mean() - y.mean()) < 0.04


def test_what_is_left_out_is_not_looked_at() -> None:
    cases = made_up()
    card = resolve_classifier("scorecard(without=('x', 'age'))").fit(cases)
    other = cases.features.with_columns(x=pl.lit(99.0), age=pl.lit(None, pl.Float64))
    assert card.predict(other).frame.equals(card.predict(cases.features).frame)
    with pytest.raises(ModelError, match="'height', which the scorecard is to leave out"):
        Scorecard(without=("height",)).fit(cases)


def test_names_of_cases_and_the_order_of_rows_make_no_difference() -> None:
    cases = made_up()
    turned = Cases(cases.features.reverse(), cases.labels.sample(fraction=1, shuffle=True, seed=3))
    renamed = {case: f"z{k:05d}" for k, case in enumerate(reversed(cases.features["case_id"].to_list()))}
    swap = pl.col("case_id").replace_strict(renamed)
    other = Cases(turned.features.with_columns(swap), turned.labels.with_columns(swap))
    assert Scorecard().fit(cases).ran_ == Scorecard().fit(other).ran_


def test_an_unknown_level_counts_as_other_with_a_warning() -> None:
    cases = made_up()
    card = Scorecard().fit(cases)
    odd = cases.features.head(3).with_columns(kind=pl.lit("of another kind"))
    with pytest.warns(ModelWarning, match="kind 3"):
        found = card.predict(odd)
    assert found.ran["unseen"] == "kind 3"
    assert found.frame["p"].is_between(0, 1).all()


def test_without_both_labels_or_any_varying_feature_it_says_the_share() -> None:
    cases = made_up()
    never = Cases(cases.features, cases.labels.with_columns(y=pl.lit(0)))
    found = Scorecard().fit(never).predict(cases.features)
    assert found.ran["fallback"] == "prevalence: too few labels of one kind"
    constant = Cases(cases.features.select("case_id", "always"), cases.labels)
    found = Scorecard().fit(constant).predict(cases.features)
    assert found.ran["fallback"] == "prevalence: no feature varies"
    assert found.ran["constant"] == "always"
    some = cases.labels.with_columns(y=pl.when(pl.int_range(pl.len()) < 200).then("y"))
    assert Scorecard().fit(Cases(cases.features, some)).ran_["labelled"] == "200"
