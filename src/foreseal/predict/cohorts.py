"""Populations by sex and age as arrays, and how a cohort changes from one count to the next.

Series are called ``SEX/AGE``, such as ``female/20``, where AGE is the youngest of its group; the oldest group
is open. Counts lie as many years apart as a group is wide. Then who is in a group now was in the one below
before, and the ratio of the two is survival and migration together; who is in the youngest was born since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foreseal.clock import Frequency
from foreseal.errors import ModelError
from foreseal.predict.grid import FloatArray, IntArray

FEMALE = "female"
FERTILE = (15, 50)


@dataclass(frozen=True)
class Cohorts:
    """The structure of a population: ``sexes``, the lower ages of the groups, and where each series lies:
    ``place`` (sexes, groups) are rows of the panel's grid."""

    sexes: tuple[str, ...]
    ages: tuple[int, ...]
    place: IntArray

    @classmethod
    def of(cls, ids: Sequence[str], freq: Frequency) -> Cohorts:
        """Raises `ModelError`, naming a series, if these are no population by sex and age, or if the counts'
        distance is not the groups' width."""
        found: dict[str, dict[int, int]] = {}
        for row, name in enumerate(ids):
            sex, slash, age = name.rpartition("/")
            if not slash or not sex or not age.isdecimal():
                raise ModelError(
                    f"Series {name!r} is no group of a population.",
                    hint="Call series SEX/AGE with the youngest age of the group: female/20.",
                )
            found.setdefault(sex, {})[int(age)] = row
        if FEMALE not in found:
            raise ModelError(
                f"There are no series {FEMALE}/AGE, so there are no births.", hint=f"Call one sex {FEMALE!r}."
            )
        sexes = tuple(sorted(found))
        ages = tuple(sorted(found[FEMALE]))
        for sex in sexes:
            other = sorted(set(ages) ^ set(found[sex]))
            if other:
                raise ModelError(f"{FEMALE} and {sex} do not both have the age {other[0]}.")
        widths = set(np.diff(ages).tolist())
        years = freq.months / 12 if freq.step is None else 0
        if len(ages) < 3 or ages[0] != 0 or widths != {years}:
            raise ModelError(
                f"The groups start at {', '.join(map(str, ages[:4]))}, ... and the counts lie {freq} apart.",
                hint="Groups start at 0 and are as wide as counts lie apart; the last one is open.",
            )
        place = np.array([[found[sex][age] for age in ages] for sex in sexes])
        return cls(sexes, ages, place)

    @property
    def width(self) -> int:
        """Years of a group."""
        return self.ages[1] - self.ages[0]

    def women(self, counts: FloatArray) -> FloatArray:
        """Women of the ages that bear children, from counts (..., sexes, groups)."""
        fertile = [k for k, age in enumerate(self.ages) if FERTILE[0] <= age < FERTILE[1]]
        total: FloatArray = counts[..., self.sexes.index(FEMALE), :][..., fertile].sum(axis=-1)
        return total

    def changes(self, counts: FloatArray) -> FloatArray:
        """Logarithms (..., n - 1, sexes, groups) of what becomes of counts (..., n, sexes, groups).

        Group k holds the ratio of group k now to group k - 1 before; the open one to the last two before;
        the youngest, children per woman now. NaN where a count is missing or zero.
        """
        before, now = counts[..., :-1, :, :], counts[..., 1:, :, :]
        base = np.concatenate([np.zeros_like(before[..., :1]), before[..., :-1]], axis=-1)
        base[..., -1] = before[..., -2] + before[..., -1]
        base[..., 0] = self.women(now)[..., None]
        ratio = np.where((now > 0.0) & (base > 0.0), now, np.nan) / np.where(base > 0.0, base, 1.0)
        logs: FloatArray = np.log(ratio)
        return logs

    def advance(self, counts: FloatArray, logs: FloatArray) -> FloatArray:
        """Counts (..., sexes, groups) one step later, by the logarithms of `changes`."""
        ratio = np.exp(logs)
        out = np.empty(np.broadcast_shapes(counts.shape, logs.shape))
        out[..., 1:] = counts[..., :-1] * ratio[..., 1:]
        out[..., -1] = (counts[..., -2] + counts[..., -1]) * ratio[..., -1]
        out[..., 0] = 0.0
        out[..., 0] = self.women(out)[..., None] * ratio[..., 0]
        return out

    def survival(self, rates: FloatArray) -> FloatArray:
        """Logarithms of survival from group k - 1 to group k over a step, as in `changes`, from the yearly
        death rates (..., groups) of groups; zero for the youngest."""
        logs = np.zeros_like(rates)
        mean = (rates[..., :-1] + rates[..., 1:]) / 2.0
        logs[..., 1:] = -self.width * mean
        return logs


def hamilton_perry(cohorts: Cohorts, counts: FloatArray, steps: int) -> FloatArray:
    """Counts (steps, sexes, groups) if what happened between the last two of ``counts`` (n, sexes, groups)
    goes on: the cohort-change ratios and children per woman of Hamilton and Perry (1962)."""
    logs = np.nan_to_num(cohorts.changes(counts[-2:])[0], nan=0.0)
    out = np.empty((steps, *counts.shape[1:]))
    now = counts[-1]
    for step in range(steps):
        now = out[step] = cohorts.advance(now, logs)
    return out
