"""Having the log attested by outside clocks: queue checkpoints as they are due, follow each to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from foreseal.chain.anchor import AnchorOptions
from foreseal.chain.attest import attest_folder
from foreseal.chain.authority import load_authority
from foreseal.chain.ethereum import Chain
from foreseal.chain.rfc3161 import Authority
from foreseal.chain.state import block_of
from foreseal.clock import LiveClock, format_instant
from foreseal.errors import ForesealError
from foreseal.seal.anchor import CHAIN, Anchor, Earliest, Place, Times, make_anchor, read_tokens
from foreseal.seal.disk import write_file
from foreseal.seal.outbox import FIRST_WAIT, Outbox, Parcel
from foreseal.seal.reader import LogReader

if TYPE_CHECKING:
    from foreseal.run.project import Project
    from foreseal.settings import AnchorTable

OUTBOX = "anchors.db"
BLOCKS = "blocks.txt"


@dataclass(frozen=True, slots=True)
class Anchored:
    """What has become of one checkpoint at one anchor. ``why``: what is wrong, if anything.

    ``forked``: the anchor refuses it, for it holds another history of this log, or more of it.
    """

    anchor: str
    size: int
    stage: str
    at: datetime | None = None
    why: str = ""
    forked: bool = False

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.why

    def __str__(self) -> str:
        what = f"{self.anchor}: the first {self.size} entries"
        if self.at is not None:
            final = "" if self.stage == "final" else " (not final yet)"
            return f"{what} existed at {format_instant(self.at)}{final}"
        if self.well:
            return f"{what} are on their way"
        if self.forked:
            return (
                f"{what} are refused: {self.why} This copy is old, or its key signs elsewhere, too. "
                "Seal nothing more here, and find the newest copy."
            )
        return f"{what} are not attested yet: {self.why} It is tried again."

    def as_dict(self) -> dict[str, Any]:
        at = None if self.at is None else format_instant(self.at)
        return {
            "anchor": self.anchor,
            "size": self.size,
            "stage": self.stage,
            "at": at,
            "why": self.why,
            "forked": self.forked,
        }


def anchor_log(project: Project, log: LogReader, *, at_once: bool = False) -> list[Anchored]:
    """Take everything as far as it goes now. What an anchor cannot do is told, and never raises.

    ``at_once`` queues the checkpoint before its interval is over.
    """
    now, found = LiveClock().now, []
    for name, table in _tables(project).items():
        try:
            outbox = _outbox(project, name)
            outbox.offer(log.signed, now(), timedelta(0) if at_once else table.every)
            if outbox.parcels(unfinished=True):
                parcels = outbox.work(_anchor(project, name, table), now)
                found += [_said(name, each) for each in parcels]
                if name == CHAIN:
                    _remember(project, [each.size for each in parcels if each.stage == "final"])
        except ForesealError as error:
            found.append(Anchored(name, log.size, "queued", why=f"{error.message} {error.hint}".strip()))
    return found


def next_anchor(project: Project, log: LogReader) -> datetime | None:
    """When there is next something to do, not sooner than in a while; None if there is nothing."""
    now = LiveClock().now()
    times = [
        _outbox(project, name).next(log.size, table.every, now) for name, table in _tables(project).items()
    ]
    return max(min(found), now + FIRST_WAIT) if (found := [at for at in times if at is not None]) else None


def authority(project: Project) -> Authority | None:
    """The timestamp authority that the settings name, if any."""
    table = project.settings.seal.timestamp
    return load_authority(table.options, project.folder) if table else None


def believed_chain(project: Project) -> Chain | None:
    """The chain that the settings name, if any, and the blocks of it that were final before."""
    table = project.settings.seal.chain
    options = AnchorOptions.of(table.options) if table else None
    if options is None or not options.contract:
        return None
    return replace(options.chain, blocks=frozenset(_blocks(project)))


def sealing_times(project: Project) -> Times | None:
    """When the log's entries were sealed: the earliest that witnesses and anchors show.

    None without witnesses: anchors come at intervals, and do not say what came too late.
    """
    sealing = project.sealing()
    if sealing is None:
        return None
    try:
        found = attest_folder(project.log_folder, authority(project), chain=believed_chain(project))
        return Earliest(sealing, found.times)
    except ForesealError:
        # What cannot be checked has no weight; the end of the run and `foreseal doctor` say what is wrong.
        return sealing


def make_anchors(project: Project) -> dict[str, Anchor]:
    """Every outside clock that the settings name. Raises what is wrong with the first that cannot be made."""
    return {name: _anchor(project, name, table) for name, table in _tables(project).items()}


def _anchor(project: Project, name: str, table: AnchorTable) -> Anchor:
    from foreseal.run.project import passphrase

    return make_anchor(name, table.options, Place(project.folder, project.log_folder, passphrase()))


def _remember(project: Project, sizes: list[int]) -> None:
    """Keep the hashes of blocks that were final, so that no node has to be asked about them again."""
    tokens, known = read_tokens(project.log_folder).get(CHAIN, {}), _blocks(project)
    new = dict.fromkeys(block_of(tokens[size]) for size in sizes if size in tokens)
    if new.keys() - set(known):
        lines = "".join(f"{each}\n" for each in dict.fromkeys((*known, *new)))
        write_file(project.folder / "store" / BLOCKS, lines.encode())


def _blocks(project: Project) -> list[str]:
    path = project.folder / "store" / BLOCKS
    return path.read_text("ascii").split() if path.is_file() else []


def _tables(project: Project) -> Mapping[str, AnchorTable]:
    return project.settings.seal.outside


def _outbox(project: Project, name: str) -> Outbox:
    return Outbox(project.folder / "store" / OUTBOX, name, project.settings.seal.origin)


def _said(name: str, parcel: Parcel) -> Anchored:
    return Anchored(name, parcel.size, parcel.stage, parcel.at, parcel.says, parcel.forked)
