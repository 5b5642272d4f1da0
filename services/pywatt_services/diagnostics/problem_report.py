"""Reports problems of a service's document."""

from __future__ import annotations

from collections.abc import Callable

ReportProblem = Callable[[str, str, str], None]
"""Notes a problem: key, message, hint."""
