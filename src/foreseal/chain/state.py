"""What a block's header commits to about a contract: the record of an anchor on a chain, checked offline.

A record is canonical JSON: the header of a block, the path from its state root to the contract's account, and
the path from the account's storage root to the slot that holds the root of one size of one log (EIP-1186).
So the bytes show by themselves that the contract held this root in the state of this block, at the time in
its header. That the block is one of the chain they cannot show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from foreseal.chain.contract import code_hash, keccak, root_slot
from foreseal.chain.node import Block, hexed, octets, quantity
from foreseal.errors import Malformed, SetupError, Tampered
from foreseal.seal import jcs
from foreseal.seal.anchor import MAX_TOKEN

VERSION = 1
# A path in a tree with sixteen branches at each node, over keys of 32 bytes.
MAX_NODES = 64
MAX_HEADER = 4096

_ADDRESS = re.compile("0x[0-9a-f]{40}", re.ASCII)
_BYTES = re.compile("0x(?:[0-9a-f]{2})+", re.ASCII)
_HEADER = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
)
# What later versions of Ethereum have added, in this order.
_ADDED = (
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
)
_NUMBERS = frozenset(
    (
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "baseFeePerGas",
        "blobGasUsed",
        "excessBlobGas",
    )
)


@dataclass(frozen=True, slots=True)
class Record:
    """What is published about one anchor. ``contract`` is an address in lower case."""

    chain_id: int
    contract: str
    header: bytes
    account: tuple[bytes, ...]
    storage: tuple[bytes, ...]

    def __bytes__(self) -> bytes:
        return jcs.encode(
            {
                "v": VERSION,
                "chain_id": self.chain_id,
                "contract": self.contract,
                "header": hexed(self.header),
                "account": [hexed(each) for each in self.account],
                "storage": [hexed(each) for each in self.storage],
            }
        )


@dataclass(frozen=True, slots=True)
class Held:
    """What the contract held in the state of a block, which its header says is of the time ``at``."""

    block: str
    number: int
    at: datetime
    root: bytes


def parse_record(data: bytes) -> Record:
    """Parse a record strictly: what is accepted prints back to the same bytes."""
    if len(data) > MAX_TOKEN:
        raise Malformed(f"the record of a chain anchor has more than {MAX_TOKEN} bytes.")
    found = jcs.decode(data, bounded=False)
    names = {"v", "chain_id", "contract", "header", "account", "storage"}
    if not isinstance(found, dict) or found.keys() != names or found["v"] != VERSION:
        raise Malformed("this is not the record of a chain anchor.")
    chain_id, contract = found["chain_id"], found["contract"]
    if type(chain_id) is not int or chain_id < 1:
        raise Malformed("the record of a chain anchor has an impossible chain id.")
    if not isinstance(contract, str) or not _ADDRESS.fullmatch(contract):
        raise Malformed("the record of a chain anchor has an impossible address.")
    for name in ("account", "storage"):
        if not isinstance(found[name], list) or not 1 <= len(found[name]) <= MAX_NODES:
            raise Malformed(f"the record of a chain anchor has an impossible proof of its {name}.")
    record = Record(
        chain_id,
        contract,
        _bytes(found["header"]),
        tuple(_bytes(each) for each in found["account"]),
        tuple(_bytes(each) for each in found["storage"]),
    )
    if bytes(record) != data:
        raise Malformed("the record of a chain anchor is not in its canonical form.")
    return record


def check_record(record: Record, origin: str, size: int) -> Held:
    """Follow the record from its header to the root of a size of a log. Raises `Malformed` or `Tampered`.

    The contract must be the one that this package ships, by the hash of its code: another one could have
    written any root at any time.
    """
    fields = _header(record.header)
    where = f"in the state of block {int.from_bytes(fields[8], 'big')}"
    account = _list(_follow(fields[3], bytes.fromhex(record.contract[2:]), record.account), 4)
    if account[3] != code_hash():
        raise Tampered(f"{where} the contract {record.contract} is not Foreseal's Anchor: its code differs.")
    value = _item(_follow(account[2], root_slot(origin, size), record.storage))
    if not 0 < len(value) <= 32:
        raise Malformed(f"{where} there is no root of {size} entries of {origin}.")
    seconds = int.from_bytes(fields[11], "big")
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise Malformed(f"a block says that it is of second {seconds}.") from None
    number = int.from_bytes(fields[8], "big")
    return Held(hexed(keccak(record.header)), number, at, value.rjust(32, b"\x00"))


def block_of(data: bytes) -> str:
    """The hash of the block that a record is of."""
    return hexed(keccak(parse_record(data).header))


def encode_header(block: Block) -> bytes:
    """The bytes whose hash is the block's, from what a node answers. Raises `SetupError` if they are not."""
    import rlp

    names = [*_HEADER, *(name for name in _ADDED if block.get(name) is not None)]
    try:
        fields = [
            _minimal(quantity(block[name])) if name in _NUMBERS else octets(block[name]) for name in names
        ]
        found = bytes(rlp.encode(fields))
    except KeyError as error:
        raise SetupError(f"the node gives a block without {error}.") from None
    if hexed(keccak(found)) != block.get("hash"):
        raise SetupError(
            f"the header of block {block['number']} has a form that is not known here, so it proves nothing.",
            hint="Anchor on a chain whose headers are those of Ethereum.",
        )
    return found


def _header(raw: bytes) -> list[bytes]:
    if len(raw) > MAX_HEADER:
        raise Malformed(f"the header of a block has more than {MAX_HEADER} bytes.")
    fields = _decode(raw)
    if not isinstance(fields, list) or len(fields) < len(_HEADER) or not all(map(_is_bytes, fields)):
        raise Malformed("this is not the header of a block.")
    if len(fields[3]) != 32 or len(fields[8]) > 8 or len(fields[11]) > 8:
        raise Malformed("this is not the header of a block.")
    return fields


def _follow(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes:
    """The value of a key in a Merkle Patricia tree, by the nodes on its path."""
    path, wanted, rest = list(_nibbles(keccak(key))), root, iter(proof)
    for raw in rest:
        if keccak(raw) != wanted:
            raise Tampered("the nodes of a proof do not lead from the root of the block's state.")
        node = _decode(raw)
        while isinstance(node, list):
            if len(node) == 17 and path:
                node = node[path.pop(0)]
            elif len(node) == 2 and _is_bytes(node[0]) and node[0]:
                part, leaf = _compact(node[0])
                if path[: len(part)] != part:
                    raise Tampered("a proof shows that there is nothing of this key.")
                path = path[len(part) :]
                if leaf:
                    if path or next(rest, None) is not None or not _is_bytes(node[1]):
                        raise Malformed("a proof does not end where its key ends.")
                    return bytes(node[1])
                node = node[1]
            else:
                raise Malformed("a node of a proof has an impossible form.")
        if len(node) != 32:
            raise Tampered("a proof shows that there is nothing of this key.")
        wanted = bytes(node)
    raise Tampered("a proof ends before its key does.")


def _compact(prefix: bytes) -> tuple[list[int], bool]:
    """Half-bytes of a path, and whether it ends in a leaf (Yellow Paper, appendix C)."""
    flag, *rest = _nibbles(prefix)
    if flag > 3 or (not flag & 1 and rest[0] != 0):
        raise Malformed("a node of a proof has an impossible path.")
    return rest if flag & 1 else rest[1:], flag >= 2


def _nibbles(data: bytes) -> Iterator[int]:
    for each in data:
        yield from (each >> 4, each & 15)


def _list(raw: bytes, count: int) -> list[bytes]:
    found = _decode(raw)
    if not isinstance(found, list) or len(found) != count or not all(map(_is_bytes, found)):
        raise Malformed("a proof leads to something else than an account.")
    return found


def _item(raw: bytes) -> bytes:
    found = _decode(raw)
    if not _is_bytes(found):
        raise Malformed("a proof leads to something else than a value.")
    return bytes(found)


def _decode(raw: bytes) -> Any:
    import rlp
    from rlp.exceptions import RLPException

    try:
        return rlp.decode(raw)
    except (RLPException, RecursionError, ValueError, TypeError, IndexError):
        raise Malformed("a proof holds bytes that are not RLP.") from None


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _minimal(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _bytes(value: object) -> bytes:
    if not isinstance(value, str) or not _BYTES.fullmatch(value):
        raise Malformed("the record of a chain anchor holds something else than bytes in hexadecimal.")
    return bytes.fromhex(value[2:])
