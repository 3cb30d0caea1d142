"""Folded weights against the arithmetic that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from foreseal.predict.folding import folded
from foreseal.predict.pretrained import load


@pytest.fixture(scope="module")
def plain() -> dict[str, np.ndarray]:
    return dict(load().arrays)


@pytest.fixture(scope="module")
def used(plain: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return folded(plain)


def standard(width: int) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(50, width))
    return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("norm", "layer", "factor"),
    [
        ("decoder.norm", "decoder.leave", 1.0),
        ("encoder.layers.1.norm2", "encoder.layers.1.up", 0.5),
        ("trunk.blocks.0.norm", "trunk.blocks.0.up", 0.5),
    ],
)
def test_a_normalisation_goes_into_the_layer_after_it(plain, used, norm, layer, factor):
    x = standard(len(plain[f"{norm}.weight"]))
    after = x * plain[f"{norm}.weight"] + plain[f"{norm}.bias"]
    expected = factor * (after @ plain[f"{layer}.weight"].T + plain[f"{layer}.bias"])
    np.testing.assert_allclose(x @ used[f"{layer}.weight"] + used[f"{layer}.bias"], expected, atol=1e-4)


@pytest.mark.parametrize("layer", ["encoder.patch", "encoder.layers.0.down", "decoder.blocks.1.down"])
def test_what_is_read_normalised_is_written_without_its_mean(plain, used, layer):
    x = standard(plain[f"{layer}.weight"].shape[1])
    written = x @ plain[f"{layer}.weight"].T + plain[f"{layer}.bias"]
    expected = written - written.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(x @ used[f"{layer}.weight"] + used[f"{layer}.bias"], expected, atol=1e-4)


def test_weights_stay_as_they_were_read(plain, used):
    again = load().arrays
    assert all(np.array_equal(plain[name], again[name]) for name in plain)
    assert {array.dtype for array in used.values()} == {np.dtype(np.float32)}
