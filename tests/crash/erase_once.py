"""Erases a subject from a key database, and says so on standard output.

    erase_once.py DATABASE CASE

The marks on standard error tell its system calls from those of Python. The module is loaded without the rest
of its room, which takes longer to import than all else that this does.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import foreseal.errors


def main() -> None:
    file = Path(foreseal.errors.__file__).parent / "store" / "subjects.py"
    spec = importlib.util.spec_from_file_location("subjects", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["subjects"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    subjects = module.Subjects(Path(sys.argv[1]))
    os.write(2, b"mark")
    subjects.erase("p", sys.argv[2], datetime(2026, 1, 1, tzinfo=UTC))
    os.write(1, b"erased")
    os.write(2, b"mark")


if __name__ == "__main__":
    main()
