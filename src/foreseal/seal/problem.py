"""Problems: sentences about what is wrong, each with a stable code that every verifier gives.

The codes, and when each applies, are in docs/evidence.md.
"""

from __future__ import annotations

from foreseal.errors import ProofError

CODES = (
    "container",
    "checkpoint",
    "signature",
    "quorum",
    "entries",
    "root",
    "canonical",
    "fields",
    "identity",
    "revoked",
    "reference",
    "rule",
    "commitment",
    "target-missing",
    "payload-missing",
    "payload-differs",
    "duplicate",
    "late",
    "gap",
    "score-differs",
    "regret-differs",
    "receipt",
    "fork",
    "tile",
    "stray",
)


class Problem(str):
    """A sentence that says what is wrong. ``entry`` is the index of the entry it is about, if any."""

    code: str
    entry: int | None

    def __new__(cls, text: str, code: str, entry: int | None = None) -> Problem:
        problem = super().__new__(cls, text)
        problem.code = code
        problem.entry = entry
        return problem

    @classmethod
    def of(cls, error: ProofError, default: str, where: str = "", entry: int | None = None) -> Problem:
        """An error as a problem; ``default`` is the code of an error that has none of its own."""
        return cls(f"{where}: {error.message}" if where else error.message, error.code or default, entry)
