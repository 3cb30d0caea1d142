"""The record of an anchor: checked offline, every byte of it, and no more believed than it shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chains import Port, started

from foreseal.chain import attest as attesting
from foreseal.chain import contract
from foreseal.chain.attest import attest_folder
from foreseal.chain.deploy import wait_for
from foreseal.chain.ethereum import Chain
from foreseal.chain.node import Node, quantity
from foreseal.chain.state import block_of, check_record, encode_header, parse_record
from foreseal.chain.transaction import send
from foreseal.errors import (
    ForesealError,
    Malformed,
    NodeError,
    ProofError,
    SettingsError,
    SetupError,
    Tampered,
)
from foreseal.run.anvil import CHAIN_ID, Anvil
from foreseal.seal.anchor import CHAIN_NOT_CHECKED, MAX_TOKEN, Attested
from foreseal.seal.checkpoint import read_checkpoint
from foreseal.seal.log import Log
from foreseal.seal.note import parse_note


@pytest.fixture
def anchored(port: Port, log: Log) -> Log:
    """The log with its anchor published."""
    anchor = port.anchor(log.folder)
    wait_for(anchor.node, anchor.claim(log.origin), 5)
    reference = anchor.submit(log.signed)
    port.anvil.mine(3)
    anchor.verify(reference, log.signed)
    return log


@pytest.fixture
def record(anchored: Log) -> bytes:
    return (anchored.folder / "chain" / "15.json").read_bytes()


def offline(port: Port, *blocks: str) -> Chain:
    """The same chain for somebody who asks no node."""
    return Chain(CHAIN_ID, port.contract, (), frozenset(blocks))


def damage(record: bytes) -> Iterator[bytes]:
    """One byte changed in each place of a record, another every time."""
    for at in range(0, len(record), 7):
        other = b"0123456789abcdef"[(record[at] + at) % 16]
        if record[at] != other:
            yield record[:at] + bytes([other]) + record[at + 1 :]


def test_a_record_shows_the_root_in_a_block_without_asking_anybody(
    port: Port, anchored: Log, record: bytes
) -> None:
    held = check_record(parse_record(record), anchored.origin, 15)
    block = port.anvil.node.block(held.number)
    assert block is not None
    assert (held.block, held.root) == (block["hash"], read_checkpoint(anchored.signed).root)
    assert held.at == datetime.fromtimestamp(quantity(block["timestamp"]), UTC)
    assert block_of(record) == held.block


def test_a_record_of_which_a_byte_was_changed_shows_nothing(port: Port, anchored: Log, record: bytes) -> None:
    chain, text = offline(port, block_of(record)), parse_note(anchored.signed).text
    assert chain.check(record, text).size == 15
    count = 0
    for each in damage(record):
        with pytest.raises(ForesealError):
            chain.check(each, text)
        count += 1
    assert count > 300


def test_a_record_is_of_one_log_and_one_size_and_one_contract(port: Port, record: bytes) -> None:
    found = parse_record(record)
    for origin, size in (("example.com/other", 15), ("example.com/log", 14), ("example.com/log", 16)):
        with pytest.raises(ProofError):
            check_record(found, origin, size)
    with pytest.raises(Tampered):
        check_record(replace(found, contract="0x" + "ab" * 20), "example.com/log", 15)


def test_threat_20_another_contract_that_says_the_same_is_not_believed(port: Port, log: Log) -> None:
    # Its owner could write any root at any time; what it answers cannot be told apart, but its code can.
    prefix = bytes.fromhex("5b")
    runtime = prefix + bytes.fromhex(contract._artifact()["runtime"].removeprefix("0x"))
    loader = bytes.fromhex(f"61{len(runtime):04x}80600a3d393df3") + runtime
    sent = send(port.anvil.node, port.account, "", loader, CHAIN_ID, 10**12)
    fake = Port(port.anvil, port.key, wait_for(port.anvil.node, sent, 5)["contractAddress"].lower())
    slot = contract.root_slot(log.origin, 15)
    root = read_checkpoint(log.signed).root
    port.anvil.node.ask("anvil_setStorageAt", fake.contract, f"0x{slot.hex()}", f"0x{root.hex()}")
    port.anvil.mine(3)
    anchor = fake.anchor(log.folder)
    sent = f"15 {root.hex()} - {log.origin}"
    with pytest.raises(Tampered, match=r"is not Foreseal's Anchor: its code differs"):
        anchor.verify(sent, log.signed)


def test_only_one_spelling_of_a_record_is_read(record: bytes) -> None:
    for wrong in (b"", b"{}", b"[]", record + b"\n", record.replace(b":", b": ", 1), b" " * (MAX_TOKEN + 1)):
        with pytest.raises(Malformed):
            parse_record(wrong)
    for old, new in ((b'"v":1', b'"v":2'), (b'"chain_id":31337', b'"chain_id":0'), (b'"0xf9', b'"0xF9')):
        assert old in record
        with pytest.raises(Malformed):
            parse_record(record.replace(old, new, 1))


def test_the_header_that_is_encoded_has_the_hash_of_its_block_or_is_refused(anvil: Anvil) -> None:
    block = anvil.node.block("latest")
    assert block is not None
    assert encode_header(block)
    with pytest.raises(SetupError, match="has a form that is not known here"):
        encode_header({**block, "extraData": "0x01"})
    with pytest.raises(SetupError, match="without 'stateRoot'"):
        encode_header({name: each for name, each in block.items() if name != "stateRoot"})


def test_a_chain_anchor_dates_the_log_for_who_names_a_node_or_the_block(
    port: Port, anchored: Log, record: bytes
) -> None:
    by_node = attest_folder(anchored.folder, None, chain=port.chain())
    by_hash = attest_folder(anchored.folder, None, chain=offline(port, block_of(record)))
    assert by_node == by_hash
    (statement,) = by_node.statements
    assert statement.startswith("the first 15 entries existed at 20")
    assert statement.endswith(f"by chain {CHAIN_ID}, contract {port.contract}")
    assert by_node.times.time(14) == by_node.found[0].at


def test_what_nobody_who_was_named_confirms_has_no_weight_and_is_told(
    port: Port, anchored: Log, record: bytes, tmp_path: Path
) -> None:
    def notes(chain: Chain) -> str:
        found = attest_folder(anchored.folder, None, chain=chain)
        assert found.found == ()
        return " ".join(found.notes)

    assert f"it fits block {check_record(parse_record(record), anchored.origin, 15).number}, " in notes(
        offline(port)
    )
    assert "cannot be asked" in notes(replace(port.chain(), nodes=(Node("http://127.0.0.1:1"),)))
    assert "it is of chain 31337, contract" in notes(replace(port.chain(), chain_id=1))
    assert "it is of chain 31337, contract" in notes(replace(port.chain(), contract="0x" + "00" * 20))
    assert "does not say yet that block" in notes(replace(port.chain(), confirmations=1000))
    with started() as other:
        # A node of another chain with the same number, as an RPC that lies: all nodes must agree.
        both = replace(port.chain(), nodes=(*port.chain().nodes, Node(other.url)))
        other.mine(40)
        assert "it is not of the chain" in notes(both)


def test_without_a_chain_or_the_extra_nothing_is_checked(
    port: Port, anchored: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    unchecked = Attested(notes=(CHAIN_NOT_CHECKED,))
    assert attest_folder(anchored.folder, None) == unchecked
    monkeypatch.setattr(attesting.contract, "available", lambda: False)
    assert attest_folder(anchored.folder, None, chain=port.chain()) == unchecked


def test_a_block_that_a_reorganisation_removed_is_not_of_the_chain(port: Port, log: Log) -> None:
    anchor = port.anchor(log.folder, confirmations=1)
    wait_for(anchor.node, anchor.claim(log.origin), 5)
    reference = anchor.submit(log.signed)
    port.anvil.mine(2)
    anchor.verify(reference, log.signed)
    port.anvil.node.ask("anvil_reorg", 3, [])
    (note,) = attest_folder(log.folder, None, chain=port.chain(confirmations=1)).notes
    assert "chain/15.json has no weight: " in note
    assert "it is not of the chain" in note


def test_a_file_names_the_chain_and_what_is_wrong_with_it_is_told(tmp_path: Path) -> None:
    path, base = tmp_path / "chain.toml", f'chain_id = 1\ncontract = "0x{"AB" * 20}"\n'
    path.write_text(base + f'rpc = ["http://a.example", "https://b.example"]\nblocks = ["0x{"ab" * 32}"]\n')
    chain = Chain.load(path)
    assert (chain.contract, len(chain.nodes), len(chain.blocks)) == ("0x" + "ab" * 20, 2, 1)
    for text, why in (
        ("chain_id = 1\n", "has no 'contract'"),
        ('chain_id = 1\ncontract = ""\n', "names no contract"),
        ('chain_id = 0\ncontract = ""\n', "not a whole number above zero"),
        ('chain_id = 1\ncontract = "0x12"\n', "is not an address"),
        (base + 'rpc = "ftp://a"\n', "is not the address of a node"),
        (base + "rpc = []\n", "names no node"),
        (base + 'blocks = ["0x12"]\n', "a list of block hashes"),
        (base + "block = 1\n", "block"),
        ("chain_id = \n", "Invalid value"),
    ):
        path.write_text(text)
        with pytest.raises(SettingsError, match=why):
            Chain.load(path)


def test_a_node_that_answers_nonsense_is_told_and_not_believed(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(port.anvil.url)
    with pytest.raises(NodeError, match="says: "):
        node.ask("eth_noSuchThing")
    for answer in ("12x", None, {}, "0xzz"):
        monkeypatch.setattr(Node, "ask", lambda self, *rest, answer=answer: answer)
        with pytest.raises(Malformed):
            node.chain_id()
        with pytest.raises(Malformed):
            node.call(port.contract, b"")
