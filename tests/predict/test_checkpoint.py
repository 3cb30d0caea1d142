"""Checkpoints of others: the digest covers every file that is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foreseal.errors import ModelError
from foreseal.predict.checkpoint import INDEX, PICKLES, Checkpoint, digest_of


def sharded(folder: Path, shard: str) -> str:
    """A folder whose index names one file of weights; the digest of the folder."""
    (folder / "config.json").write_text('{"architectures": ["Chronos2Model"]}')
    (folder / "a.safetensors").write_bytes(b"weights")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"layer": shard}}))
    return digest_of(sorted(folder.iterdir(), key=lambda each: each.name))


def test_weights_in_parts_are_taken_where_the_digest_covers_each(tmp_path: Path) -> None:
    pinned = sharded(tmp_path, "a.safetensors")
    assert Checkpoint.open(str(tmp_path), pinned).architecture == "Chronos2Model"


@pytest.mark.parametrize("shard", ["part/a.safetensors", "../a.safetensors", ".a.safetensors", "config.json"])
def test_an_index_that_names_weights_outside_of_the_digest_is_refused(tmp_path: Path, shard: str) -> None:
    pinned = sharded(tmp_path, shard)
    with pytest.raises(ModelError, match="not pinned"):
        Checkpoint.open(str(tmp_path), pinned)


@pytest.mark.parametrize("content", ["[]", "{", '{"weight_map": 3}'])
def test_an_index_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    sharded(tmp_path, "a.safetensors")
    (tmp_path / INDEX).write_text(content)
    pinned = digest_of(sorted(tmp_path.iterdir(), key=lambda each: each.name))
    with pytest.raises(ModelError, match="no index"):
        Checkpoint.open(str(tmp_path), pinned)


def test_all_usual_names_of_pickles_are_known() -> None:
    assert {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"} <= set(PICKLES)


@pytest.mark.parametrize("ending", [".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".JobLib"])
def test_a_pickle_beside_the_weights_is_refused(tmp_path: Path, ending: str) -> None:
    sharded(tmp_path, "a.safetensors")
    (tmp_path / f"more{ending}").write_bytes(b"\x80\x04.")
    pinned = digest_of(sorted(tmp_path.iterdir(), key=lambda each: each.name))
    with pytest.raises(ModelError, match="a pickle"):
        Checkpoint.open(str(tmp_path), pinned)
