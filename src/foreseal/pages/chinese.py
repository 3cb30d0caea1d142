"""Simplified Chinese for the pages. Keys are the English texts; names in braces stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

CHINESE: Mapping[str, str] = {}
