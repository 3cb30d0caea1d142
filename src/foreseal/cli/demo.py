"""foreseal demo"""

from __future__ import annotations

import time
from pathlib import Path

import click

from foreseal.cli.terminal import Terminal, json_option, program


@click.command("demo")
@click.argument("folder", default="demo", type=click.Path(file_okay=False, path_type=Path))
@click.option("--app", default="traffic", show_default=True, help="Which example to run.")
@click.option("--chain", is_flag=True, help="Three organisations, their witnesses, and a local chain.")
@json_option
def command(folder: Path, app: str, chain: bool, as_json: bool) -> int:
    """Run an example from data to verified receipts, in FOLDER (default: demo).

    The same steps as `foreseal init --app traffic FOLDER` and `foreseal run`. Running it again continues, or
    finds nothing due.

    With --chain, three organisations with keys and logs of their own: one forecasts, two sign a hand-over of
    goods, each witnesses the others, all anchor in one contract on a local chain. Then one rewrites its
    history, and is caught. Needs the extra chain, the program anvil (`make anvil`) and a new FOLDER.
    """
    if chain:
        from foreseal.cli.demo_chain import show

        return show(folder, Terminal(as_json))
    from foreseal.cli.report import write_report
    from foreseal.cli.summary import said_done, show_collected, show_decisions, show_records
    from foreseal.run import Project
    from foreseal.run.create import create
    from foreseal.run.loop import run
    from foreseal.run.receipts import verify_receipts, write_receipts
    from foreseal.run.session import Session
    from foreseal.seal.verify import verify_log
    from foreseal.settings import FILE_NAME

    terminal = Terminal(as_json)
    started = time.perf_counter()
    if not (folder / FILE_NAME).exists():
        made = create(folder, app=app, name=f"{app}-demo")
        terminal.say(f"1. Made the project {folder}/ with its own author and log keys in {folder}/keys/.")
        terminal.say(f"   Log key: {made.log_key}")
    else:
        terminal.say(f"1. Continuing the project in {folder}/.")
    project = Project.open(folder)
    terminal.say(f"   {project.title}.")
    terminal.say("2. Replaying every declared cutoff: collect, forecast, decide, seal, settle, score.")
    with terminal.warnings(), terminal.progress("open") as update, Session.begin(project) as session:
        done = run(session, report=update)
    show_collected(terminal, done.collected)
    terminal.say(f"   {said_done(done)}")
    terminal.say("3. The track record, baseline beside it:")
    records = show_records(terminal, project)
    decisions = show_decisions(terminal, project)
    terminal.say("4. Checking everything offline, from the published bytes and the log key alone.")
    receipts = write_receipts(project)
    verdict = verify_log(project.log_folder, project.trust())
    verdicts = verify_receipts(project, receipts)
    good = sum(each.ok for each in verdicts.values())
    for line in (*verdict.statements, *(f"problem: {each}" for each in verdict.problems)):
        terminal.say(f"   {line}")
    terminal.say(f"   {good} of {len(receipts)} receipts verified.", style="bold")
    report = write_report(project)
    seconds = time.perf_counter() - started
    terminal.say()
    terminal.say(f"Done in {seconds:.0f} s. Where to look:")
    places = {
        str(report): "the report: open it in a browser",
        f"{folder / 'out' / 'receipts'}/": "one proof per forecast, decision and score",
        str(folder / FILE_NAME): "what was asked, in one file",
    }
    width = max(map(len, places))
    for place, what in places.items():
        terminal.say(f"   {place:<{width}}   {what}")
    terminal.say("What to type next:")
    terminal.say(f"   {program()} verify -C {folder}")
    for name in project.settings.decisions:
        terminal.say(f"   {program()} decide -C {folder} {name} 0")
    if receipts:
        terminal.say(f"   {program()} verify {receipts[0]} --key '{project.trusted()}'")
    terminal.say(f"   {program()} init --app diagnosis my-clinic      another example")
    well = verdict.ok and good == len(receipts)
    terminal.result(
        {
            "ok": well,
            "seconds": round(seconds, 1),
            "collected": [each.as_dict() for each in done.collected],
            "records": records,
            "decisions": decisions,
            "statements": verdict.statements,
            "receipts": len(receipts),
            "verified": good,
            "report": str(report),
        }
    )
    return 0 if well else 1
