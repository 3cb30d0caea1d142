"""Comparisons that may be looked at every day."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from foreseal.errors import UsageError
from foreseal.score.compare import compare, evidence

SIMULATIONS = 10_000


def _null(kind: str, n: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Differences in [-1, 1] whose expectation given the past is zero."""
    if kind == "coins":
        return rng.choice([-1.0, 1.0], size=(n, length))
    if kind == "rare large losses":
        return np.where(rng.random((n, length)) < 0.1, -0.9, 0.1)
    if kind == "small noise":
        return np.clip(rng.normal(0.0, 0.02, (n, length)), -1.0, 1.0)
    # The spread follows the previous difference, as scores do in stormy weeks.
    out = np.zeros((n, length))
    spread = np.full(n, 0.2)
    for t in range(length):
        out[:, t] = spread * rng.uniform(-1.0, 1.0, n)
        spread = np.clip(0.1 + 0.9 * np.abs(out[:, t]) / 0.5, 0.05, 1.0)
    return out


@pytest.mark.parametrize("kind", ["coins", "rare large losses", "small noise", "clustered spread"])
def test_looking_after_every_cutoff_claims_falsely_at_most_once_in_twenty(kind: str) -> None:
    differences = _null(kind, SIMULATIONS, 100, np.random.default_rng(7))
    ever = (evidence(differences, 1.0) >= 20.0).any(axis=1)
    assert ever.mean() <= 0.05


def test_the_interval_covers_a_drifting_mean_at_all_times_at_once() -> None:
    rng = np.random.default_rng(8)
    drift = 0.3 * np.sin(np.arange(150) / 20.0)
    truth = np.cumsum(drift) / np.arange(1, 151)
    missed = 0
    for _ in range(60):
        found = compare(drift + rng.uniform(-0.5, 0.5, 150), np.zeros(150), 1.0)
        missed += bool(((truth < found.lower) | (truth > found.upper)).any())
    assert missed <= 3


def test_the_expected_evidence_over_all_paths_never_exceeds_one() -> None:
    for high, chance in [(1.0, 0.5), (0.25, 0.8), (0.9, 0.4)]:
        low = -high * chance / (1.0 - chance)
        paths = np.array(list(itertools.product([low, high], repeat=10)))
        chances = np.where(paths == high, chance, 1.0 - chance).prod(axis=1)
        assert chances.sum() == pytest.approx(1.0)
        assert ((evidence(paths, 1.0) * chances[:, None]).sum(axis=0) <= 1.0 + 1e-12).all()


def test_interval_and_evidence_exclude_zero_at_about_the_same_look() -> None:
    rng = np.random.default_rng(9)
    first, second = rng.normal(1.0, 0.3, 400), rng.normal(1.3, 0.3, 400)
    found = compare(first, second, 2.0)
    assert found.better == "first"
    reached = int(np.flatnonzero(evidence(first - second, 2.0) >= 20.0)[0]) + 1
    # The two-sided e-process averages both sides, so it waits for the same one-sided evidence of 40.
    assert reached == found.decided


def test_the_interval_is_narrower_than_a_bound_that_knows_only_the_range() -> None:
    rng = np.random.default_rng(10)
    found = compare(rng.normal(0.0, 0.05, 1000), np.zeros(1000), 1.0)
    fixed_time_hoeffding = math.sqrt(2.0 * math.log(40.0) / 1000.0)
    assert found.upper[-1] - found.mean[-1] < fixed_time_hoeffding / 2.0


def test_swapping_the_forecasters_mirrors_the_interval() -> None:
    rng = np.random.default_rng(11)
    a, b = rng.exponential(1.0, 50), rng.exponential(1.2, 50)
    one, other = compare(a, b, 3.0), compare(b, a, 3.0)
    np.testing.assert_allclose(one.lower, -other.upper)
    np.testing.assert_allclose(one.mean, -other.mean)


def test_differences_beyond_the_bound_are_clipped_and_counted() -> None:
    found = compare([10.0, 0.0, 0.0], [0.0, 0.0, 0.0], 3.0)
    assert found.clipped == 1
    np.testing.assert_allclose(found.mean, [3.0, 1.5, 1.0])
    assert "clipped at 3" in found.sentence("us", "baseline")


def test_a_pair_without_a_score_is_left_out() -> None:
    found = compare([1.0, math.nan, 2.0], [0.0, 0.0, math.nan], 5.0)
    np.testing.assert_allclose(found.mean, [1.0])


def test_nothing_is_claimed_of_no_scores() -> None:
    found = compare([], [], 1.0)
    assert found.better == ""
    assert found.decided == 0
    assert found.sentence("us", "baseline") == "us and baseline have no common scores yet."


@pytest.mark.parametrize(
    ("first", "second", "bound", "level"),
    [([1.0], [1.0, 2.0], 1.0, 0.95), ([1.0], [1.0], 0.0, 0.95), ([1.0], [1.0], 1.0, 1.0)],
)
def test_what_cannot_be_compared_is_refused(
    first: list[float], second: list[float], bound: float, level: float
) -> None:
    with pytest.raises(UsageError):
        compare(first, second, bound, level=level)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ab", "cd", 10), "first is no row of numbers"),
        (([1.0], ["x"], 10), "second is no row of numbers"),
        (([[1.0], [1.0, 2.0]], [1.0], 10), "first is no row of numbers"),
        (([1.0], [1.0], "10"), "bound of 10"),
        (([1.0], [1.0], None), "bound of None"),
        (([1.0], [1.0], True), "bound of True"),
    ],
)
def test_what_is_no_score_or_bound_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compare(*arguments)


def test_a_level_that_is_no_number_is_refused() -> None:
    with pytest.raises(UsageError, match="confidence of '95'"):
        compare([1.0], [1.0], 10, level="95")  # type: ignore[arg-type]
