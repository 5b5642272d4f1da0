"""The number of examples for fuzz tests: few by default, many in their long form."""

from __future__ import annotations

import os

from hypothesis import settings

VARIABLE = "PYWATT_FUZZ_EXAMPLES"
fuzz = settings(max_examples=int(os.environ.get(VARIABLE, "100")))
"""Decorates a fuzz test."""
