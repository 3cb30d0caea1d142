"""Outside clocks: somebody else who attests that a checkpoint existed at a time.

An anchor takes checkpoints and gives references, by which it is asked later. Implementations live in
`foreseal.chain`, and in packages that name theirs in the entry-point group ``foreseal.anchors``. What a
timestamp authority answers is published beside the log, as ``timestamp/<size>.tsr``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from foreseal.errors import Malformed, SettingsError
from foreseal.seal.box import Numbered
from foreseal.seal.checkpoint import parse_index

GROUP = "foreseal.anchors"
BUILT_IN: Mapping[str, str] = {"timestamp": "foreseal.chain.authority:make_anchor"}

TIMESTAMP = "timestamp"
SUFFIX = ".tsr"
MAX_TOKEN = 1 << 16
NOT_CHECKED = "timestamp present, not checked here"

State = Literal["pending", "included", "final", "lost"]


@dataclass(frozen=True, slots=True)
class Status:
    """What an anchor says about a checkpoint that it was sent.

    ``pending``: taken, not yet attested. ``included``: attested at ``at``, but that may still be undone.
    ``final``: attested for good. ``lost``: nobody knows of it any more, so it must be sent again.
    """

    state: State
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attestation:
    """The first ``size`` entries of a log existed at ``at``; ``by`` says who attests it, in words."""

    origin: str
    size: int
    at: datetime
    by: str


class Anchor(Protocol):
    """An outside clock.

    Every method raises a `ForesealError` where it cannot do its work now: that is told, and tried again
    later. Nothing may take longer than some seconds.
    """

    def submit(self, checkpoint: bytes) -> str:
        """Send a signed checkpoint; returns the reference by which it is known from now on.

        It is called again with the same bytes where a crash or an error came between, and must then be
        harmless: what is attested already should be found, not made twice.
        """
        ...

    def status(self, reference: str) -> Status:
        """What has become of it."""
        ...

    def verify(self, reference: str, checkpoint: bytes) -> Attestation:
        """Check what is attested about this very checkpoint. Raises `ProofError` if it is not."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where an anchor works: paths in its options are relative to ``project``, it may publish in ``log``."""

    project: Path
    log: Path


Factory = Callable[[Mapping[str, Any], Place], Anchor]


def make_anchor(name: str, options: Mapping[str, Any], place: Place) -> Anchor:
    """The anchor of a name, with its own options. Raises `SettingsError` if there is none."""
    others = {point.name: point for point in entry_points(group=GROUP)}
    if name not in BUILT_IN and name not in others:
        known = sorted({*BUILT_IN, *others})
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known anchors: {', '.join(known)}."
        raise SettingsError(f"There is no anchor {name!r}.", hint=hint)
    point = EntryPoint(name, BUILT_IN[name], GROUP) if name in BUILT_IN else others[name]
    return cast(Factory, point.load())(options, place)


class Anchored:
    """When entries existed at the latest, by attestations of one log that somebody has verified."""

    def __init__(self, attestations: Iterable[Attestation]) -> None:
        self.attestations = tuple(sorted(attestations, key=lambda each: (each.size, each.at)))

    def time(self, index: int) -> datetime | None:
        """The earliest attested time at which the entry at this index existed."""
        return min((each.at for each in self.attestations if each.size > index), default=None)


class Times(Protocol):
    """Evidence of when entries were sealed."""

    def time(self, index: int) -> datetime | None:
        """When the entry at this index was sealed, as far as this evidence tells."""
        ...


class Earliest:
    """Several kinds of evidence of when entries were sealed: the earliest time that one of them gives."""

    def __init__(self, *evidence: Times) -> None:
        self._evidence = evidence

    def time(self, index: int) -> datetime | None:
        found = (each.time(index) for each in self._evidence)
        return min((at for at in found if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class Attested:
    """``found``: what was checked and fits. ``statements`` say what it shows, ``notes`` what does not fit."""

    found: tuple[Attestation, ...] = ()
    statements: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def times(self) -> Anchored:
        """When entries existed at the latest."""
        return Anchored(self.found)


# Checks timestamps (by size) of the log of an origin, given all of its entries from the first on.
Attestor = Callable[[Mapping[int, bytes], str, Iterable[bytes]], Attested]


def unchecked(tokens: Mapping[int, bytes], origin: str, entries: Iterable[bytes]) -> Attested:
    """The attestor that checks nothing, and gives nothing weight."""
    return Attested(notes=(NOT_CHECKED,)) if tokens else Attested()


def token_path(size: int) -> str:
    """Where the timestamp of the checkpoint of this size is published."""
    return f"{TIMESTAMP}/{size}{SUFFIX}"


def token_size(name: str) -> int | None:
    """The size that a path in a log's folder names, or None if it is not that of a timestamp."""
    folder, _, file = name.partition("/")
    try:
        return parse_index(file.removesuffix(SUFFIX)) if folder == TIMESTAMP and SUFFIX in file else None
    except Malformed:
        return None


def read_tokens(folder: Path) -> Numbered:
    """The timestamps beside a log, by size, smallest first. **Nobody has checked them.**"""
    names = (path.relative_to(folder).as_posix() for path in (folder / TIMESTAMP).glob(f"*{SUFFIX}"))
    sizes = (size for size in map(token_size, names) if size is not None)
    return Numbered(sizes, lambda size: _read(folder / token_path(size)))


def _read(path: Path) -> bytes:
    """A file, or the beginning of one that is too long to be a timestamp."""
    with path.open("rb") as file:
        return file.read(MAX_TOKEN + 1)
