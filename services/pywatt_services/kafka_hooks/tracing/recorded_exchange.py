"""An exchange whose response ends a span."""

from __future__ import annotations

from collections.abc import Callable

from pywatt.telemetry.tracing import Span
from pywatt_services.kafka_hooks.http.exchange import HooksExchange
from pywatt_services.kafka_hooks.http.responses import HttpResponse


class RecordedExchange(HooksExchange):
    """Gives a request its response, and ends its span with it."""

    __slots__ = ("_describe", "_inner", "_span")

    def __init__(self, inner: HooksExchange, span: Span, *, describe: Callable[[Span, HttpResponse], None]) -> None:
        super().__init__(_NOBODY)
        self._inner = inner
        self._span = span
        self._describe = describe

    @property
    def open(self) -> bool:
        """True while the client waits."""
        return self._inner.open

    @property
    def is_from_same_user(self) -> bool:
        """As of the client's own exchange."""
        return self._inner.is_from_same_user

    def respond(self, response: HttpResponse) -> None:
        """Send the response, if the client still waits for it."""
        self._describe(self._span, response)
        self._span.end()
        self._inner.respond(response)

    def on_gone(self, told: Callable[[], None]) -> None:
        """Call `told` when the client goes away before its response."""

        def gone() -> None:
            self._span.fail("cancelled")
            self._span.end()
            told()

        self._inner.on_gone(gone)

    def abandon(self) -> None:
        """Note that the client has gone away."""
        self._inner.abandon()


class _Nobody:
    is_same_user = False

    def respond(self, response: HttpResponse) -> None:
        """Do nothing."""


_NOBODY = _Nobody()
