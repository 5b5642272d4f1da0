"""Publishes HTTP requests as records: a success means that the brokers have acknowledged them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeAlias

from pywatt.telemetry.messaging import TRACE_HEADERS
from pywatt_kafka.connection.status import ConnectionState, ConnectionStatus
from pywatt_kafka.errors import (
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    NotAcknowledged,
    RecordTooLarge,
    UnknownPartition,
    UnknownTopic,
)
from pywatt_kafka.records import Headers, RecordPosition
from pywatt_services.diagnostics.log_throttle import LogThrottle
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import (
    ACCEPTED,
    HttpResponse,
    acknowledged,
    bad_request,
    batch_acknowledged,
    invalid,
    no_topic,
    other_request,
    refused,
    replayed,
    too_large,
    too_many,
    unavailable,
    unknown_coding,
)
from pywatt_services.kafka_hooks.patterns.topic_patterns import matches
from pywatt_services.kafka_hooks.publishing.batch import TYPES, BatchRecord, media_type, read_batch
from pywatt_services.kafka_hooks.publishing.idempotency_cache import IdempotencyCache
from pywatt_services.kafka_hooks.publishing.idempotency_shards import IdempotencyShards
from pywatt_services.kafka_hooks.publishing.options import PublishOptions
from pywatt_services.kafka_hooks.publishing.record_headers import ACK, PARTITION, RecordHeaders
from pywatt_services.kafka_hooks.publishing.schema_validator import SchemaValidator
from pywatt_services.kafka_hooks.wire.content_codings import (
    CONTENT_ENCODING,
    TooLargeDecoded,
    UnknownCoding,
    codings_of,
    decoded,
)
from pywatt_services.kafka_hooks.wire.headers import KEY, KEY_ENCODING, key_of

logger = logging.getLogger("pywatt.kafka_hooks")

IDEMPOTENCY_KEY = b"idempotency-key"
MAX_IDEMPOTENCY_KEY = 255  # bytes
MAX_PARTITION_DIGITS = 9
OVERHEAD = 200  # bytes that a record costs besides its key and value
TRUE = frozenset({b"true", b"1"})
CONTENT_TYPE = b"content-type"
_TRACE = frozenset(name.encode() for name in TRACE_HEADERS)
_ACK, _PARTITION, _KEY, _KEY_ENCODING = ACK.encode(), PARTITION.encode(), KEY.encode(), KEY_ENCODING.encode()

Fields: TypeAlias = Mapping[bytes, bytes]
Respond: TypeAlias = Callable[[HttpResponse], None]
Done: TypeAlias = Callable[[RecordPosition | KafkaError], None]


class BufferFullError(KafkaError):
    """Too many bytes wait for their acknowledgement."""


class RecordWriter(Protocol):
    """Writes records."""

    @property
    def status(self) -> ConnectionStatus: ...

    def post(
        self,
        topic: str,
        value: bytes | None,
        done: Done,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None: ...


class Publisher:
    """Writes records for HTTP clients, who get a quick response while Kafka is away or too busy."""

    def __init__(
        self,
        writer: RecordWriter,
        options: PublishOptions,
        *,
        secret_headers: tuple[str, ...] = (),
        count: Callable[[str], None] | None = None,
    ) -> None:
        """`secret_headers`: names of headers that carry credentials and become part of no record.

        `count` is called with the topic of each acknowledged record.
        """
        self._count = count
        self._writer = writer
        self._options = options
        self._headers = RecordHeaders(options.headers, never=secret_headers)
        self._validators = {topic: SchemaValidator(schema) for topic, schema in options.schemas.items()}
        self.idempotency_cache = IdempotencyCache[tuple[str, bytes], HttpResponse](options.idempotency_window)
        self._shards: IdempotencyShards | None = None
        self._buffered = 0
        self._throttle = LogThrottle()

    def use_shards(self, shards: IdempotencyShards) -> None:
        """Share the idempotency keys with other workers."""
        self._shards = shards

    @property
    def buffered(self) -> int:
        """Bytes of records that wait for their acknowledgement, about."""
        return self._buffered

    def publish(self, topic: str, request: Request, exchange: HooksExchange) -> None:
        """Write a client's request to a topic."""
        if topic not in self._options.topics and not matches(topic, self._options.pattern):
            exchange.respond(no_topic(topic))
            return
        fields = dict(request.headers)
        respond = exchange.respond if IDEMPOTENCY_KEY not in fields else self._once(topic, fields, request, exchange)
        if respond is None:
            return
        kind = media_type(fields.get(CONTENT_TYPE, b""))
        try:
            if kind in TYPES:
                self._publish_batch(topic, read_batch(kind, self._readable(request)), respond, _trace(request))
            else:
                self._publish_one(topic, request, fields, respond)
        except UnknownCoding as error:
            respond(unknown_coding(str(error)))
        except TooLargeDecoded:
            respond(too_large())
        except ValueError as error:
            respond(bad_request(str(error)))

    def write(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: Headers,
        done: Done,
        *,
        partition: int | None = None,
    ) -> None:
        """Write one record; `done` is called with its position once it is acknowledged, else with the error."""
        status = self._writer.status
        if status.state is ConnectionState.AWAY:
            done(KafkaUnavailable(status.reason))
            return
        size = OVERHEAD + len(value or b"")
        if self._buffered + size > self._options.buffer_limit:
            done(BufferFullError("Too many records wait for the brokers."))
            return
        self._buffered += size
        if self._count is not None:
            done = partial(self._counted, topic, done)
        written = partial(self._written, size, done)
        self._writer.post(topic, value, written, key=key, headers=headers, partition=partition)

    def _written(self, size: int, done: Done, outcome: RecordPosition | KafkaError) -> None:
        self._buffered -= size
        if outcome.__class__ is NotAcknowledged and self._throttle.due():
            logger.warning("%s (%d so far)", outcome, self._throttle.count)
        done(outcome)

    def _counted(self, topic: str, done: Done, outcome: RecordPosition | KafkaError) -> None:
        if self._count is not None and not isinstance(outcome, KafkaError):
            self._count(topic)  # before the response
        done(outcome)

    def _readable(self, request: Request) -> bytes:
        """Return a request's body without its content codings. Raises CodingError."""
        codings = codings_of(request.headers)
        return decoded(request.body, codings, self._options.body_limit) if codings else request.body

    def _publish_one(self, topic: str, request: Request, fields: Fields, respond: Respond) -> None:
        """Write a request as one record. Raises ValueError for invalid headers."""
        key = key_of(request.headers)
        partition = _partition(fields[_PARTITION]) if _PARTITION in fields else None
        validator = self._validators.get(topic)
        value = value_of(request.body, key)
        if validator is not None and value is not None and (errors := validator.errors(self._readable(request))):
            respond(invalid(errors))
            return
        place_wanted = fields.get(_ACK, b"").lower() in TRUE or (bool(request.query) and _asks_for_ack(request.query))
        done = partial(_respond, respond, place_wanted)
        self.write(topic, value, key, self._headers.of(request.headers), done, partition=partition)

    def _publish_batch(
        self, topic: str, records: list[BatchRecord], respond: Respond, trace: list[tuple[str, bytes]]
    ) -> None:
        """Write the records of a batch, all or none of which satisfy the topic's schema."""
        validator = self._validators.get(topic)
        if validator is not None:
            errors = [
                {"record": number, **error}
                for number, record in enumerate(records)
                if record.value is not None
                for error in validator.errors(record.value)
            ]
            if errors:
                respond(invalid(errors))
                return
        outcomes: list[RecordPosition | KafkaError | None] = [None] * len(records)
        missing = len(records)

        def done(number: int, outcome: RecordPosition | KafkaError) -> None:
            nonlocal missing
            outcomes[number] = outcome
            missing -= 1
            if not missing:
                respond(batch_acknowledged(topic, [_settled(each) for each in outcomes if each is not None]))

        for number, record in enumerate(records):
            headers = self._headers.of_entry(record.headers, trace)
            self.write(topic, record.value, record.key, headers, partial(done, number), partition=record.partition)

    def _once(self, topic: str, fields: Fields, request: Request, exchange: HooksExchange) -> Respond | None:
        """Return the callback for a new idempotency key's response; None when the first request's response is sent."""
        idempotency_key = fields[IDEMPOTENCY_KEY]
        if not 0 < len(idempotency_key) <= MAX_IDEMPOTENCY_KEY:
            exchange.respond(bad_request(f"The idempotency key is not from 1 to {MAX_IDEMPOTENCY_KEY} bytes long."))
            return None
        if self._shards is not None:
            here = partial(self.publish, topic, request, exchange)
            if self._shards.forward(topic, idempotency_key, request, exchange, here):
                return None
        name, fingerprint = (topic, idempotency_key), _fingerprint(fields, request.body)
        first = self.idempotency_cache.find(name)
        if first is None:
            self.idempotency_cache.begin(name, fingerprint)

            def respond(response: HttpResponse) -> None:
                self.idempotency_cache.end(name, response, keep=response.status < 300)
                exchange.respond(response)

            return respond
        if first.fingerprint != fingerprint:
            exchange.respond(other_request())
        elif first.response is not None:
            exchange.respond(replayed(first.response))
        else:
            first.waiting.append(lambda response: exchange.respond(replayed(response)))
        return None


def value_of(body: bytes, key: bytes | None) -> bytes | None:
    """Return the value of a request's record: an empty body with a key has none, as in the original (a tombstone)."""
    return None if not body and key is not None else body


def error_response(error: KafkaError) -> HttpResponse:
    """Return the response for a record that was not written."""
    match error:
        case BufferFullError():
            return too_many(error.message)
        case RecordTooLarge():
            return too_large()
        case UnknownPartition() | InvalidRecord():
            return bad_request(error.message)
        case NotAcknowledged():
            return unavailable(error.message)
        case KafkaUnavailable() | UnknownTopic():
            return unavailable(f"Kafka is away: {error.message}")
        case _:
            logger.error("a request could not be written: %s", error)
            return refused(error.message)


def _respond(respond: Respond, place_wanted: bool, outcome: RecordPosition | KafkaError) -> None:
    if isinstance(outcome, KafkaError):
        respond(error_response(outcome))
    else:
        respond(acknowledged(outcome) if place_wanted else ACCEPTED)


def _settled(outcome: RecordPosition | KafkaError) -> RecordPosition | tuple[HttpResponse, str]:
    return (error_response(outcome), outcome.message) if isinstance(outcome, KafkaError) else outcome


def _trace(request: Request) -> list[tuple[str, bytes]]:
    """Return the headers of a request that concern tracing."""
    return [(name.decode(), value) for name, value in request.headers if name in _TRACE]


def _partition(text: bytes) -> int:
    if not text.isdigit() or len(text) > MAX_PARTITION_DIGITS:
        raise ValueError(f"{PARTITION} is not a number from 0 on")
    return int(text)


def _asks_for_ack(query: bytes) -> bool:
    return any(field in (b"ack=1", b"ack=true") for field in query.split(b"&"))


def _fingerprint(fields: Fields, body: bytes) -> bytes:
    digest = hashlib.sha256(body)
    for name in (_KEY, _KEY_ENCODING, _PARTITION, CONTENT_TYPE, CONTENT_ENCODING):
        digest.update(b"\0%b\0" % fields.get(name, b"\0"))
    return digest.digest()
