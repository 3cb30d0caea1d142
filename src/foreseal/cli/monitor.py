"""foreseal monitor"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from foreseal.cli.terminal import Terminal, json_option, project_option

if TYPE_CHECKING:
    from foreseal.seal.monitor import Watch
    from foreseal.seal.policy import Policy


@click.command("monitor")
@click.argument("log", required=False)
@click.option("--policy", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A policy file.")
@click.option(
    "--out", default="fork-evidence.txt", type=click.Path(path_type=Path), help="Evidence of a fork."
)
@click.option("--wait", default=10.0, help="Seconds to wait for each witness.")
@project_option
@json_option
def command(log: str | None, policy: Path | None, out: Path, wait: float, folder: str, as_json: bool) -> int:
    """Compare what witnesses hold of a log with each other, and with the log.

    LOG is the published folder of a log, or its address; inside a project it is the project's own. The
    witnesses are those of --policy, or of the project's settings. With --policy and without LOG only
    checkpoints of equal size can be compared, and the answer says so where sizes differ.

    Two checkpoints that no single log can have prove that its key told two histories: they are written to
    --out, for anyone to check, and the exit code is 1.
    """
    from foreseal.errors import UsageError
    from foreseal.seal.disk import write_file
    from foreseal.seal.monitor import forks_of, watch

    terminal = Terminal(as_json)
    trusted, place = _asked(policy, log, folder)
    lacking = [each.name for each in trusted.witnesses if not each.url]
    if not trusted.logs or len(lacking) == len(trusted.witnesses):
        what = "no log key" if not trusted.logs else "no witness with an address"
        without = f" (none for {', '.join(lacking)})" if lacking else ""
        raise UsageError(
            f"there is nothing to compare: {what}{without}.",
            hint="Name them in a policy file (witness NAME VKEY URL), or under [seal] witnesses.",
        )
    if lacking:
        terminal.say(f"Not asked, for want of an address: {', '.join(lacking)}.", style="yellow")
    found = [watch(trusted, key, place, wait) for key in trusted.logs]
    for each in found:
        _show(terminal, each)
    forks = forks_of(found)
    if forks:
        write_file(out, bytes(forks[0]))
        terminal.say(f"{forks[0].check(trusted.logs)}. Evidence: {out}", style="bold red")
    well = not any(each.problems for each in found)
    terminal.result({"ok": well, "evidence": str(out) if forks else None, "logs": [_plain(e) for e in found]})
    return 0 if well else 1


def _asked(policy: Path | None, log: str | None, folder: str) -> tuple[Policy, str | None]:
    if policy:
        from foreseal.seal.policy import read_policy

        return read_policy(policy), log
    from foreseal.run import Project

    project = Project.open(folder)
    return project.trust(), log or str(project.log_folder)


def _show(terminal: Terminal, found: Watch) -> None:
    from foreseal.clock import format_instant

    rows = []
    for name, head in found.heads.items():
        at = format_instant(head.by[name]) if name in head.by else ""
        rows.append((name, str(head.checkpoint.size), head.checkpoint.root.hex()[:16], at))
    terminal.table(found.origin, ("held by", "entries", "root", "cosigned at"), rows, right=(1,))
    for line in found.problems:
        terminal.say(f"  problem: {line}", style="red")
    for line in found.notes:
        terminal.say(f"  note: {line}")
    if found.partly:
        terminal.say(
            "  Only checkpoints of equal size were compared. To compare the others, name LOG: "
            "the folder or address of the log.",
            style="yellow",
        )
    elif not found.problems:
        terminal.say("  One history.", style="green")


def _plain(found: Watch) -> dict[str, object]:
    heads = {
        name: {"size": head.checkpoint.size, "root": head.checkpoint.root.hex()}
        for name, head in found.heads.items()
    }
    return {
        "origin": found.origin,
        "heads": heads,
        "problems": found.problems,
        "notes": found.notes,
        "partly": found.partly,
    }
