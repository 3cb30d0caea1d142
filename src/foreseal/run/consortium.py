"""Three organisations on one machine, for the demonstration: each forecasts, agrees and seals in a log of its
own, each witnesses the others, and all anchor in one contract. Then one of them rewrites its history.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from foreseal.chain.account import load_account
from foreseal.chain.anchor import GWEI, KEY, ChainAnchor, make_anchor
from foreseal.chain.contract import anchor_call
from foreseal.chain.deploy import deploy
from foreseal.chain.state import block_of
from foreseal.chain.transaction import send
from foreseal.clock import LiveClock, format_instant
from foreseal.errors import NodeError, Refused, SetupError
from foreseal.run.agreeing import propose, seal, sign
from foreseal.run.anchoring import Anchored, anchor_log
from foreseal.run.anvil import CHAIN_ID, Anvil
from foreseal.run.chain import claim, make_account
from foreseal.run.create import create
from foreseal.run.history import Said
from foreseal.run.loop import Done, run
from foreseal.run.project import Project
from foreseal.run.session import Session
from foreseal.run.witnessing import Witnessed
from foreseal.seal.anchor import CHAIN, Place, read_tokens
from foreseal.seal.checkpoint import read_checkpoint
from foreseal.seal.cosignature import CosignatureSigner
from foreseal.seal.cosigning import Answer, ask
from foreseal.seal.disk import make_folder, write_file
from foreseal.seal.entry import parse_entry, sign_entry
from foreseal.seal.fork import Fork
from foreseal.seal.keys import generate_key
from foreseal.seal.log import Log
from foreseal.seal.monitor import watch
from foreseal.seal.reader import LogReader
from foreseal.seal.verify import Verdict, verify_log
from foreseal.seal.witness import Witness
from foreseal.seal.witness_server import WitnessServer
from foreseal.settings import FILE_NAME

SHOP, CARRIER, MILL = NAMES = ("shop", "carrier", "mill")
WAIT_SECONDS = 20.0
MAX_FEE_GWEI = 100
DAYS = 70
CRATES = 120

_DEMAND = """
[clock]
mode = "replay"

[datasets.demand]
source = "csv"
path = "demand.csv"
id = "item"
ds = "day"
y = "crates"
title = "Synthetic daily demand, made up for this demonstration"
unit = "{crates}/d"
known_at = { delay = "1d" }

[targets.next_week]
dataset = "demand"
horizon = 7
freq = "1d"
cutoffs = { start = 2026-02-27, end = 2026-03-02, every = "1d" }
deadline = "2h"
quantiles = [0.05, 0.25, 0.5, 0.75, 0.95]
decimals = 1
rule = "wis"
baseline = "seasonal_naive(7)"
outcome = { deadline = "2d" }
score_bound = 500

[models]
members = ["drift", "ridge"]
"""


@dataclass(frozen=True, slots=True)
class Member:
    """One organisation: its project, and the witness that it runs for the others."""

    name: str
    project: Project
    witness: str

    @property
    def author(self) -> str:
        return self.project.settings.seal.author

    @property
    def anchor(self) -> ChainAnchor:
        """Its way to the contract."""
        table = self.project.settings.seal.chain
        assert table is not None
        return make_anchor(table.options, Place(self.project.folder, self.project.log_folder))


@dataclass(frozen=True, slots=True)
class Consortium:
    """The three, the chain that they share, and the contract on it."""

    folder: Path
    anvil: Anvil
    contract: str
    members: Mapping[str, Member]

    def forecast(self, report: Callable[[str, int, int], None] | None = None) -> Done:
        """The shop forecasts its demand, and settles what it can."""
        with Session.begin(self.members[SHOP].project) as session:
            return run(session, report=report)

    def hand_over(self) -> dict[str, Said]:
        """The carrier hands goods over to the shop: both sign, each seals it; the mill seals its identity."""
        terms = _terms(self.members[CARRIER].name, self.members[SHOP].name)
        carrier, shop = self.members[CARRIER].project, self.members[SHOP]
        made = LiveClock().now().replace(microsecond=0)
        agreement = propose(carrier, "hand-over of goods", terms, {SHOP: shop.author}, made)
        agreement = sign(shop.project, agreement, terms)
        with Session.begin(self.members[MILL].project) as session:
            run(session)
        return {name: seal(self.members[name].project, agreement, terms)[0] for name in (CARRIER, SHOP)}

    def anchor(self) -> dict[str, Anchored]:
        """Have every log anchored, and give the chain the blocks that make it final."""
        found = {}
        for _ in range(2):
            for name, member in self.members.items():
                for each in anchor_log(member.project, member.project.reader(), at_once=True):
                    found[name] = each
            self.anvil.mine(3)
        return found

    def rewrite(self) -> Rewritten:
        """The carrier makes another history with its own keys, in which there was no hand-over."""
        member = self.members[CARRIER]
        project, folder = member.project, self.folder / "carrier-rewritten"
        kept = [raw for raw in project.reader().entries() if parse_entry(raw).kind != "agreement"]
        with Log.create(folder / "log", project.signer(), folder / "lock.db") as log:
            log.append([*kept, *(_declared(project, f"deliveries {n}") for n in (1, 2))])
            answers = ask(log, [each for each in project.trust().witnesses if each.url], WAIT_SECONDS)
        return Rewritten(member, folder / "log", answers)

    def trust(self) -> Path:
        """What each would give to others by another way: a policy for each log, and the chain."""
        folder = self.folder / "trust"
        for name, member in self.members.items():
            write_file(folder / f"{name}.policy", str(member.project.trust()).encode())
        tokens = [read_tokens(each.project.log_folder).get(CHAIN, {}) for each in self.members.values()]
        blocks = sorted({block_of(token) for each in tokens for token in each.values()})
        text = f'chain_id = {CHAIN_ID}\ncontract = "{self.contract}"\nblocks = {json.dumps(blocks)}\n'
        write_file(folder / "chain.toml", text.encode())
        return folder


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Another history of a member's log, and what the witnesses of the others said to it."""

    member: Member
    log: Path
    answers: Sequence[Answer]

    @property
    def alone(self) -> Verdict:
        """What a reader finds who knows the log's key and nobody else."""
        return verify_log(self.log, [self.member.project.trusted()])

    @property
    def witnessed(self) -> Witnessed:
        """What the answers are to the log's policy."""
        return Witnessed.of(self.member.project.trust(), (), self.answers)

    def fork(self) -> Fork:
        """What proves the fork to anybody: the others hold what this log does not extend."""
        trust = self.member.project.trust()
        found = watch(trust, self.member.project.trusted(), str(self.log), WAIT_SECONDS)
        return found.forks[0]

    def refused_by_client(self) -> str:
        """What Foreseal says when it is asked to anchor this."""
        anchor = self.member.anchor
        try:
            ChainAnchor(anchor.chain, self.log, anchor.account).submit(self._signed)
        except Refused as error:
            return error.message
        raise SetupError("the rewritten log was anchored.")

    def refused_by_contract(self) -> str:
        """What the contract says to the very transaction, with the best proof that this log can give."""
        head, anchor = read_checkpoint(self._signed), self.member.anchor
        proof = LogReader(self.log, head, self._signed).consistency(anchor.head(head.origin).size)
        data = anchor_call(head.origin, head.size, head.root, proof)
        try:
            send(anchor.node, anchor.account(), anchor.chain.contract, data, CHAIN_ID, anchor.max_fee)
        except NodeError as error:
            return error.message.partition(" says: ")[2]
        raise SetupError("the contract took the rewritten log.")

    @property
    def _signed(self) -> bytes:
        return (self.log / "checkpoint").read_bytes()


@contextmanager
def consortium(folder: Path, anvil: Anvil) -> Iterator[Consortium]:
    """Make the three in ``folder`` and run their witnesses until the block ends."""
    made = {name: create(folder / name, name=name, origin=f"{name}.example/log") for name in NAMES}
    for name in NAMES:
        toml = folder / name / FILE_NAME
        chain = f'chain = {{ rpc = "{anvil.url}", chain_id = {CHAIN_ID}, contract = "" }}\n'
        toml.write_text(_settings(name, toml.read_text()) + chain)
        anvil.fund(make_account(Project.open(folder / name))[1])
    (folder / SHOP / "demand.csv").write_text(_demand())
    payer = load_account(folder / SHOP / KEY)
    contract = deploy(anvil.node, payer, CHAIN_ID, MAX_FEE_GWEI * GWEI, WAIT_SECONDS)
    with ExitStack() as stack:
        places = {}
        for name in NAMES:
            others = [Project.open(folder / each).trusted() for each in NAMES if each != name]
            home = folder / name / "witness"
            make_folder(home)
            signer = CosignatureSigner(f"{name}.example/witness", generate_key(home / "witness.pem"))
            witness = Witness(home / "witness.db", signer, others, LiveClock().now)
            places[name] = f"{signer.verifier} {stack.enter_context(_served(witness)).url}"
        for name in made:
            toml = folder / name / FILE_NAME
            of = json.dumps([places[each] for each in NAMES if each != name])
            line = f'witnesses = {{ need = 2, tolerate = 0, wait = "{WAIT_SECONDS:g}s", of = {of} }}\n'
            toml.write_text(toml.read_text().replace('contract = ""', f'contract = "{contract}"') + line)
            claim(Project.open(folder / name), proven=True, wait=WAIT_SECONDS)
        members = {name: Member(name, Project.open(folder / name), places[name]) for name in NAMES}
        yield Consortium(folder, anvil, contract, members)


@contextmanager
def _served(witness: Witness) -> Iterator[WitnessServer]:
    with WitnessServer(witness) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _settings(name: str, text: str) -> str:
    """The shop asks a question; the others have nothing but a log."""
    before, _, seal = text.partition("[seal]")
    if name != SHOP:
        return text
    head = before.partition("[clock]")[0]
    return f"{head}{_DEMAND}\n[seal]{seal}"


def _demand() -> str:
    """Made-up demand: a weekly wave, growth, and noise that is always the same."""
    start, rows = datetime(2026, 1, 1, tzinfo=UTC), ["item,day,crates"]
    for k in range(DAYS):
        noise = sum(sha256(b"%d" % k).digest()[:8]) / 40 - 25
        crates = CRATES + 25 * math.sin(k * math.tau / 7) + k / 4 + noise
        rows.append(f"flour,{format_instant(start + timedelta(days=k))},{crates:.1f}")
    return "\n".join([*rows, ""])


def _terms(giver: str, taker: str) -> bytes:
    terms = {"event": "hand-over", "goods": "flour", "crates": str(CRATES), "from": giver, "to": taker}
    return json.dumps(terms, sort_keys=True, separators=(",", ":")).encode()


def _declared(project: Project, name: str) -> bytes:
    """An entry that any author may write."""
    fields = {
        "name": name,
        "form": "series",
        "units": {},
        "schema": {"y": "float"},
        "source": "the carrier",
        "licence": "none",
        "timezone": "UTC",
        "known_at": "load",
        "personal": False,
    }
    return sign_entry(
        "dataset", fields, key=project.author_key(), at=LiveClock().now().replace(microsecond=0)
    )
