"""foreseal approve"""

from __future__ import annotations

import getpass

import click

from foreseal.cli.terminal import Terminal, json_option, project_option


@click.command("approve")
@click.argument("decision")
@click.argument("seq", type=int)
@click.option("--reject", is_flag=True, help="Reject instead of approving.")
@click.option("--case", default="", help="One case that the decision refers to a person.")
@click.option("--by", default="", help="Who decides (default: the name of the account).")
@click.option("--reason", default="", help="Why.")
@project_option
@json_option
def command(
    decision: str, seq: int, reject: bool, case: str, by: str, reason: str, folder: str, as_json: bool
) -> None:
    """Approve or reject a proposed decision, seal it, and write the report anew.

    DECISION is the name in foreseal.toml, SEQ the number of the cutoff: `foreseal decide` lists both, and
    `foreseal decide DECISION SEQ` the cases that wait for a person.
    """
    from foreseal.cli.report import write_report
    from foreseal.run import Project
    from foreseal.run.session import Session

    terminal = Terminal(as_json)
    verdict = "rejected" if reject else "approved"
    project = Project.open(folder)
    with Session.begin(project) as session:
        said = session.approve(decision, seq, verdict, by or getpass.getuser(), reason, case)
    what = f"The case {case} of {decision} {seq}" if case else f"{decision} {seq}"
    terminal.say(f"{what} is {verdict}; sealed as entry {said.index}.")
    report = write_report(project)
    terminal.say(f"Report: {report}")
    terminal.result(
        {
            "decision": decision,
            "seq": seq,
            "verdict": verdict,
            "case": case,
            "by": said.body["by"],
            "reason": said.body["reason"],
            "index": said.index,
            "report": str(report),
        }
    )
