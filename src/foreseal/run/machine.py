"""What a forecast ran on, as far as numbers may depend on it: versions of libraries, and threads."""

from __future__ import annotations

import importlib.util
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

BASE = ("foreseal", "numpy", "polars")
NUMERICAL = (
    *("arch", "chronos-forecasting", "lifelines", "lightgbm", "numba", "scikit-learn", "scikit-survival"),
    *("scipy", "statsforecast", "torch", "transformers"),
)
"""Packages that members compute with, beside those that are always there."""
LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@cache
def versions() -> dict[str, str]:
    """Python, Foreseal, and every package that is installed and that a member may compute with."""
    found = {"python": platform.python_version()} | {name: version(name) for name in BASE}
    for name in NUMERICAL:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return dict(sorted(found.items()))


def threads() -> str:
    """How many threads each pool of this process has: sums of parts depend on it in their last digits.

    Pools of libraries are asked if threadpoolctl is installed, as it is with scikit-learn; otherwise the
    limits stand that the environment sets.
    """
    import polars as pl

    found = [f"polars={pl.thread_pool_size()}"]
    if importlib.util.find_spec("threadpoolctl"):
        import threadpoolctl

        pools = {f"{each['internal_api']}={each['num_threads']}" for each in threadpoolctl.threadpool_info()}
        return " ".join(found + sorted(pools))
    return " ".join(found + [f"{name}={os.environ[name]}" for name in LIMITS if os.environ.get(name)])
