from __future__ import annotations

import pytest
from made_up_report import make_report

from foreseal.pages.report import ReportData


@pytest.fixture(scope="session")
def report() -> ReportData:
    """A month of forecasts, cases and decisions, made up; see ``tests/support/made_up_report.py``."""
    return make_report()
