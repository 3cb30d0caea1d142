"""``python -m bench.apps [NAME ...] [--json]``: an application's table, with its baselines from the same run.

Each application has a module ``bench.apps_NAME`` with ``run() -> dict`` and ``table(dict) -> str``.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path


def names() -> list[str]:
    """The applications that have a table."""
    return sorted(path.stem.removeprefix("apps_") for path in Path(__file__).parent.glob("apps_*.py"))


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.apps", description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names())}; default all")
    options.add_argument("--json", action="store_true", help="print one JSON object a line")
    given = options.parse_args()
    unknown = set(given.names) - set(names())
    if unknown:
        options.error(f"no table for {', '.join(sorted(unknown))}; there are: {', '.join(names())}")
    for name in given.names or names():
        module = importlib.import_module(f"bench.apps_{name}")
        found = module.run()
        print(json.dumps({"application": name, **found}, default=str) if given.json else module.table(found))


if __name__ == "__main__":
    main()
