"""Large models that a user brings: tiny checkpoints of the real architectures, drawn at random."""

from __future__ import annotations

import shutil
import socket
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from checkpoints import KINDS, digest, save

import foreseal
from foreseal.clock import Frequency
from foreseal.errors import ModelError, ModelWarning
from foreseal.predict import foundation
from foreseal.predict.catalogue import resolve
from foreseal.predict.checkpoint import checked
from tests.conftest import require

FAMILY = {"chronos2": "chronos", "bolt": "chronos", "timesfm": "timesfm", "timesfm25": "timesfm"}
# Steps that the tiny checkpoints say at once.
OWN = {"chronos2": 32, "bolt": 16, "timesfm": 16, "timesfm25": 16}
NINE = tuple(k / 10 for k in range(1, 10))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each kind, as ``save_pretrained`` writes it."""
    for module in ("torch", "chronos", "transformers"):
        require(module)
    root = tmp_path_factory.mktemp("checkpoints")
    for name in KINDS:
        save(name, root / name)
    return {name: root / name for name in KINDS}


def said(folder: Path, family: str, **options: Any) -> str:
    """The expression of a pinned checkpoint."""
    more = "".join(f", {key}={value!r}" for key, value in options.items())
    return f"{family}({str(folder)!r}, digest={digest(folder)!r}{more})"


def wave(length: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=length)
    return 20.0 + 5.0 * np.sin(np.arange(length) * 2 * np.pi / 24) + noise


def frame(*rows: np.ndarray) -> pl.DataFrame:
    start = datetime(2024, 1, 1)  # noqa: DTZ001
    return pl.concat(
        pl.DataFrame(
            {"unique_id": f"s{k:02d}", "ds": [start + timedelta(hours=t) for t in range(len(y))], "y": y}
        )
        for k, y in enumerate(rows)
    )


def ask(
    expression: str, *rows: np.ndarray, h: int = 12, levels: tuple[float, ...] = NINE, **options: Any
) -> np.ndarray:
    """Quantiles (series, h, levels)."""
    made = foreseal.forecast(frame(*rows), h=h, models=[expression], quantiles=levels, **options)
    return made.frame.select(pl.selectors.starts_with("q")).to_numpy().reshape(len(rows), h, len(levels))


@pytest.fixture(scope="module")
def direct(folders: dict[str, Path]) -> Callable[[str, np.ndarray, int], np.ndarray]:
    """What a library says of values (series, T) itself, in order: (series, steps, nine levels)."""

    def call(kind: str, y: np.ndarray, h: int) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torch
            import transformers
            from chronos import Chronos2Pipeline, ChronosBoltPipeline

            folder = str(folders[kind])
            values = torch.tensor(y, dtype=torch.float32)
            if FAMILY[kind] == "chronos":
                made = {"chronos2": Chronos2Pipeline, "bolt": ChronosBoltPipeline}[kind].from_pretrained(
                    folder
                )
                own = list(made.quantiles)
                found = made.predict_quantiles(list(values), h, own)[0]
                nine = [own.index(level) for level in NINE]
                return np.stack([np.sort(np.asarray(each).reshape(h, -1))[:, nine] for each in found])
            kinds = {"timesfm": "TimesFmModelForPrediction", "timesfm25": "TimesFm2_5ModelForPrediction"}
            model = getattr(transformers, kinds[kind]).from_pretrained(folder)
            with torch.no_grad():
                out = model(past_values=list(values)).full_predictions
            return np.sort(out[:, :h, 1:].numpy(), axis=2)

    return call


@pytest.mark.parametrize("kind", KINDS)
def test_a_forecast_is_what_its_library_says_itself(
    folders: dict[str, Path], direct: Callable[[str, np.ndarray, int], np.ndarray], kind: str
) -> None:
    y = np.stack([wave(64), 1.0 - wave(64, 1)])
    theirs = direct(kind, y, 12)
    if kind == "timesfm25":  # of a batch with negative values the library cuts nothing off
        assert theirs.min() < 0.0
    ours = ask(said(folders[kind], FAMILY[kind]), *y)
    theirs[0] = np.maximum(theirs[0], 0.0)  # the engine's own bound
    assert np.abs(ours - theirs).max() < 1e-3 * y.std(axis=1).max()
    assert np.ptp(ours[0], axis=1).min() > 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_levels_lie_on_lines_over_the_normal_quantiles_and_never_cross(
    folders: dict[str, Path], kind: str
) -> None:
    levels = (0.005, 0.1, 0.33, 0.5, 0.9, 0.999)
    expression = said(folders[kind], FAMILY[kind])
    h = 2 * OWN[kind] + 3
    some = ask(expression, wave(100), -wave(90, 1), h=h, levels=levels)
    assert np.isfinite(some).all()
    assert (np.diff(some, axis=2) >= 0.0).all()
    own = ask(expression, wave(100), -wave(90, 1), h=h)
    np.testing.assert_allclose(some[:, :, [1, 3, 4]], own[:, :, [0, 4, 8]], rtol=1e-6)
    np.testing.assert_array_equal(some, ask(expression, wave(100), -wave(90, 1), h=h, levels=levels))


@pytest.mark.parametrize("kind", KINDS)
def test_gaps_short_and_still_series_and_any_scale_are_taken(folders: dict[str, Path], kind: str) -> None:
    gaps, late = wave(120), wave(120, 2)
    gaps[[3, 40, 41, 42, 77]] = np.nan
    late[-9:] = np.nan
    gone = wave(700)
    gone[100:] = np.nan
    gone[-1:] = np.nan
    rows = [gaps, late, gone, np.full(40, 7.0), np.array([3.0]), np.array([3.0, 4.0]), np.zeros(50)]
    expression = said(folders[kind], FAMILY[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = ask(expression, *rows)
        far = ask(expression, wave(100), 1e12 * wave(100), 1e-12 * wave(100), 1e6 + wave(100))
    assert np.isfinite(out).all()
    assert (out[3] == 7.0).all()
    assert (out[4] == 3.0).all()
    assert (out[6] == 0.0).all()
    width = np.ptp(far[0])
    assert np.abs(far[1] / 1e12 - far[0]).max() < 1e-3 * width
    assert np.abs(far[2] * 1e12 - far[0]).max() < 1e-3 * width
    # Bounded at zero, which a million away from it is not.
    free = far[0] > 0.0
    assert np.abs(far[3] - 1e6 - far[0])[free].max() < 1e-3 * width


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_context_is_read_and_each_series_by_itself(folders: dict[str, Path], kind: str) -> None:
    expression = said(folders[kind], FAMILY[kind], context=48)
    changed = wave(200)
    changed[:152] = 1e3
    both = ask(expression, wave(200), changed)
    np.testing.assert_allclose(both[0], both[1], rtol=1e-5)
    many = [wave(60 + k, k) for k in range(foundation.BATCH + 8)]
    together = ask(expression, *many)
    for k in (0, 5, len(many) - 1):
        np.testing.assert_allclose(together[k], ask(expression, many[k])[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_silent_for_a_whole_context_is_left_to_the_seasonal_naive(
    folders: dict[str, Path], kind: str
) -> None:
    gone = wave(300)
    gone[-48:] = np.nan
    expression = said(folders[kind], FAMILY[kind], context=48)
    with pytest.warns(ModelWarning, match=r"1 series silent for too long \('s00'\)"):
        made = foreseal.forecast(frame(gone, wave(300, 1)), h=5, models=[expression], quantiles=NINE)
    assert [value for key, value in made.ran.items() if key.endswith(".naive")] == ["1"]
    naive = ask("seasonal_naive", gone, wave(300, 1), h=5)
    out = made.frame.select(pl.selectors.starts_with("q")).to_numpy().reshape(2, 5, -1)
    np.testing.assert_allclose(out[0], naive[0])
    np.testing.assert_allclose(out[1], ask(expression, wave(300, 1), h=5)[0], rtol=1e-4)


def test_what_stands_still_of_late_may_fall_as_well_as_rise(folders: dict[str, Path]) -> None:
    """Less its mean such a context is all zero, and a library's own bound would cut off what lies below."""
    still = np.append(wave(100), np.full(48, 7.0))
    out = ask(said(folders["timesfm"], "timesfm", context=48), still)
    assert out.min() < 7.0 < out.max()


@pytest.mark.parametrize(("freq", "pace"), [("1h", 0), ("1d", 0), ("1w", 1), ("1mo", 1), ("1y", 2)])
def test_the_pace_that_timesfm_is_told_is_that_of_the_frequency(freq: str, pace: int) -> None:
    assert foundation.pace(Frequency.parse(freq)) == pace


def test_a_member_is_combined_and_guarded_like_any_other_and_says_its_digest(
    folders: dict[str, Path],
) -> None:
    expression = said(folders["bolt"], "chronos")
    made = foreseal.forecast(frame(wave(200), wave(200, 1)), h=6, models=[expression, "drift"])
    name = f"chronos-{digest(folders['bolt'])[:12]}"
    assert made.ran["members"] == f"seasonal_naive {name} drift"
    assert made.ran[f"{name}.checkpoint"] == digest(folders["bolt"])
    assert made.ran[f"{name}.architecture"] == "ChronosBoltModelForForecasting"
    assert f"{name}=" in made.ran["weights"]
    # Random weights have nothing to say: the guard and the weights leave it out.
    assert f"{name}=0.0000" in made.ran["weights"] or "for 2 of 2" in made.ran["guard"]
    assert made.ran["calibrated"] == "yes"


def test_a_checkpoint_is_refused_unless_it_is_pinned_and_as_it_was(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(folders["bolt"], folder)
    with pytest.raises(ModelError, match="not pinned") as told:
        resolve(f"chronos({str(folder)!r})").fit(None)  # type: ignore[arg-type]
    assert digest(folder) in told.value.hint
    pinned = digest(folder)
    assert checked(str(folder), pinned).digest == pinned
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    checked.cache_clear()
    with pytest.raises(ModelError, match=f"not {pinned}"):
        ask(f"chronos({str(folder)!r}, {pinned!r})", wave(50))
    with pytest.raises(ModelError, match="No checkpoint is named"):
        ask("chronos", wave(50))
    with pytest.raises(ModelError, match="no folder"):
        ask(f"chronos({str(tmp_path / 'none')!r}, {pinned!r})", wave(50))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "extra.pt", "state.PKL", "old.ckpt"])
def test_a_folder_with_a_pickle_is_refused_by_name_before_anything_is_read(
    folders: dict[str, Path], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(folders["bolt"], folder)
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=f"{name}, a pickle") as told:
        ask(said(folder, "chronos"), wave(50))
    assert "safetensors" in told.value.hint


def test_what_is_no_checkpoint_of_the_family_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not know") as told:
        ask(said(folders["timesfm"], "chronos"), wave(50))
    assert "Chronos2Model" in told.value.hint
    adapter, empty, other = tmp_path / "adapter", tmp_path / "empty", tmp_path / "other"
    shutil.copytree(folders["bolt"], adapter)
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="adapter"):
        ask(said(adapter, "chronos"), wave(50))
    empty.mkdir()
    with pytest.raises(ModelError, match="holds no"):
        ask(said(empty, "chronos"), wave(50))
    shutil.copytree(folders["bolt"], other)
    shutil.copy(folders["chronos2"] / "model.safetensors", other / "model.safetensors")
    with pytest.raises(ModelError, match="cannot be read"):
        ask(said(other, "chronos"), wave(50))
    # What is not there would be made up.
    from safetensors.numpy import load_file, save_file

    weights = load_file(folders["bolt"] / "model.safetensors")
    name = next(name for name in sorted(weights) if "output_patch_embedding" in name)
    del weights[name]
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    checked.cache_clear()
    with pytest.raises(ModelError, match=f"lacks 1 weights, such as {name}"):
        ask(said(other, "chronos"), wave(50))
    with pytest.raises(ModelError, match="context"):
        ask(said(folders["bolt"], "chronos", context=0), wave(50))


def test_nothing_is_fetched(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    foundation.load.cache_clear()
    for kind in KINDS:
        assert np.isfinite(ask(said(folders[kind], FAMILY[kind]), wave(50))).all()
