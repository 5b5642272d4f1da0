"""The edge to confluent-kafka: what all its clients are given, and its errors as ours."""

from __future__ import annotations

import ctypes
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pywatt_kafka.engine import METADATA_AGE
from pywatt_kafka.errors import (
    CommitFailed,
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    NotAuthorized,
    RecordTooLarge,
    UnknownPartition,
    UnknownTopic,
)
from pywatt_kafka.oauth import ClientCredentials, FixedToken, fetch
from pywatt_kafka.records import NO_TIMESTAMP, Header, Message
from pywatt_kafka.security import Security

SOCKET_TIMEOUT = 10_000  # ms
TOKEN_LIFE = 3600.0  # seconds after which a fixed token is looked at again
CHECK_LIMIT = 4.0  # seconds to answer with metadata

logger = logging.getLogger("rdkafka")

_raise_what_is_pending = ctypes.pythonapi.PyErr_Occurred
"""Does so because ctypes looks for an exception after each call into Python itself."""
_raise_what_is_pending.restype = ctypes.c_void_p


def client_settings(brokers: Sequence[str], client_id: str, security: Security) -> dict[str, Any]:
    """Return what every client is to be given."""
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL + 1)  # it tells of every failed attempt; our status says the same once
    return {
        "bootstrap.servers": ",".join(brokers),
        "client.id": client_id,
        "logger": logger,
        "socket.timeout.ms": SOCKET_TIMEOUT,
        "topic.metadata.refresh.interval.ms": METADATA_AGE,
        "reconnect.backoff.max.ms": 1000,
        **security_settings(security),
    }


def security_settings(security: Security) -> dict[str, Any]:
    """Return how librdkafka says what a Security says. Raises KafkaError when a file cannot be used."""
    settings: dict[str, Any] = {"security.protocol": security.settings()["security_protocol"]}
    tls, sasl = security.tls, security.sasl
    if tls is not None:
        settings["enable.ssl.certificate.verification"] = tls.verify
        given = {
            "ssl.ca.location": tls.ca,
            "ssl.certificate.location": tls.cert,
            "ssl.key.location": tls.key or tls.cert,
            "ssl.key.password": tls.key_password,
        }
        settings |= {name: value for name, value in given.items() if value is not None}
        if not tls.verify:
            settings["ssl.endpoint.identification.algorithm"] = "none"
    if sasl is not None:
        settings["sasl.mechanisms"] = sasl.mechanism.value
        if sasl.token is None:
            settings |= {"sasl.username": sasl.username, "sasl.password": sasl.password}
        else:
            settings["oauth_cb"] = _TokenCallback(sasl.token)
    return settings


class _TokenCallback:
    """Gives a token and when it ends, in seconds since 1970; called in a thread of librdkafka's."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __call__(self, config: str) -> tuple[str, float]:
        if isinstance(self._source, FixedToken):
            return self._source.token, time.time() + TOKEN_LIFE
        if isinstance(self._source, ClientCredentials):
            token, lifetime = fetch(self._source)
            return token, time.time() + lifetime
        raise NotAuthorized(f"the engine rdkafka takes no tokens of {type(self._source).__name__}")


@contextmanager
def translated(during: str) -> Iterator[None]:
    """Turn what confluent-kafka raises into our errors."""
    from confluent_kafka import KafkaException

    try:
        yield
    except KafkaException as error:
        raise translate(error.args[0], during=during) from error
    except RuntimeError as error:  # it was closed
        raise KafkaUnavailable(f"{during}: {error}") from error


def translate(error: Any, *, during: str) -> KafkaError:
    """Return our error for one of librdkafka's."""
    from confluent_kafka import KafkaError as Native

    message = f"{during}: {error.str()}"
    code = error.code()
    if code in (
        Native.REBALANCE_IN_PROGRESS, Native.ILLEGAL_GENERATION, Native.UNKNOWN_MEMBER_ID, Native.FENCED_INSTANCE_ID,
        Native._ASSIGNMENT_LOST, Native._STATE, Native._WAIT_COORD,
    ):  # fmt: skip
        return CommitFailed(message)
    if code in (Native.MSG_SIZE_TOO_LARGE, Native.RECORD_LIST_TOO_LARGE):
        return RecordTooLarge(message)
    if code in (Native.INVALID_RECORD, Native.INVALID_TIMESTAMP):
        return InvalidRecord(message)
    if code == Native._UNKNOWN_PARTITION:
        return UnknownPartition(message)
    if code in (Native.UNKNOWN_TOPIC_OR_PART, Native.TOPIC_EXCEPTION, Native._UNKNOWN_TOPIC):
        return UnknownTopic(message)
    if code in (
        Native.TOPIC_AUTHORIZATION_FAILED, Native.GROUP_AUTHORIZATION_FAILED, Native.CLUSTER_AUTHORIZATION_FAILED,
        Native.SASL_AUTHENTICATION_FAILED, Native._AUTHENTICATION,
    ):  # fmt: skip
        return NotAuthorized(message)
    if error.retriable() or code in (
        Native._TRANSPORT, Native._TIMED_OUT, Native._MSG_TIMED_OUT, Native._ALL_BROKERS_DOWN, Native._PURGE_QUEUE,
        Native._PURGE_INFLIGHT, Native._QUEUE_FULL, Native._DESTROY, Native.NOT_ENOUGH_REPLICAS,
        Native.NOT_ENOUGH_REPLICAS_AFTER_APPEND, Native.COORDINATOR_NOT_AVAILABLE, Native.NOT_COORDINATOR,
        Native.COORDINATOR_LOAD_IN_PROGRESS, Native.REQUEST_TIMED_OUT, Native._TIMED_OUT_QUEUE,
        Native.OUT_OF_ORDER_SEQUENCE_NUMBER, Native.UNKNOWN_PRODUCER_ID,
        Native._INVALID_DIFFERENT_RECORD,  # refused for the fault of another one in its batch
    ):  # fmt: skip
        return KafkaUnavailable(message)
    return KafkaError(message)


class Health:
    """What a client's error callback has told, and what that means when no broker answers."""

    def __init__(self, brokers: Sequence[str]) -> None:
        self._addresses = ",".join(brokers)
        self._refusal: KafkaError | None = None
        self.down = False
        """Whether no broker is connected, as far as it was told."""
        self.fatal = False
        """Whether the client can never work again."""

    def told(self, error: Any) -> None:
        """Take an error from librdkafka's callback, in any thread."""
        from confluent_kafka import KafkaError as Native

        code = error.code()
        if error.fatal() or code == Native._FATAL:
            self.fatal = True
        if code == Native._ALL_BROKERS_DOWN:
            self.down = True
        elif code in (Native._AUTHENTICATION, Native.SASL_AUTHENTICATION_FAILED):
            self._refusal = NotAuthorized(
                f"{self._addresses} refuses this client: {error.str()}", hint="check username, password and token"
            )
        elif code == Native._SSL:
            self._refusal = KafkaUnavailable(
                f"no TLS with {self._addresses}: {error.str()}", hint="check ca, cert and key, or whether it wants TLS"
            )

    def answered(self) -> None:
        """Note that a broker answers."""
        self.down = False
        self._refusal = None

    def unreachable(self) -> KafkaError:
        """Return the error that says which addresses were tried, and why in vain as far as that is known."""
        return self._refusal or KafkaUnavailable(
            f"no Kafka broker answers at {self._addresses}", hint="start the broker, or correct KAFKA_BROKERS"
        )


def message_from(record: Any) -> Message:
    """Return our Message for one of confluent-kafka's."""
    kind, timestamp = record.timestamp()
    return Message(
        record.topic(),
        record.partition(),
        record.offset(),
        record.key(),
        record.value(),
        _headers(record),
        timestamp if kind else NO_TIMESTAMP,  # 0: not available
    )


def _headers(record: Any) -> tuple[Header, ...]:
    """Return a record's headers; none of them when one has a name that is no UTF-8.

    confluent_kafka then makes tuples with holes, whose use ends the process, and leaves an exception behind that Python
    only finds by chance: it has to be looked for before they are touched.
    """
    found = record.headers()
    if not found:
        return ()
    try:
        _raise_what_is_pending()
    except (SystemError, UnicodeDecodeError):
        return ()
    return tuple(found)
