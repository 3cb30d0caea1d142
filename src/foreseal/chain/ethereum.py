"""Which chain and contract are believed: by nodes that are asked, or by hashes of blocks known to be of it.

Whoever checks says so, in a project's settings or in a file of their own:

    chain_id = 1
    contract = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
    rpc = "https://node.example"        # asked; or a list, all of which must agree
    blocks = ["0x9f3c..."]              # hashes that you know to be final, for checking offline
"""

from __future__ import annotations

import re
import tomllib
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foreseal.chain.contract import need
from foreseal.chain.node import Block, Node, quantity
from foreseal.chain.state import check_record, parse_record
from foreseal.errors import SettingsError, SetupError, Tampered
from foreseal.options import build
from foreseal.seal.anchor import Attestation
from foreseal.seal.checkpoint import parse_checkpoint

_ADDRESS = re.compile("0x[0-9a-fA-F]{40}", re.ASCII)
_HASH = re.compile("0x[0-9a-f]{64}", re.ASCII)


def address(value: Any) -> str:
    """An address, in lower case; empty where none is named yet. Raises `ValueError`."""
    if not isinstance(value, str) or (value and not _ADDRESS.fullmatch(value)):
        raise ValueError(f"{value!r} is not an address; one is 0x and 40 hexadecimal digits")
    return value.lower()


def urls(value: Any) -> tuple[str, ...]:
    """One address of a node, or several. Raises `ValueError`."""
    found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    for each in found:
        parts = urllib.parse.urlsplit(each) if isinstance(each, str) else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{each!r} is not the address of a node; one begins with http:// or https://")
    if not found:
        raise ValueError("rpc names no node")
    return found


def hashes(value: Any) -> frozenset[str]:
    """Hashes of blocks. Raises `ValueError`."""
    if not isinstance(value, list) or not all(
        isinstance(each, str) and _HASH.fullmatch(each) for each in value
    ):
        raise ValueError("blocks is a list of block hashes, each 0x and 64 hexadecimal digits in lower case")
    return frozenset(value)


def positive(value: Any) -> int:
    """A whole number above zero. Raises `ValueError`."""
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is not a whole number above zero")
    return value


@dataclass(frozen=True, slots=True)
class ChainTable:
    """A file that names a chain and its contract, as whoever checks believes in them."""

    chain_id: int = field(metadata={"convert": positive})
    contract: str = field(metadata={"convert": address})
    rpc: tuple[str, ...] = field(default=(), metadata={"convert": urls})
    blocks: frozenset[str] = field(default=frozenset(), metadata={"convert": hashes})
    confirmations: int = field(default=0, metadata={"convert": positive})


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain and the contract that are believed.

    ``blocks`` are hashes known to be final. ``nodes`` are asked about others, and all must agree. A block is
    final when the nodes say so (tag ``finalized``), or, if ``confirmations`` is not 0, when that many blocks
    lie above it.
    """

    chain_id: int
    contract: str
    nodes: tuple[Node, ...] = ()
    blocks: frozenset[str] = frozenset()
    confirmations: int = 0

    @classmethod
    def of(cls, table: ChainTable) -> Chain:
        return cls(
            table.chain_id, table.contract, tuple(map(Node, table.rpc)), table.blocks, table.confirmations
        )

    @classmethod
    def load(cls, path: Path) -> Chain:
        """From a TOML file. Raises `SettingsError`."""
        try:
            found: Mapping[str, Any] = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: {error}.") from None
        table = build(ChainTable, found, str(path))
        if not table.contract:
            raise SettingsError(f"{path} names no contract.")
        return cls.of(table)

    @property
    def name(self) -> str:
        """How it is called in statements."""
        return f"chain {self.chain_id}, contract {self.contract}"

    def check_nodes(self) -> None:
        """Raise `SetupError` unless every node is of this chain."""
        for node in self.nodes:
            found = node.chain_id()
            if found != self.chain_id:
                raise SetupError(f"{node.url} is a node of chain {found}, not {self.chain_id}.")

    def final(self, node: Node) -> Block:
        """The newest block that is final by what a node says."""
        if self.confirmations:
            head = node.block("latest")
            number = quantity(head["number"]) - self.confirmations if head else -1
            found = node.block(max(number, 0))
        else:
            found = node.block("finalized")
        if found is None:
            raise SetupError(
                f"{node.url} names no block that is final.",
                hint="On a chain without finality set confirmations to a number of blocks.",
            )
        return found

    def check_block(self, digest: str, number: int, newest: dict[str, int] | None = None) -> None:
        """Raise unless this block is final: by its hash alone, or by what every node says.

        `Tampered` if a node has another block of this number; `SetupError` if nobody can tell, or not yet.
        ``newest`` remembers from one call to the next what is final for which node.
        """
        if digest in self.blocks:
            return
        if not self.nodes:
            raise SetupError(
                f"it fits block {number}, {digest}; whether that is one of chain {self.chain_id} nobody that "
                "you named says.",
                hint="Name a node (rpc), or the hash once you have compared it (blocks).",
            )
        newest = {} if newest is None else newest
        for node in self.nodes:
            if node.url not in newest:
                self.check_nodes()
                newest[node.url] = quantity(self.final(node)["number"])
            found = node.block(number)
            if found is None or found.get("hash") != digest:
                raise Tampered(f"{node.url} does not know block {number}, {digest}: it is not of the chain.")
            if newest[node.url] < number:
                raise SetupError(f"{node.url} does not say yet that block {number} is final.")

    def check(self, record: bytes, text: str, newest: dict[str, int] | None = None) -> Attestation:
        """Check the record of an anchor of a checkpoint, given by the text that its log signs.

        Raises `ProofError` where it does not fit, `SetupError` where it cannot be told, `MissingExtra`.
        """
        need("Checking a chain anchor")
        checkpoint, found = parse_checkpoint(text), parse_record(record)
        if (found.chain_id, found.contract) != (self.chain_id, self.contract):
            raise Tampered(f"it is of chain {found.chain_id}, contract {found.contract}, not {self.name}.")
        held = check_record(found, checkpoint.origin, checkpoint.size)
        if held.root != checkpoint.root:
            raise Tampered(
                f"in block {held.number} the contract holds another root of {checkpoint.size} entries of "
                f"{checkpoint.origin}."
            )
        self.check_block(held.block, held.number, newest)
        return Attestation(checkpoint.origin, checkpoint.size, held.at, self.name)
