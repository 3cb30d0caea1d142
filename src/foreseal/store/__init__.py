"""Observations are kept, on two clocks: when a thing happened, and when it became known."""

from foreseal.store.quality import QualityRules
from foreseal.store.schema import Schema
from foreseal.store.store import Append, Store

__all__ = ["Append", "QualityRules", "Schema", "Store"]
