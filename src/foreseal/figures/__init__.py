"""Records and frames become interactive figures; each is drawn from a table that says the same.

``plot`` is the door for notebooks. The other modules hold one figure each: a ``..._table`` function, which
needs Polars only, and a ``..._figure`` function, which needs the extra ``plots``.
"""

from foreseal.figures.plot import plot

__all__ = ["plot"]
