"""The best pre-timed plan of one junction for a set of weighted volumes.

Total delay is a sum over approaches, and the delay of an approach depends only on the cycle and on the green
of the phase that serves it. So the search tabulates each phase's delay for every cycle and green of the grid
and then splits each cycle exactly, by dynamic programming over the phases: no better plan is on the grid.

Greens are *displayed* greens. A phase's effective green is displayed green + change time - lost time, and a
cycle is the sum of displayed greens and change times (HCM 2000, chapter 10).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foreseal.decide.delay import Array, control_delay, webster_cycle


@dataclass(frozen=True, slots=True)
class Junction:
    """Geometry and constraints. Arrays have one element per approach; times are seconds.

    ``share`` is the approach's part of the volume given to the functions below, ``flow`` its saturation flow
    in veh/h, ``phase`` the index of the phase that serves it, and ``hours`` the length of a step and of the
    analysis period. ``cycles`` ascend, and each leaves a whole number of seconds above the minimum greens.
    A junction has at least two phases.
    """

    share: Array
    flow: Array
    phase: tuple[int, ...]
    cycles: Array
    min_green: float
    change: float
    lost: float
    hours: float

    @property
    def phases(self) -> int:
        """Number of phases in a cycle."""
        return max(self.phase) + 1

    def spare(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Seconds of each cycle that may be given to any phase."""
        return np.rint(self.cycles - self.phases * (self.min_green + self.change)).astype(np.int64)


def total_delay(junction: Junction, volumes: Array, greens: Array) -> Array:
    """Delay in vehicle-hours ``[step, scenario]`` of volumes of that shape under greens ``[step, phase]``."""
    cycle = (greens + junction.change).sum(axis=1)[:, None]
    total = np.zeros_like(volumes)
    for share, flow, phase in zip(junction.share, junction.flow, junction.phase, strict=True):
        green = greens[:, phase, None] + junction.change - junction.lost
        volume = share * volumes
        total += volume * control_delay(volume, flow, green, cycle, junction.hours)
    return total * junction.hours / 3600


def best_greens(junction: Junction, volumes: Array, weights: Array) -> Array:
    """Displayed greens ``[phase]`` of least expected delay for one plan that serves all given steps.

    ``volumes`` is ``[step, scenario]`` in veh/h, ``weights`` the scenarios' weights. Among equal plans the
    one with the shorter cycle, and the longer greens in earlier phases, is taken.
    """
    table = _phase_delays(junction, volumes.ravel(), np.tile(weights, len(volumes)))
    spare, widest = junction.spare(), table.shape[2]
    seconds, cycles = np.arange(widest), np.arange(len(spare))
    best, picks = table[0], []
    for delays in table[1:-1]:
        left = seconds[:, None] - seconds[None, :]
        sums = np.where(left >= 0, best[:, np.maximum(left, 0)], np.inf) + delays[:, None, :]
        picks.append(sums.argmin(axis=2))
        best = sums.min(axis=2)
    left = spare[:, None] - seconds[None, :]
    sums = np.where(left >= 0, best[cycles[:, None], np.maximum(left, 0)], np.inf) + table[-1]
    cycle, last = divmod(int(sums.argmin()), widest)
    extra, rest = np.zeros(junction.phases), int(spare[cycle]) - last
    extra[-1] = last
    for phase in range(junction.phases - 2, 0, -1):
        extra[phase] = picks[phase - 1][cycle, rest]
        rest -= int(extra[phase])
    extra[0] = rest
    return junction.min_green + extra


def webster_greens(junction: Junction, volumes: Array) -> Array:
    """Displayed greens ``[phase]`` after Webster's formula for the busiest of the steps ``[step]``.

    The cycle is rounded up to the next one allowed; effective greens are proportional to the phases' flow
    ratios, rounded to whole seconds by largest remainders, and no shorter than the minimum green.
    """
    ratios = np.zeros(junction.phases)
    np.maximum.at(ratios, list(junction.phase), junction.share * volumes.max() / junction.flow)
    wanted = webster_cycle(junction.phases * junction.lost, ratios.sum())
    index = min(int(np.searchsorted(junction.cycles, wanted)), len(junction.cycles) - 1)
    spare = int(junction.spare()[index])
    split = ratios / ratios.sum() if ratios.sum() > 0 else np.full(junction.phases, 1 / junction.phases)
    effective = split * (junction.cycles[index] - junction.phases * junction.lost)
    extra = np.maximum(effective + junction.lost - junction.change - junction.min_green, 0.0)
    extra = extra * spare / extra.sum() if extra.sum() > 0 else split * spare
    whole = np.floor(extra + 1e-9)
    order = np.argsort(whole - extra, kind="stable")
    whole[order[: spare - int(whole.sum())]] += 1
    return junction.min_green + whole


def _phase_delays(junction: Junction, volumes: Array, weights: Array) -> Array:
    """Expected delay ``[phase, cycle, seconds above the minimum green]``; infinite beyond the cycle."""
    spare = junction.spare()
    seconds = np.arange(spare.max() + 1)
    inside = seconds[None, :] <= spare[:, None]
    green = junction.min_green + np.minimum(seconds[None, :], spare[:, None])
    green = green + junction.change - junction.lost
    cycle = junction.cycles[:, None]
    table = np.zeros((junction.phases, *inside.shape))
    for share, flow, phase in zip(junction.share, junction.flow, junction.phase, strict=True):
        volume = (share * volumes)[:, None, None]
        delay = volume * control_delay(volume, flow, green, cycle, junction.hours)
        table[phase] += np.tensordot(weights, delay, axes=1)
    return np.where(inside, table * junction.hours / 3600, np.inf)
