from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from harness.terminal import Outcome, command

Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command in the app's folder, piped."""
    return partial(command, tmp_path)
