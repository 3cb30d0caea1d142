"""What the timestamps beside a log, or in evidence, show about when its entries existed.

The root of every size is computed from the entries themselves, so a timestamp that fits has been made of
these very entries, whatever else is wrong with the log. One that does not fit has no weight, and is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from foreseal.chain.rfc3161 import Authority, available, check_token
from foreseal.clock import format_instant
from foreseal.errors import ProofError
from foreseal.merkle import Frontier, leaf_hash
from foreseal.seal.anchor import Attestation, Attested, Attestor, read_tokens, token_path, unchecked
from foreseal.seal.checkpoint import Checkpoint, read_checkpoint
from foreseal.seal.disk import read_file
from foreseal.seal.note import MAX_NOTE
from foreseal.seal.reader import CHECKPOINT
from foreseal.seal.tiles import ENTRIES, MAX_BUNDLE, bundles_of, read_bundle, tile_path


def attest(
    tokens: Mapping[int, bytes],
    origin: str,
    entries: Iterable[bytes],
    authority: Authority | None,
    now: datetime | None = None,
) -> Attested:
    """Check timestamps (by size) of a log, given all of its entries from the first on.

    Without an authority, or without the extra ``timestamp``, nothing is checked and nothing has weight.
    ``now`` is the time here; a timestamp from the future is not believed.
    """
    if not tokens or authority is None or not available():
        return unchecked(tokens, origin, entries)
    found, notes = [], []
    texts = _texts(origin, entries, tokens)
    for size in sorted(tokens):
        try:
            if size not in texts:
                raise ProofError(f"there are no {size} entries here.")
            found.append(check_token(tokens[size], texts[size], authority, latest=now))
        except ProofError as error:
            notes.append(f"{token_path(size)} has no weight: {error.message}")
    return Attested(tuple(found), tuple(_statements(found)), tuple(notes))


def attestor(authority: Authority | None, now: datetime | None = None) -> Attestor:
    """`attest` for one authority, for those who know the entries."""
    return lambda tokens, origin, entries: attest(tokens, origin, entries, authority, now)


def attest_folder(folder: Path, authority: Authority | None, now: datetime | None = None) -> Attested:
    """The same for a published log or a folder of evidence. Raises `ProofError` if it cannot be read."""
    tokens = read_tokens(folder)
    if not tokens or authority is None or not available():
        return attest(tokens, "", (), authority, now)
    head = read_checkpoint(read_file(folder / CHECKPOINT, MAX_NOTE))
    return attest(tokens, head.origin, _entries(folder, head.size), authority, now)


def _entries(folder: Path, size: int) -> Iterator[bytes]:
    for index, width in bundles_of(size):
        yield from read_bundle(read_file(folder / tile_path(ENTRIES, index, width), MAX_BUNDLE))


def _texts(origin: str, entries: Iterable[bytes], sizes: Iterable[int]) -> dict[int, str]:
    """What the log signs at each of the sizes that it has reached."""
    wanted, frontier, texts = set(sizes), Frontier(), {}
    for entry in entries:
        frontier.append(leaf_hash(entry))
        if frontier.size in wanted:
            texts[frontier.size] = str(Checkpoint(origin, frontier.size, frontier.root()))
    return texts


def _statements(found: Iterable[Attestation]) -> Iterator[str]:
    """One sentence per authority: the first and the last that it attests."""
    by: dict[str, list[Attestation]] = {}
    for each in found:
        by.setdefault(each.by, []).append(each)
    for who, mine in by.items():
        ends = mine if len(mine) < 3 else [mine[0], mine[-1]]
        parts = [f"the first {each.size} entries existed at {format_instant(each.at)}" for each in ends]
        more = f" ({len(mine)} timestamps in all)" if len(mine) > 2 else ""
        yield f"{', '.join(parts)} by {who}{more}"
