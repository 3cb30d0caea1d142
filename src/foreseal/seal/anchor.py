"""Outside clocks: somebody else who attests that a checkpoint existed at a time.

An anchor takes checkpoints and gives references, by which it is asked later. Implementations live in
`foreseal.chain`, and in packages that name theirs in the entry-point group ``foreseal.anchors``. What a
timestamp authority answers, and what proves that a chain holds a checkpoint, is published beside the log, as
``timestamp/<size>.tsr`` and ``chain/<size>.json``: tokens of two kinds.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from foreseal.errors import Malformed, SettingsError
from foreseal.seal.box import Numbered
from foreseal.seal.checkpoint import parse_index

GROUP = "foreseal.anchors"
BUILT_IN: Mapping[str, str] = {
    "timestamp": "foreseal.chain.authority:make_anchor",
    "chain": "foreseal.chain.anchor:make_anchor",
}

TIMESTAMP, CHAIN = "timestamp", "chain"
SUFFIXES: Mapping[str, str] = {TIMESTAMP: ".tsr", CHAIN: ".json"}
MAX_TOKEN = 1 << 16
NOT_CHECKED = "timestamp present, not checked here"
CHAIN_NOT_CHECKED = "chain anchor present, not checked here"
UNCHECKED: Mapping[str, str] = {TIMESTAMP: NOT_CHECKED, CHAIN: CHAIN_NOT_CHECKED}

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
        harmless: what is attested already should be found, not made twice. Where the anchor holds another
        history of the log, or more of it, it raises a `ProofError` with the code ``fork``.
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
    """Where an anchor works: paths in its options are relative to ``project``, it may publish in ``log``.

    ``passphrase`` is that of keys in the project.
    """

    project: Path
    log: Path
    passphrase: bytes | None = field(default=None, repr=False)


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


# By kind, and by the size of the checkpoint that they are of. Nobody has checked them.
Tokens = Mapping[str, Mapping[int, bytes]]

# Checks the tokens of the log of an origin, given all of its entries from the first on.
Attestor = Callable[[Tokens, str, Iterable[bytes]], Attested]


def unchecked(tokens: Tokens, origin: str, entries: Iterable[bytes]) -> Attested:
    """The attestor that checks nothing, and gives nothing weight."""
    return Attested(notes=tuple(UNCHECKED[kind] for kind in SUFFIXES if tokens.get(kind)))


def token_path(size: int, kind: str = TIMESTAMP) -> str:
    """Where the token of the checkpoint of this size is published."""
    return f"{kind}/{size}{SUFFIXES[kind]}"


def token_of(name: str) -> tuple[str, int] | None:
    """The kind and the size that a path in a log's folder names, or None if it is not that of a token."""
    kind, _, file = name.partition("/")
    suffix = SUFFIXES.get(kind)
    if suffix is None or suffix not in file:
        return None
    try:
        return kind, parse_index(file.removesuffix(suffix))
    except Malformed:
        return None


def tokens_of(names: Iterable[str], read: Callable[[str], bytes]) -> Tokens:
    """The tokens among the files of a log, each kind smallest size first; ``read`` gives a file's bytes."""
    found: dict[str, list[int]] = {}
    for name in names:
        token = token_of(name)
        if token is not None:
            found.setdefault(token[0], []).append(token[1])
    return {kind: Numbered(sizes, _reader(kind, read)) for kind, sizes in found.items()}


def read_tokens(folder: Path) -> Tokens:
    """The tokens beside a log."""
    paths = (path for kind, suffix in SUFFIXES.items() for path in (folder / kind).glob(f"*{suffix}"))
    names = (path.relative_to(folder).as_posix() for path in paths)
    return tokens_of(names, lambda name: _read(folder / name))


def _reader(kind: str, read: Callable[[str], bytes]) -> Callable[[int], bytes]:
    return lambda size: read(token_path(size, kind))


def _read(path: Path) -> bytes:
    """A file, or the beginning of one that is too long to be a token."""
    with path.open("rb") as file:
        return file.read(MAX_TOKEN + 1)
