"""A node of an Ethereum-compatible chain, asked over JSON-RPC.

What it answers is its word; `foreseal.chain.state` checks what can be checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from foreseal.chain.contract import need
from foreseal.errors import Malformed, NodeError, SetupError

if TYPE_CHECKING:
    from web3.providers.rpc import HTTPProvider

TIMEOUT_SECONDS = 5.0

Block = dict[str, Any]


def quantity(value: Any) -> int:
    """A number of JSON-RPC, ``0x...``."""
    try:
        return int(value, 16)
    except (TypeError, ValueError):
        raise Malformed(f"a node answers {str(value)[:40]!r} where a number belongs.") from None


def octets(value: Any) -> bytes:
    """Bytes of JSON-RPC, ``0x...``."""
    try:
        if not value.startswith("0x"):
            raise ValueError
        return bytes.fromhex(value[2:])
    except (AttributeError, TypeError, ValueError):
        raise Malformed(f"a node answers {str(value)[:40]!r} where bytes belong.") from None


def hexed(data: bytes) -> str:
    """Bytes for JSON-RPC."""
    return f"0x{data.hex()}"


@dataclass(slots=True)
class Node:
    """The node at ``url``. Every method raises `SetupError` where it cannot be reached or will not answer."""

    url: str
    _provider: HTTPProvider | None = field(default=None, repr=False)

    def ask(self, method: str, *params: Any) -> Any:
        """The result of a call. Raises `NodeError` with what the node says if it refuses."""
        from requests import RequestException
        from web3.exceptions import Web3Exception
        from web3.types import RPCEndpoint

        try:
            answer: Any = self._connected().make_request(RPCEndpoint(method), list(params))
        except (RequestException, Web3Exception, ValueError, OSError) as error:
            raise SetupError(f"{self.url} cannot be asked: {_brief(error)}.") from None
        if not isinstance(answer, dict):
            raise SetupError(f"{self.url} does not speak JSON-RPC.")
        if answer.get("error"):
            why = answer["error"]
            says = why.get("message") if isinstance(why, dict) else why
            raise NodeError(f"{self.url} says: {str(says)[:200]}.")
        return answer.get("result")

    def chain_id(self) -> int:
        """Which chain it is of."""
        return quantity(self.ask("eth_chainId"))

    def block(self, which: int | str) -> Block | None:
        """The header of a block, by number, by hash (``0x`` and 64 digits) or by tag; None if it has none."""
        name = hex(which) if isinstance(which, int) else which
        method = "eth_getBlockByHash" if len(name) == 66 else "eth_getBlockByNumber"
        return cast("Block | None", self.ask(method, name, False))

    def call(self, to: str, data: bytes, at: str = "latest") -> bytes:
        """What a contract answers, in the state of a block."""
        return octets(self.ask("eth_call", {"to": to, "data": hexed(data)}, at))

    def proof(self, address: str, slot: bytes, at: str) -> tuple[list[bytes], list[bytes]]:
        """Merkle proofs (EIP-1186) of an account, and of a slot of its storage, in the state of a block."""
        found = self.ask("eth_getProof", address, [hexed(slot)], at)
        try:
            account, (storage,) = found["accountProof"], found["storageProof"]
            return [octets(each) for each in account], [octets(each) for each in storage["proof"]]
        except (KeyError, TypeError, ValueError):
            raise Malformed(f"{self.url} answers something else than a proof.") from None

    def nonce(self, address: str) -> int:
        """How many transactions of an account are in blocks: the number of the first that is not."""
        return quantity(self.ask("eth_getTransactionCount", address, "latest"))

    def send(self, raw: bytes) -> None:
        """Give it a signed transaction."""
        self.ask("eth_sendRawTransaction", hexed(raw))

    def transaction(self, digest: str) -> dict[str, Any] | None:
        """A transaction that it knows, in a block or waiting."""
        return cast("dict[str, Any] | None", self.ask("eth_getTransactionByHash", digest))

    def receipt(self, digest: str) -> dict[str, Any] | None:
        """What became of a transaction that is in a block."""
        return cast("dict[str, Any] | None", self.ask("eth_getTransactionReceipt", digest))

    def _connected(self) -> HTTPProvider:
        if self._provider is None:
            need("Asking a chain")
            from web3 import HTTPProvider

            self._provider = HTTPProvider(
                self.url,
                request_kwargs={"timeout": TIMEOUT_SECONDS},
                exception_retry_configuration=None,
            )
        return self._provider


def _brief(error: Exception) -> str:
    """The innermost reason, without the objects that requests prints."""
    inner: BaseException = error
    while inner.__context__ is not None:
        inner = inner.__context__
    return str(getattr(inner, "strerror", None) or inner or type(inner).__name__).rstrip(".")[:200]
