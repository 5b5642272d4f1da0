"""How those who read a part of a service's document tell what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable

ReportProblem = Callable[[str, str, str], None]
"""Notes a problem: key, message, hint."""
