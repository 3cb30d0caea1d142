"""Backtests of VaR and ES, against closed forms, the literature and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foreseal.errors import UsageError
from foreseal.rules import pinball
from foreseal.score.exceedance import christoffersen, dynamic_quantile, fz0, kupiec, risk_backtest
from tests.conftest import require


def hits(n: int, at: list[int]) -> np.ndarray:
    found = np.zeros(n, bool)
    found[at] = True
    return found


@pytest.mark.parametrize(("days", "least", "most"), [(255, 1, 6), (510, 2, 10), (1000, 5, 16)])
def test_kupiec_accepts_the_counts_of_the_table_of_his_paper(days: int, least: int, most: int) -> None:
    """Non-rejection regions of 1 % at 5 % (Kupiec 1995, table 3: N < 7, 1 < N < 11, 4 < N < 17)."""
    accepted = [x for x in range(30) if kupiec(hits(days, list(range(x))), 0.01) > 0.05]
    assert accepted == list(range(least, most + 1))


def test_kupiec_is_certain_of_nothing_where_the_share_is_the_level_exactly() -> None:
    assert kupiec(hits(1000, list(range(10))), 0.01) == 1.0


def test_kupiec_without_a_violation_is_the_closed_form() -> None:
    assert kupiec(hits(500, []), 0.01) == pytest.approx(math.erfc(math.sqrt(-500 * math.log(0.99))))


def test_conditional_coverage_is_the_sum_of_both_likelihood_ratios() -> None:
    """Counted by hand: of 19 days after another, 14 follow a quiet one, 4 of them violations, and 5 one."""
    pattern = hits(20, [2, 6, 7, 12, 17])
    rest = 10 * math.log(10 / 14) + 4 * math.log(4 / 14) + 4 * math.log(4 / 5) + math.log(1 / 5)
    pooled = 14 * math.log(14 / 19) + 5 * math.log(5 / 19)
    count = 5 * math.log(0.25) + 15 * math.log(0.75) - 5 * math.log(0.05) - 15 * math.log(0.95)
    expected = math.exp(-(count + rest - pooled))
    assert christoffersen(pattern, 0.05) == pytest.approx(expected)


def test_violations_in_a_row_fail_conditional_coverage_that_as_many_scattered_ones_pass() -> None:
    scattered, clustered = hits(1000, list(range(50, 1000, 100))), hits(1000, list(range(500, 510)))
    assert kupiec(scattered, 0.01) == kupiec(clustered, 0.01) == 1.0
    assert christoffersen(scattered, 0.01) > 0.5
    assert christoffersen(clustered, 0.01) < 1e-6


def test_dynamic_quantile_is_the_wald_test_of_a_regression() -> None:
    """Against least squares and the distribution of scipy: b' X'X b / (p (1 - p))."""
    require("scipy", 'pip install "foreseal[finance]"')
    from scipy.stats import chi2

    rng = np.random.default_rng(5)
    var = -1 - rng.random(600)
    hit = rng.random(600) < 0.05
    y = hit - 0.05
    x = np.column_stack([np.ones(596), y[3:-1], y[2:-2], y[1:-3], y[:-4], var[4:]])
    b = np.linalg.lstsq(x, y[4:], rcond=None)[0]
    statistic = b @ x.T @ x @ b / (0.05 * 0.95)
    assert dynamic_quantile(hit, var, 0.05) == pytest.approx(chi2.sf(statistic, 6))


def test_p_values_of_a_right_model_are_about_uniform_and_of_a_stale_one_small() -> None:
    """Normal returns with a spread that alternates: VaR that knows it passes as often as it should."""
    rng = np.random.default_rng(1)
    spread = np.where(np.arange(1000) % 250 < 125, 1.0, 3.0)
    right, stale = [], []
    for _ in range(200):
        y = spread * rng.standard_normal(1000)
        right.append(dynamic_quantile(y < -1.6449 * spread, -1.6449 * spread, 0.05))
        constant = np.full(1000, np.quantile(y, 0.05))
        stale.append(dynamic_quantile(y < constant, constant, 0.05))
    assert 0.01 <= np.mean(np.array(right) < 0.05) <= 0.12
    assert np.mean(np.array(stale) < 0.05) > 0.3


def test_fz0_is_least_in_expectation_at_the_true_var_and_es() -> None:
    """Standard normal, 5 %: VaR -1.645, ES -2.063."""
    y = np.random.default_rng(2).standard_normal(400_000)
    at = {
        (v, e): fz0(y, v, e, 0.05).mean() for v in (-1.845, -1.645, -1.445) for e in (-2.263, -2.063, -1.863)
    }
    assert min(at, key=lambda pair: at[pair]) == (-1.645, -2.063)


def test_fz0_of_one_day_is_the_formula_by_hand() -> None:
    assert fz0(-3.0, -2.0, -2.5, 0.01) == pytest.approx(100 / 2.5 + 0.8 + math.log(2.5) - 1)
    assert fz0(1.0, -2.0, -2.5, 0.01) == pytest.approx(0.8 + math.log(2.5) - 1)


def test_z2_is_zero_on_average_for_a_right_model_and_negative_where_es_is_too_shallow() -> None:
    y = np.random.default_rng(3).standard_normal(200_000)
    right = risk_backtest(y, np.full(y.shape, -1.6449), np.full(y.shape, -2.0627), 0.05)
    shallow = risk_backtest(y, np.full(y.shape, -1.6449), np.full(y.shape, -1.7), 0.05)
    assert right.z2 == pytest.approx(0.0, abs=0.03)
    assert shallow.z2 < -0.15
    assert right.expected == pytest.approx(10_000)


def test_the_quantile_score_is_the_mean_pinball_loss() -> None:
    rng = np.random.default_rng(4)
    y, var = rng.standard_normal(400), -1.5 - rng.random(400)
    found = risk_backtest(y, var, var - 0.5, 0.05)
    assert found.quantile_score == pytest.approx(pinball(y, var[:, None], [0.05]).mean())


def test_basel_zones_count_violations_of_every_250_days() -> None:
    y = np.zeros(500)
    y[100:110] = -5.0
    found = risk_backtest(y, np.full(500, -1.0), np.full(500, -2.0), 0.01)
    windows = [int((y[k : k + 250] < -1).sum()) for k in range(251)]
    assert found.red == pytest.approx(np.mean([count >= 10 for count in windows]))
    assert found.green == pytest.approx(np.mean([count <= 4 for count in windows]))


@pytest.mark.parametrize(
    ("y", "var", "es", "level", "message"),
    [
        ([0.0] * 10, [-1.0] * 9, [-2.0] * 10, 0.01, "one number a day"),
        ([math.nan] * 10, [-1.0] * 10, [-2.0] * 10, 0.01, "not finite"),
        ([0.0] * 10, [1.0] * 10, [2.0] * 10, 0.01, "ES must be below 0"),
        ([0.0] * 10, [-2.0] * 10, [-1.0] * 10, 0.01, "not above VaR"),
        ([0.0] * 10, [-1.0] * 10, [-2.0] * 10, 0.99, "level=0.99"),
    ],
)
def test_impossible_input_is_refused_with_the_reason(
    y: list[float], var: list[float], es: list[float], level: float, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        risk_backtest(y, var, es, level)
