"""Sending transactions: nonce and fee come from the chain each time, so that nothing of them is kept here.

The nonce is always the first that is in no block. What waits under it is an earlier attempt, or an earlier
checkpoint that the new one covers, and is replaced: nodes take another transaction of the same nonce for a
fee that is a tenth higher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foreseal.chain.node import Node, hexed, octets, quantity
from foreseal.errors import NodeError, SetupError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

# Nodes ask for 10 % more (geth) or 12.5 % (others).
RAISE = (5, 4)
MAX_RAISES = 16

_UNDERPRICED = ("underpriced", "replacement", "fee too low")
_KNOWN = ("already known", "already imported", "known transaction")


def send(node: Node, account: LocalAccount, to: str, data: bytes, chain_id: int, max_fee: int) -> str:
    """Sign a call and send it; returns the transaction's hash. An empty ``to`` deploys ``data``.

    ``max_fee`` is the most that is offered for a unit of gas, in wei. Raises `NodeError` with the contract's
    reason where it would fail, so that no such transaction is sent, and `SetupError` where fees are higher.
    """
    call: dict[str, Any] = {"from": account.address, "data": hexed(data), **({"to": to} if to else {})}
    # In the latest state: what waits will be replaced, so it must not be counted as done.
    gas = quantity(node.ask("eth_estimateGas", call, "latest"))
    nonce, (tip, price) = node.nonce(account.address), _fees(node, max_fee)
    for _ in range(MAX_RAISES):
        signed = account.sign_transaction(
            {
                "chainId": chain_id,
                "nonce": nonce,
                "data": data,
                "value": 0,
                "gas": gas * 6 // 5,
                "maxFeePerGas": price,
                "maxPriorityFeePerGas": tip,
                **({"to": octets(to)} if to else {}),
            }
        )
        try:
            node.send(bytes(signed.raw_transaction))
        except NodeError as error:
            says = error.message.lower()
            if any(each in says for each in _KNOWN):
                return hexed(bytes(signed.hash))
            if not any(each in says for each in _UNDERPRICED):
                raise
            tip, price = tip * RAISE[0] // RAISE[1] + 1, price * RAISE[0] // RAISE[1] + 1
            if price > max_fee:
                raise SetupError(
                    f"another transaction of {account.address} waits, and replacing it costs more than "
                    f"{max_fee / 10**9:g} gwei for a unit of gas.",
                    hint="Wait until it is in a block, or raise max_fee.",
                ) from None
        else:
            return hexed(bytes(signed.hash))
    raise SetupError(f"{node.url} takes no replacement of the transaction {nonce} of {account.address}.")


def _fees(node: Node, max_fee: int) -> tuple[int, int]:
    """Tip and highest price for a unit of gas, in wei: enough for six full blocks in a row."""
    block = node.block("latest")
    base = quantity((block or {}).get("baseFeePerGas") or "0x0")
    try:
        tip = quantity(node.ask("eth_maxPriorityFeePerGas"))
    except NodeError:
        tip = max(quantity(node.ask("eth_gasPrice")) - base, 0)
    if base + tip > max_fee:
        raise SetupError(
            f"a unit of gas costs {(base + tip) / 10**9:g} gwei now, more than max_fee "
            f"({max_fee / 10**9:g}).",
            hint="It is tried again later; raise max_fee if you would rather pay.",
        )
    return tip, min(2 * base + tip, max_fee)
