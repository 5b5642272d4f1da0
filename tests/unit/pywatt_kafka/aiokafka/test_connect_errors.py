"""The error of a cluster that is not reached says what was seen there."""

from __future__ import annotations

import ssl

import pytest
from aiokafka.errors import KafkaConnectionError

from pywatt_kafka.aiokafka.connect_errors import unreachable


def raised(cause: BaseException | None) -> BaseException:
    """Return the error that aiokafka raises for a connection, as after `raise ... from cause`."""
    error: BaseException = KafkaConnectionError("connection closed")
    error.__cause__ = cause
    return error


TLS_ALERT = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:1)")
TLS_ALERT.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TLS_ALERT, "no TLS with a:1: TLSV13_ALERT_CERTIFICATE_REQUIRED"),
        (raised(TLS_ALERT), "no TLS with a:1: TLSV13_ALERT_CERTIFICATE_REQUIRED"),
        (raised(None), "a:1 ends the connection"),
        (raised(ConnectionRefusedError(111, "refused")), "no Kafka broker answers at a:1: connection refused"),
        (raised(TimeoutError()), "no Kafka broker answers at a:1: no answer"),
    ],
)
def test_reason_is_named(error: BaseException, message: str) -> None:
    found = unreachable(["a:1"], {"a:1": error})
    assert found.message == message
    assert found.hint
