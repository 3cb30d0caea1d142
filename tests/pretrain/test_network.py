"""The network: ascending quantiles, the stage's own mixture at the start, each step for itself."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra pretrain")
import torch

from pretrain.examples import INPUTS, Examples, examples
from pretrain.generators import batch
from pretrain.network import LEVELS, MIDDLE, Network, Shape, pinball
from pretrain.training import tensors


def network(drawn: Examples, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    sizes = [drawn.inputs[name].shape[-1] for name in ("candidates", "local", "overall")]
    return Network(Shape(*sizes, width=32, feed=32, trunk=32, decoder=32, layers=1))


def stirred(drawn: Examples) -> Network:
    """A network as after training: no weight at its starting value."""
    made = network(drawn)
    with torch.no_grad():
        for value in made.parameters():
            value += 0.05 * torch.randn_like(value)
    return made


@pytest.fixture(scope="module")
def drawn() -> Examples:
    return Examples.of(batch(1, 1, 32, 128), np.array([1, 2, 5, 30, 64]))


def test_examples_are_a_pure_function_of_seed_and_number() -> None:
    one, same = examples(3, 4, 16), examples(3, 4, 16)
    np.testing.assert_array_equal(one.target, same.target)
    for name in INPUTS:
        np.testing.assert_array_equal(one.inputs[name], same.inputs[name])
        assert np.isfinite(one.inputs[name]).all(), name


def test_a_wider_network_is_wider_in_all_its_parts_and_runs(drawn: Examples) -> None:
    sizes = [drawn.inputs[name].shape[-1] for name in ("candidates", "local", "overall")]
    narrow = Shape(*sizes).scaled(0.25)
    assert (narrow.width, narrow.feed, narrow.trunk, narrow.decoder) == (32, 64, 64, 48)
    assert (narrow.patch, narrow.layers, narrow.heads) == (96, 2, 4)
    with torch.no_grad():
        assert Network(narrow)(*tensors(drawn)).shape == (32, 5, len(LEVELS))


def test_quantiles_never_cross(drawn: Examples) -> None:
    with torch.no_grad():
        quantiles = stirred(drawn)(*tensors(drawn))
    assert quantiles.shape == (32, 5, len(LEVELS))
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_an_untrained_network_answers_with_an_average_of_the_candidates(drawn: Examples) -> None:
    with torch.no_grad():
        middle = network(drawn)(*tensors(drawn))[..., MIDDLE].numpy()
    candidates = drawn.inputs["candidates"]
    assert (middle <= candidates.max(axis=-1) + 1e-4).all()
    assert (middle >= candidates.min(axis=-1) - 1e-4).all()


def test_a_step_does_not_depend_on_which_others_are_asked_for(drawn: Examples) -> None:
    made = stirred(drawn)
    some = {n: v[:, 2:3] if n in ("local", "candidates", "season") else v for n, v in drawn.inputs.items()}
    with torch.no_grad():
        every = made(*tensors(drawn))[:, 2:3]
        alone = made(*[torch.from_numpy(some[name]) for name in INPUTS])
    torch.testing.assert_close(alone, every, rtol=1e-4, atol=1e-5)


def test_a_series_does_not_depend_on_its_neighbours(drawn: Examples) -> None:
    made = stirred(drawn)
    with torch.no_grad():
        every = made(*tensors(drawn))[3:4]
        alone = made(*[torch.from_numpy(drawn.inputs[name][3:4]) for name in INPUTS])
    torch.testing.assert_close(alone, every, rtol=1e-4, atol=1e-5)


def test_patches_before_the_start_are_not_looked_at(drawn: Examples) -> None:
    made = stirred(drawn)
    changed = dict(drawn.inputs)
    patches = changed["patches"].copy()
    empty = patches[..., 64:].sum(axis=-1) == 0
    patches[..., :64] += np.where(empty, 5.0, 0.0)[..., None]
    assert empty.any()
    changed["patches"] = patches
    with torch.no_grad():
        torch.testing.assert_close(
            made(*[torch.from_numpy(changed[n]) for n in INPUTS]), made(*tensors(drawn))
        )


def test_pinball_is_least_at_the_quantiles_of_the_outcomes() -> None:
    outcomes = torch.from_numpy(np.random.default_rng(0).normal(size=(4000, 1)).astype(np.float32))
    right = torch.special.ndtri(torch.tensor(LEVELS))
    best = pinball(right.expand(4000, 1, -1), outcomes).mean()
    for shift in (-0.2, 0.2):
        assert pinball((right + shift).expand(4000, 1, -1), outcomes).mean() > best
