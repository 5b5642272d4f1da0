"""Records why connections to brokers fail. aiokafka reports only that they did."""

from __future__ import annotations

import errno
import functools
import socket
import ssl
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from pywatt_kafka.connection.unreachable import unreachable_cluster
from pywatt_kafka.errors import KafkaError, KafkaUnavailable, NotAuthorized

Failures = dict[str, BaseException]
"""The last failure to connect, by address."""

_seen: ContextVar[Failures | None] = ContextVar("seen", default=None)


@dataclass(slots=True)
class Attempts:
    """The connections of one client to the addresses that its cluster has named."""

    failures: Failures = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)


def watch_connecting() -> None:
    """Patch aiokafka to record every failure to connect for `connect_errors` and `attempts_of`."""
    from aiokafka import client, errors

    original = client.create_conn
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    async def create_conn(host: str, port: int, **options: Any) -> Any:
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        owner = getattr(options.get("on_close"), "__self__", None)  # the client, unless it is bootstrapping
        attempts = None if owner is None else attempts_of(owner)
        try:
            connection = await original(host, port, **options)
        except (OSError, errors.KafkaError) as error:
            if (seen := _seen.get()) is not None:
                seen[address] = error
            if attempts is not None:
                attempts.failures[address] = error
            raise
        if attempts is not None:
            attempts.failures.pop(address, None)
            attempts.reached.add(address)
        return connection

    client.create_conn = create_conn


def attempts_of(client: Any) -> Attempts:
    """Return the record of an aiokafka client's connections."""
    found: Attempts = client.__dict__.setdefault("_pywatt_attempts", Attempts())
    return found


@contextmanager
def connect_errors() -> Iterator[Failures]:
    """Collect the failures to connect of this task, and of the tasks that it starts."""
    found: Failures = {}
    token = _seen.set(found)
    try:
        yield found
    finally:
        _seen.reset(token)


def unreachable(
    brokers: Sequence[str], seen: Mapping[str, BaseException] | None = None, reached: Collection[str] = ()
) -> KafkaError:
    """Return an error with the addresses that were tried, and the reasons as far as they are known."""
    from aiokafka import errors

    seen = seen or {}
    for address, error in seen.items():
        if isinstance(error, (errors.AuthenticationFailedError, errors.SaslAuthenticationFailed)):
            return NotAuthorized(f"{address} refuses this client: {error}", hint="check username, password and token")
        if isinstance(error, (errors.UnsupportedSaslMechanismError, errors.IllegalSaslStateError)):
            return NotAuthorized(f"{address} does not speak this SASL mechanism: {error}")
        if isinstance(tls_error := _cause(error), ssl.SSLError):  # in TLS 1.3 it may come after the handshake
            return KafkaUnavailable(
                f"no TLS with {address}: {_tls_reason(tls_error)}",
                hint="check ca, cert and key, or whether it wants TLS",
            )
        if isinstance(error, errors.KafkaConnectionError) and _is_closed(error):
            return KafkaUnavailable(
                f"{address} ends the connection", hint="it may want TLS, a client certificate or a SASL login"
            )
    return unreachable_cluster(brokers, {address: _reason(error) for address, error in seen.items()}, reached)


def _is_closed(error: BaseException) -> bool:
    """Return whether a connection was made and then ended by the broker."""
    return not isinstance(_cause(error), OSError)


def _cause(error: BaseException) -> BaseException:
    """Return the error of the operating system or of TLS behind one of aiokafka's, if there is one."""
    return error if isinstance(error, OSError) else error.__cause__ or error.__context__ or error


def _reason(error: BaseException) -> str:
    cause = _cause(error)
    if isinstance(cause, socket.gaierror):
        return f"the name cannot be resolved ({cause.strerror})"
    if isinstance(cause, ConnectionRefusedError) or f"Errno {errno.ECONNREFUSED}" in str(cause):  # of several addresses
        return "connection refused"
    if isinstance(cause, TimeoutError):
        return "no answer"
    return str(cause) or type(cause).__name__


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    return error.reason or str(error)
