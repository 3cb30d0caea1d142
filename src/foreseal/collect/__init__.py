"""Observations come in: sources that turn files and messages into rows, and say which rows mean nothing."""

from foreseal.collect.source import Batch, Context, Source, case_columns, open_source, read

__all__ = ["Batch", "Context", "Source", "case_columns", "open_source", "read"]
