"""Anchoring on a real chain of one node: states, reorganisation, replacement, crash, and what forks meet."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chains import Port
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.chain import contract
from foreseal.chain.anchor import ChainAnchor, Reference
from foreseal.chain.deploy import wait_for
from foreseal.chain.node import Node, quantity
from foreseal.chain.transaction import send
from foreseal.clock import LiveClock
from foreseal.errors import Malformed, NodeError, Refused, SetupError, Tampered
from foreseal.run.anvil import CHAIN_ID, Anvil
from foreseal.seal.checkpoint import read_checkpoint
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.outbox import Outbox


@pytest.fixture
def anchor(port: Port, log: Log) -> ChainAnchor:
    """The anchor of the log, its name claimed."""
    anchor = port.anchor(log.folder)
    wait_for(anchor.node, anchor.claim(log.origin), 5)
    return anchor


@pytest.fixture
def by_hand(anvil: Anvil, anchor: ChainAnchor) -> Anvil:
    """Blocks are made only when the test says so."""
    anvil.node.ask("evm_setAutomine", False)
    return anvil


def fork_of(log: Log, tmp_path: Path, *, entries: int) -> Log:
    """Another history, signed by the very same key."""
    signer = Signer(log.origin, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    fork = Log.create(tmp_path / "fork", signer, tmp_path / "elsewhere" / "lock.db")
    fork.append(b"another entry %d" % number for number in range(entries))
    return fork


def test_an_anchor_is_pending_then_included_then_final_and_dates_the_log(
    anchor: ChainAnchor, by_hand: Anvil, log: Log
) -> None:
    reference = anchor.submit(log.signed)
    assert anchor.status(reference).state == "pending"
    by_hand.mine()
    included = anchor.status(reference)
    by_hand.mine(3)
    final = anchor.status(reference)
    assert (included.state, final.state) == ("included", "final")
    assert included.at == final.at
    found = anchor.verify(reference, log.signed)
    assert (found.origin, found.size, found.at) == (log.origin, 15, final.at)
    assert found.by == f"chain {CHAIN_ID}, contract {anchor.chain.contract}"
    assert [path.name for path in (log.folder / "chain").iterdir()] == ["15.json"]
    assert anchor.verify(reference, log.signed) == found


def test_what_the_contract_holds_already_is_found_and_not_sent_again(
    anchor: ChainAnchor, port: Port, log: Log
) -> None:
    first = Reference.parse(anchor.submit(log.signed))
    sent = port.anvil.node.nonce(port.account.address)
    again = Reference.parse(anchor.submit(log.signed))
    assert port.anvil.node.nonce(port.account.address) == sent
    assert (first.size, first.root) == (again.size, again.root)
    port.anvil.mine(3)
    assert anchor.status(str(again)).state == "final"
    assert anchor.verify(str(again), log.signed).at >= anchor.status(str(first)).at


def test_threat_14_a_reorganisation_loses_an_anchor_and_the_outbox_sends_it_again(
    anchor: ChainAnchor, port: Port, log: Log, tmp_path: Path
) -> None:
    outbox, clock = Outbox(tmp_path / "anchors.db", "chain", log.origin), LiveClock().now
    outbox.offer(log.signed, clock(), timedelta(hours=1))
    (parcel,) = outbox.work(anchor, clock)
    assert parcel.stage == "included"
    port.anvil.node.ask("anvil_reorg", 1, [])
    (parcel,) = outbox.work(anchor, clock)
    assert (parcel.stage, parcel.says) == ("queued", "it was lost")
    assert outbox.work(anchor, clock)[0].stage == "included"
    port.anvil.mine(3)
    (parcel,) = outbox.work(anchor, clock)
    assert parcel.stage == "final"
    assert anchor.verify(parcel.reference, log.signed).at == parcel.at


def test_a_node_that_was_killed_and_forgot_is_sent_the_anchor_again(log: Log, tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state.json"), "--slots-in-an-epoch", "1")
    state += ("--preserve-historical-states",)
    node = Anvil.start(*state)
    try:
        port = Port.open(node, tmp_path / "account")
        anchor = port.anchor(log.folder)
        wait_for(anchor.node, anchor.claim(log.origin), 5)
        # A clean end writes the state; what comes after it is what kill -9 takes.
        node.process.terminate()
        node.process.wait()
        node = Anvil.start(*state, port=node.port)
        reference = anchor.submit(log.signed)
        assert anchor.status(reference).state == "included"
        node.kill()
        with pytest.raises(SetupError, match="cannot be asked"):
            anchor.status(reference)
        node = Anvil.start(*state, port=node.port)
        assert anchor.status(reference).state == "lost"
        reference = anchor.submit(log.signed)
        node.mine(3)
        assert anchor.status(reference).state == "final"
        assert anchor.verify(reference, log.signed).size == 15
    finally:
        node.kill()


def test_what_waits_is_replaced_for_a_higher_fee_and_what_it_covered_is_lost(
    anchor: ChainAnchor, by_hand: Anvil, log: Log
) -> None:
    waiting = anchor.submit(log.signed)
    log.append([b"one more"])
    newer = anchor.submit(log.signed)
    node = by_hand.node
    before, after = (node.transaction(Reference.parse(each).transaction) for each in (waiting, newer))
    assert before is None
    assert anchor.status(waiting).state == "lost"
    by_hand.mine()
    assert anchor.status(newer).state == "included"
    assert quantity(after["nonce"]) == node.nonce(anchor.account().address) - 1


@pytest.mark.parametrize("mined", [True, False])
def test_a_process_that_was_killed_when_it_had_sent_sends_no_second_transaction(
    anchor: ChainAnchor, port: Port, log: Log, tmp_path: Path, mined: bool
) -> None:
    """What it sent was not written down: the next run finds it at the contract, or sends its like."""
    node, file = port.anvil.node, tmp_path / "anchors.db"
    node.ask("evm_setAutomine", mined)
    first = node.nonce(port.account.address)
    script = Path(__file__).parents[1] / "crash" / "anchor_once.py"
    words = [script, port.anvil.url, port.contract, port.key, log.folder, file]
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    outbox, clock = Outbox(file, "chain", log.origin), LiveClock().now
    assert [each.stage for each in outbox.parcels()] == ["queued"]
    (parcel,) = outbox.work(anchor, clock)
    assert parcel.stage == ("included" if mined else "pending")
    port.anvil.mine(4)
    (parcel,) = outbox.work(anchor, clock)
    assert parcel.stage == "final"
    assert node.nonce(port.account.address) == first + 1
    assert anchor.verify(parcel.reference, log.signed).size == 15


def test_a_transaction_that_failed_in_its_block_is_lost_and_sent_again(
    anchor: ChainAnchor, by_hand: Anvil, log: Log
) -> None:
    reference, where = anchor.submit(log.signed), anchor.chain.contract
    code = by_hand.node.ask("eth_getCode", where, "latest")
    by_hand.node.ask("anvil_setCode", where, "0x60006000fd")  # reverts whatever it is asked
    by_hand.mine()
    by_hand.node.ask("anvil_setCode", where, code)
    receipt = by_hand.node.receipt(Reference.parse(reference).transaction)
    assert receipt is not None
    assert quantity(receipt["status"]) == 0
    assert anchor.status(reference).state == "lost"
    again = anchor.submit(log.signed)
    by_hand.mine(4)
    assert anchor.status(again).state == "final"


class Keeping(Node):
    """A node that keeps what waits in its pool although nobody would take it for so little, as geth does."""

    waits: dict[str, Any]

    def transaction(self, digest: str) -> dict[str, Any] | None:
        return Node.transaction(self, digest) or (self.waits if self.waits["hash"] == digest else None)


def test_a_transaction_that_the_base_fee_has_outgrown_is_lost_and_sent_for_more(
    anchor: ChainAnchor, by_hand: Anvil, log: Log
) -> None:
    reference = anchor.submit(log.signed)
    waits = by_hand.node.transaction(Reference.parse(reference).transaction)
    assert waits is not None
    keeping = Keeping(by_hand.url)
    keeping.waits = waits
    seen = replace(anchor, chain=replace(anchor.chain, nodes=(keeping,)))
    assert seen.status(reference).state == "pending"
    by_hand.node.ask("anvil_setNextBlockBaseFeePerGas", hex(quantity(waits["maxFeePerGas"]) + 1))
    by_hand.node.ask("anvil_mine", "0x1")
    assert seen.status(reference).state == "lost"
    again = anchor.submit(log.signed)
    by_hand.mine()
    assert anchor.status(again).state == "included"


def test_what_waits_is_not_replaced_for_more_than_the_settings_allow(
    anchor: ChainAnchor, by_hand: Anvil, log: Log
) -> None:
    reference = anchor.submit(log.signed)
    node, sent = by_hand.node, Reference.parse(reference).transaction
    waits = node.transaction(sent)
    assert waits is not None
    log.append([b"one more"])
    offered = quantity(waits["maxFeePerGas"])
    with pytest.raises(SetupError, match=r"waits, and replacing it costs more than"):
        replace(anchor, max_fee=offered).submit(log.signed)
    assert node.transaction(sent) is not None
    dear = replace(anchor, max_fee=2 * offered).submit(log.signed)
    assert node.transaction(sent) is None
    made = node.transaction(Reference.parse(dear).transaction)
    assert made is not None
    assert offered < quantity(made["maxFeePerGas"]) <= 2 * offered


def test_no_more_is_paid_than_the_settings_allow(anchor: ChainAnchor, port: Port, log: Log) -> None:
    port.anvil.node.ask("anvil_setNextBlockBaseFeePerGas", hex(200 * 10**9))
    port.anvil.mine()
    with pytest.raises(SetupError, match=r"a unit of gas costs \d+.* gwei now, more than max_fee \(100\)"):
        anchor.submit(log.signed)


def test_a_fork_is_refused_by_us_and_by_the_contract(
    anchor: ChainAnchor, port: Port, log: Log, tmp_path: Path
) -> None:
    anchor.submit(log.signed)
    with fork_of(log, tmp_path, entries=20) as fork:
        cheating = port.anchor(fork.folder)
        with pytest.raises(
            Refused, match=r"holds another history of example.com/log: its root of 15 entries"
        ) as refused:
            cheating.submit(fork.signed)
        assert refused.value.code == "fork"
        head = read_checkpoint(fork.signed)
        for proof in ([], list(fork.consistency(15))):
            data = contract.anchor_call(log.origin, 20, head.root, proof)
            with pytest.raises(NodeError, match="not an extension"):
                send(port.anvil.node, port.account, port.contract, data, CHAIN_ID, anchor.max_fee)
    with fork_of(log, tmp_path / "small", entries=15) as fork:
        with pytest.raises(Refused, match="holds another history"):
            port.anchor(fork.folder).submit(fork.signed)
        data = contract.anchor_call(log.origin, 15, read_checkpoint(fork.signed).root, [])
        with pytest.raises(NodeError, match="size does not grow"):
            send(port.anvil.node, port.account, port.contract, data, CHAIN_ID, anchor.max_fee)


def test_a_checkpoint_that_the_log_has_outgrown_at_the_contract_is_refused_and_no_fork(
    anchor: ChainAnchor, log: Log
) -> None:
    old = log.signed
    log.append([b"one more"])
    anchor.submit(log.signed)
    with pytest.raises(Refused, match=r"holds 16 entries of example.com/log, more than these 15") as refused:
        anchor.submit(old)
    assert refused.value.code == ""


def test_threat_20_a_name_is_claimed_once_and_only_its_owner_anchors_under_it(
    anchor: ChainAnchor, port: Port, log: Log, tmp_path: Path
) -> None:
    other = Port.open(port.anvil, tmp_path / "other", contract=port.contract).anchor(log.folder)
    with pytest.raises(Refused, match=f"belongs to {str(port.account.address).lower()}"):
        other.submit(log.signed)
    for who, whose in ((other, str(port.account.address).lower()), (anchor, "this account")):
        with pytest.raises(Refused, match=f"is claimed already, by {whose}"):
            who.claim(log.origin)
    data = contract.anchor_call(log.origin, 15, read_checkpoint(log.signed).root, [])
    with pytest.raises(NodeError, match="not the owner"):
        send(port.anvil.node, other.account(), port.contract, data, CHAIN_ID, anchor.max_fee)


def test_a_name_that_nobody_has_claimed_and_a_contract_that_is_not_there_are_told(
    port: Port, log: Log
) -> None:
    with pytest.raises(SetupError, match=r"nobody has claimed example.com/log") as caught:
        port.anchor(log.folder).submit(log.signed)
    assert caught.value.hint == "Claim it with `foreseal seal claim`."
    nowhere = Port(port.anvil, port.key, "0x" + "ab" * 20).anchor(log.folder)
    with pytest.raises(SetupError, match="there is no Anchor at 0xabab"):
        nowhere.submit(log.signed)


def test_a_checkpoint_that_waited_is_proved_from_a_log_that_has_grown_since(
    anchor: ChainAnchor, log: Log
) -> None:
    anchor.submit(log.signed)
    log.append([b"%d" % number for number in range(5)])
    waited = log.signed
    log.append([b"%d" % number for number in range(600)])
    reference = anchor.submit(waited)
    assert anchor.head(log.origin).size == Reference.parse(reference).size == 20


def test_a_log_claimed_without_proofs_is_anchored_without_them(port: Port, log: Log) -> None:
    anchor = port.anchor(log.folder)
    wait_for(anchor.node, anchor.claim(log.origin, proven=False), 5)
    for _ in range(2):
        anchor.submit(log.signed)
        log.append([b"more", b"and more"])
    assert (anchor.head(log.origin).proven, anchor.head(log.origin).size) == (False, 17)


def test_a_node_of_another_chain_is_refused(port: Port, log: Log) -> None:
    anchor = port.anchor(log.folder)
    wrong = ChainAnchor(type(anchor.chain)(1, port.contract, anchor.chain.nodes), log.folder, anchor.account)
    with pytest.raises(SetupError, match="is a node of chain 31337, not 1"):
        wrong.submit(log.signed)


def test_a_reference_is_read_back_and_nothing_else_is(anchor: ChainAnchor, log: Log) -> None:
    for transaction in ("", "0xabc"):
        reference = Reference("a name with spaces/log", 15, bytes(32), transaction)
        assert Reference.parse(str(reference)) == reference
    for text in ("", "x", "15 zz - log", "1 00"):
        with pytest.raises(Malformed):
            anchor.status(text)


def test_a_published_proof_that_was_damaged_is_made_again(anchor: ChainAnchor, port: Port, log: Log) -> None:
    reference = anchor.submit(log.signed)
    port.anvil.mine(3)
    anchor.verify(reference, log.signed)
    path = log.folder / "chain" / "15.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert anchor.verify(reference, log.signed).size == 15
    assert path.read_bytes() == whole


def test_the_root_of_another_checkpoint_is_not_attested(
    anchor: ChainAnchor, port: Port, log: Log, tmp_path: Path
) -> None:
    reference = anchor.submit(log.signed)
    port.anvil.mine(3)
    with (
        fork_of(log, tmp_path, entries=15) as fork,
        pytest.raises(Tampered, match="holds another root of 15"),
    ):
        anchor.verify(reference, fork.signed)
