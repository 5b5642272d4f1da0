"""A receiver of OTLP for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.otlp_receiver import OtlpReceiver, otlp_receiver


@pytest.fixture
def otlp() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver
