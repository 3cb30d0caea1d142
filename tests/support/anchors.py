"""An outside clock in memory: the whole protocol, and a script of what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from foreseal.errors import SetupError, Tampered
from foreseal.seal.anchor import Attestation, Status
from foreseal.seal.checkpoint import read_checkpoint

STEPS = ("pending", "included", "final")


@dataclass
class Held:
    """A checkpoint that the board was sent."""

    checkpoint: bytes
    at: datetime
    step: int = 0


@dataclass
class MemoryAnchor:
    """Holds checkpoints in memory; each comes one step closer to final when `tick` is called.

    ``down``: every call fails. ``lie``: what is asked for is said to be final without being so.
    """

    clock: Callable[[], datetime]
    down: bool = False
    lie: bool = False
    held: dict[str, Held] = field(default_factory=dict)
    received: list[bytes] = field(default_factory=list)

    def submit(self, checkpoint: bytes) -> str:
        self._answer()
        reference = sha256(checkpoint).hexdigest()
        self.received.append(checkpoint)
        self.held.setdefault(reference, Held(checkpoint, self.clock()))
        return reference

    def status(self, reference: str) -> Status:
        self._answer()
        held = self.held.get(reference)
        if self.lie:
            return Status("final", self.clock())
        if held is None:
            return Status("lost")
        return Status(STEPS[held.step], held.at if held.step else None)  # type: ignore[arg-type]

    def verify(self, reference: str, checkpoint: bytes) -> Attestation:
        self._answer()
        held = self.held.get(reference)
        if held is None or held.checkpoint != checkpoint or held.step < 2:
            raise Tampered("nothing final is known of this checkpoint.")
        head = read_checkpoint(checkpoint)
        return Attestation(head.origin, head.size, held.at, "a board in memory")

    def tick(self) -> None:
        """Everything comes one step further."""
        for each in self.held.values():
            each.step = min(each.step + 1, 2)

    def reorganise(self) -> None:
        """Everything that is not final is forgotten."""
        self.held = {key: each for key, each in self.held.items() if each.step == 2}

    def _answer(self) -> None:
        if self.down:
            raise SetupError("the board cannot be reached.")
