"""Presets: members beside the baseline, and how many past windows they are judged on."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from foreseal.errors import ModelError


@dataclass(frozen=True, slots=True)
class Preset:
    """Members and the number of past windows wanted for one series; panels of many need fewer each, though
    at least ``least``."""

    members: tuple[str, ...]
    windows: int
    least: int


PRESETS = {
    "fast": Preset(("closed_form",), 20, 3),
    "balanced": Preset(("pretrained", "ridge"), 60, 6),
    "best": Preset(("pretrained", "ridge", "theta(longest=200)"), 60, 6),
}


def find(name: str) -> Preset:
    """The preset of that name. Raises `ModelError`, naming the nearest one."""
    if not isinstance(name, str) or name not in PRESETS:
        near = difflib.get_close_matches(str(name), PRESETS, 1)
        raise ModelError(
            f"There is no preset {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else f"Choose one of {', '.join(PRESETS)}.",
        )
    return PRESETS[name]
