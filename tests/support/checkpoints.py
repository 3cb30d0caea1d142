"""Tiny checkpoints of the real architectures, drawn at random, for tests of large models."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

KINDS = ("chronos2", "bolt", "timesfm", "timesfm25")


def save(kind: str, folder: Path, seed: int = 7) -> None:
    """A folder as ``save_pretrained`` writes it. Needs torch, chronos and transformers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        import transformers
        from chronos import Chronos2Model
        from chronos.chronos2.config import Chronos2CoreConfig
        from chronos.chronos_bolt import ChronosBoltModelForForecasting

        torch.manual_seed(seed)
        t5 = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 2, "num_heads": 4}
        patch = {"input_patch_size": 8, "input_patch_stride": 8, "use_reg_token": True}
        small = {"patch_length": 8, "context_length": 64, "horizon_length": 16, "num_hidden_layers": 2}
        small |= {"hidden_size": 16, "intermediate_size": 16, "head_dim": 4, "num_attention_heads": 4}
        nine = [k / 10 for k in range(1, 10)]
        if kind == "chronos2":
            many = [0.01, 0.05, *(round(0.05 * k, 2) for k in range(2, 19)), 0.95, 0.99]
            own = {**patch, "context_length": 256, "output_patch_size": 8, "quantiles": many}
            own |= {"max_output_patches": 4, "use_arcsinh": True}
            model = Chronos2Model(Chronos2CoreConfig(**t5, chronos_config=own))
        elif kind == "bolt":
            own = {**patch, "context_length": 128, "prediction_length": 16, "quantiles": nine}
            config = transformers.T5Config(**t5, decoder_start_token_id=0, pad_token_id=0, chronos_config=own)
            model = ChronosBoltModelForForecasting(config)
        elif kind == "timesfm":
            model = transformers.TimesFmModelForPrediction(transformers.TimesFmConfig(**small))
        else:
            own = {"num_key_value_heads": 4, "output_quantile_len": 32}
            model = transformers.TimesFm2_5ModelForPrediction(transformers.TimesFm2_5Config(**small, **own))
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.1 * torch.randn(weight.shape))
        model.save_pretrained(folder)


def digest(folder: Path) -> str:
    """As the documentation defines it, written anew."""
    lines = [
        f"{name} {hashlib.sha256((folder / name).read_bytes()).hexdigest()}\n"
        for name in sorted(each.name for each in folder.iterdir())
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
