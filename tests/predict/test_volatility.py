"""Returns as densities: GARCH against the package arch, and what a mixture may and may not see."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foreseal.clock import Frequency
from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict import catalogue
from foreseal.predict.garch import DECAY, Fitted, fit
from foreseal.predict.grid import Grid
from foreseal.predict.volatility import MEMBERS, Volatility
from tests.conftest import require

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
DAY = Frequency.parse("1d")
FIRST = datetime(2015, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def arch() -> None:
    require("arch", 'pip install "foreseal[finance]"')


def garch(n: int, seed: int = 0) -> np.ndarray:
    """Returns of a GJR-GARCH process with normal residuals."""
    rng = np.random.default_rng(seed)
    y, now = np.empty(n), 1.0
    for t in range(n):
        y[t] = np.sqrt(now) * rng.standard_normal()
        now = 0.02 + (0.02 + 0.12 * (y[t] < 0)) * y[t] ** 2 + 0.9 * now
    return y


def weekdays(y: np.ndarray) -> pl.DataFrame:
    """The returns on days from Monday to Friday."""
    days = [FIRST + timedelta(days=k) for k in range(2 * len(y))]
    days = [day for day in days if day.weekday() < 5][: len(y)]
    return pl.DataFrame(
        {"unique_id": ["a"] * len(y), "ds": pl.Series(days, dtype=pl.Datetime("us", "UTC")), "y": y}
    )


def panel(y: np.ndarray) -> Panel:
    return Panel(weekdays(y), DAY)


def of_fit(kind: str, y: np.ndarray) -> Fitted:
    fitted = fit(kind, y.tobytes())
    assert fitted is not None
    return fitted


def test_variances_are_those_of_arch_at_the_same_parameters() -> None:
    from arch import arch_model

    y = garch(700)
    params = {"mu": 0.03, "omega": 0.02, "alpha": 0.03, "gamma": 0.11, "beta": 0.89}
    model = arch_model(y, p=1, o=1, q=1, rescale=False)
    result = model.fit(disp="off", backcast=1.3, starting_values=np.array([*params.values()]))
    mu, omega, alpha, gamma, beta = result.params
    ours = Fitted(mu, omega, alpha, gamma, beta, 1.3, np.zeros(1))
    assert np.sqrt(ours.variances(y)[:-1]) == pytest.approx(result.conditional_volatility, rel=1e-9)
    ahead = result.forecast(horizon=1).variance.to_numpy()[-1, 0]
    assert ours.variances(y)[-1] == pytest.approx(ahead, rel=1e-9)


@pytest.mark.parametrize(("member", "skewed"), [("garch_t", False), ("gjr_t", True)])
def test_the_likelihood_at_the_fit_is_the_maximum_that_arch_finds(member: str, skewed: bool) -> None:
    """Log-likelihood from our variances and our points of the density, against the package's own number."""
    from arch import arch_model

    y = garch(900)
    kind = "skewt" if skewed else "t"
    model = arch_model(y / y.std(), p=1, o=int(skewed), q=1, dist=kind, rescale=False)
    result = model.fit(disp="off", backcast=1.0)
    fitted = of_fit(member, y)
    variance = fitted.variances(y)[:-1]
    shape = np.asarray(result.params)[5 if skewed else 4 :]
    e = y - fitted.mu
    unit = np.log(y.std()) * len(y)
    ours = model.distribution.loglikelihood(shape, e, variance)
    assert ours + unit == pytest.approx(result.loglikelihood, abs=1e-6)
    cut = model.distribution.ppf(np.array([0.01, 0.5]), shape)
    assert np.quantile(fitted.residuals, [0.01, 0.5], method="hazen") == pytest.approx(cut, abs=2e-3)


def test_filtered_historical_simulation_rescales_the_residuals_of_the_same_fit() -> None:
    y = garch(900)
    filtered, parametric = of_fit("gjr_fhs", y), of_fit("gjr_t", y)
    assert (filtered.omega, filtered.gamma) == (parametric.omega, parametric.gamma)
    z = (y - filtered.mu) / np.sqrt(filtered.variances(y)[:-1])
    assert filtered.residuals == pytest.approx(np.sort(z))
    assert filtered.residuals.std() == pytest.approx(1.0, abs=0.05)


def test_ewma_is_the_recursion_of_riskmetrics() -> None:
    y = garch(300)
    variance = of_fit("ewma", y).variances(y)
    assert variance[1:] == pytest.approx((1 - DECAY) * y**2 + DECAY * variance[:-1])


@pytest.mark.parametrize("skewed", [False, True])
def test_paths_reach_the_mean_and_the_variance_that_the_recursion_expects(skewed: bool) -> None:
    """E sigma²(k) = long + persistence^(k-1) (sigma²(1) - long), for residuals of unit variance; where falls
    are the larger residuals, they raise it more than rises."""
    rng = np.random.default_rng(0)
    z = np.sort(-rng.standard_gamma(4.0, 4000) if skewed else rng.standard_normal(4000))
    z = (z - z.mean()) / z.std()
    half = float((z**2 * (z < 0)).mean())
    made = Fitted(0.7, 0.05, 0.05, 0.1, 0.8, 1.0, z)
    paths = made.ahead(3.0, 10, np.random.default_rng(1))
    keep = 0.05 + 0.1 * half + 0.8
    expected = [0.05 / (1 - keep) + keep**k * (3.0 - 0.05 / (1 - keep)) for k in range(10)]
    assert paths.var(axis=1) == pytest.approx(expected, rel=0.06)
    assert paths.mean(axis=1) == pytest.approx(np.full(10, 0.7), abs=0.02)


def test_after_a_fall_the_paths_are_wider_than_after_a_rise() -> None:
    made = Fitted(0.0, 0.05, 0.02, 0.3, 0.7, 1.0, np.repeat([-1.0, 1.0], 2000))
    falls, rises = (paths[1] for paths in _by_sign(made.ahead(1.0, 2, np.random.default_rng(2))))
    assert np.abs(falls) == pytest.approx(np.full(len(falls), np.sqrt(0.05 + 0.32 + 0.7)))
    assert np.abs(rises) == pytest.approx(np.full(len(rises), np.sqrt(0.05 + 0.02 + 0.7)))


def _by_sign(paths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return paths[:, paths[0] < 0], paths[:, paths[0] > 0]


def test_the_member_that_erred_less_weighs_more() -> None:
    """500 past returns lag behind where spreads fell to a fifth, not where single shocks come and go."""
    steady = np.random.default_rng(5).standard_t(2.5, 900)
    fallen = np.where(np.arange(900) < 500, steady, steady / 5.0)
    for y, best in ((fallen, "ewma"), (steady, "historical")):
        said = Volatility(("historical", "ewma"), memory=300).fit(panel(y)).predict(1, LEVELS)
        weights = dict(part.split("=") for part in said.ran["weights"].split())
        assert float(weights[best]) > 0.8, best


def test_a_forecast_is_the_members_mean_where_they_weigh_alike() -> None:
    y = garch(600)
    given = panel(y)
    single = [Volatility(name).fit(given).predict(1, LEVELS).frame for name in ("ewma", "historical")]
    both = Volatility(("ewma", "historical"), memory=60).fit(given).predict(1, LEVELS)
    weights = dict(part.split("=") for part in both.ran["weights"].split())
    columns = [f"q{level:g}" for level in LEVELS]
    a, b = (frame.select(columns).to_numpy() for frame in single)
    expected = float(weights["ewma"]) * a + float(weights["historical"]) * b
    assert both.frame.select(columns).to_numpy() == pytest.approx(expected, abs=1e-3)


def test_rolling_back_says_what_a_fit_at_that_time_said() -> None:
    y = garch(900)
    whole = panel(y)
    grid = Grid.of(whole)
    model = Volatility(memory=100)
    backs = [0, 3, 45]
    values, _ = model.roll(whole, backs, 4, LEVELS)
    for place, back in enumerate(backs[1:], 1):
        start = grid.instants(-back)[0]
        earlier = Panel(whole.frame.filter(pl.col("ds") < start), DAY, cutoff=start)
        alone, _ = Volatility(memory=100).roll(earlier, [0], 4, LEVELS)
        assert values[place] == pytest.approx(alone[0], rel=1e-12)


def test_what_comes_after_an_origin_changes_nothing_that_is_said_there() -> None:
    y = garch(900)
    wild = y.copy()
    wild[-30:] *= 50
    cut = 45
    before, after = (Volatility(memory=100).roll(panel(each), [cut], 2, LEVELS)[0] for each in (y, wild))
    assert (before == after).all()


def test_a_weekend_is_no_step_and_says_what_monday_is_given() -> None:
    y = garch(602)
    days = weekdays(y)
    friday = days.filter(pl.col("ds").dt.weekday() == 5)["ds"][-1]
    shown = Panel(days.filter(pl.col("ds") <= friday), DAY)
    rows = Volatility("gjr_fhs").fit(shown).predict(5, LEVELS).frame.select("q0.01", "q0.99").rows()
    assert rows[0] == rows[1] == rows[2]
    assert rows[3] != rows[2]


def test_sessions_are_those_of_the_calendar_that_the_values_keep() -> None:
    """Sunday to Thursday, asked on a Wednesday evening: Thursday is next, then three days are Sunday's."""
    days = [FIRST + timedelta(days=k) for k in range(900)]
    days = [day for day in days if day.weekday() not in (4, 5)]
    days = days[: max(k for k, day in enumerate(days) if day.weekday() == 2) + 1]
    ds = pl.Series(days, dtype=pl.Datetime("us", "UTC"))
    given = Panel(pl.DataFrame({"unique_id": "a", "ds": ds, "y": garch(len(days))}), DAY)
    rows = Volatility("ewma").fit(given).predict(6, LEVELS).frame.select("q0.01", "q0.99").rows()
    assert [rows[k] == rows[k + 1] for k in range(5)] == [False, True, True, False, False]


def test_the_forecast_covers_what_the_process_does() -> None:
    """One-step 5 % VaR of a simulated GJR process: violations within three deviations of what is due."""
    y = garch(1000, seed=3)
    whole = panel(y)
    grid = Grid.of(whole)
    at = np.flatnonzero(np.isfinite(grid.y[0]))[-400:]
    values, _ = Volatility("gjr_fhs").roll(whole, [int(grid.y.shape[1] - c) for c in at], 1, (0.05,))
    share = (y[-400:] < values[:, 0, 0, 0]).mean()
    assert abs(share - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 400)


def test_a_series_of_prices_that_never_moves_has_all_its_quantiles_at_zero() -> None:
    made = Volatility().fit(panel(np.zeros(700))).predict(1, LEVELS).frame
    assert made.select("q0.01", "q0.99").row(0) == (0.0, 0.0)


def test_short_series_get_naive_quantiles_with_a_warning_and_are_counted() -> None:
    given = panel(garch(40))
    with pytest.warns(ModelWarning, match="fewer than 100 values"):
        made = Volatility().fit(given).predict(2, LEVELS)
    assert made.ran["naive"] == "1"
    assert np.isfinite(made.frame.select("q0.01", "q0.99").to_numpy()).all()


def test_a_series_too_short_for_a_fit_gets_its_past_returns() -> None:
    y = garch(300)
    made = Volatility().fit(panel(y)).predict(1, LEVELS)
    assert made.frame["q0.01"][0] == pytest.approx(np.quantile(y, 0.01, method="hazen"))
    assert made.ran["weights"] == "gjr_t=0.0000 gjr_fhs=0.0000 historical=1.0000"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"members": ("garch",)}, "no member garch"),
        ({"members": ()}, "no member at all"),
        ({"window": 100}, "window must be at least 500"),
    ],
)
def test_impossible_options_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Volatility(**given).fit(panel(garch(120)))  # type: ignore[arg-type]


def test_the_same_forecast_is_made_twice_and_every_member_can_be_asked_alone() -> None:
    given = panel(garch(700))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in MEMBERS:
            first, again = (Volatility(name).fit(given).predict(3, LEVELS).frame for _ in range(2))
            assert first.equals(again)
            assert (np.diff(first.select(f"q{level:g}" for level in LEVELS).to_numpy(), axis=1) >= 0).all()


def test_the_model_has_a_name_for_settings() -> None:
    assert repr(catalogue.resolve("volatility('historical')")) == repr(Volatility("historical"))
