"""foreseal disclose"""

from __future__ import annotations

from pathlib import Path

import click

from foreseal.cli.terminal import Terminal, json_option, project_option


@click.command("disclose")
@click.argument("dataset")
@click.option("--cutoff", required=True, help="Cutoff of a sealed forecast, such as 2018-08-01T05:00:00Z.")
@click.option("--series", required=True, help="The unique_id of the series.")
@click.option("--ds", required=True, help="The instant of the value.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file (default: in out/).")
@project_option
@json_option
def command(
    dataset: str, cutoff: str, series: str, ds: str, out: Path | None, folder: str, as_json: bool
) -> None:
    """Disclose one value of DATASET, and prove that a sealed forecast rested on it.

    What is disclosed is the chunk of at most 256 rows that holds the value; `foreseal verify` checks the file
    against the receipt in it, offline and without the rest of the data.
    """
    from foreseal.cli.summary import show_trust
    from foreseal.clock import parse_instant
    from foreseal.run import Project
    from foreseal.run.disclosing import disclose

    terminal = Terminal(as_json)
    project = Project.open(folder)
    path = disclose(project, dataset, parse_instant(cutoff), series, parse_instant(ds), out)
    terminal.say(f"Wrote {path}. It holds the value and up to 255 rows beside it.")
    show_trust(terminal, project, f"foreseal verify {path}")
    terminal.result({"path": str(path)})
