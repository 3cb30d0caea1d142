"""foreseal verify"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foreseal.cli.damage import REMEDY, damaged
from foreseal.cli.terminal import Terminal, json_option, plural, project_option

if TYPE_CHECKING:
    from foreseal.seal.anchor import Attestor
    from foreseal.seal.policy import Policy
    from foreseal.seal.verify import Verdict

_NAME_IT = (
    "Name the log's key with --key VKEY, or --policy FILE, from whom you trust and not from what you check.\n"
    "To the log's owner `foreseal init` prints the key, and `foreseal seal policy` a policy."
)


@click.command("verify")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--key", "keys", multiple=True, help="A verifier key (vkey) that you trust; may be repeated.")
@click.option("--policy", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A policy file.")
@click.option(
    "--tsa",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificates (PEM) of a timestamp authority that you trust.",
)
@click.option(
    "--chain",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file (TOML) that names the chain and the contract that you trust.",
)
@click.option("--target", "targets", multiple=True, help="Judge this target only; may be repeated.")
@project_option
@json_option
def command(
    paths: tuple[Path, ...],
    keys: tuple[str, ...],
    policy: Path | None,
    tsa: Path | None,
    chain: Path | None,
    targets: tuple[str, ...],
    folder: str,
    as_json: bool,
) -> int:
    """Check receipts, evidence, disclosed data and logs, offline.

    PATHS are receipts (.tlog-proof) or folders of them, evidence (a folder or a .zip), disclosed rows of data
    (.disclosure), the published folder of a log, or what `foreseal monitor` wrote about a fork. Without PATHS
    the project in the current folder is checked: every file of its log, every signature, every score
    recomputed, every receipt.

    Trust comes from you: --key, --policy, --tsa, --chain, or inside a project its settings. Without a key the
    answer is that the evidence is consistent, but by a key you have not named, and the exit code is 1.
    """
    from foreseal.seal.verify import UNNAMED

    terminal = Terminal(as_json)
    trusted = _trusted(keys, policy, folder, paths)
    attest = _attestor(tsa, chain, folder, paths, outside=bool(keys or policy))
    if paths:
        found = {
            str(path): _check(path, trusted, attest, targets) for given in paths for path in _files(given)
        }
    else:
        found = _project(folder, trusted, attest, targets)
    for name, verdict in found.items():
        _show(terminal, name, verdict, brief=len(found) > 1)
    good = sum(verdict.ok for verdict in found.values())
    if len(found) > 1:
        terminal.say(
            f"{good} of {len(found)} verified.", style="bold green" if good == len(found) else "bold red"
        )
    if any(UNNAMED in verdict.statements for verdict in found.values()):
        terminal.say(_NAME_IT)
    terminal.result(
        {
            "ok": good == len(found),
            "verified": good,
            "checked": len(found),
            "results": {name: _plain(verdict) for name, verdict in found.items()},
        }
    )
    return 0 if good == len(found) else 1


def _trusted(keys: tuple[str, ...], policy: Path | None, folder: str, paths: tuple[Path, ...]) -> Policy:
    from foreseal.seal.policy import Policy, read_policy
    from foreseal.settings import FILE_NAME

    trusted = Policy.of(keys)
    if policy:
        found = read_policy(policy)
        trusted = replace(found, logs=tuple(dict.fromkeys((*trusted.logs, *found.logs))))
    if not trusted.logs and (not paths or folder != "." or Path(FILE_NAME).is_file()):
        from foreseal.run import Project

        trusted = Project.open(folder).trust()
    return trusted


def _attestor(
    tsa: Path | None, chain: Path | None, folder: str, paths: tuple[Path, ...], *, outside: bool
) -> Attestor:
    """Who checks timestamps and chain anchors: by what is named here, else, where the project's settings are
    trusted, by what they name."""
    from foreseal.clock import LiveClock
    from foreseal.errors import MissingExtra
    from foreseal.seal.anchor import unchecked
    from foreseal.settings import FILE_NAME

    inside = not outside and (not paths or (Path(folder) / FILE_NAME).is_file())
    if tsa is None and chain is None and not inside:
        return unchecked
    from foreseal.chain import contract, rfc3161
    from foreseal.chain.attest import attestor
    from foreseal.chain.ethereum import Chain

    if tsa is not None and not rfc3161.available():
        raise MissingExtra(rfc3161.EXTRA, "--tsa")
    if chain is not None:
        contract.need("--chain")
    authority = rfc3161.Authority.load(tsa) if tsa is not None else None
    believed = Chain.load(chain) if chain is not None else None
    if inside:
        from foreseal.run import Project, anchoring

        project = Project.open(folder)
        authority = authority or anchoring.authority(project)
        believed = believed or anchoring.believed_chain(project)
    return attestor(authority, LiveClock().now(), believed)


def _files(given: Path) -> list[Path]:
    """The path itself, or the receipts in a folder that holds nothing else to check."""
    from foreseal.seal.reader import CHECKPOINT
    from foreseal.seal.receipt import SUFFIX
    from foreseal.settings import FILE_NAME

    if not given.is_dir() or any((given / name).exists() for name in (CHECKPOINT, FILE_NAME, "tile")):
        return [given]
    return sorted(given.rglob(f"*{SUFFIX}")) or [given]


def _check(path: Path, trusted: Policy, attest: Attestor, targets: tuple[str, ...] = ()) -> Verdict:
    from foreseal.errors import ProofError, UsageError
    from foreseal.seal.disclosure import MAX_DISCLOSURE, SUFFIX, verify_disclosure
    from foreseal.seal.disk import read_file
    from foreseal.seal.evidence import verify_evidence
    from foreseal.seal.fork import HEADER, MAX_FORK, verify_fork
    from foreseal.seal.problem import Problem
    from foreseal.seal.reader import CHECKPOINT
    from foreseal.seal.receipt import MAX_RECEIPT
    from foreseal.seal.verify import refused, verify_log, verify_receipt
    from foreseal.settings import FILE_NAME

    if (path / FILE_NAME).is_file() and not (path / CHECKPOINT).exists():
        raise UsageError(
            f"{path} is a project, neither evidence nor the published folder of a log.",
            hint=f"Check all of it: foreseal verify -C {path}\n"
            f"For others to check: foreseal evidence -C {path}",
        )
    # Evidence ships no hash tiles; the published folder of a log always has those of level 0.
    if path.is_dir() and (path / "tile" / "0").is_dir():
        return verify_log(path, trusted, targets, attest)
    if path.is_dir() or path.suffix == ".zip":
        return verify_evidence(path, trusted, targets, attest)
    try:
        data = read_file(path, MAX_DISCLOSURE if path.suffix == SUFFIX else max(MAX_RECEIPT, MAX_FORK))
    except ProofError as error:
        return refused(Problem.of(error, "receipt"))
    if data.startswith(f"{HEADER}\n".encode()):
        return verify_fork(data, trusted)
    return (verify_disclosure if path.suffix == SUFFIX else verify_receipt)(data, trusted)


def _project(folder: str, trusted: Policy, attest: Attestor, targets: tuple[str, ...]) -> dict[str, Verdict]:
    from foreseal.run import Project
    from foreseal.seal.receipt import SUFFIX

    project = Project.open(folder)
    receipts = sorted((project.folder / "out" / "receipts").rglob(f"*{SUFFIX}"))
    return {str(path): _check(path, trusted, attest, targets) for path in (project.log_folder, *receipts)}


def _show(terminal: Terminal, name: str, verdict: Verdict, *, brief: bool) -> None:
    from foreseal.cli.summary import MAX_LISTED
    from foreseal.seal.note import STRANGER

    if brief and verdict.ok and verdict.index is not None:
        return
    terminal.say(
        f"{'verified' if verdict.ok else 'NOT VERIFIED'}  {name}", style="green" if verdict.ok else "red"
    )
    if verdict.entry is not None:
        terminal.say(f"  entry {verdict.index} of {verdict.origin}, {verdict.size} entries")
        for key in ("kind", "target", "name", "forecaster", "seq", "cutoff", "author"):
            if key in verdict.entry.fields:
                terminal.say(f"  {key}: {verdict.entry[key]}")
    for line in verdict.statements:
        terminal.say(f"  {line}")
    causes = damaged(verdict.problems)
    shown = causes[:MAX_LISTED] or verdict.problems
    for problem in shown:
        terminal.say(f"  problem ({problem.code}): {problem}", style="red")
    if len(verdict.problems) > len(shown):
        more = plural(len(verdict.problems) - len(shown), "more problem")
        terminal.say(f"  and {more}, which may follow from what is damaged; --json names them.")
    if causes:
        terminal.say(f"  {REMEDY}")
    if any(STRANGER in problem for problem in verdict.problems):
        terminal.say("  Either this is not of the log that you trust, or you named the key of another.")
    for line in verdict.notes[:MAX_LISTED]:
        terminal.say(f"  note: {line}")
    if len(verdict.notes) > MAX_LISTED:
        terminal.say(f"  note: and {len(verdict.notes) - MAX_LISTED} more; --json names them.")


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "ok": verdict.ok,
        "level": verdict.level,
        "codes": verdict.codes,
        "statements": verdict.statements,
        "problems": verdict.problems,
        "notes": verdict.notes,
        "origin": verdict.origin,
        "size": verdict.size,
        "index": verdict.index,
        "entry": dict(verdict.entry.fields) if verdict.entry else None,
    }
