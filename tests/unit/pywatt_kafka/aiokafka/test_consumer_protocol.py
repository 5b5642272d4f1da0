"""Brokers serve the group protocol `consumer` if they answer its request, not if they only list it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pywatt_kafka.aiokafka.coordinator.consumer_protocol import CONSUMER_GROUP_HEARTBEAT, serves

pytestmark = pytest.mark.anyio

INVALID_REQUEST, GROUP_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION = 42, 30, 35


class Connection:
    """A connection to a broker that answers every request with one error."""

    def __init__(self, versions: dict[int, tuple[int, int]], error_code: int = INVALID_REQUEST) -> None:
        self._versions = versions
        self._error_code = error_code
        self.sent: list[bytes] = []

    async def send(self, request: Any) -> Any:
        self.sent.append(request.prepare(self._versions).encode())
        return SimpleNamespace(error_code=self._error_code)


@pytest.mark.parametrize("versions", [{}, {CONSUMER_GROUP_HEARTBEAT: (0, 0)}], ids=["none", "Kafka 3.9"])
async def test_version_that_librdkafka_does_not_speak(versions: dict[int, tuple[int, int]]) -> None:
    connection = Connection(versions)
    assert not await serves(connection, "g")
    assert not connection.sent


@pytest.mark.parametrize(
    ("error_code", "served"),
    [(UNSUPPORTED_VERSION, False), (INVALID_REQUEST, True), (GROUP_AUTHORIZATION_FAILED, True)],
)
async def test_answer_to_a_heartbeat_without_a_member_id(error_code: int, served: bool) -> None:
    connection = Connection({CONSUMER_GROUP_HEARTBEAT: (0, 1)}, error_code)
    assert await serves(connection, "g") is served
    assert connection.sent == [b"\x02g" + b"\x01" + bytes(4) + bytes(2) + b"\xff\xff\xff\xff" + bytes(5)]
