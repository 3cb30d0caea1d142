"""Raw series to quantiles, held to what the package's weights were released with.

The weights are trained for one version of the stage: whatever changes a number that it hands to the network
changes what the weights mean. ``golden/stage.npz`` holds series of many kinds, what the stage says of them
and what both models make of it; it is written anew by `write` only when the weights are.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foreseal.errors import ModelWarning
from foreseal.predict.closed_form import ClosedForm, forecast
from foreseal.predict.pretrained import Pretrained, load, view
from foreseal.predict.stage import stage
from tests.conftest import require
from tests.predict.panels import long_frame, panel

GOLDEN = Path(__file__).parent / "golden" / "stage.npz"
STEPS = np.array([1, 5, 24, 60])
# Beyond the trained steps all of those are asked for.
FAR = np.append(np.arange(1, 65), 90)
LEVELS = np.array([0.02, 0.1, 0.5, 0.8, 0.95])
SHOWN = [0, 29]
FEATURES = ("overall", "near", "far")
TOLD = ((), (12,), (24, 168), (7, 28, 70), (4, 12, 48), (5,))
KINDS = 12
PER_KIND = 6
SIZES = (16, 40, 64, 150, 256, 380)


def drawn(seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Right-aligned series (72, 384) of every kind and length, and the seasons told of each (72, 3)."""
    rng = np.random.default_rng(seed)
    width = SIZES[-1] + 4
    y = np.full((KINDS * PER_KIND, width), np.nan)
    told = np.zeros((len(y), 3), np.int64)
    for row in range(len(y)):
        kind, size = divmod(row, PER_KIND)
        n = SIZES[size]
        seasons = TOLD[(kind + size) % len(TOLD)]
        told[row, : len(seasons)] = seasons
        period = seasons[0] if seasons else 24
        t = np.arange(n)
        wave = 3.0 * np.sin(2 * np.pi * t / period)
        wave += np.sin(2 * np.pi * t / seasons[-1]) if seasons else 0.0
        noise = rng.normal(size=n)
        x = 20.0 + wave + noise
        match kind:
            case 1:
                x = 50.0 + np.cumsum(noise) + wave
            case 2:
                x = rng.poisson(0.4, n).astype(float)
            case 3:
                x = 10.0 ** rng.uniform(-2.5, 2.5, n)
            case 4:
                x = np.exp(0.03 * t + 0.2 * noise + 0.1 * wave)
            case 5:
                x[rng.random(n) < 0.3] = np.nan
            case 6:
                x[n // 3 : n // 3 + n // 5] = np.nan
            case 7:
                x = -1e4 + 1e-2 * x
            case 8:
                x[n // 2] = 1e12
            case 9:
                x = np.where(t % 9 < 6, np.round(wave), 0.0)
            case 10:
                x = 1.0 + np.abs(noise) ** 3 + 0.5 * t
            case 11:
                x[rng.random(n) < 0.85] = np.nan
        x[-1] = np.nan_to_num(x[-1], nan=float(np.nanmean(x)))
        if kind == 6 and size % 2:
            x[n - n // 8 :] = np.nan
        y[row, width - n :] = x.astype(np.float32)
    return y, told


def answers(y: np.ndarray, told: np.ndarray) -> dict[str, np.ndarray]:
    """What the stage says of the series, and the quantiles of both models, told their seasons or not."""
    known = stage(y, STEPS, told)
    # What is silent at its end is read up to its last value, which the stage by itself does not know of.
    whole = np.flatnonzero(np.isfinite(y[:, -1]))
    frame = pl.concat(long_frame(f"s{row:02}", y[row]) for row in whole)
    names = [f"q{level:g}" for level in LEVELS]
    out = {
        "overall": known.overall,
        "near": known.local[:, 0],
        "far": known.local[:, -1],
        "loss_scale": known.loss_scale,
        "untrained": forecast(known, STEPS, LEVELS),
        "quantiles": view(load(), y, told, STEPS, LEVELS)[0],
        "beyond": view(load(), y, told, FAR, LEVELS)[0][:, -1],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)
        for name, model in (("pretrained", Pretrained()), ("closed_form", ClosedForm())):
            made = model.fit(panel(frame)).predict(SHOWN[-1] + 1, LEVELS.tolist())
            values = made.frame.sort("unique_id", "ds").select(names).to_numpy()
            out[name] = values.reshape(len(whole), -1, len(LEVELS))[:, SHOWN]
    return out


def write(path: Path = GOLDEN) -> None:
    """Replace the golden file by what the present code says. Only with new weights."""
    y, told = drawn()
    said = {
        name: array.astype(np.float16 if name in FEATURES else np.float64)
        for name, array in answers(y, told).items()
    }
    np.savez_compressed(path, y=y.astype(np.float32), told=told.astype(np.int16), **said)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as archive:
        return {name: archive[name].astype(np.float64) for name in archive.files}


@pytest.fixture(scope="module")
def said(golden: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return answers(golden["y"], golden["told"].astype(np.int64))


@pytest.mark.parametrize("name", FEATURES)
def test_the_stage_hands_the_network_what_it_was_trained_on(golden, said, name):
    # Kept in half precision; a thousandth is less than any change of meaning.
    np.testing.assert_allclose(said[name], golden[name], rtol=2e-3, atol=5e-3)


@pytest.mark.parametrize("name", ["untrained", "quantiles", "beyond", "pretrained", "closed_form"])
def test_the_quantiles_of_raw_series_are_those_of_the_release(golden, said, name):
    count = len(golden[name])
    assert count >= 64
    made, expected = said[name].reshape(count, -1), golden[name].reshape(count, -1)
    # To a thousandth of what separates the outer quantiles.
    width = np.ptp(expected.reshape(count, -1, len(LEVELS)), axis=2).mean(axis=1)
    assert (width > 0).all()
    np.testing.assert_allclose(made / width[:, None], expected / width[:, None], rtol=1e-6, atol=1e-3)


def test_the_unit_of_the_loss_is_that_of_the_release(golden, said):
    np.testing.assert_allclose(said["loss_scale"], golden["loss_scale"], rtol=1e-3)


def test_the_stages_numbers_for_synthetic_series_are_those_of_the_networks_golden_file():
    require("torch", "pip install foreseal[pretrain]")
    from pretrain.export import example

    with np.load(GOLDEN.parent / "compact.npz") as archive:
        for bucket in (64, 256):
            found = example(1, bucket).inputs
            for name, array in found.items():
                np.testing.assert_allclose(array, archive[f"{bucket}.{name}"], atol=1e-3, err_msg=name)
