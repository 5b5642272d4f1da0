"""Observes the clients of plain confluent-kafka code, whose classes are written in C: subclasses take their place."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from confluent_kafka import cimpl

from pywatt_kafka.connection.cluster_ids import note_cluster
from pywatt_kafka.tracing.received import NO_CLIENT, Client
from pywatt_kafka.tracing.telemetry import Telemetry

PRODUCE = ("value", "key", "partition", "callback", "on_delivery", "timestamp", "headers")
"""The positional parameters of `produce` after the topic."""
ONLY_ERRORS = "delivery.report.only.error"
TRUE = (True, "true", "True", "1", "t", 1)


class Substitute(type):
    """The type of classes that pass for the original one in `isinstance` and `issubclass`."""

    original: type
    telemetry: Telemetry | None

    def __instancecheck__(cls, instance: object) -> bool:
        original = cls.__dict__.get("original")
        return super().__instancecheck__(instance) if original is None else isinstance(instance, original)

    def __subclasscheck__(cls, subclass: type) -> bool:
        original = cls.__dict__.get("original")
        return super().__subclasscheck__(subclass) if original is None else issubclass(subclass, original)


class ObservedProducer(cimpl.Producer, metaclass=Substitute):
    """A producer that makes spans; without slots, so that it can become the base of classes that exist already."""

    __slots__ = ()
    original = cimpl.Producer
    telemetry: Telemetry | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        settings = _settings(arguments, options)
        only_errors = settings.get(ONLY_ERRORS) in TRUE
        if only_errors and ObservedProducer.telemetry is not None:
            # Without reports of success their spans would not end; `produce` keeps them from the user.
            logger = {"logger": settings.pop("logger")} if "logger" in settings else {}
            super().__init__({**settings, ONLY_ERRORS: False}, **logger)
        else:
            super().__init__(*arguments, **options)
            only_errors = False
        told = settings.get("on_delivery") or settings.get("dr_cb")
        _remember(self, (_client(settings), told, only_errors))

    def produce(self, topic: Any, *arguments: Any, **options: Any) -> None:
        """Produce a record, with its trace context."""
        telemetry = ObservedProducer.telemetry
        client, default, only_errors = getattr(self, "_observed", (NO_CLIENT, None, False))
        if telemetry is None and not only_errors:
            super().produce(topic, *arguments, **options)
            return
        fields = {**dict(zip(PRODUCE, arguments, strict=False)), **options}
        told = fields.pop("on_delivery", None) or fields.pop("callback", None) or default
        fields.pop("callback", None)
        operation = None
        if telemetry is not None:
            operation, headers = telemetry.send(
                topic, fields.get("key"), fields.get("value"), fields.get("headers"), client
            )
            if headers:
                fields["headers"] = headers

        def delivered(error: Any, message: Any) -> None:
            if operation is not None:
                operation.settle(message, error=None if error is None else (error.name(), str(error)))
            if told is not None and not (only_errors and error is None):
                told(error, message)

        try:
            super().produce(topic, on_delivery=delivered, **fields)
        except BaseException as error:
            if operation is not None:
                operation.settle(error)
            raise

    def list_topics(self, *arguments: Any, **options: Any) -> Any:
        """Return the cluster's metadata."""
        metadata = super().list_topics(*arguments, **options)
        _note(self, metadata)
        return metadata


class ObservedConsumer(cimpl.Consumer, metaclass=Substitute):
    """A consumer that makes spans."""

    __slots__ = ()
    original = cimpl.Consumer
    telemetry: Telemetry | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _remember(self, _client(_settings(arguments, options)))

    def poll(self, *arguments: Any, **options: Any) -> Any:
        """Return a message, or None."""
        return self._polled(super().poll, lambda message: [message], arguments, options)

    def consume(self, *arguments: Any, **options: Any) -> Any:
        """Return several messages."""
        return self._polled(super().consume, list, arguments, options)

    def commit(self, *arguments: Any, **options: Any) -> Any:
        """Commit offsets."""
        telemetry = ObservedConsumer.telemetry
        if telemetry is None:
            return super().commit(*arguments, **options)
        fields = {**dict(zip(("message", "offsets", "asynchronous"), arguments, strict=False)), **options}
        topics = _topics_of(fields.get("message"), fields.get("offsets") or ())
        operation = telemetry.commit(
            topics.pop() if len(topics) == 1 else None, getattr(self, "_observed", NO_CLIENT), {}
        )
        try:
            committed = super().commit(*arguments, **options)
        except BaseException as error:
            operation.end(error)
            raise
        operation.end()
        return committed

    def list_topics(self, *arguments: Any, **options: Any) -> Any:
        """Return the cluster's metadata."""
        metadata = super().list_topics(*arguments, **options)
        _note(self, metadata)
        return metadata

    def _polled(
        self, poll: Callable[..., Any], messages_of: Callable[[Any], list[Any]], arguments: Any, options: Any
    ) -> Any:
        telemetry = ObservedConsumer.telemetry
        if telemetry is None:
            return poll(*arguments, **options)
        client, begun = getattr(self, "_observed", NO_CLIENT), time.time_ns()
        try:
            found = poll(*arguments, **options)
        except Exception as error:
            telemetry.poll_failed(error, client, begun)
            raise
        if found:
            messages = [message for message in messages_of(found) if message.error() is None]
            if messages:
                topics = Counter(message.topic() for message in messages)
                telemetry.polled(topics, (message.headers() for message in messages), client, begun)
        return found


class _NewProducer(ObservedProducer):
    """Stands under the name of the original; its objects can hold attributes."""

    original = cimpl.Producer


class _NewConsumer(ObservedConsumer):
    original = cimpl.Consumer


SUBSTITUTES: tuple[tuple[type, type, type], ...] = (
    (cimpl.Producer, ObservedProducer, _NewProducer),
    (cimpl.Consumer, ObservedConsumer, _NewConsumer),
)
for _original, _, _new in SUBSTITUTES:
    _new.__name__ = _new.__qualname__ = _original.__name__
    _new.__module__ = _original.__module__


def observe_confluent(telemetry: Telemetry) -> None:
    """Let the substitutes take the place of the classes in all modules, and in the bases of their subclasses."""
    ObservedProducer.telemetry = ObservedConsumer.telemetry = telemetry
    for original, observed, new in SUBSTITUTES:
        _replace_names(original, new)
        _replace_bases(original, observed)


def forget_confluent() -> None:
    """Put the classes back; objects of the substitutes remain, and only pass calls on."""
    ObservedProducer.telemetry = ObservedConsumer.telemetry = None
    for original, observed, new in SUBSTITUTES:
        _replace_names(new, original)
        _replace_bases(observed, original)


def _replace_names(old: type, new: type) -> None:
    modules: list[tuple[str, Any]] = list(sys.modules.items())
    for name, module in modules:
        if name in ("cimpl", "confluent_kafka.cimpl") or name.partition(".")[0] == "pywatt_kafka":
            continue
        if not issubclass(type(module), ModuleType):  # some only pretend, by their `__class__`
            continue
        names: dict[str, Any] = object.__getattribute__(module, "__dict__")  # loads no lazy module
        for key, value in list(names.items()):
            if value is old:
                names[key] = new


def _replace_bases(old: type, new: type) -> None:
    subclasses: list[type] = type.__subclasses__(old)
    for subclass in subclasses:
        if subclass not in (ObservedProducer, ObservedConsumer, _NewProducer, _NewConsumer):
            try:
                subclass.__bases__ = tuple(new if base is old else base for base in subclass.__bases__)
            except TypeError:  # the layout of its objects does not allow it: it stays unobserved
                continue


def _settings(arguments: tuple[Any, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    given: Any = arguments[0] if arguments else {}
    return {**given, **options} if isinstance(given, Mapping) else dict(options)


def _client(settings: Mapping[str, Any]) -> Client:
    brokers = settings.get("bootstrap.servers") or settings.get("metadata.broker.list")
    first = str(brokers).split(",")[0].strip() if brokers else None
    return Client(settings.get("client.id"), first, settings.get("group.id"))


def _note(client: Any, metadata: Any) -> None:
    observed = getattr(client, "_observed", NO_CLIENT)
    described = observed[0] if isinstance(observed, tuple) else observed
    if described.server is not None:
        note_cluster([described.server], metadata.cluster_id)


def _remember(client: Any, observed: Any) -> None:
    try:
        client._observed = observed
    except AttributeError:  # of a subclass without a dictionary
        return


def _topics_of(message: Any, offsets: Iterable[Any]) -> set[str]:
    return {message.topic()} if message is not None else {each.topic for each in offsets}
