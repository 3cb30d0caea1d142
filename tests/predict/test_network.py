"""The forward pass in NumPy against the network that was trained, and the weights against their digest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from foreseal.errors import ModelError
from foreseal.predict.network import Network
from foreseal.predict.pretrained import load
from foreseal.predict.stage import stage
from tests.conftest import require

GOLDEN = Path(__file__).parent / "golden" / "compact.npz"
INPUTS = ("overall", "local", "candidates", "season", "patches", "unit")


def known(count: int = 5, length: int = 200):
    rng = np.random.default_rng(0)
    y = 5 + np.cumsum(rng.normal(size=(count, length)), axis=1)
    y[0, :150] = np.nan
    return stage(y, np.arange(1, 13), np.zeros((count, 3), np.int64))


def test_the_golden_file_is_reproduced():
    network = load()
    with np.load(GOLDEN) as golden:
        kinds = {name.split(".")[0] for name in golden.files if "." in name}
        assert kinds
        for kind in kinds:
            made = network.forward(*(golden[f"{kind}.{name}"] for name in INPUTS))
            np.testing.assert_allclose(made, golden[f"{kind}.quantiles"], rtol=1e-5, atol=1e-5)


def test_it_agrees_with_torch():
    require("torch", "pip install foreseal[pretrain]")
    import torch

    from pretrain.network import Network as Reference
    from pretrain.network import Shape

    network = load()
    reference = Reference(Shape(**network.facts["shape"])).eval()
    reference.load_state_dict(
        {name: torch.from_numpy(array.copy()) for name, array in network.arrays.items()}
    )
    found = known()
    with torch.no_grad():
        tensors = [torch.from_numpy(np.ascontiguousarray(getattr(found, name))) for name in INPUTS]
        expected = reference(*tensors).numpy()
    np.testing.assert_allclose(network(found), expected, rtol=1e-5, atol=1e-5)


def test_quantiles_ascend_and_rows_do_not_depend_on_each_other():
    network, found = load(), known(40)
    z = network(found)
    assert z.shape == (40, 12, len(network.levels))
    assert (np.diff(z, axis=2) >= 0).all()
    rows = [getattr(found, name)[7:8] for name in INPUTS]
    np.testing.assert_allclose(network.forward(*rows)[0], z[7], atol=2e-5)


def test_a_series_without_any_value_gets_finite_quantiles():
    found = stage(np.full((2, 64), np.nan), np.arange(1, 4), np.zeros((2, 3), np.int64))
    assert np.isfinite(load()(found)).all()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    from importlib.resources import files

    for name in ("compact.npz", "compact.json"):
        (tmp_path / name).write_bytes((files("foreseal.predict") / "weights" / name).read_bytes())
    return tmp_path / "compact.npz"


def test_weights_are_small_and_known_by_their_digest(copy):
    assert copy.stat().st_size < 10_000_000
    network = Network.read(copy)
    assert network.digest == hashlib.sha256(copy.read_bytes()).hexdigest() == load().digest
    assert json.loads(copy.with_suffix(".json").read_text())["sha256"] == network.digest


def test_changed_weights_are_refused(copy):
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="SHA-256") as raised:
        Network.read(copy)
    assert "Reinstall" in str(raised.value.hint)


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.npz"):
        Network.read(tmp_path / "nowhere.npz")


def test_weights_of_another_stage_are_refused(copy):
    with np.load(copy) as archive:
        arrays = dict(archive)
    facts = json.loads(str(arrays["meta"])) | {"stage": 999}
    arrays["meta"] = np.array(json.dumps(facts))
    np.savez(copy, **arrays)
    digest = hashlib.sha256(copy.read_bytes()).hexdigest()
    copy.with_suffix(".json").write_text(json.dumps({"sha256": digest}))
    with pytest.raises(ModelError, match="stage 999"):
        Network.read(copy)


def test_weights_are_read_once():
    assert load() is load()
