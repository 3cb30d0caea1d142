"""A file of weights: held to its digest, and looked through before any of it is used.

``NAME.npz`` holds the arrays of the network by name, its ``levels`` and trained ``steps``, and as ``meta`` a
JSON object of what the training wrote about itself; ``NAME.json`` beside it has its hex ``sha256``. No pickle
is loaded, and a file is refused unless it holds every array that the network needs, of its shape and finite,
and no other.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from foreseal.errors import ModelError
from foreseal.predict.candidates import CANDIDATES
from foreseal.predict.decomposition import Float32
from foreseal.predict.features import LOCAL, OVERALL, PATCH
from foreseal.predict.folding import HEADS
from foreseal.predict.histories import CONTEXT
from foreseal.predict.stage import STAGE_VERSION

# The layout of a weights file that this code reads.
FORMAT = 1
SIZES = ("width", "feed", "layers", "trunk", "trunk_blocks", "decoder", "decoder_blocks")
LARGEST = 1 << 16
EXPORT = "Reinstall foreseal, or export weights with: python -m pretrain export."


@dataclass(frozen=True)
class Archive:
    """Arrays by name, quantile ``levels``, trained ``steps``, what the training wrote, and the digest."""

    arrays: Mapping[str, Float32]
    levels: tuple[float, ...]
    steps: int
    facts: Mapping[str, Any]
    digest: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `ModelError` if a file is missing or no such file, the digest differs, the weights are for
        another stage, or an array is not as the network needs it."""
        try:
            content = path.read_bytes()
            described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            expected = described["sha256"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"The weights {path} cannot be read: {error}.", hint=EXPORT) from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != expected:
            raise ModelError(
                f"The weights {path} have the SHA-256 {digest}, not {expected}.",
                hint="Reinstall foreseal: the file was changed or cut short.",
            )
        try:
            arrays = _arrays(content)
            facts = _facts(arrays.pop("meta"))
            steps, levels = arrays.pop("steps"), arrays.pop("levels")
        # What the formats' readers raise for bytes that are none of theirs.
        except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise ModelError(f"The weights {path} are no file of weights: {error}.", hint=EXPORT) from error
        if (facts.get("format"), facts.get("stage")) != (FORMAT, STAGE_VERSION):
            raise ModelError(
                f"The weights {path} are of format {facts.get('format')!r} for stage {facts.get('stage')!r}, "
                f"not of format {FORMAT} for stage {STAGE_VERSION}.",
                hint="Export weights that were trained with this version of foreseal.",
            )
        wrong = _wrong_levels(levels) or _wrong_steps(steps) or _wrong_arrays(arrays, facts, len(levels))
        if wrong:
            raise ModelError(f"The weights {path} are not those of this network: {wrong}.", hint=EXPORT)
        return cls(arrays, tuple(levels.tolist()), int(steps), facts, digest)


def _arrays(content: bytes) -> dict[str, Any]:
    archive = np.load(io.BytesIO(content), allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError("it is a single array")
    with archive:
        return {name: archive[name] for name in archive.files}


def _facts(meta: Any) -> dict[str, Any]:
    """What the training wrote, as far as it is read, in its form."""
    facts = json.loads(str(meta))
    if not isinstance(facts, dict):
        raise ValueError("its meta is no JSON object")
    for name, kind in (("mixes", int), ("plans", dict)):
        pairs = facts.get(name, [])
        if not isinstance(pairs, list) or not all(_is_pair(pair, kind) for pair in pairs):
            raise ValueError(f"its {name} are not a list of pairs")
    return facts


def _is_pair(value: Any, kind: type) -> bool:
    is_two = isinstance(value, list) and len(value) == 2
    return is_two and isinstance(value[0], kind) and isinstance(value[1], int)


def _wrong_levels(levels: Any) -> str:
    if levels.ndim != 1 or levels.dtype.kind != "f" or not len(levels):
        return "its levels are not a row of numbers"
    inside = np.isfinite(levels).all() and levels.min() > 0.0 and levels.max() < 1.0
    if not inside or (np.diff(levels) <= 0.0).any() or 0.5 not in levels[1:-1]:
        return "its levels do not ascend between 0 and 1 with 0.5 among them"
    return ""


def _wrong_steps(steps: Any) -> str:
    right = steps.ndim == 0 and steps.dtype.kind in "iu" and 2 <= steps <= LARGEST
    return "" if right else f"it was not trained for a number of steps from 2 to {LARGEST}"


def _wrong_arrays(arrays: Mapping[str, Any], facts: Mapping[str, Any], levels: int) -> str:
    """What is wrong with the arrays, in words, or nothing."""
    sizes = facts.get("shape")
    if not isinstance(sizes, dict) or any(
        not isinstance(sizes.get(name), int) or not 1 <= sizes[name] <= LARGEST for name in SIZES
    ):
        return "its meta does not tell the sizes of the network"
    if sizes["width"] % HEADS:
        return f"its width of {sizes['width']} does not split into {HEADS} heads"
    expected = shapes(sizes, levels)
    absent, unknown = sorted(expected.keys() - arrays.keys()), sorted(arrays.keys() - expected.keys())
    if absent:
        return f"it lacks {len(absent)} arrays, such as {absent[0]}"
    if unknown:
        return f"it holds {len(unknown)} arrays too many, such as {unknown[0]}"
    for name, shape in expected.items():
        if arrays[name].dtype != np.float32 or arrays[name].shape != shape:
            return f"{name} is {arrays[name].dtype} {arrays[name].shape}, not float32 {shape}"
        if not np.isfinite(arrays[name]).all():
            return f"{name} is not finite"
    return ""


def shapes(sizes: Mapping[str, int], levels: int) -> dict[str, tuple[int, ...]]:
    """The shape of every array of a network of these `SIZES`; weights are (outputs, inputs)."""
    width, feed, trunk, decoder = (sizes[name] for name in ("width", "feed", "trunk", "decoder"))
    k, local, overall = len(CANDIDATES), len(LOCAL), len(OVERALL)
    out: dict[str, tuple[int, ...]] = {
        "prior_overall": (k,),
        "prior_here": (k,),
        "overall_mean": (overall,),
        "overall_rate": (overall,),
        "local_mean": (local,),
        "local_rate": (local,),
        "encoder.position": (CONTEXT // PATCH, width),
    }

    def linear(name: str, inputs: int, outputs: int) -> None:
        out[f"{name}.weight"], out[f"{name}.bias"] = (outputs, inputs), (outputs,)

    def norm(name: str, size: int) -> None:
        out[f"{name}.weight"] = out[f"{name}.bias"] = (size,)

    linear("encoder.overall", overall, width)
    linear("encoder.patch", 3 * PATCH, width)
    for n in range(sizes["layers"]):
        layer = f"encoder.layers.{n}"
        norm(f"{layer}.norm1", width)
        norm(f"{layer}.norm2", width)
        linear(f"{layer}.qkv", width, 3 * width)
        linear(f"{layer}.out", width, width)
        linear(f"{layer}.up", width, feed)
        linear(f"{layer}.down", feed, width)
    norm("encoder.norm", width)
    linear("trunk.enter", overall + 2 * width, trunk)
    for n in range(sizes["trunk_blocks"]):
        norm(f"trunk.blocks.{n}.norm", trunk)
        linear(f"trunk.blocks.{n}.up", trunk, 2 * trunk)
        linear(f"trunk.blocks.{n}.down", 2 * trunk, trunk)
    norm("trunk.norm", trunk)
    linear("decoder.enter", local, decoder)
    linear("decoder.context", trunk, decoder)
    for n in range(sizes["decoder_blocks"]):
        linear(f"decoder.blocks.{n}.film", trunk, 2 * decoder)
        linear(f"decoder.blocks.{n}.up", decoder, decoder)
        linear(f"decoder.blocks.{n}.down", decoder, decoder)
    norm("decoder.norm", decoder)
    # Candidates, season factors, offset, spread and the gaps between levels.
    linear("decoder.leave", decoder, k + 4 + levels - 1)
    linear("decoder.series", trunk, k)
    return out
