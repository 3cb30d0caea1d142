"""Runs the project in FOLDER/project once, acknowledging on standard output what is safe before each step.

    run_loop.py FOLDER

A line is ``LOG_SIZE ROWS``: entries in the log and observations in the store.
"""

from __future__ import annotations

import sys
from pathlib import Path

from foreseal.run import Project
from foreseal.run.loop import run
from foreseal.run.session import Session


def main(folder: Path) -> None:
    with Session.begin(Project.open(folder / "project")) as session:

        def acknowledge(*_: object) -> None:
            rows = session.store.catalogue()["rows"].sum()
            sys.stdout.write(f"{session.log.size} {rows}\n")
            sys.stdout.flush()

        run(session, report=acknowledge)
        acknowledge()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
