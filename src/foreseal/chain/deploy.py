"""Putting the contract on a chain, once for everybody who wants to share it, and waiting for transactions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from foreseal.chain.contract import bytecode
from foreseal.chain.node import Node, quantity
from foreseal.chain.transaction import send
from foreseal.errors import Refused, SetupError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

PAUSE_SECONDS = 0.25


def deploy(node: Node, account: LocalAccount, chain_id: int, max_fee: int, wait: float) -> str:
    """Deploy the contract; returns its address. ``max_fee`` is in wei, ``wait`` in seconds."""
    found = node.chain_id()
    if found != chain_id:
        raise SetupError(f"{node.url} is a node of chain {found}, not {chain_id}.")
    receipt = wait_for(node, send(node, account, "", bytecode(), chain_id, max_fee), wait)
    return str(receipt["contractAddress"]).lower()


def wait_for(node: Node, transaction: str, seconds: float) -> dict[str, Any]:
    """The receipt of a transaction. Raises `Refused` if it failed, `SetupError` if it is in no block yet."""
    end = time.monotonic() + seconds
    while (receipt := node.receipt(transaction)) is None:
        if time.monotonic() > end:
            raise SetupError(
                f"the transaction {transaction} is in no block after {seconds:g} seconds.",
                hint="Look again later; nothing has to be sent again unless the node forgets it.",
            )
        time.sleep(PAUSE_SECONDS)
    if quantity(receipt["status"]) != 1:
        raise Refused(f"the contract refused the transaction {transaction}.")
    return receipt
