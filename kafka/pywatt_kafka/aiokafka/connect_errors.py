"""Records why a broker rejects connections. aiokafka's bootstrap reports only that it failed."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pywatt_kafka.errors import KafkaError, KafkaUnavailable, NotAuthorized

_seen: ContextVar[list[BaseException] | None] = ContextVar("seen", default=None)


def watch_connecting() -> None:
    """Patch aiokafka to record every failure to connect for `connect_errors`."""
    from aiokafka import client, errors

    original = client.create_conn
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    async def create_conn(*arguments: Any, **options: Any) -> Any:
        try:
            return await original(*arguments, **options)
        except (OSError, errors.KafkaError) as error:
            if (seen := _seen.get()) is not None:
                seen.append(error)
            raise

    client.create_conn = create_conn


@contextmanager
def connect_errors() -> Iterator[list[BaseException]]:
    """Collect the failures to connect of this task, and of the tasks that it starts, in a list."""
    found: list[BaseException] = []
    token = _seen.set(found)
    try:
        yield found
    finally:
        _seen.reset(token)


def unreachable(brokers: Sequence[str], seen: Sequence[BaseException] = ()) -> KafkaError:
    """Return an error with the addresses that were tried, and the reason if it is known."""
    from aiokafka import errors

    addresses = ",".join(brokers)
    for error in seen:
        if isinstance(error, (errors.AuthenticationFailedError, errors.SaslAuthenticationFailed)):
            return NotAuthorized(f"{addresses} refuses this client: {error}", hint="check username, password and token")
        if isinstance(error, (errors.UnsupportedSaslMechanismError, errors.IllegalSaslStateError)):
            return NotAuthorized(f"{addresses} does not speak this SASL mechanism: {error}")
        if isinstance(error, ssl.SSLError):
            return KafkaUnavailable(
                f"no TLS with {addresses}: {_reason(error)}",
                hint="check ca, cert and key, or whether it wants TLS",
            )
        if isinstance(error, errors.KafkaConnectionError):
            return KafkaUnavailable(
                f"{addresses} ends the connection", hint="it may want TLS, a client certificate or a SASL login"
            )
    return KafkaUnavailable(
        f"no Kafka broker answers at {addresses}", hint="start the broker, or correct KAFKA_BROKERS"
    )


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    return error.reason or str(error)
