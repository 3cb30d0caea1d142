"""Scores of the development panel against their definitions, and a panel that opens no official test part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bench.panels import Panel

pytest.importorskip("torch", reason="needs the extra pretrain")

from pretrain import panel as panels
from pretrain.evaluate import judge, naive
from pretrain.panel import Task


def task() -> Task:
    rng = np.random.default_rng(0)
    histories = [rng.normal(10, 2, n) for n in (30, 41)]
    return Task("made", histories, rng.normal(10, 2, (2, 6)), (4,))


def test_the_seasonal_naive_repeats_the_last_cycle() -> None:
    made = task()
    expected = np.stack([np.resize(x[-4:], 6) for x in made.histories])
    np.testing.assert_array_equal(naive(made), expected)


def test_the_seasonal_naive_looks_further_back_where_the_last_cycle_is_missing() -> None:
    made = task()
    before = made.histories[0][-6]
    made.histories[0][-2] = np.nan
    assert naive(made)[0, 2] == before


def test_mase_and_wql_are_their_definitions() -> None:
    made = task()
    quantiles = np.sort(np.random.default_rng(1).normal(10, 2, (2, 6, 9)), axis=-1)
    result = judge(made, quantiles)
    mase, loss = [], 0.0
    for history, outcome, own in zip(made.histories, made.outcomes, quantiles, strict=True):
        scale = np.mean([abs(history[k] - history[k - 4]) for k in range(4, len(history))])
        mase.append(np.mean(np.abs(outcome - own[:, 4])) / scale)
        for k, level in enumerate(np.arange(1, 10) / 10):
            for y, q in zip(outcome, own[:, k], strict=True):
                loss += 2 * max(level * (y - q), (level - 1) * (y - q)) / 9
    assert result.mase == pytest.approx(np.mean(mase))
    assert result.wql == pytest.approx(loss / np.abs(made.outcomes).sum())
    assert result.shares[1] == pytest.approx((made.outcomes <= quantiles[..., 4]).mean())


def test_every_window_is_a_history_and_what_came_after() -> None:
    y = np.arange(100.0)
    frame = pl.DataFrame({"unique_id": "a", "ds": range(100), "y": y})
    made = panels.task(Panel("made", frame, 4, "1h", (24,), windows=3, step=10))
    assert [len(history) for history in made.histories] == [96, 86, 76]
    np.testing.assert_array_equal(made.outcomes[1], [86, 87, 88, 89])


def test_the_panel_opens_no_official_test_part(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    read = pl.read_csv

    def noted(path: Path, **options: object) -> object:
        opened.append(Path(path).name)
        return read(path, **options)

    monkeypatch.setattr(pl, "read_csv", noted)
    tasks = {each.name: each for each in panels.panel()}
    assert "Hourly-train.csv" in opened
    assert not [name for name in opened if "test" in name.lower()]
    train = read(shared / "forecasting/m4/Hourly-train.csv", infer_schema_length=None)
    ends = {
        row[np.isfinite(row)][-48:].tobytes()
        for row in train[:, 1:].cast(pl.Float64, strict=False).to_numpy()
    }
    assert {outcome.tobytes() for outcome in tasks["m4_hourly"].outcomes} == ends
