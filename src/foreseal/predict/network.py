"""The forward pass of the compact pretrained network, in NumPy.

The architecture is `pretrain.network`'s, array by array of the same name; that one is the reference, and
golden files hold this one to it. Everything is in single precision, with weights as
`foreseal.predict.folding` prepares them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from foreseal.predict.archive import Archive
from foreseal.predict.decomposition import Float32
from foreseal.predict.folding import HEADS, folded, softplus
from foreseal.predict.stage import Stage

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

        Raises `ModelError` if they cannot be used, see `foreseal.predict.archive`.
        """
        found = Archive.read(path)
        return cls(found.arrays, found.levels, found.steps, found.facts, found.digest)

    @functools.cached_property
    def _weights(self) -> dict[str, Float32]:
        return folded(self.arrays)

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
        a = self._weights
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
        said += a["prior_overall"] * np.exp(overall[:, :k])
        context = self._linear(series, "decoder.context")
        films = [self._linear(series, f"{name}.film") for name in self._blocks("decoder.blocks")]
        out = np.empty((batch, count, len(self.levels)), np.float32)
        step = max(1, CHUNK // count)
        for low in range(0, batch, step):
            at = slice(low, low + step)
            answer = self._decode(local[at], context[at], [film[at] for film in films])
            logits = np.exp(local[at, :, k : 2 * k])
            logits *= a["prior_here"]
            logits += said[at, None]
            logits += answer[:, :, :k]
            self._quantiles(logits, answer[:, :, k:], candidates[at], season[at], unit[at], out[at])
        return out

    def _quantiles(
        self,
        logits: Float32,
        answer: Float32,
        candidates: Float32,
        season: Float32,
        unit: Float32,
        out: Float32,
    ) -> None:
        """Into ``out`` the quantiles (B, S, levels) from logits of candidates, and season factors, offset,
        spread and gaps."""
        logits -= logits.max(axis=2, keepdims=True)
        weights = np.exp(logits, out=logits)
        middle = np.einsum("bsk,bsk->bs", weights, candidates) / np.einsum("bsk->bs", weights)
        factors = np.tanh(answer[:, :, :2])
        factors *= season
        middle += factors[:, :, 0]
        middle += factors[:, :, 1]
        middle += unit[:, None] * answer[:, :, 2]
        spread = unit[:, None] * np.exp(np.clip(answer[:, :, 3], -6.0, 6.0))
        gaps = softplus(answer[:, :, 4:])
        gaps *= spread[:, :, None]
        at = self.levels.index(0.5)
        out[:, :, at] = middle
        above = gaps[:, :, at:]
        np.add(middle[:, :, None], np.cumsum(above, axis=2, out=above), out=out[:, :, at + 1 :])
        below = gaps[:, :, :at][:, :, ::-1]
        np.subtract(
            middle[:, :, None], np.cumsum(below, axis=2, out=below), out=out[:, :, at - 1 :: -1][:, :, :at]
        )

    def _encode(self, overall: Float32, patches: Float32, out: Float32) -> None:
        """The token of the series as a whole, and the mean of its patches, into ``out`` (B, 2, width)."""
        a = self._weights
        batch, count, width = patches.shape
        seen = (patches[:, :, 2 * width // 3 :].max(axis=2) > 0).astype(np.float32)
        # Before the history starts there is nothing to look at: what no series shows is left out.
        first = int(seen.any(axis=0).argmax()) if seen.any() else count - 1
        seen = seen[:, first:]
        x = np.empty((batch, 1 + count - first, out.shape[2]), np.float32)
        x[:, 0] = self._linear(overall, "encoder.overall")
        np.add(
            self._linear(patches[:, first:], "encoder.patch"),
            a["encoder.position"][first - count :],
            out=x[:, 1:],
        )
        hidden = None
        if not seen.all():
            hidden = np.zeros((batch, 1, 1, x.shape[1]), np.float32)
            hidden[:, 0, 0, 1:] = (1.0 - seen) * HIDDEN
        for name in self._blocks("encoder.layers"):
            self._attend(x, hidden, name)
        x = _standard(x)
        total = seen.sum(axis=1, keepdims=True)
        out[:, 0] = x[:, 0]
        out[:, 1] = (seen[:, None] @ x[:, 1:])[:, 0] / np.maximum(total, 1.0)
        out *= a["encoder.norm.weight"]
        out[:, 0] += a["encoder.norm.bias"]
        # The mean of no patch is zero.
        out[:, 1] += (total > 0.0) * a["encoder.norm.bias"]

    def _attend(self, x: Float32, hidden: Float32 | None, name: str) -> None:
        """One layer of the encoder, added to ``x`` in place."""
        batch, count, d = x.shape
        mixed = self._linear(_standard(x), f"{name}.qkv")
        q, k, v = mixed.reshape(batch, count, 3, HEADS, d // HEADS).transpose(2, 0, 3, 1, 4)
        scores = q @ k.transpose(0, 1, 3, 2)
        if hidden is not None:
            scores += hidden
        scores -= scores.max(axis=3, keepdims=True)
        np.exp(scores, out=scores)
        heads = np.empty((batch, count, HEADS, d // HEADS), np.float32)
        np.divide(scores @ v, np.einsum("bhqk->bhq", scores)[..., None], out=heads.transpose(0, 2, 1, 3))
        x += self._linear(heads.reshape(batch, count, d), f"{name}.out")
        up = _silu_of_half(self._linear(_standard(x), f"{name}.up"))
        x += self._linear(up, f"{name}.down")

    def _trunk(self, x: Float32) -> Float32:
        s = self._linear(x, "trunk.enter")
        for name in self._blocks("trunk.blocks"):
            up = _silu_of_half(self._linear(_standard(s), f"{name}.up"))
            s += self._linear(up, f"{name}.down")
        out = _standard(s)
        out *= self._weights["trunk.norm.weight"]
        out += self._weights["trunk.norm.bias"]
        return out

    def _decode(self, local: Float32, context: Float32, films: list[Float32]) -> Float32:
        """What each step says, (B, S, K + 4 + levels - 1)."""
        a = self._weights
        near = local - a["local_mean"]
        near *= a["local_rate"]
        np.clip(near, -8.0, 8.0, out=near)
        h = self._linear(near, "decoder.enter")
        h += context[:, None]
        h = _silu_of_half(h)
        h -= _mean(h)
        for name, film in zip(self._blocks("decoder.blocks"), films, strict=True):
            width = h.shape[2]
            u = _standard(h)
            u *= film[:, None, :width]
            u += film[:, None, width:]
            h += self._linear(_silu_of_half(self._linear(u, f"{name}.up")), f"{name}.down")
        return self._linear(_standard(h), "decoder.leave")

    def _blocks(self, group: str) -> list[str]:
        count = 0
        while any(f"{group}.{count}.{part}.weight" in self.arrays for part in ("up", "qkv")):
            count += 1
        return [f"{group}.{k}" for k in range(count)]

    def _linear(self, x: Float32, name: str) -> Float32:
        weight = self._weights[f"{name}.weight"]
        # One flat product instead of one per series.
        out = x.reshape(-1, x.shape[-1]) @ weight
        out += self._weights[f"{name}.bias"]
        shaped: Float32 = out.reshape(*x.shape[:-1], weight.shape[1])
        return shaped


def _mean(x: Float32) -> Float32:
    """The mean along the last axis, which is kept."""
    width = x.shape[-1]
    flat = x.reshape(-1, width) @ _equal(width)
    out: Float32 = flat.reshape(*x.shape[:-1], 1)
    return out


@functools.lru_cache(maxsize=8)
def _equal(width: int) -> Float32:
    return np.full((width, 1), 1.0 / width, np.float32)


def _standard(x: Float32) -> Float32:
    """x of mean zero over its deviation, along the last axis."""
    rate = _mean(np.square(x))
    rate += np.float32(1e-5)
    np.sqrt(rate, out=rate)
    out: Float32 = x / rate
    return out


def _silu_of_half(x: Float32) -> Float32:
    """2 x times the logistic of 2 x."""
    out = np.tanh(x)
    out += np.float32(1.0)
    out *= x
    return out
