"""Makes the request for a record: URL, headers, body; pure but for the signing key's library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pywatt.http.client.call import header_lines
from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.webhooks.bundle import bundle_body
from pywatt_services.kafka_hooks.webhooks.cloud_events import event_headers, is_attribute
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.signature import Signer
from pywatt_services.kafka_hooks.webhooks.templates import UrlMaker, is_template
from pywatt_services.kafka_hooks.wire.headers import (
    ATTEMPT,
    KEY,
    OFFSET,
    PARTITION,
    TIMESTAMP,
    TOMBSTONE,
    TOPIC,
    WEBHOOK_ID,
    WEBHOOK_SIGNATURE,
    WEBHOOK_TIMESTAMP,
    id_prefix,
    is_plain,
    webhook_headers,
)

_JSON = (b"content-type", b"application/json")
_IDENTITY = (b"accept-encoding", b"identity")
"""Responses are parsed, and their content coding may be one that cannot be decoded here."""
_COUNT = b"x-plt-kafka-hooks-records"
_TOPIC, _PARTITION, _ID, _SIGNED_AT, _SIGNATURE = (
    name.encode() for name in (TOPIC, PARTITION, WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE)
)
# Lines that are written for every record: joining them from names and values would take longer than all else.
_KEY_LINE = f"{KEY}: %b\r\n".encode()
_ATTEMPT_LINE = f"{ATTEMPT}: %d\r\n".encode()
_TOMBSTONE_LINE = f"{TOMBSTONE}: true\r\n".encode()
_PLACE_LINES = f"{OFFSET}: %d\r\n{TIMESTAMP}: %d\r\n{WEBHOOK_ID}: ".encode()


@dataclass(slots=True)
class WebhookRequest:
    """The request of one attempt."""

    url: str
    lines: bytes
    """The headers, as `header_lines` makes them."""
    body: bytes


class Bundled(Protocol):
    """A record among others."""

    @property
    def message(self) -> Message: ...
    @property
    def attempts(self) -> int: ...


class RequestMaker:
    """Makes the requests of one target."""

    def __init__(self, options: WebhookOptions) -> None:
        self._make_url = UrlMaker(options.url) if is_template(options.url) else None
        self._signer = Signer(options.signing_keys) if options.signing_keys else None
        asked = () if any(name == _IDENTITY[0] for name, _ in options.headers) else (_IDENTITY,)
        self._options = replace(options, headers=(*asked, *options.headers))
        self._configured = header_lines(self._options.headers)
        self._taken = frozenset(name for name, _ in self._options.headers)
        self._places: dict[tuple[str, int], tuple[bytes, bytes]] = {}

    def make(self, message: Message, attempt: int, now: float) -> WebhookRequest:
        """Return the request for an attempt with that number (from 1). `now`: seconds since 1970.

        Raises TemplateError when the record has no URL.
        """
        options = self._options
        url = options.url if self._make_url is None else self._make_url(message)
        offset, key = message.offset, message.key
        prefix, place = self._place(message.topic, message.partition)
        if message.headers or not (key is None or is_plain(key)):
            lines = self._record_lines(message)
        elif key is not None:
            lines = _KEY_LINE % key + self._configured
        else:
            lines = self._configured
        if options.include_metadata:
            lines += place % (offset, message.timestamp, offset)
        elif self._signer is not None:
            lines += header_lines([(_ID, prefix + b"%d" % offset)])
        if options.cloud_events is not None:
            lines += header_lines(event_headers(message, prefix + b"%d" % offset, options.cloud_events))
        if options.include_attempt:
            lines += _ATTEMPT_LINE % attempt
        body = message.value
        if body is None:
            lines += _TOMBSTONE_LINE
            body = b""
        if self._signer is not None:
            lines += self._signature(self._signer, prefix + b"%d" % offset, body, now)
        return WebhookRequest(url, lines, body)

    def bundle(self, deliveries: Sequence[Bundled], now: float) -> WebhookRequest:
        """Return the request for several records."""
        ids = [self._id(each.message) for each in deliveries]
        body = bundle_body(
            (each.message, id_.decode("ascii"), each.attempts + 1) for each, id_ in zip(deliveries, ids, strict=True)
        )
        id_ = b"%b~%d" % (ids[0], len(ids))
        headers = [(_COUNT, b"%d" % len(ids)), *self._options.headers]
        if not any(name == _JSON[0] for name, _ in self._options.headers):
            headers.append(_JSON)
        if self._options.include_metadata or self._signer is not None:
            headers.append((_ID, id_))
        lines = header_lines(headers)
        if self._signer is not None:
            lines += self._signature(self._signer, id_, body, now)
        return WebhookRequest(self._options.url, lines, body)

    def _record_lines(self, message: Message) -> bytes:
        """Return the header lines of the record and of the configuration."""
        record = message.headers
        if self._options.cloud_events is not None:
            record = tuple(header for header in record if not is_attribute(header[0].lower()))
        return header_lines(webhook_headers(self._taken, record, message.key)) + self._configured

    def _signature(self, signer: Signer, id_: bytes, body: bytes, now: float) -> bytes:
        moment = b"%d" % now
        return header_lines([(_SIGNED_AT, moment), (_SIGNATURE, signer.sign(id_, moment, body))])

    def _id(self, message: Message) -> bytes:
        return b"%b%d" % (self._place(message.topic, message.partition)[0], message.offset)

    def _place(self, topic: str, partition: int) -> tuple[bytes, bytes]:
        """Return the beginning of a record's id, and the lines that say where it is but for three numbers, which are
        its offset, its timestamp and its offset again; made once per partition.
        """
        known = self._places.get((topic, partition))
        if known is None:
            name, number = topic.encode(), b"%d" % partition
            id_ = id_prefix(topic, partition).encode()
            place = header_lines([(_TOPIC, name), (_PARTITION, number)])
            form = place.replace(b"%", b"%%") + _PLACE_LINES + id_.replace(b"%", b"%%") + b"%d\r\n"
            known = self._places[topic, partition] = id_, form
        return known
