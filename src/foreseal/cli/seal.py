"""foreseal seal"""

from __future__ import annotations

from pathlib import Path

import click

from foreseal.cli.terminal import Terminal, json_option, plural, project_option


@click.group("seal", invoke_without_command=True)
@project_option
@json_option
@click.pass_context
def command(ctx: click.Context, folder: str, as_json: bool) -> int:
    """Forecast, decide and seal what is due; outcomes are left for `foreseal score`.

    What could not be done is listed, and the exit code is 1.
    """
    ctx.obj = folder
    if ctx.invoked_subcommand:
        return 0
    from foreseal.cli.summary import do_verbs

    terminal = Terminal(as_json)
    done = do_verbs(terminal, folder, ("forecast",))
    terminal.say(f"Sealed {plural(done.forecasts, 'forecast')} and {plural(done.decisions, 'decision')}.")
    terminal.result(
        {
            "forecasts": done.forecasts,
            "decisions": done.decisions,
            "missed": done.missed,
            "failures": done.failures,
        }
    )
    return 1 if done.failures else 0


@command.command("adopt")
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-C", "--project", "here", default="", type=click.Path(), help="Project folder.")
@json_option
@click.pass_obj
def adopt_command(folder: str, checkpoint: Path, here: str, as_json: bool) -> None:
    """Take a restored log into use, after comparing it with CHECKPOINT.

    CHECKPOINT is the latest checkpoint of this log that you hold from elsewhere: a copy, a witness, or a
    receipt (.tlog-proof), which carries one. The log on disk must extend it. What came with the project, in
    log/ or out/, is not taken. Where the settings name witnesses they are asked, too, and the log must extend
    what they hold.
    """
    from foreseal.cli.summary import show_witnessed
    from foreseal.errors import Malformed, UsageError
    from foreseal.run import Project
    from foreseal.run.witnessing import adopt
    from foreseal.seal.checkpoint import read_checkpoint
    from foreseal.seal.disk import read_file
    from foreseal.seal.receipt import MAX_RECEIPT, SUFFIX, parse_receipt

    terminal = Terminal(as_json)
    project = Project.open(here or folder)
    if any(checkpoint.resolve().is_relative_to((project.folder / room).resolve()) for room in ("log", "out")):
        raise UsageError(
            f"{checkpoint} came with the project, so it says nothing about what is missing from it.",
            hint="Give one that you hold from elsewhere: a copy, a witness, a receipt that you sent away.",
        )
    try:
        trusted = read_file(checkpoint, MAX_RECEIPT)
        if checkpoint.suffix == SUFFIX:
            receipt = parse_receipt(trusted)
            receipt.check()
            trusted = receipt.checkpoint
        read_checkpoint(trusted)
    except Malformed as error:
        raise UsageError(f"{checkpoint} is neither a checkpoint nor a receipt: {error.message}") from None
    found, witnessed = adopt(project, trusted)
    terminal.say(f"The log {found.origin} continues at {found.size} entries.")
    said = show_witnessed(terminal, witnessed)
    terminal.result({"origin": found.origin, "size": found.size, "witnessed": said})


@command.command("policy")
@click.option("-C", "--project", "here", default="", type=click.Path(), help="Project folder.")
@json_option
@click.pass_obj
def policy_command(folder: str, here: str, as_json: bool) -> None:
    """Print whom this project trusts, as a policy file: its log, and the witnesses that must cosign.

    Give it to whoever is to check what you seal, by another way than the evidence. They should know of
    themselves why to trust the witnesses in it.
    """
    from foreseal.run import Project

    policy = str(Project.open(here or folder).trust())
    if not as_json:
        click.echo(policy, nl=False)
    Terminal(as_json).result({"policy": policy})


@command.command("account")
@click.option("-C", "--project", "here", default="", type=click.Path(), help="Project folder.")
@json_option
@click.pass_obj
def account_command(folder: str, here: str, as_json: bool) -> None:
    """Make the account that pays for anchors on a chain, and print its address.

    The key goes to the file that chain in [seal] names (keys/chain.pem), readable by you alone. Use the
    account for this log and nothing else, and send it what some anchors cost.
    """
    from foreseal.run import Project
    from foreseal.run.chain import make_account

    terminal = Terminal(as_json)
    path, address = make_account(Project.open(here or folder))
    terminal.say(f"Made the account {address}, its key in {path}.")
    terminal.say("It pays for anchors: send it some of the chain's coin. Back up the key; whoever has it can")
    terminal.say("spend what the account has and anchor in its name, and nobody else ever can.")
    terminal.result({"address": address, "key": str(path)})


@command.command("deploy")
@click.option("-C", "--project", "here", default="", type=click.Path(), help="Project folder.")
@click.option("--wait", default=60, show_default=True, help="Seconds to wait for the block.")
@json_option
@click.pass_obj
def deploy_command(folder: str, here: str, wait: int, as_json: bool) -> None:
    """Put the contract Anchor on the chain that [seal] names, and print its address.

    Once for everybody who shares it: a contract holds the checkpoints of any number of logs.
    """
    from foreseal.run import Project
    from foreseal.run.chain import deploy

    terminal = Terminal(as_json)
    address = deploy(Project.open(here or folder), wait)
    terminal.say(f"The contract is {address}. Write it into chain in [seal]:")
    terminal.say(f'  contract = "{address}"')
    terminal.say("Then claim the log's name there: foreseal seal claim")
    terminal.result({"contract": address})


@command.command("claim")
@click.option("-C", "--project", "here", default="", type=click.Path(), help="Project folder.")
@click.option("--unproven", is_flag=True, help="Do not promise that each anchor proves to extend the last.")
@click.option("--wait", default=60, show_default=True, help="Seconds to wait for the block.")
@json_option
@click.pass_obj
def claim_command(folder: str, here: str, unproven: bool, wait: int, as_json: bool) -> None:
    """Claim the log's name at the contract that [seal] names, for the project's account.

    Who claims a name first owns it for good, so claim it before you publish the log. From then on the
    contract takes no smaller size under it, and, unless --unproven, nothing that does not extend what it
    holds: a second history of this log cannot be anchored any more. That promise cannot be taken back.
    """
    from foreseal.run import Project
    from foreseal.run.chain import claim

    terminal = Terminal(as_json)
    head = claim(Project.open(here or folder), proven=not unproven, wait=wait)
    proven = "each anchor proves that it extends the last" if head.proven else "without proofs"
    terminal.say(f"The name is claimed by {head.owner}, {proven}.")
    terminal.result({"owner": head.owner, "proven": head.proven, "size": head.size})
