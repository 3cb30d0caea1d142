"""The state of a run on disk: written whole or not at all, read without running code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch


def save(path: Path, state: dict[str, Any]) -> None:
    """Write beside ``path``, reach the disk, rename: a kill leaves the older file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if "plan" in state:
        # Written before changes of plan were noted: the one plan it names says what its rates were.
        state["plans"] = [[state.pop("plan"), 0]]
    return state


def append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def truncate(path: Path, number: int) -> None:
    """Drop log lines of batches that the checkpoint does not know of: they will be logged again."""
    if not path.exists():
        return
    lines = [
        line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["batch"] <= number
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
