"""A restart policy for services of tests that start no worker."""

from __future__ import annotations

from pywatt.config.model import RestartConfig

RESTART = RestartConfig(longest_delay=15.0)
