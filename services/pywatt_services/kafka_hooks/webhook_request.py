"""What is sent to a webhook for a record: URL, headers, body; pure but for the signing key's library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.bundle import bundle_body
from pywatt_services.kafka_hooks.cloud_events import event_headers, is_attribute
from pywatt_services.kafka_hooks.headers import (
    ATTEMPT,
    OFFSET,
    PARTITION,
    TIMESTAMP,
    TOPIC,
    WEBHOOK_ID,
    WEBHOOK_SIGNATURE,
    WEBHOOK_TIMESTAMP,
    RawHeaders,
    webhook_headers,
)
from pywatt_services.kafka_hooks.signature import Signer
from pywatt_services.kafka_hooks.templates import UrlMaker, is_template
from pywatt_services.kafka_hooks.webhook_options import WebhookOptions

_JSON = (b"content-type", b"application/json")
_COUNT = b"x-plt-kafka-hooks-records"
_ATTEMPT, _TOPIC, _PARTITION, _OFFSET, _TIMESTAMP, _ID, _SIGNED_AT, _SIGNATURE = (
    name.encode()
    for name in (ATTEMPT, TOPIC, PARTITION, OFFSET, TIMESTAMP, WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE)
)


@dataclass(slots=True)
class WebhookRequest:
    """What all attempts at one record have in common."""

    url: str
    headers: RawHeaders
    body: bytes
    id: bytes


class Bundled(Protocol):
    """A record among others."""

    @property
    def message(self) -> Message: ...
    @property
    def attempts(self) -> int: ...


class RequestMaker:
    """Makes the requests of one target."""

    def __init__(self, options: WebhookOptions) -> None:
        self._options = options
        self._make_url = UrlMaker(options.url) if is_template(options.url) else None
        self._signer = Signer(options.signing_keys) if options.signing_keys else None
        self._places: dict[tuple[str, int], tuple[bytes, RawHeaders]] = {}

    def make(self, message: Message) -> WebhookRequest:
        """Return the request for a record. Raises TemplateError when it has no URL."""
        options = self._options
        url = options.url if self._make_url is None else self._make_url(message)
        prefix, place = self._place(message.topic, message.partition)
        offset = b"%d" % message.offset
        id_ = prefix + offset
        record = message.headers
        if options.cloud_events is not None:
            record = tuple(header for header in record if not is_attribute(header[0].lower()))
        headers = webhook_headers(options.headers, record, message.key)
        if options.include_metadata:
            headers += (*place, (_OFFSET, offset), (_TIMESTAMP, b"%d" % message.timestamp), (_ID, id_))
        elif self._signer is not None:
            headers.append((_ID, id_))
        if options.cloud_events is not None:
            headers += event_headers(message, id_, options.cloud_events)
        return WebhookRequest(url, headers, message.value or b"", id_)

    def bundle(self, deliveries: Sequence[Bundled]) -> WebhookRequest:
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
        return WebhookRequest(self._options.url, headers, body, id_)

    def headers(self, request: WebhookRequest, attempt: int | None, now: float) -> RawHeaders:
        """Return the headers of one attempt; `attempt`: its number, from 1. `now`: seconds since 1970."""
        headers = request.headers
        if self._options.include_attempt and attempt is not None:
            headers = (*headers, (_ATTEMPT, b"%d" % attempt))
        if self._signer is not None:
            moment = b"%d" % now
            signature = self._signer.sign(request.id, moment, request.body)
            headers = (*headers, (_SIGNED_AT, moment), (_SIGNATURE, signature))
        return headers

    def _id(self, message: Message) -> bytes:
        return b"%b%d" % (self._place(message.topic, message.partition)[0], message.offset)

    def _place(self, topic: str, partition: int) -> tuple[bytes, RawHeaders]:
        """Return the beginning of a record's id and the headers that say where it is, made once per partition.

        The id has `~` for the full stops of a topic's name: with one of them Standard Webhooks parts what is signed.
        """
        known = self._places.get((topic, partition))
        if known is None:
            name, number = topic.encode(), b"%d" % partition
            headers = ((_TOPIC, name), (_PARTITION, number))
            known = self._places[topic, partition] = b"%b-%b-" % (name.replace(b".", b"~"), number), headers
        return known
