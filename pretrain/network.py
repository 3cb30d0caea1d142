"""The network: which candidate to trust at which step, and how far the outcome may lie from it.

The candidate stage has done the arithmetic of forecasting; the network sees what it found (``overall``,
``local``, patches of the context) and answers for every step with weights over the candidates, season
shrinkage, an offset and a spread. It uses plain operations only, which ``foreseal.predict`` repeats in NumPy.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
MIDDLE = LEVELS.index(0.5)
PATCHES = 32
HIDDEN = -1e9


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; the first three are those of the candidate stage."""

    candidates: int
    local: int
    overall: int
    patch: int = 96
    width: int = 128
    layers: int = 2
    heads: int = 4
    feed: int = 256
    trunk: int = 256
    trunk_blocks: int = 2
    decoder: int = 192
    decoder_blocks: int = 2

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    def scaled(self, factor: float) -> Shape:
        """All widths times ``factor``, to the nearest multiple that the heads divide."""
        names = ("width", "feed", "trunk", "decoder")
        wide = {name: self.heads * round(getattr(self, name) * factor / self.heads) for name in names}
        return replace(self, **wide)


class Layer(nn.Module):
    """Self-attention and feed-forward, normalised before."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.width
        self.heads = shape.heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, shape.feed), nn.Linear(shape.feed, d)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=hidden)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, t, d))
        return x + self.down(functional.silu(self.up(self.norm2(x))))


class Encoder(nn.Module):
    """Patches of the context and one token for the series as a whole -> that token and the mean patch."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.overall = nn.Linear(shape.overall, shape.width)
        self.patch = nn.Linear(shape.patch, shape.width)
        self.position = nn.Parameter(0.02 * torch.randn(PATCHES, shape.width))
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)

    def forward(self, overall: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        third = patches.shape[-1] // 3
        seen = (patches[..., 2 * third :].sum(-1) > 0).to(patches.dtype)
        tokens = self.patch(patches) + self.position[-patches.shape[1] :]
        x = torch.cat([self.overall(overall)[:, None], tokens], dim=1)
        hidden = torch.cat([torch.zeros_like(seen[:, :1]), (1 - seen) * HIDDEN], dim=1)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, hidden)
        x = self.norm(x)
        mean = (x[:, 1:] * seen[..., None]).sum(1) / seen.sum(1, keepdim=True).clamp(min=1)
        return x[:, 0], mean


class TrunkBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.up, self.down = (
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.Linear(2 * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(functional.silu(self.up(self.norm(x))))


class Trunk(nn.Module):
    """What is true of the whole series, computed once for all steps."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.enter = nn.Linear(shape.overall + 2 * shape.width, shape.trunk)
        self.blocks = nn.ModuleList(TrunkBlock(shape.trunk) for _ in range(shape.trunk_blocks))
        self.norm = nn.LayerNorm(shape.trunk)

    def forward(self, overall: Tensor, token: Tensor, mean: Tensor) -> Tensor:
        x = self.enter(torch.cat([overall, token, mean], dim=-1))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class DecoderBlock(nn.Module):
    """A residual step whose normalised input is scaled and moved by the series."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.film = nn.Linear(shape.trunk, 2 * shape.decoder)
        self.up, self.down = nn.Linear(shape.decoder, shape.decoder), nn.Linear(shape.decoder, shape.decoder)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, series: Tensor) -> Tensor:
        gain, shift = self.film(series)[:, None].chunk(2, dim=-1)
        u = functional.layer_norm(x, x.shape[-1:]) * (1 + gain) + shift
        return x + self.down(functional.silu(self.up(u)))


class Decoder(nn.Module):
    """For every step: candidate logits, two season factors, offset, spread, quantile increments."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        k, q = shape.candidates, len(LEVELS)
        self.enter = nn.Linear(shape.local, shape.decoder)
        self.context = nn.Linear(shape.trunk, shape.decoder)
        self.blocks = nn.ModuleList(DecoderBlock(shape) for _ in range(shape.decoder_blocks))
        self.norm = nn.LayerNorm(shape.decoder)
        self.leave = nn.Linear(shape.decoder, k + 4 + q - 1)
        self.series = nn.Linear(shape.trunk, k)
        # At the start the answer is the stage's own mixture with the increments of a normal distribution.
        for linear in (self.leave, self.series):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        quantiles = torch.special.ndtri(torch.tensor(LEVELS, dtype=torch.float64))
        with torch.no_grad():
            self.leave.bias[k + 3] = 0.4
            self.leave.bias[k + 4 :] = torch.log(torch.expm1(quantiles.diff())).float()

    def forward(self, local: Tensor, series: Tensor) -> tuple[Tensor, Tensor]:
        x = functional.silu(self.enter(local) + self.context(series)[:, None])
        for block in self.blocks:
            x = block(x, series)
        return self.leave(self.norm(x)), self.series(series)[:, None]


class Network(nn.Module):
    """From the stage's arrays to quantiles in its z units, (B, S, len(LEVELS)), ascending."""

    overall_mean: Tensor
    overall_rate: Tensor
    local_mean: Tensor
    local_rate: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("overall_mean", torch.zeros(shape.overall))
        self.register_buffer("overall_rate", torch.ones(shape.overall))
        self.register_buffer("local_mean", torch.zeros(shape.local))
        self.register_buffer("local_rate", torch.ones(shape.local))
        # Softplus of these: how much errors of the whole backtest, and at this distance, count at first.
        self.prior_overall = nn.Parameter(torch.full((shape.candidates,), 2.4))
        self.prior_here = nn.Parameter(torch.full((shape.candidates,), 1.3))
        self.encoder, self.trunk, self.decoder = Encoder(shape), Trunk(shape), Decoder(shape)

    def forward(
        self,
        overall: Tensor,
        local: Tensor,
        candidates: Tensor,
        season: Tensor,
        patches: Tensor,
        unit: Tensor,
    ) -> Tensor:
        k = self.shape.candidates
        # The first features of the series and the second of a step are logarithms of each candidate's error.
        prior = -functional.softplus(self.prior_overall) * torch.exp(overall[:, :k])[:, None]
        prior = prior - functional.softplus(self.prior_here) * torch.exp(local[..., k : 2 * k])
        overall = ((overall - self.overall_mean) * self.overall_rate).clamp(-8, 8)
        local = ((local - self.local_mean) * self.local_rate).clamp(-8, 8)
        unit = unit[:, None]

        token, mean = self.encoder(overall, patches)
        series = self.trunk(overall, token, mean)
        out, bias = self.decoder(local, series)

        weights = torch.softmax(prior + bias + out[..., :k], dim=-1)
        centre = (weights * candidates).sum(-1) + (torch.tanh(out[..., k : k + 2]) * season).sum(-1)
        centre = centre + unit * out[..., k + 2]
        spread = unit * torch.exp(out[..., k + 3].clamp(-6, 6))
        steps = spread[..., None] * functional.softplus(out[..., k + 4 :])
        above = centre[..., None] + steps[..., MIDDLE:].cumsum(-1)
        below = centre[..., None] - steps[..., :MIDDLE].flip(-1).cumsum(-1).flip(-1)
        return torch.cat([below, centre[..., None], above], dim=-1)


def pinball(quantiles: Tensor, target: Tensor) -> Tensor:
    """Twice the mean pinball loss over the levels, (B, S)."""
    levels = torch.tensor(LEVELS, dtype=quantiles.dtype)
    below = target[..., None] - quantiles
    return 2 * torch.maximum(levels * below, (levels - 1) * below).mean(-1)
