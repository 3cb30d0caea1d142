"""Which problems of a verdict are damaged files, and which may only follow from these."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foreseal.seal.problem import Problem

REMEDY = (
    "Put back an undamaged copy under the same name, from a backup or from who published this "
    "(docs/seal.md, Backup and restore); then verify again."
)
_CODES = {"entries", "root", "tile", "payload-missing", "payload-differs"}
_FILE = re.compile(r"tile/[\w./]+|payload/sha256/[0-9a-f]{64}")


def damaged(problems: Sequence[Problem]) -> list[Problem]:
    """The first problem of each file that is damaged or missing, in the order of the verdict.

    The others may well follow from these: an entry that cannot be read declares nothing, and a tile that is
    cut short agrees with no other. A file that is only in the way of another (``stray``) is not among them.
    """
    found: dict[str, Problem] = {}
    for problem in problems:
        name = _FILE.search(problem) if problem.code in _CODES else None
        if name:
            found.setdefault(name[0], problem)
    return list(found.values())
