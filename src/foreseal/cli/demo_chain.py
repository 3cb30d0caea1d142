"""foreseal demo --chain: what happens, told as it happens."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foreseal.cli.terminal import Terminal, plural, program
from foreseal.errors import UsageError

if TYPE_CHECKING:
    from foreseal.run.consortium import Consortium, Rewritten

EVIDENCE, FORK = "evidence", "fork-evidence.txt"


def show(folder: Path, terminal: Terminal) -> int:
    """Run all of it in a new folder. Raises `UsageError`, `SetupError` or `MissingExtra` before it begins."""
    from foreseal.chain import contract
    from foreseal.run.anvil import find_anvil, local_chain
    from foreseal.run.consortium import consortium

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is not empty, and the chain of an earlier demonstration is gone.",
            hint=f"Name a new folder: {program()} demo --chain {folder}-2",
        )
    contract.need("A demonstration with a chain")
    find_anvil()
    started = time.perf_counter()
    with terminal.warnings(), local_chain() as anvil, consortium(folder, anvil) as three:
        found = {
            **_begin(three, terminal),
            **_forecast(three, terminal),
            **_agree(three, terminal),
            **_anchor(three, terminal),
        }
        rewritten = three.rewrite()
        found.update(_caught(rewritten, terminal))
        checks = _evidence(three, rewritten, terminal)
    seconds = time.perf_counter() - started
    well = all(checks.values()) and found["caught"] and found["final"]
    terminal.say()
    terminal.say(f"Done in {seconds:.0f} s. The local chain has ended; the evidence needs neither it nor us.")
    terminal.say("What to type next:")
    trust = folder / "trust"
    terminal.say(
        f"   {program()} verify {folder / EVIDENCE} --policy {trust / 'shop.policy'} "
        f"--chain {trust / 'chain.toml'}"
    )
    terminal.say(f"   {program()} verify {folder / EVIDENCE / FORK} --policy {trust / 'carrier.policy'}")
    rewritten_log = folder / "carrier-rewritten" / "log"
    terminal.say(f"   {program()} verify {rewritten_log} --policy {trust / 'carrier.policy'}")
    terminal.result({"ok": well, "seconds": round(seconds, 1), **found, "verified": checks})
    return 0 if well else 1


def _begin(three: Consortium, terminal: Terminal) -> dict[str, Any]:
    terminal.say("1. Three organisations, each with keys, a log, a witness and an account of its own:")
    for name, member in three.members.items():
        terminal.say(f"   {name:<8} log key {member.project.trusted()}")
    terminal.say(f"   The contract {three.contract} on a local chain: each has claimed its log's name,")
    terminal.say("   and promised to prove with each anchor that its log extends the one before.")
    return {"contract": three.contract}


def _forecast(three: Consortium, terminal: Terminal) -> dict[str, Any]:
    from foreseal.cli.summary import show_records

    terminal.say("2. The shop forecasts its demand (made-up data, a replay), seals and settles it:")
    with terminal.progress("forecast") as update:
        done = three.forecast(update)
    records = show_records(terminal, three.members["shop"].project)
    terminal.say(f"   {plural(done.forecasts, 'forecast')} sealed, {done.settled} settled.")
    return {"forecasts": done.forecasts, "records": records}


def _agree(three: Consortium, terminal: Terminal) -> dict[str, Any]:
    terminal.say("3. The carrier hands goods over to the shop. Both sign, and seal it in their logs:")
    said = three.hand_over()
    for name, each in said.items():
        terminal.say(f"   {name:<8} entry {each.index}, {each.leaf[:16]}...")
    return {"agreement": {name: each.index for name, each in said.items()}}


def _anchor(three: Consortium, terminal: Terminal) -> dict[str, Any]:
    from foreseal.run.witnessing import witnessed_so_far

    terminal.say("4. Each log is cosigned by the two other organisations, and anchored on the chain:")
    anchored = three.anchor()
    for name, member in three.members.items():
        witnessed = witnessed_so_far(member.project, member.project.reader())
        terminal.say(f"   {name:<8} {witnessed}")
    for name, each in anchored.items():
        terminal.say(f"   {name:<8} {each}")
    stages = {name: each.stage for name, each in anchored.items()}
    return {"anchored": stages, "final": set(stages.values()) == {"final"} and len(stages) == 3}


def _caught(rewritten: Rewritten, terminal: Terminal) -> dict[str, Any]:
    alone, by_client = rewritten.alone, rewritten.refused_by_client()
    by_contract = rewritten.refused_by_contract()
    terminal.say("5. Now the carrier rewrites its history with its own keys: there was no hand-over.")
    terminal.say(f"   {rewritten.log}: {alone.size} entries, rightly signed by the log's key.")
    says = "finds nothing wrong" if alone.ok else "finds it wrong"
    terminal.say(f"   Who knows that key and nothing else {says}. But:", style="yellow")
    for each in rewritten.answers:
        terminal.say(f"   witness  {each.witness}: {each.why}", style="bold")
    terminal.say(f"   foreseal {by_client}", style="bold")
    terminal.say(f"   contract {by_contract}", style="bold")
    caught = all(each.alarm for each in rewritten.answers) and rewritten.witnessed.forked and alone.ok
    return {
        "caught": caught,
        "witnesses": {each.witness: each.why for each in rewritten.answers},
        "refused_by_contract": by_contract,
    }


def _evidence(three: Consortium, rewritten: Rewritten, terminal: Terminal) -> dict[str, bool]:
    """Write the shop's evidence, with what proves the fork beside it, and check both as a reader would."""
    from foreseal.chain.attest import attestor
    from foreseal.chain.ethereum import Chain
    from foreseal.clock import LiveClock
    from foreseal.run.evidence import write_evidence
    from foreseal.seal.disk import write_file
    from foreseal.seal.evidence import verify_evidence
    from foreseal.seal.fork import verify_fork
    from foreseal.seal.policy import read_policy
    from foreseal.seal.verify import verify_log

    trust, path = three.trust(), three.folder / EVIDENCE
    write_evidence(three.members["shop"].project, out=path)
    fork = bytes(rewritten.fork())
    write_file(path / FORK, fork)
    chain = replace(Chain.load(trust / "chain.toml"), nodes=())
    shop, carrier = (read_policy(trust / f"{name}.policy") for name in ("shop", "carrier"))
    checked = verify_evidence(path, shop, (), attestor(None, LiveClock().now(), chain))
    proven = verify_fork(fork, carrier)
    shown = verify_log(rewritten.log, carrier)
    terminal.say(f"6. The evidence, {path}/, checked offline by the shop's policy and one block hash:")
    for line in (*checked.statements, *checked.notes, *checked.problems):
        terminal.say(f"   {line}")
    terminal.say(f"   {path / FORK}, by the carrier's policy: {'; '.join(proven.statements)}")
    terminal.say(f"   The rewritten log by the carrier's policy: {'; '.join(map(str, shown.problems))}")
    return {"evidence": checked.ok, "fork": proven.ok, "rewritten_refused": not shown.ok}
