"""Work spread over processes or over Ray gives the same forecast, and survives a worker that dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import polars as pl
import pytest

from foreseal.errors import DataError, MissingExtra, ModelWarning, SetupError
from foreseal.predict import parts, workers
from foreseal.predict.forecast import forecast
from tests.conftest import require
from tests.predict.panels import hourly


def double(x):
    return 2 * x


def fail(x):
    raise DataError(f"Part {x} is bad.", hint="Mend it.")


def lack(x):
    raise MissingExtra("classic", "The model 'theta'")


def die_once(part):
    """The first worker that comes by kills itself; the marker tells the next one not to."""
    folder, x = part
    marker = Path(folder) / "died"
    if x == 2 and not marker.exists():
        marker.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * x


def die(x):
    os.kill(os.getpid(), signal.SIGKILL)


def panel(series=5, days=20):
    return hourly(days, series)


def few_at_a_time(monkeypatch):
    monkeypatch.setattr(parts, "SERIES", 2)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_results_come_in_the_order_of_the_parts(n_jobs):
    assert list(workers.spread(double, range(9), n_jobs=n_jobs)) == [2 * x for x in range(9)]


def test_an_error_of_a_worker_is_raised_as_it_was():
    with pytest.raises(DataError, match="Part 3 is bad") as caught:
        list(workers.spread(fail, [3, 4], n_jobs=2))
    assert caught.value.hint == "Mend it."
    with pytest.raises(MissingExtra) as missing:
        list(workers.spread(lack, [3, 4], n_jobs=2))
    assert missing.value.extra == "classic"


def test_a_worker_that_is_killed_is_replaced(tmp_path):
    found = list(workers.spread(die_once, [(str(tmp_path), x) for x in range(6)], n_jobs=2))
    assert found == [2 * x for x in range(6)]
    assert int((tmp_path / "died").read_text()) != os.getpid()


def test_a_part_that_kills_every_worker_is_given_up():
    with pytest.raises(SetupError, match="died 3 times"):
        list(workers.spread(die, [1], n_jobs=2))


@pytest.mark.filterwarnings("ignore::foreseal.errors.ModelWarning")
def test_a_forecast_is_the_same_with_one_worker_or_two(monkeypatch):
    few_at_a_time(monkeypatch)
    alone, together = (forecast(panel(), 6, models=["seasonal_naive", "drift"], n_jobs=n) for n in (1, 2))
    assert alone.frame.equals(together.frame)
    assert alone.ran == together.ran


def test_what_many_parts_say_of_their_past_is_one_account(monkeypatch):
    few_at_a_time(monkeypatch)
    ran = forecast(panel(), 6, models=["seasonal_naive", "drift"]).ran
    assert ran["guard"].endswith("of 5 series")
    assert len(ran["calibration"]) == 64
    assert ran["seasonal_naive.season"] == "168"


def test_warnings_of_many_parts_are_one(monkeypatch):
    few_at_a_time(monkeypatch)
    short = panel(6, 1).group_by("unique_id", maintain_order=True).head(4)
    with pytest.warns(ModelWarning, match="too short") as caught:
        forecast(short, 2, models=["ridge"])
    assert len(caught) == 1


def test_a_lazy_frame_is_read_a_part_at_a_time(tmp_path, monkeypatch):
    few_at_a_time(monkeypatch)
    monkeypatch.setattr(parts, "READ_ROWS", 1_000)
    panel().sample(fraction=1.0, shuffle=True, seed=1).write_parquet(tmp_path / "panel.parquet")
    lazy = forecast(pl.scan_parquet(tmp_path / "panel.parquet"), 6, models=["seasonal_naive"])
    assert lazy.frame.equals(forecast(panel(), 6, models=["seasonal_naive"]).frame)


def test_rows_in_any_order_make_the_same_parts(monkeypatch):
    few_at_a_time(monkeypatch)
    mixed = panel().sample(fraction=1.0, shuffle=True, seed=2)
    sorted_, shuffled = (forecast(df, 6, models=["seasonal_naive", "drift"]) for df in (panel(), mixed))
    assert sorted_.frame.equals(shuffled.frame)


@pytest.mark.slow
def test_ray_gives_the_same_forecast_though_a_worker_is_killed_in_the_middle(tmp_path, monkeypatch):
    require("ray")
    import ray

    few_at_a_time(monkeypatch)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        found = list(workers.spread(die_once, [(str(tmp_path), x) for x in range(6)], n_jobs=2, engine="ray"))
        assert found == [2 * x for x in range(6)]
        assert (tmp_path / "died").exists()
        models = ["seasonal_naive", "drift"]
        there = forecast(panel(), 6, models=models, engine="ray", n_jobs=2)
        here = forecast(panel(), 6, models=models)
        assert there.frame.equals(here.frame)
        assert there.ran == here.ran
        with pytest.raises(DataError, match="Part 3 is bad"):
            list(workers.spread(fail, [3], engine="ray"))
    finally:
        ray.shutdown()


@pytest.mark.filterwarnings("ignore::foreseal.errors.ModelWarning")
def test_each_part_has_the_covariates_of_its_series(monkeypatch):
    few_at_a_time(monkeypatch)
    frame = panel(days=25)
    known = frame.filter(pl.col("ds") < frame["ds"].max())
    X = frame.select("unique_id", "ds", level=pl.col("y") * 2)
    alone, together = (forecast(known, 1, models=["ridge", "drift"], X_df=X, n_jobs=n) for n in (1, 2))
    assert alone.frame.equals(together.frame)
    plain = forecast(known, 1, models=["ridge", "drift"])
    assert not alone.frame.equals(plain.frame)
