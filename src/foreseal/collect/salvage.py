"""A CSV with malformed lines: the good records apart from the bad, each with its line and reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# A quoted cell may hold line breaks; one that goes on for longer is a quote that somebody forgot.
MAX_LINES = 200
_SHOWN = 80


@dataclass(slots=True)
class Salvaged:
    """``text`` is a CSV of the good records, which begin on ``lines``; ``bad`` has (line, text, reason)."""

    text: bytes
    lines: list[int] = field(default_factory=list)
    bad: list[tuple[int, str, str]] = field(default_factory=list)


def salvage(data: bytes, delimiter: str) -> Salvaged:
    """Take every record of a UTF-8 text with a header that is one by RFC 4180 and has no more cells than it.

    A record with too few cells is taken: those that lack are empty.
    """
    lines = data.decode().split("\n")
    cell = rf'"(?:[^"]|"")*"|[^"{re.escape(delimiter)}\n]*'
    record = re.compile(rf"(?:{cell})(?:{re.escape(delimiter)}(?:{cell}))*")
    cells = re.compile(rf"(?:^|{re.escape(delimiter)})(?:{cell})")
    found, good = Salvaged(b""), []
    width = at = 0
    while at < len(lines):
        text, span = _record(lines, at)
        count = len(cells.findall(text))
        number, at = at + 1, at + span
        if not text.strip():
            continue
        if record.fullmatch(text) and (not width or count <= width):
            width = width or count
            good.append(text)
            found.lines.append(number)
            continue
        if not record.fullmatch(text):
            reason = "a quote that is not closed, or stands inside a cell"
        else:
            reason = f"{count} cells, and the header has {width}"
        found.bad.append((number, lines[number - 1][:_SHOWN].strip(), reason))
        if not width:
            break  # without a header nothing can be read
        at = number
    found.text = "\n".join(good).encode()
    del found.lines[:1]
    return found


def _record(lines: list[str], at: int) -> tuple[str, int]:
    """The lines from ``at`` on until all quotes are closed, and their number; one line if they never are."""
    text = lines[at].removesuffix("\r")
    if text.count('"') % 2 == 0:
        return text, 1
    whole = lines[at]
    for span in range(2, min(MAX_LINES, len(lines) - at) + 1):
        whole += "\n" + lines[at + span - 1]
        if lines[at + span - 1].count('"') % 2:
            return whole.removesuffix("\r"), span
    return text, 1
