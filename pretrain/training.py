"""One run: batches in order, AdamW, averaged weights, checkpoints; nothing depends on when it was cut.

The state after batch t is a function of (plan, t): with one torch thread the same machine and the same torch
build give the same bits, however often the run was stopped and taken up. Preparing batches in other processes
changes nothing, for they are used in order.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foreseal.predict.stage import STAGE_VERSION
from pretrain import checkpoint
from pretrain.examples import INPUTS, STATISTICS, VALIDATION, Examples, examples, fixed_examples
from pretrain.generators import BUCKETS, VERSION
from pretrain.network import LEVELS, Network, Shape, pinball

LOWER, UPPER = LEVELS.index(0.1), LEVELS.index(0.9)
WORST = 15.0
"""A series with a larger loss than this says nothing that can be learnt and is left out."""


@dataclass(frozen=True)
class Plan:
    """What determines a run: batches of ``size`` series, learnt from in ``parts`` updates.

    After batch ``anneal_from`` the rate falls to a fiftieth over ``anneal`` batches.
    For ablations ``without`` names a family of series that is left out, ``width`` multiplies all widths.
    """

    seed: int = 1
    size: int = 256
    parts: int = 2
    rate: float = 1.5e-3
    warm_up: int = 100
    decay: float = 0.01
    average: float = 0.999
    clip: float = 1.0
    anneal_from: int = 0
    anneal: int = 0
    without: str = ""
    width: float = 1.0

    def rate_at(self, number: int) -> float:
        """Warm-up, then constant; in an annealing phase straight down to a fiftieth."""
        if self.anneal and number > self.anneal_from:
            left = 1 - (number - self.anneal_from) / self.anneal
            return self.rate * max(left, 0.02)
        return self.rate * min(1.0, number / self.warm_up)

    def average_at(self, number: int) -> float:
        return min(self.average, number / (number + 10))


class Run:
    """A network in training. ``number`` counts the batches that it has seen."""

    def __init__(self, plan: Plan, network: Network) -> None:
        # Plans and versions of the generators, each with the batch after which it was in force.
        self.plans, self.mixes = [(plan, 0)], [[VERSION, 0]]
        self.network = network
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=plan.decay, fused=True
        )
        self.averaged = {name: value.detach().clone() for name, value in network.named_parameters()}
        self.number, self.cpu, self.series = 0, 0.0, 0

    @property
    def plan(self) -> Plan:
        return self.plans[-1][0]

    @classmethod
    def start(cls, plan: Plan) -> Run:
        """A new network, its inputs standardised on batches of their own."""
        torch.manual_seed(plan.seed)
        few = [fixed_examples(plan.seed, STATISTICS + k, 256, b) for b in BUCKETS for k in range(3)]
        first = few[0].inputs
        shape = Shape(first["candidates"].shape[-1], first["local"].shape[-1], first["overall"].shape[-1])
        network = Network(shape.scaled(plan.width))
        for name in ("overall", "local"):
            rows = np.concatenate([e.inputs[name].reshape(-1, e.inputs[name].shape[-1]) for e in few])
            spread = rows.std(axis=0, dtype=np.float64)
            getattr(network, f"{name}_mean").copy_(torch.from_numpy(rows.mean(axis=0, dtype=np.float64)))
            # An input that never varied in the sample stays as it is.
            getattr(network, f"{name}_rate").copy_(torch.from_numpy(1 / np.where(spread > 1e-3, spread, 1.0)))
        return cls(plan, network)

    @classmethod
    def resume(cls, state: dict[str, Any], *, new_mix: bool = False) -> Run:
        """Take up a run, exactly as it was.

        With ``new_mix`` other generators than those of the checkpoint are accepted and noted in ``mixes``.
        """
        if state["stage"] != STAGE_VERSION:
            raise SystemExit(
                f"The checkpoint is of stage {state['stage']}, this is {STAGE_VERSION}. Start a new run."
            )
        if state["mixes"][-1][0] != VERSION and not new_mix:
            raise SystemExit(
                f"The checkpoint was made with generators {state['mixes'][-1][0]}, these are {VERSION}. "
                "Start a new run, or go on with the new mix: --new-mix."
            )
        plans = [(Plan(**fields), first) for fields, first in state["plans"]]
        run = cls(plans[-1][0], Network(Shape(**state["shape"])))
        run.plans = plans
        run.network.load_state_dict(state["network"])
        run.optimiser.load_state_dict(state["optimiser"])
        run.averaged = {name: value.clone() for name, value in state["averaged"].items()}
        run.number, run.cpu, run.series = state["number"], state["cpu"], state["series"]
        run.mixes = [*state["mixes"]]
        if run.mixes[-1][0] != VERSION:
            run.mixes.append([VERSION, run.number])
        torch.set_rng_state(state["random"])
        return run

    def change(self, plan: Plan) -> None:
        """Go on differently from here: an annealing phase, say."""
        self.plans.append((plan, self.number))

    def state(self) -> dict[str, Any]:
        return {
            "plans": [[asdict(plan), first] for plan, first in self.plans],
            "shape": self.network.shape.as_dict(),
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "averaged": self.averaged,
            "number": self.number,
            "cpu": self.cpu,
            "series": self.series,
            "random": torch.get_rng_state(),
            "mixes": self.mixes,
            "stage": STAGE_VERSION,
            "torch": str(torch.__version__),
        }

    def step(self, batch: Examples) -> float:
        """Learn from one batch, a part at a time; the mean loss of the series that counted."""
        self.number += 1
        self.series += len(batch.target)
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.number)
        parts = [self._update(batch.every(self.plan.parts, k)) for k in range(self.plan.parts)]
        return sum(parts) / len(parts)

    def _update(self, batch: Examples) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        each = losses(self.network, batch, weighed=True)
        counted = (each.detach() < WORST).to(each.dtype)
        loss = (torch.nan_to_num(each) * counted).sum() / counted.sum().clamp(min=1)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip)
        self.optimiser.step()
        with torch.no_grad():
            new = [value.detach() for value in self.network.parameters()]
            torch._foreach_lerp_(list(self.averaged.values()), new, 1 - self.plan.average_at(self.number))
        return float(loss.detach())

    def average(self) -> Network:
        """The network with its averaged weights, for use."""
        network = Network(self.network.shape)
        network.load_state_dict(self.network.state_dict())
        network.load_state_dict(self.averaged, strict=False)
        return network.eval()


def tensors(batch: Examples) -> list[Tensor]:
    return [torch.from_numpy(batch.inputs[name]) for name in INPUTS]


def losses(network: Network, batch: Examples, *, weighed: bool = False) -> Tensor:
    """The loss of every series, (B,); NaN where no outcome is known.

    In units of ``loss_scale``, or ``weighed`` for training: of a third of that plus half the width of the
    forecast itself, so that neither a few hopeless series outweigh the rest nor those that have become quiet
    count for nothing. No outcome chooses its own weight.
    """
    target = torch.from_numpy(batch.target)
    known = ~torch.isnan(target)
    quantiles = network(*tensors(batch))
    loss = pinball(quantiles, torch.nan_to_num(target)) * known
    scale = torch.from_numpy(batch.loss_scale)
    if weighed:
        width = (quantiles[..., UPPER] - quantiles[..., LOWER]).detach().mean(1)
        scale = scale / 3 + width / 2
    return loss.sum(1) / known.sum(1).clamp(min=1) / scale + torch.where(known.any(1), 0.0, torch.nan)


@torch.no_grad()
def validation(network: Network, held: list[Examples]) -> dict[str, float]:
    """Mean loss on the held batches by bucket, and over all in the training mix."""
    by_bucket: dict[int, list[float]] = {}
    for batch in held:
        each = losses(network, batch)
        by_bucket.setdefault(batch.bucket, []).append(float(each.clamp(max=WORST).nanmean()))
    means = {bucket: float(np.mean(values)) for bucket, values in by_bucket.items()}
    total = sum(means[bucket] * share for bucket, share in BUCKETS.items()) / sum(BUCKETS.values())
    return {"all": total} | {str(bucket): mean for bucket, mean in means.items()}


def held_out(seed: int) -> list[Examples]:
    return [fixed_examples(seed, VALIDATION + k, 256, bucket) for bucket in BUCKETS for k in range(3)]


def _end_with_parent() -> None:
    """A worker whose run was killed must not wait for work for ever; Ctrl-C is the run's own business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _timed(plan: Plan, number: int) -> tuple[Examples, float]:
    begun = time.process_time()
    return examples(plan.seed, number, plan.size, plan.without), time.process_time() - begun


def stream(plan: Plan, after: int, workers: int) -> Iterator[tuple[Examples, float]]:
    """Batches after number ``after`` in order, with the CPU seconds that each took elsewhere."""
    if workers == 0:
        while True:
            after += 1
            yield examples(plan.seed, after, plan.size, plan.without), 0.0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        waiting: deque[Future[tuple[Examples, float]]] = deque()
        while True:
            while len(waiting) < 3 * workers:
                after += 1
                waiting.append(pool.submit(_timed, plan, after))
            yield waiting.popleft().result()


@contextmanager
def asked_to_stop() -> Iterator[Event]:
    """Set by SIGTERM or SIGINT, which do nothing else meanwhile."""
    asked, numbers = Event(), (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: asked.set()) for number in numbers]
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def train(
    run: Run, folder: Path, name: str, until: int, workers: int, save_every: float, look_every: int
) -> None:
    """Go on to batch ``until``; state in ``folder/name.pt``, one line a look in ``folder/name.jsonl``.

    SIGTERM and SIGINT let the batch be finished and saved.
    """
    log, file = folder / f"{name}.jsonl", folder / f"{name}.pt"
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.truncate(log, run.number)
    held = held_out(run.plan.seed)
    recent: list[float] = []
    saved = time.monotonic()
    begun, before = time.process_time(), run.cpu
    elsewhere = 0.0
    batches = stream(run.plan, run.number, workers)
    with asked_to_stop() as stop:
        while run.number < until and not stop.is_set():
            batch, cost = next(batches)
            elsewhere += cost
            recent.append(run.step(batch))
            run.cpu = before + elsewhere + time.process_time() - begun
            last = run.number == until
            if last or run.number % look_every == 0:
                line = {
                    "batch": run.number,
                    "series": run.series,
                    "cpu_s": round(run.cpu, 1),
                    "rate": run.plan.rate_at(run.number),
                    "loss": round(float(np.mean(recent)), 5),
                    "validation": {k: round(v, 5) for k, v in validation(run.average(), held).items()},
                }
                checkpoint.append(log, line)
                print(line, flush=True)
                recent.clear()
            if last or stop.is_set() or time.monotonic() - saved > save_every:
                checkpoint.save(file, run.state())
                saved = time.monotonic()
    batches.close()  # type: ignore[attr-defined]
