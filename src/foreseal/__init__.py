"""Foreseal: forecast, decide, and prove it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foreseal.figures import plot as plot
    from foreseal.predict.cross_validation import cross_validation as cross_validation
    from foreseal.predict.detect import detect as detect
    from foreseal.predict.forecast import forecast as forecast
    from foreseal.predict.reconcile import reconcile as reconcile
    from foreseal.run.project import Project as Project
    from foreseal.score.compare import compare as compare
    from foreseal.seal.verify import verify_log as verify_log
    from foreseal.seal.verify import verify_receipt as verify_receipt

__version__ = "0.1.0"

_HOME = {
    "Project": "foreseal.run.project",
    "compare": "foreseal.score.compare",
    "cross_validation": "foreseal.predict.cross_validation",
    "detect": "foreseal.predict.detect",
    "forecast": "foreseal.predict.forecast",
    "plot": "foreseal.figures",
    "reconcile": "foreseal.predict.reconcile",
    "verify_log": "foreseal.seal.verify",
    "verify_receipt": "foreseal.seal.verify",
}

__all__ = [
    "Project",
    "__version__",
    "compare",
    "cross_validation",
    "detect",
    "forecast",
    "plot",
    "reconcile",
    "verify_log",
    "verify_receipt",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'foreseal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
