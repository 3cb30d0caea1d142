"""Checkpoints of large models that a user brings: a folder of this machine, held to one digest, no pickles.

The digest is the SHA-256 of the lines ``NAME SHA256\\n``, one for every file of the folder in the order of
their names, each with the hex SHA-256 of the file's content; hidden files and folders inside do not count.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from foreseal.errors import ModelError

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
# What loading would run as a program, whatever it was said to hold.
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
ADAPTER = "adapter_config.json"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """A folder with ``config.json`` and weights in safetensors, as it was when its ``digest`` was taken."""

    folder: Path
    digest: str
    config: Mapping[str, Any]

    @classmethod
    def open(cls, path: str, digest: str) -> Self:
        """The checkpoint in the folder ``path``, whose digest is ``digest``.

        Raises `ModelError` if it is not there, not pinned, has another digest, holds a pickle, or names
        weights in files that the digest does not cover.
        """
        folder = Path(path)
        if not path or not folder.is_dir():
            raise ModelError(
                f"There is no folder {path!r} with a checkpoint." if path else "No checkpoint is named.",
                hint="Copy the checkpoint to this machine first: nothing is fetched from elsewhere.",
            )
        files = sorted(
            (each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")),
            key=lambda each: each.name,
        )
        names = [each.name for each in files]
        for name in names:
            if name.lower().endswith(PICKLES):
                raise ModelError(
                    f"The checkpoint {path!r} holds {name}, a pickle: to load it is to run it.",
                    hint="Keep the weights in safetensors only, and remove the file.",
                )
        if ADAPTER in names:
            raise ModelError(
                f"The checkpoint {path!r} is an adapter, which needs a model from elsewhere.",
                hint="Merge it into its model first, and save that as safetensors.",
            )
        if CONFIG not in names or not any(name.endswith(".safetensors") for name in names):
            raise ModelError(
                f"The folder {path!r} holds no {CONFIG} beside weights in safetensors.",
                hint="Give the folder that save_pretrained wrote.",
            )
        found = digest_of(files)
        if found != digest:
            pinned = f"has the digest {found}, not {digest}" if digest else "is not pinned"
            raise ModelError(
                f"The checkpoint {path!r} {pinned}.",
                hint=f"If it is the one you want, write digest={found!r}."
                if not digest
                else "A file was changed, added, removed or cut short. Get the checkpoint again.",
            )
        try:
            config = json.loads((folder / CONFIG).read_bytes())
        except ValueError as error:
            raise ModelError(f"{folder / CONFIG} is no JSON: {error}.") from None
        if not isinstance(config, dict):
            raise ModelError(f"{folder / CONFIG} is no JSON object.")
        if INDEX in names:
            _refuse_elsewhere(folder / INDEX, names)
        return cls(folder, digest, config)

    @property
    def architecture(self) -> str:
        """What the configuration says that the weights are, or empty."""
        named = self.config.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else ""


def _refuse_elsewhere(index: Path, names: Sequence[str]) -> None:
    """Raise `ModelError` for an index of weights in files that the digest does not cover."""
    try:
        files = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(f"{index} is no index of weights.", hint="Get the checkpoint again.") from None
    for name in files:
        if name not in names or not name.endswith(".safetensors"):
            raise ModelError(
                f"{index} names {name!r}, which is no file in safetensors beside it, and so not pinned.",
                hint="Put all weights into one folder.",
            )


@functools.lru_cache(maxsize=8)
def checked(path: str, digest: str) -> Checkpoint:
    """`Checkpoint.open`, done once a process."""
    return Checkpoint.open(path, digest)


def digest_of(files: list[Path]) -> str:
    """The digest over files in the order given."""
    total = hashlib.sha256()
    for file in files:
        own = hashlib.sha256()
        with file.open("rb") as content:
            while block := content.read(_BLOCK):
                own.update(block)
        total.update(f"{file.name} {own.hexdigest()}\n".encode())
    return total.hexdigest()
