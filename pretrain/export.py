"""What leaves a run: averaged weights for NumPy, the network as ONNX, a golden file that ties them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pretrain.examples import INPUTS, VALIDATION, Examples
from pretrain.generators import STEPS, batch
from pretrain.network import LEVELS, Network
from pretrain.training import Run, tensors

ONNX = Path(__file__).parent / "compact.onnx"
GOLDEN_STEPS = np.array([1, 2, 7, 24, 64])
GOLDEN_SERIES = 4
FORMAT = 1


def write(
    state: dict[str, Any], log: list[dict[str, Any]], weights: Path, golden: Path, onnx: Path = ONNX
) -> Iterator[Path]:
    """Write ``compact.npz``, ``.json`` (facts and digests) and ``.jsonl`` (log), ONNX and the golden file."""
    run = Run.resume(state, new_mix=True)
    network = run.average()
    yield from write_weights(state, log, weights)
    golden.mkdir(parents=True, exist_ok=True)
    yield _golden(network, golden / "compact.npz", run.plan.seed)
    _onnx(network, onnx, run.plan.seed)
    yield onnx


def write_weights(state: dict[str, Any], log: list[dict[str, Any]], folder: Path) -> Iterator[Path]:
    """Of these the three that belong into the package."""
    run = Run.resume(state, new_mix=True)
    network = run.average()
    folder.mkdir(parents=True, exist_ok=True)
    logged = folder / "compact.jsonl"
    logged.write_text("".join(json.dumps(line) + "\n" for line in log), encoding="utf-8")
    yield logged
    facts = {
        "format": FORMAT,
        "log_sha256": hashlib.sha256(logged.read_bytes()).hexdigest(),
        "generator": state["mixes"][-1][0],
        "mixes": state["mixes"],
        "stage": state["stage"],
        "seed": run.plan.seed,
        "plans": state["plans"],
        "shape": state["shape"],
        "batches": run.number,
        "series": run.series,
        "cpu_seconds": round(run.cpu),
        "torch": state["torch"],
        "parameters": sum(value.numel() for value in network.parameters()),
    }
    file = folder / "compact.npz"
    arrays = {name: value.numpy().astype(np.float32) for name, value in network.state_dict().items()}
    arrays |= {
        "levels": np.array(LEVELS),
        "steps": np.array(STEPS),
        "meta": np.array(json.dumps(facts, sort_keys=True)),
    }
    np.savez(file, **arrays)  # type: ignore[arg-type]
    yield file
    facts["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    described = folder / "compact.json"
    described.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    yield described


def example(seed: int, bucket: int, rows: int = GOLDEN_SERIES) -> Examples:
    return Examples.of(batch(seed, VALIDATION + 99, rows, bucket), GOLDEN_STEPS)


@torch.no_grad()
def _golden(network: Network, path: Path, seed: int) -> Path:
    """Inputs of the network and its answers, for two buckets: ``64.local``, ``64.quantiles``, ..."""
    arrays: dict[str, np.ndarray] = {"steps": GOLDEN_STEPS}
    for bucket in (64, 256):
        drawn = example(seed, bucket)
        arrays |= {f"{bucket}.{name}": drawn.inputs[name] for name in INPUTS}
        arrays[f"{bucket}.quantiles"] = network(*tensors(drawn)).numpy()
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def _onnx(network: Network, path: Path, seed: int) -> None:
    """One file, with free numbers of series, steps and patches."""
    drawn = tensors(example(seed, 256))
    series, steps, patches = (
        torch.export.Dim("series"),
        torch.export.Dim("steps"),
        torch.export.Dim("patches", min=1, max=32),
    )
    shapes = {
        "overall": {0: series},
        "local": {0: series, 1: steps},
        "candidates": {0: series, 1: steps},
        "season": {0: series, 1: steps},
        "patches": {0: series, 1: patches},
        "unit": {0: series},
    }
    torch.onnx.export(
        network,
        tuple(drawn),
        path,
        input_names=list(INPUTS),
        output_names=["quantiles"],
        dynamic_shapes=shapes,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
