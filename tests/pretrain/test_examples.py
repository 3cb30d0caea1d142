"""What the network learns from: seasons detected where none is told, targets masked and bounded."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra pretrain")

from foreseal.predict.periods import detect
from pretrain import examples as module
from pretrain.examples import BOUND, DECODED, INPUTS, Examples, examples
from pretrain.generators import STEPS, Batch

STEP = np.array([1, 2, 30])


def made(count: int = 4, bucket: int = 128) -> Batch:
    """Seasons of twelve and some noise, told."""
    rng = np.random.default_rng(0)
    t = np.arange(bucket + STEPS)
    values = 20 + 5 * np.sin(2 * np.pi * t / 12) + rng.normal(size=(count, len(t)))
    seasons = np.tile([12.0, 0.0, 0.0], (count, 1))
    family, n = np.full(count, "season"), np.full(count, bucket)
    return Batch(values[:, :bucket], values[:, bucket:], seasons, seasons, family, n)


def test_seasons_that_are_not_told_are_detected() -> None:
    told = made()
    seen = detect(told.context).astype(float)
    assert (seen[:, 0] == 12).all()
    untold = dataclasses.replace(told, hints=np.full_like(told.hints, np.nan))
    none = dataclasses.replace(told, hints=np.zeros_like(told.hints))
    one, same, other = (
        Examples.of(each, STEP) for each in (untold, dataclasses.replace(told, hints=seen), none)
    )
    for name in INPUTS:
        np.testing.assert_array_equal(one.inputs[name], same.inputs[name])
    assert not np.array_equal(one.inputs["local"], other.inputs["local"])


def test_nothing_is_learnt_from_a_series_that_never_changed() -> None:
    series = made()
    series.context[1] = 3.0
    target = Examples.of(series, STEP).target
    assert np.isnan(target[1]).all()
    assert np.isfinite(target[[0, 2, 3]]).all()


def test_targets_are_bounded_far_out_only() -> None:
    series = made()
    base = Examples.of(series, STEP).target
    size = np.abs(series.target[0, 0] - series.target[0, 1]) / np.abs(base[0, 0] - base[0, 1])
    series.target[0, :2] = series.target[0, 0] + 20 * size, 1e9
    series.target[1, 0] = -1e9
    target = Examples.of(series, STEP).target
    assert target[0, 0] == pytest.approx(base[0, 0] + 20, rel=1e-3)
    assert target[0, 1] == BOUND == 30.0
    assert target[1, 0] == -BOUND


def test_steps_that_are_decoded_vary_with_seed_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Examples, "of", staticmethod(lambda series, steps: steps))
    drawn = [tuple(examples(seed, number, 2)) for seed in (1, 2) for number in range(1, 21)]
    assert len(set(drawn)) == len(drawn)
    assert all(len(set(steps)) == DECODED and steps == tuple(sorted(steps)) for steps in drawn)
    assert {step for steps in drawn for step in steps} == set(range(1, STEPS + 1))
    assert np.mean([np.median(steps) for steps in drawn]) < 30
