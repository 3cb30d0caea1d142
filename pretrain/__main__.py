"""Generate, train, evaluate, export.

python -m pretrain generate [--seed S] [--number N] [--out FILE]    one batch of synthetic series
python -m pretrain train FOLDER [--until BATCH] [--seed S]          begin a run, or go on with it
python -m pretrain train FOLDER --anneal BATCHES                    let the rate fall; a second state beside
python -m pretrain evaluate [FOLDER | --weights FILE]               development panel by the package's code
python -m pretrain export FOLDER                                    weights, ONNX, golden file
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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
    verb.add_argument("--until", type=int, help="batch at which to stop (default 100000)")
    verb.add_argument("--seed", type=int, help="of a new run (default 1)")
    verb.add_argument("--workers", type=int, default=1, help="processes that prepare batches")
    verb.add_argument("--save-every", type=float, default=180.0, help="seconds between checkpoints")
    verb.add_argument("--look-every", type=int, default=500, help="batches between log lines")
    verb.add_argument("--anneal", type=int, default=0, help="let the learning rate fall over so many batches")
    verb.add_argument(
        "--without", choices=("", *QUOTAS[64]), help="leave out one family of series, in a new run"
    )
    verb.add_argument(
        "--width",
        type=float,
        choices=(0.25, 0.5, 1.0, 1.5, 2.0),
        help="widths of the network in a new run, as a factor",
    )
    verb.add_argument("--new-mix", action="store_true", help="go on although the generators have changed")
    verb.set_defaults(run=train)

    verb = verbs.add_parser("evaluate", help="development panel, ratios to the seasonal naive")
    verb.add_argument("folder", type=Path, nargs="?", help="a run; left out: the weights in the package")
    verb.add_argument("--state", default="annealed", choices=("annealed", "latest"))
    verb.add_argument("--weights", type=Path, help="exported weights (.npz, its .json beside it)")
    verb.add_argument(
        "--views", default="untold", choices=("untold", "told"), help="whether seasons are told"
    )
    verb.add_argument("--panels", default="", help="some of the panels, by name")
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

    from pretrain.training import Plan, Run
    from pretrain.training import train as go_on

    torch.set_num_threads(1)
    latest, annealed = arguments.folder / "latest.pt", arguments.folder / "annealed.pt"
    asked = {name: getattr(arguments, name) for name in ("seed", "without", "width")}
    asked = {name: value for name, value in asked.items() if value is not None}
    name, end = "latest", 100_000
    if arguments.anneal:
        name = "annealed"
        run = Run.resume(_state(annealed if annealed.exists() else latest), new_mix=arguments.new_mix)
        if run.plan.anneal:
            asked["anneal"] = arguments.anneal
        else:
            run.change(dataclasses.replace(run.plan, anneal_from=run.number, anneal=arguments.anneal))
        end = run.plan.anneal_from + run.plan.anneal
    elif latest.exists():
        run = Run.resume(_state(latest), new_mix=arguments.new_mix)
    else:
        run = Run.start(Plan(**asked))
    for field, value in asked.items():
        if value != (own := getattr(run.plan, field)):
            instead = f"leave --{field} out, or begin another folder."
            if field == "anneal":
                instead = f"go on with --anneal {own}, or remove annealed.pt and annealed.jsonl."
            raise SystemExit(f"The run in {arguments.folder} has {field} {own!r}, not {value!r}: {instead}")
    until = end if arguments.until is None else arguments.until
    until = min(until, end) if arguments.anneal else until
    go_on(run, arguments.folder, name, until, arguments.workers, arguments.save_every, arguments.look_every)


def evaluate(arguments: argparse.Namespace) -> None:
    from bench.panels import DEVELOPMENT
    from pretrain.evaluate import report

    if arguments.folder and arguments.weights:
        raise SystemExit("Name a run or a file of weights, not both.")
    names = [name for name in arguments.panels.split(",") if name] or list(DEVELOPMENT)
    if unknown := set(names) - set(DEVELOPMENT):
        raise SystemExit(f"There is no panel {', '.join(sorted(unknown))}: {', '.join(DEVELOPMENT)}.")
    with TemporaryDirectory() as made:
        weights = arguments.weights
        if arguments.folder:
            # The averaged weights as they would be exported, so that the package's own code forecasts.
            from pretrain.export import write_weights

            state = _state(arguments.folder / f"{arguments.state}.pt")
            _, weights, _ = write_weights(state, [], Path(made))
        panels = (DEVELOPMENT[name]() for name in names)
        found = report(panels, weights and str(weights), told=arguments.views == "told")
    print(json.dumps(found, indent=1))


def export(arguments: argparse.Namespace) -> None:
    import torch

    from pretrain import checkpoint
    from pretrain.export import write

    torch.set_num_threads(1)
    state = _state(arguments.folder / f"{arguments.state}.pt")
    log = checkpoint.lines(arguments.folder / "latest.jsonl")
    if arguments.state == "annealed":
        # The annealing phase began from a checkpoint; what was logged after it belongs to a later state.
        annealed = checkpoint.lines(arguments.folder / "annealed.jsonl")
        log = [line for line in log if not annealed or line["batch"] < annealed[0]["batch"]] + annealed
    for path in write(state, log, arguments.weights, arguments.golden):
        print(path)


def _state(file: Path) -> dict[str, Any]:
    from pretrain import checkpoint

    if not file.exists():
        if file.stem == "annealed" and file.with_name("latest.pt").exists():
            raise SystemExit(f"There is no state {file}: anneal the run first, or take --state latest.")
        raise SystemExit(f"There is no state {file}: python -m pretrain train {file.parent} makes one.")
    return checkpoint.load(file)


if __name__ == "__main__":
    main()
