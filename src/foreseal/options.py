"""A table of options -> a frozen dataclass: for settings, sources and policies."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, TypeVar

from foreseal.clock import parse_duration
from foreseal.errors import ForesealError, SettingsError

T = TypeVar("T")

# What a value should have been, and how to write it.
_WANTED: dict[Any, tuple[str, str]] = {
    int: ("a whole number", "Write it without quotes, such as 24."),
    float: ("a number", "Write it without quotes, such as 0.5."),
    bool: ("true or false", "Write it without quotes."),
    str: ("text", "Write it in quotes."),
    tuple: ("such a list", 'Write it in brackets: ["a", "b"], or [0.1, 0.9].'),
    Mapping: ("a table", "Write it in braces: { name = ... }."),
}


def span(value: Any) -> timedelta:
    """A duration such as ``"1h"``, for ``metadata={"convert": span}``."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration; write it as text: '1h'")
    return parse_duration(value)


def build(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass ``cls`` from a TOML table.

    ``where`` names the table in messages. Fields may carry ``metadata={"convert": f}``; other values are
    checked against the annotation (plain types, ``Literal``, ``X | None``, tuples and mappings).
    """
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    refuse_unknown(table, fields, where)
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for name, spec in fields.items():
        if name not in table:
            if spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
                raise SettingsError(f"{where} has no {name!r}.", hint=f"Add {name} = ... to {where}.")
            continue
        convert: Callable[[Any], Any] | None = spec.metadata.get("convert")
        place = f"{name} in {where}"
        try:
            values[name] = convert(table[name]) if convert else _checked(table[name], hints[name], place)
        except (ValueError, TypeError, KeyError) as error:
            raise SettingsError(f"{place}: {error}") from error
        except SettingsError:
            raise
        except ForesealError as error:
            raise SettingsError(f"{place}: {error.message}", hint=error.hint) from error
    try:
        return cls(**values)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from error


def refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise `SettingsError` for the first key of ``table`` that is not in ``known``."""
    names = list(known)
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(names)}."
            raise SettingsError(f"{where} has an unknown key {key!r}.", hint=hint)


def _checked(value: Any, annotation: Any, where: str) -> Any:
    """``value`` if it fits ``annotation`` (lists become tuples, ints become floats), else `SettingsError`."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        problems = []
        for option in args:
            try:
                return _checked(value, option, where)
            except SettingsError as error:
                problems.append(error)
        raise problems[0]
    if origin is Literal:
        if value in args:
            return value
        raise SettingsError(f"{where} is {value!r}.", hint=f"Use one of {', '.join(map(repr, args))}.")
    if origin is tuple and isinstance(value, list):
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_checked(item, args[0], where) for item in value)
        if len(args) == len(value):
            return tuple(_checked(item, arg, where) for item, arg in zip(value, args, strict=True))
    elif isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, dict):
        return {key: _checked(item, args[1], f"{where}.{key}") for key, item in value.items()}
    elif annotation is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif annotation is Any or (
        isinstance(annotation, type) and isinstance(value, annotation) and type(value) is annotation
    ):
        return value
    if annotation in _WANTED:
        wanted, hint = _WANTED[annotation]
    elif isinstance(origin, type) and issubclass(origin, tuple | Mapping):
        wanted, hint = _WANTED[tuple if origin is tuple else Mapping]
    else:
        wanted, hint = getattr(annotation, "__name__", str(annotation)), ""
    raise SettingsError(f"{where} is {value!r}, which is not {wanted}.", hint=hint)
