"""Every sentence of the pages has a translation, and no translation is left over."""

from __future__ import annotations

import ast
import string
from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import nodes

import foreseal.figures
import foreseal.pages
from foreseal.errors import UsageError
from foreseal.figures.skill import RULES
from foreseal.pages.chinese import CHINESE
from foreseal.pages.render import _environment
from foreseal.pages.words import Words

STATES = {"scored", "missing", "late", "unrevealed", "malformed", "proposed", "approved", "rejected"}


def said_in_python() -> set[str]:
    """First arguments of calls to ``words`` and ``say`` that are written out."""
    found = set()
    for room in (foreseal.pages, foreseal.figures):
        for path in Path(str(files(room))).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    first = node.args[0] if node.args else None
                    if node.func.id in ("words", "say") and isinstance(first, ast.Constant):
                        found.add(str(first.value))
    return found


def said_in_templates() -> set[str]:
    environment, found = _environment(), set()
    for path in Path(str(files(foreseal.pages))).joinpath("templates").glob("*.j2"):
        for call in environment.parse(path.read_text("utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "_":
                found |= {arg.value for arg in call.args[:1] if isinstance(arg, nodes.Const)}
    return found


def test_every_text_is_translated_and_none_is_left_over() -> None:
    assert set(CHINESE) == said_in_python() | said_in_templates() | STATES | set(RULES.values())


@pytest.mark.parametrize("text", sorted(CHINESE))
def test_a_translation_fills_in_the_same_values(text: str) -> None:
    def fields(template: str) -> list[str]:
        return sorted(name for _, name, _, _ in string.Formatter().parse(template) if name)

    assert fields(CHINESE[text]) == fields(text)


def test_a_text_without_translation_stays_as_it_is() -> None:
    assert Words("zh")("no value") == "no value"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UsageError, match="'fr'"):
        Words("fr")
