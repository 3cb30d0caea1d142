"""The weights of the network as they are used: what is linear is folded into its neighbours.

A normalisation's gain and bias go into the layer after it, and every layer that writes to a stream which is
only read normalised leaves the mean out, so that normalising is one division. Half of the argument of
x / (1 + exp(-x)) is what a layer before it answers with. All of this is exact but for rounding.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from foreseal.predict.decomposition import Float32

HEADS = 4


def folded(a: Mapping[str, Float32]) -> dict[str, Float32]:
    """Arrays of the names of ``a``; weights are (inputs, outputs)."""
    out: dict[str, Float32] = {name: np.asarray(array, np.float64) for name, array in a.items()}
    for name in [name for name in out if name.endswith(".weight") and out[name].ndim == 2]:
        out[name] = out[name].T
    for layer in _numbered(a, "encoder.layers", "qkv"):
        _after_norm(out, f"{layer}.norm1", f"{layer}.qkv")
        width = out[f"{layer}.qkv.weight"].shape[1] // 3
        _scaled(out, f"{layer}.qkv", (width // HEADS) ** -0.5, slice(0, width))
        _after_norm(out, f"{layer}.norm2", f"{layer}.up")
        _scaled(out, f"{layer}.up", 0.5)
        for name in ("out", "down"):
            _centred(out, f"{layer}.{name}")
    for name in ("encoder.overall", "encoder.patch"):
        _centred(out, name)
    out["encoder.position"] -= out["encoder.position"].mean(axis=1, keepdims=True)
    for block in _numbered(a, "trunk.blocks", "up"):
        _after_norm(out, f"{block}.norm", f"{block}.up")
        _scaled(out, f"{block}.up", 0.5)
        _centred(out, f"{block}.down")
    _centred(out, "trunk.enter")
    for name in ("decoder.enter", "decoder.context"):
        _scaled(out, name, 0.5)
    for block in _numbered(a, "decoder.blocks", "up"):
        # The first half is a factor about one.
        gain = out[f"{block}.film.bias"]
        gain[: len(gain) // 2] += 1.0
        _scaled(out, f"{block}.up", 0.5)
        _centred(out, f"{block}.down")
    _after_norm(out, "decoder.norm", "decoder.leave")
    for name in ("prior_overall", "prior_here"):
        out[name] = -softplus(out[name])
    return {name: np.ascontiguousarray(array, np.float32) for name, array in out.items()}


def softplus(x: Float32) -> Float32:
    out: Float32 = np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0.0)
    return out


def _numbered(a: Mapping[str, Float32], group: str, part: str) -> list[str]:
    names: list[str] = []
    while f"{group}.{len(names)}.{part}.weight" in a:
        names.append(f"{group}.{len(names)}")
    return names


def _after_norm(out: dict[str, Float32], norm: str, name: str) -> None:
    gain, bias = out.pop(f"{norm}.weight"), out.pop(f"{norm}.bias")
    weight = out[f"{name}.weight"]
    out[f"{name}.bias"] = out[f"{name}.bias"] + bias @ weight
    out[f"{name}.weight"] = gain[:, None] * weight


def _scaled(out: dict[str, Float32], name: str, factor: float, which: slice = slice(None)) -> None:
    for part in ("weight", "bias"):
        array = out[f"{name}.{part}"].copy()
        array[..., which] *= factor
        out[f"{name}.{part}"] = array


def _centred(out: dict[str, Float32], name: str) -> None:
    for part in ("weight", "bias"):
        array = out[f"{name}.{part}"]
        out[f"{name}.{part}"] = array - array.mean(axis=-1, keepdims=True)
