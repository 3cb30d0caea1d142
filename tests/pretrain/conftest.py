"""Training has an extra of its own: tests are skipped without it, and fail where everything is required."""

from __future__ import annotations

import importlib

from tests.conftest import REQUIRE_ALL

if REQUIRE_ALL:
    for _name in ("torch", "onnxruntime"):
        importlib.import_module(_name)
