"""What the timestamps and chain anchors beside a log, or in evidence, show about when its entries existed.

The root of every size is computed from the entries themselves, so a token that fits has been made of these
very entries, whatever else is wrong with the log. One that does not fit has no weight, and is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from foreseal.chain import contract
from foreseal.chain.ethereum import Chain
from foreseal.chain.rfc3161 import Authority, available, check_token
from foreseal.clock import format_instant
from foreseal.errors import ForesealError, ProofError
from foreseal.merkle import Frontier, leaf_hash
from foreseal.seal.anchor import (
    CHAIN,
    TIMESTAMP,
    Attestation,
    Attested,
    Attestor,
    Tokens,
    read_tokens,
    token_path,
    unchecked,
)
from foreseal.seal.checkpoint import Checkpoint, read_checkpoint
from foreseal.seal.disk import read_file
from foreseal.seal.note import MAX_NOTE
from foreseal.seal.reader import CHECKPOINT
from foreseal.seal.tiles import ENTRIES, MAX_BUNDLE, bundles_of, read_bundle, tile_path

# Of a token and the text that the log signs. Raises `ForesealError` if it has no weight.
Check = Callable[[bytes, str], Attestation]


def attest(
    tokens: Tokens,
    origin: str,
    entries: Iterable[bytes],
    authority: Authority | None,
    now: datetime | None = None,
    chain: Chain | None = None,
) -> Attested:
    """Check what outside clocks say of a log, given all of its entries from the first on.

    Timestamps without an authority, chain anchors without a chain, and either without its extra are not
    checked and have no weight. ``now`` is the time here; a timestamp from the future is not believed.
    """
    checks = _checks(authority, now, chain)
    asked = {kind: tokens[kind] for kind in checks if tokens.get(kind)}
    aside = unchecked({kind: tokens[kind] for kind in tokens if kind not in asked}, origin, ())
    if not asked:
        return aside
    found, notes = [], list(aside.notes)
    texts = _texts(origin, entries, {size for sizes in asked.values() for size in sizes})
    for kind, sizes in asked.items():
        for size in sorted(sizes):
            try:
                if size not in texts:
                    raise ProofError(f"there are no {size} entries here.")
                found.append(checks[kind](sizes[size], texts[size]))
            except ForesealError as error:
                notes.append(f"{token_path(size, kind)} has no weight: {error.message}")
    return Attested(tuple(found), tuple(_statements(found)), tuple(notes))


def attestor(
    authority: Authority | None, now: datetime | None = None, chain: Chain | None = None
) -> Attestor:
    """`attest` for one authority and one chain, for those who know the entries."""
    return lambda tokens, origin, entries: attest(tokens, origin, entries, authority, now, chain)


def attest_folder(
    folder: Path, authority: Authority | None, now: datetime | None = None, chain: Chain | None = None
) -> Attested:
    """The same for a published log or a folder of evidence. Raises `ProofError` if it cannot be read."""
    tokens = read_tokens(folder)
    if not any(tokens.get(kind) for kind in _checks(authority, now, chain)):
        return unchecked(tokens, "", ())
    head = read_checkpoint(read_file(folder / CHECKPOINT, MAX_NOTE))
    return attest(tokens, head.origin, _entries(folder, head.size), authority, now, chain)


def _checks(authority: Authority | None, now: datetime | None, chain: Chain | None) -> dict[str, Check]:
    """How each kind of token is checked, of those that can be."""
    checks: dict[str, Check] = {}
    if authority is not None and available():
        checks[TIMESTAMP] = partial(check_token, authority=authority, latest=now)
    if chain is not None and contract.available():
        checks[CHAIN] = partial(chain.check, newest={})
    return checks


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
