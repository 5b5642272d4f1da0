"""A program that listens on no port causes one warning, after a delay."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pywatt_services.command.listening import Address
from pywatt_services.command.readiness import SILENT, PortWarning

GIVEN = Address("127.0.0.1", 4000)


@pytest.mark.parametrize(("listening", "told"), [((), 1), ((Address("127.0.0.1", 5000),), 0)])
def test_silence_is_told(caplog: pytest.LogCaptureFixture, listening: Sequence[Address], told: int) -> None:
    warning = PortWarning(GIVEN, "sleep 100", lambda: listening)
    for second in range(int(SILENT)):
        warning.look(float(second))
    assert caplog.messages == []
    for now in (SILENT, 2 * SILENT, 3 * SILENT):
        warning.look(now)
    assert len(caplog.messages) == told
    assert all("sleep 100 listens on no port" in text and '"http": false' in text for text in caplog.messages)
