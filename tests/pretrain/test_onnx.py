"""The ONNX file is the network of the package, for other languages."""

from __future__ import annotations

import numpy as np
import pytest

from foreseal.predict.pretrained import load
from foreseal.predict.stage import stage
from tests.conftest import ROOT

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra pretrain")
INPUTS = ("overall", "local", "candidates", "season", "patches", "unit")


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    path = ROOT / "pretrain" / "compact.onnx"
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("bucket", [64, 256])
def test_onnx_answers_as_the_golden_file_says(session: onnxruntime.InferenceSession, bucket: int) -> None:
    with np.load(ROOT / "tests/predict/golden/compact.npz") as golden:
        (answer,) = session.run(None, {name: golden[f"{bucket}.{name}"] for name in INPUTS})
        np.testing.assert_allclose(answer, golden[f"{bucket}.quantiles"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("series", "length", "steps"), [(1, 32, 1), (7, 1024, 48), (3, 128, 64)])
def test_onnx_answers_as_the_package_for_any_number_of_series_steps_and_patches(
    session: onnxruntime.InferenceSession, series: int, length: int, steps: int
) -> None:
    rng = np.random.default_rng(0)
    y = 10 + np.sin(np.arange(length) / 3) + 0.3 * rng.normal(size=(series, length)).cumsum(axis=1)
    found = stage(y, np.arange(1, steps + 1))
    (answer,) = session.run(None, {name: np.asarray(getattr(found, name), np.float32) for name in INPUTS})
    np.testing.assert_allclose(answer, load()(found), rtol=1e-3, atol=1e-3)
