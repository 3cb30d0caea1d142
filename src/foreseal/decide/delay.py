"""Delay at a pre-timed signal, and the cycle that Webster recommends. Pure functions of arrays.

Control delay follows the Highway Capacity Manual 2000, chapter 16 (equations 16-9, 16-11 and 16-12), which
the HCM 2010 keeps as its analytical form: ``d = d1 * PF + d2 + d3`` with random arrivals (``PF = 1``) and no
queue at the start of the analysis period (``d3 = 0``). The cycle is from F. V. Webster, *Traffic Signal
Settings*, Road Research Technical Paper 39, 1958.

Units: volumes and capacities in veh/h, times within the cycle in seconds, analysis periods in hours, delays
in seconds per vehicle. Arguments broadcast.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

PRETIMED = 0.5
"""Factor ``k`` of a pre-timed controller (HCM 2000, exhibit 16-13)."""

ISOLATED = 1.0
"""Factor ``I`` of an intersection that no upstream signal meters (HCM 2000, exhibit 15-9)."""


def uniform_delay(cycle: Array, green_ratio: Array, saturation: Array) -> Array:
    """``d1``: delay if vehicles arrive evenly (equation 16-11). ``saturation`` is ``X = v / c``."""
    return 0.5 * cycle * (1 - green_ratio) ** 2 / (1 - np.minimum(1.0, saturation) * green_ratio)


def incremental_delay(
    capacity: Array, saturation: Array, hours: float, *, k: float = PRETIMED, i: float = ISOLATED
) -> Array:
    """``d2``: delay from random arrivals and from volume above capacity (equation 16-12)."""
    over = saturation - 1
    return 900 * hours * (over + np.sqrt(over**2 + 8 * k * i * saturation / (capacity * hours)))


def control_delay(volume: Array, saturation_flow: Array, green: Array, cycle: Array, hours: float) -> Array:
    """``d``: control delay of a lane group whose *effective* green is ``green`` (equation 16-9)."""
    ratio = green / cycle
    capacity = saturation_flow * ratio
    saturation = volume / capacity
    return uniform_delay(cycle, ratio, saturation) + incremental_delay(capacity, saturation, hours)


def webster_cycle(lost_time: float, flow_ratio: Array) -> Array:
    """``(1.5 L + 5) / (1 - Y)`` in seconds; infinite where the critical flow ratios reach 1.

    ``lost_time`` is ``L``, the seconds lost in a cycle; ``flow_ratio`` is ``Y``, the sum over the phases of
    the largest volume per saturation flow.
    """
    with np.errstate(divide="ignore"):
        return np.where(flow_ratio < 1, (1.5 * lost_time + 5) / np.maximum(1 - flow_ratio, 0.0), np.inf)
