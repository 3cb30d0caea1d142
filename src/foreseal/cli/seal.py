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
