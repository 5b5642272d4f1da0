"""Switches the spans and metrics of Kafka clients on and off."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pywatt_kafka.errors import MissingDependency
from pywatt_kafka.tracing.attributes import naming_mode
from pywatt_kafka.tracing.patches import Patches

if TYPE_CHECKING:
    from pywatt_kafka.tracing.telemetry import Telemetry


class KafkaInstrumentation:
    """Spans and metrics of Kafka clients, by OpenTelemetry's conventions for messaging.

        from pywatt_kafka.tracing import KafkaInstrumentation

        KafkaInstrumentation().enable()

    It replaces methods of the clients' classes, so it counts for clients that exist already, and for modules that were
    imported before. While it is off, the classes are as they were: it costs nothing. One is enabled at a time.
    """

    def __init__(self, *, tracer_provider: Any = None, meter_provider: Any = None, create_spans: bool = True) -> None:
        """`tracer_provider` and `meter_provider` None: OpenTelemetry's global ones, also those set later.

        `create_spans` False: `send(messages=[...])` makes one span, whose context goes into all its records.
        """
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._create_spans = create_spans
        self._patches: Patches | None = None
        self._native: Callable[[], None] | None = None
        """Puts the classes of confluent-kafka back."""

    @property
    def enabled(self) -> bool:
        """True between `enable` and `disable`."""
        return self._patches is not None

    def enable(self) -> None:
        """Begin to make spans and metrics; does nothing while this or another instrumentation is enabled.

        Raises MissingDependency where OpenTelemetry is not installed.
        """
        if _active:
            return
        try:
            from pywatt_kafka.tracing.telemetry import Telemetry
        except ImportError as error:
            raise MissingDependency(
                "KafkaInstrumentation needs the package opentelemetry-api", hint="pip install 'pywatt[telemetry]'"
            ) from error
        from pywatt_kafka.tracing.library_clients import observe_library_clients

        telemetry = Telemetry(
            naming_mode(os.environ), self._tracer_provider, self._meter_provider, create_spans=self._create_spans
        )
        self._patches = patches = Patches()
        _active.append(telemetry)
        try:
            observe_library_clients(patches, telemetry)
            self._observe_other_libraries(patches, telemetry)
        except BaseException:
            self.disable()
            raise

    def disable(self) -> None:
        """Make no spans and metrics any more; those under way are ended. Does nothing if this one is not enabled."""
        patches, self._patches = self._patches, None
        if patches is not None:
            patches.undo()
            forget, self._native = self._native, None
            if forget is not None:
                forget()
            _active.clear()

    def _observe_other_libraries(self, patches: Patches, telemetry: Telemetry) -> None:
        """Observe those that are installed."""
        if find_spec("aiokafka") is not None:
            from pywatt_kafka.tracing.aiokafka_clients import observe_aiokafka

            observe_aiokafka(patches, telemetry)
        if find_spec("confluent_kafka") is None:
            return
        from pywatt_kafka.tracing.confluent_clients import forget_confluent, observe_confluent

        self._native = forget_confluent
        observe_confluent(telemetry)
        if find_spec("confluent_kafka.aio") is not None:  # not in older versions
            from pywatt_kafka.tracing.confluent_aio import observe_confluent_aio

            observe_confluent_aio(patches, telemetry)

    def instrument(self, **options: Any) -> None:
        """Do as `enable`, for what calls the instrumentors of OpenTelemetry. `options`: those of the constructor."""
        self._tracer_provider = options.get("tracer_provider", self._tracer_provider)
        self._meter_provider = options.get("meter_provider", self._meter_provider)
        self._create_spans = options.get("create_spans", self._create_spans)
        self.enable()

    def uninstrument(self, **_options: Any) -> None:
        """Do as `disable`."""
        self.disable()


_active: list[Telemetry] = []
"""The one that is enabled."""


def processing(*messages: Any) -> AbstractContextManager[Any]:
    """Return a context manager that is a `process` span of the messages, as the current span of its body.

        async for message in consumer:
            with processing(message):
                await handle(message)

    `ConsumerStream.process` and the handlers of `data` need none. Takes messages of this library, of aiokafka and of
    confluent-kafka, several for a batch. Does nothing while no KafkaInstrumentation is enabled.
    """
    if not _active or not messages:
        return nullcontext()
    from pywatt_kafka.tracing.received import received

    return _active[0].process([received(message) for message in messages])
