"""A file of weights that is not what it should be is refused in one sentence, whatever is wrong with it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foreseal.errors import ModelError
from foreseal.predict.archive import Archive
from foreseal.predict.pretrained import Pretrained, load
from tests.predict.panels import hourly, panel

PACKAGE = files("foreseal.predict") / "weights" / "compact.npz"
Arrays = dict[str, Any]


@pytest.fixture(scope="module")
def own() -> Arrays:
    with np.load(Path(str(PACKAGE))) as archive:
        return {name: archive[name] for name in archive.files}


def sealed(folder: Path, content: bytes | Arrays) -> Path:
    """A file of weights with its digest beside it."""
    path = folder / "w.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, **content)  # type: ignore[arg-type]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({"sha256": digest}))
    return path


def meta(own: Arrays, **changed: Any) -> Arrays:
    return own | {"meta": np.array(json.dumps(json.loads(str(own["meta"])) | changed))}


def sized(own: Arrays, **changed: int) -> Arrays:
    return meta(own, shape=json.loads(str(own["meta"]))["shape"] | changed)


def without(own: Arrays, part: str) -> Arrays:
    return {name: array for name, array in own.items() if part not in name}


def test_what_the_package_brings_is_read_as_it_is(own, tmp_path):
    found = Archive.read(sealed(tmp_path, own))
    assert {*found.arrays, "meta", "levels", "steps"} == set(own)
    assert (found.levels, found.steps) == (load().levels, load().steps)
    # Older notes of a training are told as they are.
    assert Archive.read(sealed(tmp_path, meta(own, mixes=[]))).facts["mixes"] == []


@pytest.mark.parametrize("name", ["meta", "levels", "steps", "prior_here", "encoder.layers.1.qkv.weight"])
def test_an_array_that_is_missing_is_named(own, tmp_path, name):
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        Archive.read(sealed(tmp_path, {key: array for key, array in own.items() if key != name}))


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "garbage": lambda _: b"garbage",
    "cut": lambda content: content[:100_000],
    "zip of nothing": lambda _: b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_weights_are_refused(tmp_path, name):
    with pytest.raises(ModelError, match="no file of weights") as told:
        Archive.read(sealed(tmp_path, BYTES[name](PACKAGE.read_bytes())))
    assert "pretrain export" in told.value.hint


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ModelError, match="a single array"):
        Archive.read(sealed(tmp_path, (tmp_path / "one.npy").read_bytes()))


class _Written:
    """A pickle that leaves a file where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["meta", "more", "local_mean"])
def test_a_pickle_is_refused_and_not_run(own, tmp_path, name):
    mark = tmp_path / "run"
    path = sealed(tmp_path, own | {name: np.array([_Written(mark)], dtype=object)})
    with pytest.raises(ModelError, match="no file of weights"):
        Archive.read(path)
    assert not mark.exists()


WRONG: dict[str, tuple[Callable[[Arrays], Arrays], str]] = {
    "format": (lambda own: meta(own, format=2), "format 2"),
    "format in words": (lambda own: meta(own, format="1"), "format '1'"),
    "stage": (lambda own: meta(own, stage=999), "stage 999"),
    "no JSON": (lambda own: own | {"meta": np.array("{")}, "no file of weights"),
    "a list": (lambda own: own | {"meta": np.array("[]")}, "no JSON object"),
    "mixes": (lambda own: meta(own, mixes=[1, 2]), "mixes"),
    "plans": (lambda own: meta(own, plans="x"), "plans"),
    "no sizes": (lambda own: meta(own, shape={}), "sizes"),
    "other sizes": (
        lambda own: meta(own, shape=json.loads(str(own["meta"]))["shape"] | {"feed": 7}),
        "feed|up",
    ),
    "odd width": (
        lambda own: meta(own, shape=json.loads(str(own["meta"]))["shape"] | {"width": 127}),
        "heads",
    ),
    "levels back": (lambda own: own | {"levels": own["levels"][::-1]}, "levels"),
    "no median": (lambda own: own | {"levels": np.linspace(0.1, 0.9, 15) ** 2}, "levels"),
    "levels outside": (lambda own: own | {"levels": np.linspace(0, 1, 15)}, "levels"),
    "levels in words": (lambda own: own | {"levels": np.array(["a"] * 15)}, "levels"),
    "one level": (lambda own: own | {"levels": np.array(0.5)}, "levels"),
    "fewer levels": (lambda own: own | {"levels": own["levels"][1:]}, r"decoder\.leave"),
    "steps": (lambda own: own | {"steps": np.array([1, 2])}, "steps"),
    "no steps": (lambda own: own | {"steps": np.array(0)}, "steps"),
    "shape": (lambda own: own | {"prior_overall": own["prior_overall"][1:]}, "prior_overall"),
    "kind": (lambda own: own | {"local_mean": own["local_mean"].astype(np.float64)}, "local_mean"),
    "not finite": (lambda own: own | {"local_rate": np.full_like(own["local_rate"], np.nan)}, "not finite"),
    "too many": (lambda own: own | {"more": np.zeros(3, np.float32)}, "too many, such as more"),
    "a layer less": (lambda own: without(own, "layers.1."), "lacks 12"),
    "no decoder": (lambda own: without(own, "decoder.blocks."), "lacks 12"),
}


@pytest.mark.parametrize("name", WRONG)
def test_weights_of_another_network_are_refused_and_what_is_wrong_is_named(own, tmp_path, name):
    change, said = WRONG[name]
    path = sealed(tmp_path, change(own))
    with pytest.raises(ModelError, match=said):
        Pretrained(weights=str(path)).fit(panel(hourly(3))).predict(1, (0.5,))


@pytest.mark.parametrize("beside", ["[]", "3", "{", '{"sha": 1}', '{"sha256": 3}', None])
def test_a_digest_that_is_none_is_refused(own, tmp_path, beside):
    path = sealed(tmp_path, b"x")
    if beside is None:
        path.with_suffix(".json").write_bytes(b"\xff\xfe")
    else:
        path.with_suffix(".json").write_text(beside)
    with pytest.raises(ModelError, match=r"w\.npz"):
        Archive.read(path)
