"""Which extras an application still needs here: what they bring is installed or is not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version

_EXTRA = re.compile(r"(?P<package>[A-Za-z0-9._-]+).*;.*\bextra\s*==\s*['\"](?P<extra>[^'\"]+)['\"]")


def lacking(extras: Iterable[str]) -> tuple[str, ...]:
    """Those of ``extras`` of which a package is missing; its version is left to the package's own use."""
    needs = [match for line in requires("foreseal") or [] if (match := _EXTRA.match(line))]
    return tuple(
        extra
        for extra in extras
        if not all(_installed(each["package"]) for each in needs if each["extra"] == extra)
    )


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
