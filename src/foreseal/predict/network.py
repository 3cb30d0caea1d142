"""The forward pass of the compact pretrained network, in NumPy.

The architecture is `pretrain.network`'s, array by array of the same name; that one is the reference, and
golden files hold this one to it. Everything is in single precision.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from foreseal.errors import ModelError
from foreseal.predict.candidates import CANDIDATES
from foreseal.predict.decomposition import Float32
from foreseal.predict.features import LOCAL, OVERALL
from foreseal.predict.stage import STAGE_VERSION, Stage

# The layout of a weights file that this code reads.
FORMAT = 1
HEADS = 4
HIDDEN = np.float32(-1e9)
# Tokens, or steps, taken at a time, so that intermediate results stay in cache.
CHUNK = 1_024


@dataclass(frozen=True)
class Network:
    """Weights by name, the quantile ``levels`` they answer with, and where they come from.

    ``facts`` is what the training wrote about itself; ``digest`` the hex SHA-256 of the file.
    """

    arrays: Mapping[str, Float32]
    levels: tuple[float, ...]
    steps: int
    facts: Mapping[str, Any]
    digest: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """The network in ``path`` (.npz), whose digest stands beside it in a .json file of the same name.

        Raises `ModelError` if a file is missing, the digest differs, or the weights are for another stage.
        """
        try:
            content = path.read_bytes()
            expected = json.loads(path.with_suffix(".json").read_text())["sha256"]
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"The weights {path} cannot be read: {error}.",
                hint="Reinstall foreseal, or export weights with: python -m pretrain export.",
            ) from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != expected:
            raise ModelError(
                f"The weights {path} have the SHA-256 {digest}, not {expected}.",
                hint="Reinstall foreseal: the file was changed or cut short.",
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        facts = json.loads(str(arrays.pop("meta")))
        levels = tuple(float(level) for level in arrays.pop("levels"))
        steps = int(arrays.pop("steps"))
        network = cls(arrays, levels, steps, facts, digest)
        shape = (len(CANDIDATES), len(LOCAL), len(OVERALL))
        held = tuple(len(arrays[name]) for name in ("prior_overall", "local_mean", "overall_mean"))
        if facts.get("format") != FORMAT or facts.get("stage") != STAGE_VERSION or held != shape:
            raise ModelError(
                f"The weights {path} are of format {facts.get('format')} for stage {facts.get('stage')}, not "
                f"of format {FORMAT} for stage {STAGE_VERSION}.",
                hint="Export weights that were trained with this version of foreseal.",
            )
        return network

    def __call__(self, known: Stage) -> Float32:
        """Quantiles (B, S, levels) in z units, ascending."""
        return self.forward(
            known.overall, known.local, known.candidates, known.season, known.patches, known.unit
        )

    def forward(
        self,
        overall: Float32,
        local: Float32,
        candidates: Float32,
        season: Float32,
        patches: Float32,
        unit: Float32,
    ) -> Float32:
        """The same of arrays as in `foreseal.predict.stage.Stage`."""
        a = self.arrays
        k = len(a["prior_overall"])
        batch, count = candidates.shape[:2]
        small = np.clip((overall - a["overall_mean"]) * a["overall_rate"], -8.0, 8.0)
        encoded = np.empty((batch, 2, a["encoder.position"].shape[1]), np.float32)
        step = max(1, CHUNK // (1 + patches.shape[1]))
        for low in range(0, batch, step):
            at = slice(low, low + step)
            self._encode(small[at], patches[at], encoded[at])
        series = self._trunk(np.concatenate([small, encoded[:, 0], encoded[:, 1]], axis=1))
        said = self._linear(series, "decoder.series")
        # The first features of the series and the second of a step are logarithms of each candidate's error.
        said -= _softplus(a["prior_overall"]) * np.exp(overall[:, :k])
        out = np.empty((batch, count, len(self.levels)), np.float32)
        step = max(1, CHUNK // count)
        for low in range(0, batch, step):
            at = slice(low, low + step)
            answer = self._decode(local[at], series[at])
            logits = np.exp(local[at, :, k : 2 * k])
            logits *= -_softplus(a["prior_here"])
            logits += said[at, None]
            logits += answer[:, :, :k]
            out[at] = self._quantiles(logits, answer[:, :, k:], candidates[at], season[at], unit[at])
        return out

    def _quantiles(
        self, logits: Float32, answer: Float32, candidates: Float32, season: Float32, unit: Float32
    ) -> Float32:
        """Quantiles (B, S, levels) from logits of candidates, and season factors, offset, spread and gaps."""
        logits -= logits.max(axis=2, keepdims=True)
        weights = np.exp(logits, out=logits)
        middle = np.einsum("bsk,bsk->bs", weights, candidates) / weights.sum(axis=2)
        middle += (np.tanh(answer[:, :, :2]) * season).sum(axis=2)
        middle += unit[:, None] * answer[:, :, 2]
        spread = unit[:, None] * np.exp(np.clip(answer[:, :, 3], -6.0, 6.0))
        gaps = _softplus(answer[:, :, 4:]) * spread[:, :, None]
        at = self.levels.index(0.5)
        out = np.empty((*middle.shape, len(self.levels)), np.float32)
        out[:, :, at] = middle
        out[:, :, at + 1 :] = middle[:, :, None] + np.cumsum(gaps[:, :, at:], axis=2)
        below = np.cumsum(gaps[:, :, :at][:, :, ::-1], axis=2)
        out[:, :, :at] = middle[:, :, None] - below[:, :, ::-1]
        return out

    def _encode(self, overall: Float32, patches: Float32, out: Float32) -> None:
        """The token of the series as a whole, and the mean of its patches, into ``out`` (B, 2, width)."""
        a = self.arrays
        batch, count, width = patches.shape
        seen = (patches[:, :, 2 * width // 3 :].sum(axis=2) > 0).astype(np.float32)
        d = a["encoder.position"].shape[1]
        x = np.empty((batch, 1 + count, d), np.float32)
        x[:, 0] = self._linear(overall, "encoder.overall")
        x[:, 1:] = self._linear(patches, "encoder.patch")
        x[:, 1:] += a["encoder.position"][-count:]
        # Before the history starts there is nothing to look at: what no series shows is left out.
        first = int(seen.any(axis=0).argmax()) if seen.any() else count - 1
        x = np.concatenate([x[:, :1], x[:, 1 + first :]], axis=1) if first else x
        seen = seen[:, first:]
        hidden = np.zeros((batch, 1, 1, x.shape[1]), np.float32)
        hidden[:, 0, 0, 1:] = (1.0 - seen) * HIDDEN
        layer = 0
        while f"encoder.layers.{layer}.qkv.weight" in a:
            self._attend(x, hidden, f"encoder.layers.{layer}")
            layer += 1
        x = self._normal(x, "encoder.norm")
        shown = np.maximum(seen.sum(axis=1, keepdims=True), 1.0)
        out[:, 0] = x[:, 0]
        out[:, 1] = (seen[:, None] @ x[:, 1:])[:, 0] / shown

    def _attend(self, x: Float32, hidden: Float32, name: str) -> None:
        """One layer of the encoder, added to ``x`` in place."""
        batch, count, d = x.shape
        mixed = self._linear(self._normal(x, f"{name}.norm1"), f"{name}.qkv")
        q, k, v = mixed.reshape(batch, count, 3, HEADS, d // HEADS).transpose(2, 0, 3, 1, 4)
        scores = (q * np.float32((d // HEADS) ** -0.5)) @ k.transpose(0, 1, 3, 2)
        scores += hidden
        scores -= scores.max(axis=3, keepdims=True)
        np.exp(scores, out=scores)
        total = scores.sum(axis=3, keepdims=True)
        heads = scores @ v
        heads /= total
        x += self._linear(heads.transpose(0, 2, 1, 3).reshape(batch, count, d), f"{name}.out")
        up = _silu(self._linear(self._normal(x, f"{name}.norm2"), f"{name}.up"))
        x += self._linear(up, f"{name}.down")

    def _trunk(self, x: Float32) -> Float32:
        s = self._linear(x, "trunk.enter")
        block = 0
        while f"trunk.blocks.{block}.up.weight" in self.arrays:
            name = f"trunk.blocks.{block}"
            up = _silu(self._linear(self._normal(s, f"{name}.norm"), f"{name}.up"))
            s += self._linear(up, f"{name}.down")
            block += 1
        return self._normal(s, "trunk.norm")

    def _decode(self, local: Float32, series: Float32) -> Float32:
        """What each step says, (B, S, K + 4 + levels - 1)."""
        a = self.arrays
        near = local - a["local_mean"]
        near *= a["local_rate"]
        np.clip(near, -8.0, 8.0, out=near)
        h = self._linear(near, "decoder.enter")
        h += self._linear(series, "decoder.context")[:, None]
        h = _silu(h)
        block = 0
        while f"decoder.blocks.{block}.up.weight" in a:
            name = f"decoder.blocks.{block}"
            gain, shift = np.split(self._linear(series, f"{name}.film")[:, None], 2, axis=2)
            u = _standard(h)
            u *= 1.0 + gain
            u += shift
            h += self._linear(_silu(self._linear(u, f"{name}.up")), f"{name}.down")
            block += 1
        return self._linear(self._normal(h, "decoder.norm"), "decoder.leave")

    def _linear(self, x: Float32, name: str) -> Float32:
        weight = self.arrays[f"{name}.weight"]
        # One flat product instead of one per series.
        out = x.reshape(-1, x.shape[-1]) @ weight.T
        out += self.arrays[f"{name}.bias"]
        shaped: Float32 = out.reshape(*x.shape[:-1], len(weight))
        return shaped

    def _normal(self, x: Float32, name: str) -> Float32:
        out = _standard(x)
        out *= self.arrays[f"{name}.weight"]
        out += self.arrays[f"{name}.bias"]
        return out


def _standard(x: Float32) -> Float32:
    """x less its mean over its deviation, along the last axis."""
    share = np.float32(1.0 / x.shape[-1])
    out: Float32 = x - np.add.reduce(x, axis=-1, keepdims=True) * share
    square = np.einsum("...k,...k->...", out, out)[..., None] * share
    out /= np.sqrt(square + np.float32(1e-5))
    return out


def _silu(x: Float32) -> Float32:
    """x times its logistic, in place of x."""
    rate = np.negative(x)
    with np.errstate(over="ignore"):
        np.exp(rate, out=rate)
    rate += np.float32(1.0)
    x /= rate
    return x


def _softplus(x: NDArray[np.floating[Any]]) -> Float32:
    out: Float32 = np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0.0)
    return out
