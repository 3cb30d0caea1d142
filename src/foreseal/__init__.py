"""Foreseal: forecast, decide, and prove it."""

__version__ = "0.1.0"
