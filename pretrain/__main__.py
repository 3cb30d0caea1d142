"""Generate, train, evaluate, export.

python -m pretrain generate [--seed S] [--number N] [--out FILE]    one batch of synthetic series
python -m pretrain train FOLDER [--until BATCH] [--seed S]          begin a run, or go on with it
python -m pretrain train FOLDER --anneal BATCHES                    let the rate fall; a second state beside
python -m pretrain evaluate FOLDER                                  development panel
python -m pretrain export FOLDER                                    weights, ONNX, golden file
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np

from pretrain.generators.mix import QUOTAS

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "src/foreseal/predict/weights"
GOLDEN = ROOT / "tests/predict/golden"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m pretrain", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    verbs = parser.add_subparsers(dest="verb", required=True)

    verb = verbs.add_parser("generate", help="draw one batch of synthetic series and say what it holds")
    verb.add_argument("--seed", type=int, default=1)
    verb.add_argument("--number", type=int, default=1)
    verb.add_argument("--size", type=int, default=256)
    verb.add_argument("--bucket", type=int, choices=(64, 128, 256, 512, 1024, 2048))
    verb.add_argument("--out", type=Path, help="write the batch as .npz")
    verb.set_defaults(run=generate)

    verb = verbs.add_parser("train", help="begin a run or go on with it; stop it at any time")
    verb.add_argument("folder", type=Path)
    verb.add_argument("--until", type=int, default=100_000, help="batch at which to stop")
    verb.add_argument("--seed", type=int, default=1)
    verb.add_argument("--workers", type=int, default=1, help="processes that prepare batches")
    verb.add_argument("--save-every", type=float, default=180.0, help="seconds between checkpoints")
    verb.add_argument("--look-every", type=int, default=500, help="batches between log lines")
    verb.add_argument("--anneal", type=int, default=0, help="let the learning rate fall over so many batches")
    verb.add_argument(
        "--without", default="", choices=("", *QUOTAS[64]), help="leave out one family of series"
    )
    verb.add_argument(
        "--width",
        type=float,
        default=1.0,
        choices=(0.25, 0.5, 1.0, 1.5, 2.0),
        help="widths of the network, as a factor",
    )
    verb.add_argument("--new-mix", action="store_true", help="go on although the generators have changed")
    verb.set_defaults(run=train)

    verb = verbs.add_parser("evaluate", help="development panel, ratios to the seasonal naive")
    verb.add_argument("folder", type=Path)
    verb.add_argument("--state", default="annealed", choices=("annealed", "latest"))
    verb.add_argument(
        "--views", default="both", choices=("told", "detected", "both"), help="which seasons to use"
    )
    verb.set_defaults(run=evaluate)

    verb = verbs.add_parser("export", help="averaged weights as .npz and ONNX, and a golden file")
    verb.add_argument("folder", type=Path)
    verb.add_argument("--state", default="annealed", choices=("annealed", "latest"))
    verb.add_argument("--weights", type=Path, default=WEIGHTS)
    verb.add_argument("--golden", type=Path, default=GOLDEN)
    verb.set_defaults(run=export)

    arguments = parser.parse_args(argv)
    arguments.run(arguments)


def generate(arguments: argparse.Namespace) -> None:
    from pretrain.generators import batch

    begun = time.process_time()
    drawn = batch(arguments.seed, arguments.number, arguments.size, arguments.bucket)
    seconds = time.process_time() - begun
    names, counts = np.unique(drawn.family, return_counts=True)
    print(f"bucket {drawn.bucket}, {len(drawn.n)} series, {len(drawn.n) / seconds:.0f} series per CPU-second")
    print(", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True)))
    if arguments.out:
        fields = {f.name: getattr(drawn, f.name) for f in dataclasses.fields(drawn)}
        np.savez_compressed(arguments.out, **fields)


def train(arguments: argparse.Namespace) -> None:
    import torch

    from pretrain import checkpoint
    from pretrain.training import Plan, Run
    from pretrain.training import train as go_on

    torch.set_num_threads(1)
    latest, annealed = arguments.folder / "latest.pt", arguments.folder / "annealed.pt"
    name, until = "latest", arguments.until
    if arguments.anneal:
        name = "annealed"
        state = checkpoint.load(annealed if annealed.exists() else latest)
        plan = Plan(**state["plan"])
        if not plan.anneal:
            plan = dataclasses.replace(plan, anneal_from=state["number"], anneal=arguments.anneal)
        run, until = Run.resume(state, plan, new_mix=arguments.new_mix), plan.anneal_from + plan.anneal
    elif latest.exists():
        run = Run.resume(checkpoint.load(latest), new_mix=arguments.new_mix)
    else:
        run = Run.start(Plan(seed=arguments.seed, without=arguments.without, width=arguments.width))
    go_on(run, arguments.folder, name, until, arguments.workers, arguments.save_every, arguments.look_every)


def evaluate(arguments: argparse.Namespace) -> None:
    import torch

    from pretrain.evaluate import report
    from pretrain.panel import panel

    torch.set_num_threads(1)
    found = report(list(panel()), _network(arguments), arguments.views)
    print(json.dumps(found, indent=1))


def export(arguments: argparse.Namespace) -> None:
    import torch

    from pretrain import checkpoint
    from pretrain.export import write

    torch.set_num_threads(1)
    state = checkpoint.load(arguments.folder / f"{arguments.state}.pt")
    log = checkpoint.lines(arguments.folder / "latest.jsonl")
    if arguments.state == "annealed":
        # The annealing phase began from a checkpoint; what was logged after it belongs to a later state.
        annealed = checkpoint.lines(arguments.folder / "annealed.jsonl")
        log = [line for line in log if not annealed or line["batch"] < annealed[0]["batch"]] + annealed
    for path in write(state, log, arguments.weights, arguments.golden):
        print(path)


def _network(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    from pretrain import checkpoint
    from pretrain.training import Run

    return Run.resume(checkpoint.load(arguments.folder / f"{arguments.state}.pt"), new_mix=True).average()


if __name__ == "__main__":
    main()
