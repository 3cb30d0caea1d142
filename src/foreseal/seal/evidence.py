"""Evidence: what is needed to check a track record without its author, in a folder or one zip file.

docs/evidence.md has the layout, the stages of the check, and the codes of problems.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from foreseal.errors import Malformed, ProofError, Tampered
from foreseal.merkle import Frontier, leaf_hash
from foreseal.seal.anchor import MAX_TOKEN, Attestor, Earliest, Tokens, token_of, tokens_of, unchecked
from foreseal.seal.box import Box, Numbered, open_box
from foreseal.seal.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from foreseal.seal.cosigned import check_heads, cosigned_path, cosigned_size
from foreseal.seal.entry import Entry, parse_entry
from foreseal.seal.history import History
from foreseal.seal.listing import line
from foreseal.seal.note import MAX_NOTE, Verifier
from foreseal.seal.payload import check_payload
from foreseal.seal.policy import Policy
from foreseal.seal.problem import Problem
from foreseal.seal.reader import CHECKPOINT
from foreseal.seal.receipt import MAX_RECEIPT, SUFFIX, Receipt, parse_receipt
from foreseal.seal.replay import replay, unknown_targets
from foreseal.seal.schema import MAX_PAYLOAD
from foreseal.seal.tables import PayloadReader
from foreseal.seal.tiles import ENTRIES, MAX_BUNDLE, bundles_of, read_bundle, tile_path
from foreseal.seal.verify import Verdict, conclude, open_head, refused

RECEIPTS = "receipts/"
PAYLOADS = "payload/sha256/"
COPIES = ("README.txt", "foreseal_verify.py", "verify.html")

_OTHERS = re.compile(r"payload/sha256/[0-9a-f]{64}|receipts/.+\.tlog-proof", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A receipt that lies beside the entries."""

    name: str
    receipt: Receipt
    checkpoint: Checkpoint


def verify_evidence(
    path: Path,
    trust: Policy | Iterable[Verifier],
    targets: Collection[str] = (),
    attest: Attestor = unchecked,
) -> Verdict:
    """Check an evidence folder or zip: entries, completeness, every score, receipts. Offline.

    Needs no hash tiles. With ``targets``, entries about others are not judged, and may be left out.
    ``attest`` checks timestamps and chain anchors; unless it is given they have no weight.
    """
    policy = Policy.of(trust)
    try:
        with open_box(path) as box:
            return _verify(box, policy, targets, attest)
    except ProofError as error:
        if error.code != "container":
            raise
        return refused(Problem.of(error, "container"))


def _verify(box: Box, policy: Policy, targets: Collection[str], attest: Attestor) -> Verdict:
    try:
        head = open_head(lambda: box.read(CHECKPOINT, MAX_NOTE), policy)
    except ProofError as error:
        return _refused(error, "checkpoint", CHECKPOINT)
    checkpoint = head.checkpoint
    try:
        entries = _read_entries(box, checkpoint)
    except ProofError as error:
        return _refused(error, "entries")
    leaves = [leaf_hash(raw) for raw in entries]
    tree = Frontier()
    tree.extend(leaves)
    if tree.root() != checkpoint.root:
        text = f"{CHECKPOINT}: its root is not the root of the {checkpoint.size} entries."
        return refused(Problem(text, "root"), *_name_gaps(entries, leaves))
    sizes = map(cosigned_size, box.names if policy.logs else ())
    kept = Numbered(
        (size for size in sizes if size is not None), lambda size: box.read(cosigned_path(size), MAX_NOTE)
    )
    sealing, beside = check_heads(policy, head, kept, leaves)
    attested = attest(_tokens(box), checkpoint.origin, entries)
    times = Earliest(sealing, attested.times) if policy.witnesses else None
    history = replay(entries, _payloads(box), targets, times)
    beside += _check_receipts(box, policy, entries, leaves, history)
    beside += unknown_targets(history, targets)
    return conclude(policy, head, history, (), (), beside, attested, _seen(box, checkpoint))


def _refused(error: ProofError, code: str, where: str = "") -> Verdict:
    if error.code == "container":
        raise error
    return refused(Problem.of(error, code, where))


def _read_entries(box: Box, checkpoint: Checkpoint) -> list[bytes]:
    entries: list[bytes] = []
    for index, width in bundles_of(checkpoint.size):
        name = tile_path(ENTRIES, index, width)
        try:
            found = read_bundle(box.read(name, MAX_BUNDLE))
        except ProofError as error:
            if error.code == "container":
                raise
            raise Malformed(f"{name}: {error.message}", code="entries") from None
        if len(found) != width:
            raise Malformed(f"{name} holds {len(found)} entries, not {width}.", code="entries")
        entries += found
    return entries


def _tokens(box: Box) -> Tokens:
    def read(name: str) -> bytes:
        try:
            return box.read(name, MAX_TOKEN)
        except Malformed as error:
            if error.code == "container":
                raise
            return b""

    return tokens_of(box.names, read)


def _payloads(box: Box) -> PayloadReader:
    def read(digest: str, size: int) -> bytes:
        name = PAYLOADS + digest
        if name not in box.names:
            raise Tampered(f"{name} is missing.", code="payload-missing")
        try:
            data = box.read(name, min(size, MAX_PAYLOAD))
        except Malformed as error:
            raise Malformed(error.message, code=error.code or "payload-differs") from None
        check_payload(data, digest, size, name)
        return data

    return read


def _name_gaps(entries: Iterable[bytes], leaves: Iterable[bytes]) -> Iterator[Problem]:
    """Which forecasts the entries themselves say are not among them."""
    there, named = {leaf.hex() for leaf in leaves}, set()
    for index, raw in enumerate(entries):
        try:
            entry = parse_entry(raw)
        except ProofError:
            continue
        for who, leaf in _references(entry):
            if leaf and leaf not in there and leaf not in named:
                named.add(leaf)
                yield Problem(
                    f"the forecast {leaf[:16]}...{who}, to which entry {index} refers, is left out.",
                    "gap",
                    index,
                )


def _references(entry: Entry) -> Iterator[tuple[str, str]]:
    if entry.kind == "score":
        about = f"for cutoff {entry['seq']} of {entry['target']}"
        for each in entry["scores"]:
            yield f" by {each['forecaster']} {about}", each["forecast"]
    elif entry.kind in ("decision", "reveal"):
        yield "", entry["forecast"]


def _check_receipts(
    box: Box, policy: Policy, entries: Sequence[bytes], leaves: Sequence[bytes], history: History
) -> list[Problem]:
    """Receipts must prove entries of this very log, and not only the better one of two forecasts."""
    shown, problems = [], []
    signed: dict[bytes, Checkpoint] = {}
    for name in sorted(filter(_is_receipt, box.names)):
        try:
            receipt = parse_receipt(box.read(name, MAX_RECEIPT))
            if receipt.checkpoint not in signed:
                head = read_checkpoint(receipt.checkpoint)
                signed[receipt.checkpoint] = (
                    open_checkpoint(receipt.checkpoint, policy.logs) if policy.logs else head
                )
            receipt.check()
        except ProofError as error:
            if error.code == "container":
                raise
            problems.append(Problem(f"{name}: {error.message}", "receipt"))
        else:
            shown.append(_Shown(name, receipt, signed[receipt.checkpoint]))
    roots = _roots({each.checkpoint.size for each in shown}, leaves)
    for each in shown:
        size = each.checkpoint.size
        if size not in roots:
            problems.append(Problem(f"{each.name} is of a later checkpoint, of size {size}.", "receipt"))
        elif roots[size] != each.checkpoint.root:
            problems.append(Problem(f"{each.name} has a root that the entries do not give.", "fork"))
        elif entries[each.receipt.index] != each.receipt.entry:
            problems.append(Problem(f"{each.name} does not hold its entry.", "receipt"))
    problems.sort(key=lambda problem: str(problem).partition(":")[0].partition(" ")[0])
    return [*problems, *_better_ones(shown, history)]


def _roots(sizes: Collection[int], leaves: Sequence[bytes]) -> dict[int, bytes]:
    tree, roots = Frontier(), {}
    for size in sorted(sizes):
        if size <= len(leaves):
            tree.extend(leaves[tree.size : size])
            roots[size] = tree.root()
    return roots


def _better_ones(shown: Iterable[_Shown], history: History) -> Iterator[Problem]:
    names = {leaf_hash(each.receipt.entry).hex(): each.name for each in shown}
    for track in history.tracks.values():
        for (name, seq), placed in track.forecasts.items():
            if len(placed) < 2:
                continue
            try:
                counts = history.standing(track, name, seq).forecast
            except ProofError:
                continue  # its payload is at fault, which the replay has named
            others = [names[p.entry.leaf] for p in placed if p is not counts and p.entry.leaf in names]
            if counts is not None and others and counts.entry.leaf not in names:
                yield Problem(
                    f"{others[0]} shows another forecast by {name} for cutoff {seq} of {track.name} than the "
                    f"one that counts, entry {counts.index}.",
                    "receipt",
                )


def _seen(box: Box, checkpoint: Checkpoint) -> Iterator[str]:
    """How many receipts were checked, and which files were not read."""
    yield f"receipts that prove entries of this log: {sum(map(_is_receipt, box.names))}"
    bundles = {tile_path(ENTRIES, index, width) for index, width in bundles_of(checkpoint.size)}
    known = bundles | {CHECKPOINT, *COPIES}
    rest = (name for name in box.names if name not in known and not _OTHERS.fullmatch(name))
    unread = (name for name in rest if cosigned_size(name) is None and token_of(name) is None)
    yield from line("files that are no part of evidence, and were not read", sorted(unread))


def _is_receipt(name: str) -> bool:
    return name.startswith(RECEIPTS) and name.endswith(SUFFIX)
