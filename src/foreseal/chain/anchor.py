"""A contract on an Ethereum-compatible chain as an anchor: one transaction keeps the root of one size.

    submit ──> pending ──> included ──> final
                  │            │
                  └─── lost ───┘      and is sent again, in place of whatever waits of the same account

What decides is the contract's own state, never that a transaction was seen: an anchor is *included* when the
newest state holds the root, *final* when the state of a final block does. When it is, the proof of that is
published beside the log (`foreseal.chain.state`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foreseal.chain import contract
from foreseal.chain.account import load_account
from foreseal.chain.contract import Head
from foreseal.chain.ethereum import Chain, ChainTable, address, positive, urls
from foreseal.chain.node import Block, Node, quantity
from foreseal.chain.state import Record, encode_header
from foreseal.chain.transaction import send
from foreseal.errors import Malformed, ProofError, Refused, SettingsError, SetupError
from foreseal.options import build
from foreseal.seal.anchor import CHAIN, MAX_TOKEN, Attestation, Place, Status, token_path
from foreseal.seal.checkpoint import Checkpoint, read_checkpoint
from foreseal.seal.disk import is_temporary, read_file, remove_files, write_file
from foreseal.seal.note import MAX_NOTE, parse_note
from foreseal.seal.reader import CHECKPOINT, LogReader

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

KEY = "keys/chain.pem"
MAX_FEE_GWEI = 100
GWEI = 10**9

_WHERE = "chain in [seal]"
_NONE = bytes(32)
_FORK = "This copy is old, or its key signs elsewhere, too. Find the newest copy."


@dataclass(frozen=True, slots=True)
class AnchorOptions:
    """``chain`` in ``[seal]``: which chain and contract, who pays, and at most how much (gwei per gas)."""

    rpc: tuple[str, ...] = field(metadata={"convert": urls})
    chain_id: int = field(metadata={"convert": positive})
    contract: str = field(default="", metadata={"convert": address})
    key: str = KEY
    max_fee: int = field(default=MAX_FEE_GWEI, metadata={"convert": positive})
    confirmations: int = field(default=0, metadata={"convert": positive})

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> AnchorOptions:
        return build(cls, options, _WHERE)

    @property
    def chain(self) -> Chain:
        """The chain that these settings believe."""
        if not self.contract:
            raise SettingsError(
                f"{_WHERE} names no contract.",
                hint="Deploy one with `foreseal seal deploy`, or name the one that you share with others.",
            )
        table = ChainTable(self.chain_id, self.contract, self.rpc, confirmations=self.confirmations)
        return Chain.of(table)


def make_anchor(options: Mapping[str, Any], place: Place) -> ChainAnchor:
    """The contract that a project's settings name. Raises `SettingsError` or `MissingExtra`."""
    table = AnchorOptions.of(options)
    contract.need("An anchor on a chain")
    return ChainAnchor(
        table.chain,
        place.log,
        cache(lambda: load_account(place.project / table.key, place.passphrase)),
        table.max_fee * GWEI,
    )


@dataclass(frozen=True, slots=True)
class Reference:
    """How an anchor is known: the log, the size, its root, and the transaction that was sent, if one was."""

    origin: str
    size: int
    root: bytes
    transaction: str = ""

    def __str__(self) -> str:
        return f"{self.size} {self.root.hex()} {self.transaction or '-'} {self.origin}"

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Back from text."""
        try:
            size, root, transaction, origin = text.split(" ", 3)
            return cls(origin, int(size), bytes.fromhex(root), "" if transaction == "-" else transaction)
        except ValueError:
            raise Malformed(f"{text[:80]!r} is not the reference of a chain anchor.") from None


@dataclass(frozen=True, slots=True)
class ChainAnchor:
    """Anchors the log in ``log`` by the contract of ``chain``, paid by ``account``; ``max_fee`` is in wei."""

    chain: Chain
    log: Path
    account: Callable[[], LocalAccount]
    max_fee: int = MAX_FEE_GWEI * GWEI

    @property
    def node(self) -> Node:
        """The node through which transactions are sent."""
        return self.chain.nodes[0]

    def submit(self, checkpoint: bytes) -> str:
        """Send the transaction; where the contract holds this very root already, there is nothing to send."""
        head = read_checkpoint(checkpoint)
        self.chain.check_nodes()
        if self._root(head.origin, head.size) == head.root:
            return str(Reference(head.origin, head.size, head.root))
        held, account = self.head(head.origin), self.account()
        proof = self._proof(held, head, checkpoint, str(account.address).lower())
        data = contract.anchor_call(head.origin, head.size, head.root, proof)
        transaction = send(self.node, account, self.chain.contract, data, self.chain.chain_id, self.max_fee)
        return str(Reference(head.origin, head.size, head.root, transaction))

    def status(self, reference: str) -> Status:
        """What the contract's state says, and before that what the node knows of the transaction."""
        sent, node = Reference.parse(reference), self.node
        self.chain.check_nodes()
        final = self.chain.final(node)
        if self._root(sent.origin, sent.size, final["number"]) == sent.root:
            return Status("final", self._time(sent, final))
        latest = self._block("latest")
        if self._root(sent.origin, sent.size, latest["number"]) == sent.root:
            return Status("included", self._time(sent, latest))
        waiting = node.transaction(sent.transaction) if sent.transaction else None
        if waiting is None or waiting.get("blockHash"):
            # Nobody knows it, or it is in a block and has failed.
            return Status("lost")
        # What the chain now asks for is more than it offers: sent again, it is replaced.
        offered, asked = waiting.get("maxFeePerGas") or waiting.get("gasPrice"), latest.get("baseFeePerGas")
        outgrown = offered and asked and quantity(offered) < quantity(asked)
        return Status("lost" if outgrown else "pending")

    def verify(self, reference: str, checkpoint: bytes) -> Attestation:
        """Check the proof that is published, or publish it first."""
        sent, text = Reference.parse(reference), parse_note(checkpoint).text
        path = self.log / token_path(sent.size, CHAIN)
        with suppress(ProofError):
            return self.chain.check(read_file(path, MAX_TOKEN), text)
        record = self._record(sent)
        found = self.chain.check(record, text)
        if path.parent.is_dir():
            remove_files([each for each in path.parent.iterdir() if is_temporary(each)])
        write_file(path, record)
        return found

    def head(self, origin: str) -> Head:
        """What the contract holds of a log."""
        try:
            return contract.read_head(self.node.call(self.chain.contract, contract.head_call(origin)))
        except ValueError:
            raise SetupError(
                f"there is no Anchor at {self.chain.contract} on chain {self.chain.chain_id}.",
                hint="Deploy one with `foreseal seal deploy`.",
            ) from None

    def claim(self, origin: str, *, proven: bool = True) -> str:
        """Send the transaction that claims the name of a log; returns its hash."""
        self.chain.check_nodes()
        account, held = self.account(), self.head(origin)
        if held.claimed:
            whose = "this account" if held.owner == str(account.address).lower() else held.owner
            raise Refused(f"the name {origin} is claimed already, by {whose}.")
        data = contract.claim_call(origin, proven=proven)
        return send(self.node, account, self.chain.contract, data, self.chain.chain_id, self.max_fee)

    def _proof(self, held: Head, head: Checkpoint, signed: bytes, account: str) -> list[bytes]:
        """What the contract asks for. Raises `Refused` where it would not take the checkpoint."""
        where = f"the contract {self.chain.contract}"
        if not held.claimed:
            raise SetupError(
                f"nobody has claimed {head.origin} at {where}.", hint="Claim it with `foreseal seal claim`."
            )
        if held.owner != account:
            raise Refused(
                f"{head.origin} belongs to {held.owner} at {where}, not to {account}.",
                hint="Use the account that claimed it, or a contract of your own.",
            )
        if not held.size:
            return []
        # What waited to be anchored may be behind what the contract holds; the log itself never is.
        newest = read_file(self.log / CHECKPOINT, MAX_NOTE)
        reader = LogReader(self.log, read_checkpoint(newest), newest)
        if held.size > reader.size:
            raise Refused(
                f"{where} holds {held.size} entries of {head.origin}, more than these {reader.size}.",
                hint=_FORK,
                code="fork",
            )
        if self._root(head.origin, held.size) != reader.root_at(held.size):
            raise Refused(
                f"{where} holds another history of {head.origin}: its root of {held.size} entries is not "
                "that of this log.",
                hint=_FORK,
                code="fork",
            )
        if held.size > head.size:
            raise Refused(f"{where} holds {held.size} entries of {head.origin}, more than these {head.size}.")
        return list(LogReader(self.log, head, signed).consistency(held.size)) if held.proven else []

    def _record(self, sent: Reference) -> bytes:
        """The proof from the block of the transaction, or, where that is not to be had, from a final one."""
        final = self.chain.final(self.node)
        receipt = self.node.receipt(sent.transaction) if sent.transaction else None
        numbers = [quantity(final["number"])]
        if receipt and quantity(receipt["blockNumber"]) < numbers[0]:
            numbers.insert(0, quantity(receipt["blockNumber"]))
        slot = contract.root_slot(sent.origin, sent.size)
        for number in numbers:
            block = self._block(number)
            try:
                account, storage = self.node.proof(self.chain.contract, slot, block["number"])
            except SetupError:
                # Nodes keep the state of some blocks only; that of the final one they have.
                if number == numbers[-1]:
                    raise
                continue
            if storage:
                break
        record = Record(
            self.chain.chain_id, self.chain.contract, encode_header(block), tuple(account), tuple(storage)
        )
        return bytes(record)

    def _root(self, origin: str, size: int, at: str = "latest") -> bytes:
        """The root that the contract holds of a size in the state of a block, or zeros."""
        found = self.node.call(self.chain.contract, contract.root_call(origin, size), at)
        # Where the block is older than the contract, the call is answered with nothing.
        return found if len(found) == len(_NONE) else _NONE

    def _time(self, sent: Reference, block: Block) -> datetime:
        """When the transaction's block was made; that of ``block`` where it is not known."""
        receipt = self.node.receipt(sent.transaction) if sent.transaction else None
        found = self._block(quantity(receipt["blockNumber"])) if receipt else block
        return datetime.fromtimestamp(quantity(found["timestamp"]), UTC)

    def _block(self, which: int | str) -> Block:
        found = self.node.block(which)
        if found is None:
            raise SetupError(f"{self.node.url} does not give the block {which}.")
        return found
