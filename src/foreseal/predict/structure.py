"""Which series are sums of which: a hierarchy, or groups that cross, as one matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from foreseal.errors import DataError
from foreseal.frame import as_polars
from foreseal.predict.grid import FloatArray, IntArray


@dataclass(frozen=True)
class Structure:
    """Sums and the leaves they are made of.

    ``ids`` are the sums, in the order given, then ``leaves``; ``matrix`` (ids, leaves) is 1 where a leaf is
    part of a series, and the identity for the leaves themselves.
    """

    ids: tuple[str, ...]
    leaves: tuple[str, ...]
    matrix: FloatArray

    @classmethod
    def of(cls, summing: Any, id_col: str = "unique_id") -> Self:
        """From a mapping of each sum to its parts, or a frame with one row per leaf (``id_col``) whose other
        columns name the sums that it is part of.

        Raises `DataError` for a sum of itself, a part counted twice, a sum without parts, and names that are
        both a sum and a leaf.
        """
        if isinstance(summing, Mapping):
            return cls._of_parts({str(parent): _names(parent, parts) for parent, parts in summing.items()})
        frame, _ = as_polars(summing)
        if id_col not in frame.columns or frame.width < 2:
            raise DataError(
                f"The structure has columns {frame.columns}; it needs {id_col!r} and one for every level.",
                hint="One row per leaf; the other columns name the sums that it is part of.",
            )
        names = [str(each) for each in frame[id_col].to_list()]
        repeated = (
            sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        )
        if repeated:
            raise DataError(f"The structure has more than one row for {repeated[0]!r}.", hint="Keep one.")
        parts: dict[str, list[str]] = {}
        level_of: dict[str, str] = {}
        for level in frame.columns:
            if level == id_col:
                continue
            for name, parent in zip(names, frame[level].to_list(), strict=True):
                if parent is None:
                    raise DataError(
                        f"The structure names no {level!r} for {name!r}.", hint="Name one in every row."
                    )
                if level_of.setdefault(str(parent), level) != level:
                    raise DataError(
                        f"The structure names {str(parent)!r} in two columns, {level_of[str(parent)]!r} and "
                        f"{level!r}.",
                        hint="Give sums of their own names of their own.",
                    )
                parts.setdefault(str(parent), []).append(name)
        both = sorted(set(names) & set(parts))
        if both:
            raise DataError(
                f"The structure names {both[0]!r} as a leaf and as a sum.", hint="Give the sum another name."
            )
        return cls._of_parts(parts)

    @classmethod
    def _of_parts(cls, parts: Mapping[str, Sequence[str]]) -> Self:
        if not parts:
            raise DataError("The structure has no sums.", hint="Such as {'city': ['north', 'south']}.")
        found: dict[str, tuple[str, ...]] = {}
        for parent in parts:
            _expand(parent, parts, found)
        leaves = list(dict.fromkeys(leaf for made_of in found.values() for leaf in made_of))
        ids = [*parts, *leaves]
        column = {leaf: k for k, leaf in enumerate(leaves)}
        matrix = np.zeros((len(ids), len(leaves)))
        for row, parent in enumerate(parts):
            matrix[row, [column[leaf] for leaf in found[parent]]] = 1.0
        matrix[len(parts) :] = np.eye(len(leaves))
        return cls(tuple(ids), tuple(leaves), matrix)

    @property
    def sums(self) -> int:
        """How many series are sums; they come first."""
        return len(self.ids) - len(self.leaves)

    def roots(self) -> IntArray:
        """The row of the one largest sum above each leaf, (leaves,).

        Raises `DataError`, naming a leaf, if there is more than one.
        """
        inside = self.matrix @ self.matrix.T == self.matrix.sum(axis=1)[:, None]
        size = self.matrix.sum(axis=1)
        # A sum is on top if no larger one holds all of it; of equal ones the first is.
        larger = size[None, :] > size[:, None]
        earlier = (size[None, :] == size[:, None]) & (
            np.arange(len(size))[None, :] < np.arange(len(size))[:, None]
        )
        top = ~(inside & (larger | earlier)).any(axis=1)
        above = self.matrix[top] > 0.0
        count = above.sum(axis=0)
        if (count > 1).any():
            leaf = self.leaves[int(np.flatnonzero(count > 1)[0])]
            raise DataError(
                f"{leaf!r} is part of {int(count.max())} sums, none of which holds the others.",
                hint="Shares of a top need one top: add a sum of everything, or choose another method.",
            )
        rows: IntArray = np.flatnonzero(top)[above.argmax(axis=0)]
        return rows


def _names(parent: object, parts: object) -> list[str]:
    if isinstance(parts, str) or not isinstance(parts, Iterable):
        raise DataError(f"The parts of {parent!r} are {parts!r}, not a list of names.", hint="Give a list.")
    return [str(each) for each in parts]


def _expand(name: str, parts: Mapping[str, Sequence[str]], found: dict[str, tuple[str, ...]]) -> None:
    """Put the leaves of a sum, and of the sums in it, into ``found``. Without recursion, for chains may be
    long."""
    path, on_path = [name], {name}
    while path:
        each = path[-1]
        waiting = [part for part in parts[each] if part in parts and part not in found]
        if each not in found and not waiting:
            found[each] = _leaves(each, parts, found)
        if each in found:
            on_path.discard(path.pop())
            continue
        if waiting[0] in on_path:
            circle = " of ".join(map(repr, [*path[path.index(waiting[0]) :], waiting[0]]))
            raise DataError(f"The structure goes in a circle: {circle}.", hint="No sum is part of itself.")
        path.append(waiting[0])
        on_path.add(waiting[0])


def _leaves(
    name: str, parts: Mapping[str, Sequence[str]], found: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    leaves = [leaf for part in parts[name] for leaf in found.get(part, (part,))]
    if not leaves:
        raise DataError(f"The sum {name!r} has no parts.", hint="Name its parts, or leave it out.")
    if len(set(leaves)) < len(leaves):
        twice = next(leaf for k, leaf in enumerate(leaves) if leaf in leaves[:k])
        raise DataError(
            f"The sum {name!r} counts {twice!r} twice.",
            hint="Where groups cross, make the total of one kind of group only.",
        )
    return tuple(leaves)
