"""Every error and warning that Foreseal raises.

    ForesealError
    ├── UsageError              exit 2: what was asked for cannot be done as asked
    │   ├── SettingsError       foreseal.toml or an option is wrong
    │   ├── DataError           input refused at the door (names file, row, column)
    │   └── ModelError          unknown model, impossible horizon, nothing to learn from
    ├── SetupError              exit 3: the environment is not ready
    │   ├── MissingExtra        an optional dependency is not installed
    │   ├── KeyMissing          a signing key is not where the project expects it
    │   ├── NodeError           a node of a chain will not do what it was asked
    │   └── Busy                another process holds the project
    ├── ProofError              exit 1: a check said no
    │   ├── Malformed           bytes that no honest writer produces
    │   ├── Tampered            bytes that do not match what was signed
    │   └── Refused             signing or sealing would break a promise
    └── Stopped                 exit 130: a person interrupted a command

    ForesealWarning (UserWarning)
    ├── DataWarning             legal but suspicious data; the rest went on
    └── ModelWarning            a model fell back or left a series out; the result says so

An error says what, where, and what to do next. ``hint`` holds the last of these.
"""

from __future__ import annotations


class ForesealError(Exception):
    """Root of all errors. ``hint`` is the next thing to do, or empty."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # A worker process sends its error back, whatever its constructor takes.
        return _rebuilt, (type(self), self.message, self.__dict__)


def _rebuilt(kind: type[ForesealError], message: str, state: dict[str, object]) -> ForesealError:
    error = kind.__new__(kind, message)
    error.__dict__.update(state)
    return error


class UsageError(ForesealError):
    """What was asked for cannot be done as asked."""


class SettingsError(UsageError):
    """foreseal.toml or an option is wrong."""


class DataError(UsageError):
    """Input refused at the door."""


class ModelError(UsageError):
    """Unknown model, impossible horizon, or nothing to learn from."""


class SetupError(ForesealError):
    """The environment is not ready."""

    exit_code = 3


class MissingExtra(SetupError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(
            f"{what} needs the extra '{extra}', which is not installed.",
            hint=f'Install it with: pip install "foreseal[{extra}]"',
        )
        self.extra = extra


class KeyMissing(SetupError):
    """A signing key is not where the project expects it."""


class NodeError(SetupError):
    """A node of a chain will not do what it was asked."""


class Busy(SetupError):
    """Another process holds the project."""


class ProofError(ForesealError):
    """A check said no. ``code`` is the stable name of what is wrong (docs/evidence.md), or empty."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class Malformed(ProofError):
    """Bytes that no honest writer produces."""


class Tampered(ProofError):
    """Bytes that do not match what was signed."""


class Refused(ProofError):
    """Signing or sealing would break a promise."""


class Stopped(ForesealError):
    """A person interrupted a command, or answered no."""

    exit_code = 130


class ForesealWarning(UserWarning):
    """Root of all warnings."""


class DataWarning(ForesealWarning):
    """Legal but suspicious data; the rest went on."""


class ModelWarning(ForesealWarning):
    """A model fell back or left a series out; the result says so."""
