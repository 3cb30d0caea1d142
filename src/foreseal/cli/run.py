"""foreseal run"""

from __future__ import annotations

import time

import click

from foreseal.cli.terminal import Terminal, json_option, plural, project_option


@click.command("run")
@project_option
@click.option("--watch", is_flag=True, help="Stay and do each thing when it falls due.")
@click.option("--report/--no-report", default=True, help="Write out/report.html, too, beside the receipts.")
@click.option("--trust-clock", is_flag=True, help="Go by the machine's clock though there is doubt about it.")
@json_option
def command(folder: str, watch: bool, report: bool, trust_clock: bool, as_json: bool) -> int:
    """Do what is due, once: collect, forecast, decide, seal, score.

    What a model or policy could not do is listed, the rest is done, and the exit code is 1. Nothing is sealed
    where witnesses hold another history of the log, or the machine's clock lies before its newest entry or is
    far from that of the witnesses; and where nobody confirms the clock, many cutoffs that were all missed are
    not settled. Where a contract refuses the log, for it holds another history, the exit code is 1, too, and
    `--watch` ends.
    """
    from foreseal.cli.summary import (
        said_done,
        show_collected,
        show_failures,
        show_records,
        show_witnessed,
    )
    from foreseal.run import Project, loop
    from foreseal.run.receipts import write_receipts
    from foreseal.run.session import Session

    terminal = Terminal(as_json)
    project = Project.open(folder)
    while True:
        with (
            terminal.warnings(),
            terminal.progress("open") as update,
            Session.begin(project, trust_clock=trust_clock) as session,
        ):
            done = loop.run(session, report=update)
            following = None if project.replay else loop.next_due(session)
        show_collected(terminal, done.collected)
        terminal.say(said_done(done))
        witnessed = show_witnessed(terminal, session.witnessed)
        show_failures(terminal, done)
        if done.missed:
            missed = plural(done.missed, "cutoff")
            terminal.say(f"Missed: {missed} whose deadline had passed.", style="yellow")
        for each in done.anchored:
            terminal.say(str(each), style=None if each.well else "bold red" if each.forked else "yellow")
        forked = session.witnessed is not None and session.witnessed.forked
        forked = forked or any(each.forked for each in done.anchored)
        records = show_records(terminal, project)
        caught_up = session.witnessed is not None and session.witnessed.met
        if not done.nothing or caught_up:
            write_receipts(project)
        if report and not done.nothing:
            from foreseal.cli.report import write_report

            terminal.say(f"Report: {write_report(project)}")
        if forked or not watch:
            break
        if following is None:
            terminal.say("All declared cutoffs are settled.")
            break
        terminal.say(f"Next: {following:%Y-%m-%d %H:%M} UTC.")
        _sleep_until(following.timestamp())
    terminal.result(
        {
            "collected": [each.as_dict() for each in done.collected],
            "forecasts": done.forecasts,
            "decisions": done.decisions,
            "withheld": done.withheld,
            "settled": done.settled,
            "missed": done.missed,
            "failures": done.failures,
            "waiting": done.waiting,
            "anchored": [each.as_dict() for each in done.anchored],
            "witnessed": witnessed,
            "records": records,
        }
    )
    return 1 if done.failures or forked else 0


def _sleep_until(instant: float) -> None:
    """Wait in short naps, so that a machine that slept wakes up to the right time."""
    while (left := instant - time.time()) > 0:
        time.sleep(min(left, 30.0))
