"""An exchange of a route that chooses its upstream, tries another one after a failure, and copies requests to a mirror.

What an upstream does counts for its circuit breaker: an answer, or a failure to give one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar, cast

from pywatt.backoff import backoff
from pywatt.errors import CallTimeout, MeshError, ServiceUnavailable
from pywatt.http.client.connection import ClientConnection
from pywatt.http.headers import LAST_CHUNK
from pywatt.http.response_reader import ResponseHead
from pywatt.mesh.address import ServiceAddress
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.releasing_exchange import ReleasingExchange
from pywatt_services.gateway.features.upstreams.attempt import Attempt, DelayedDial, WrappingConnection
from pywatt_services.gateway.features.upstreams.mirror import Mirror
from pywatt_services.gateway.features.upstreams.route_upstreams import Choice, RouteUpstreams
from pywatt_services.gateway.forwarding import write_request_head
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import AWAITING, CONNECTING, RESPONDING, transition
from pywatt_services.gateway.upstreams.retry_rules import may_send_again
from pywatt_services.gateway.upstreams.upstream import Upstream

FAILURES = frozenset({502, 503, 504})
"""Statuses that say of the upstream that it cannot answer."""
FIRST_PAUSE, LONGEST_PAUSE = 0.025, 1.0
"""Seconds before a request goes to the same upstream again, doubling."""

logger = logging.getLogger("pywatt.gateway")


class UpstreamExchange(ReleasingExchange):
    """Passes a request on to one of its route's upstreams."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    route_upstreams: ClassVar[RouteUpstreams]
    mirror: ClassVar[Mirror | None]
    keeps: ClassVar[int]
    """Bytes of a body that are kept."""
    _choice: Choice | None = None
    _retries = 0
    _pause = 0.0
    _was_sent = False
    """True once the request was sent, as far as it had come."""
    _mirrored = False

    # From the client.

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Send the request on, to the upstream whose turn it is."""
        self._arrival = path, client
        self._kept: bytearray | None = bytearray()
        self._tried: set[Upstream] = set()
        self._avoided: set[str] = set()
        self._keep(body)
        upstreams = self.route_upstreams
        if upstreams.budget is not None:
            upstreams.budget.earn()
        choice = upstreams.choose(self._request.headers, ())
        if choice is None:
            why = "; ".join(f"{each.upstream.name}: {each.upstream.state}" for each in upstreams.choices)
            super()._end_with(ServiceUnavailable(f"no upstream of {self._route.id!r} is available ({why})"))
            return
        self._take_up(choice)
        self._mirrored = self.mirror is not None and self.mirror.wants(self._request)
        super().start(path, client, body, ended)
        if ended:
            self._copy()

    def on_request_body(self, body: bytes, ended: bool) -> None:
        """Send more of the body on."""
        if self._choice is not None:
            self._keep(body)
        super().on_request_body(body, ended)
        if ended and self._choice is not None:
            self._copy()

    # From the upstream.

    def accepts(self, head: ResponseHead, ended: bool) -> bool:
        """Tell whether the response is passed on; if not, the request was sent again."""
        status = head.status
        if status not in FAILURES or not self._may_retry(str(status)):
            return True
        choice = self._next(str(status))
        if choice is None:
            return True
        connection, self._connection = self._connection, None
        if connection is not None and not ended:
            connection.abandon()
        self._judge(failed=True)
        self._retrying(str(status))
        self._send_again(choice)
        return False

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass the head on."""
        choice = self._choice
        self._judge(failed=head.status in FAILURES)
        cookie = None if choice is None else self.route_upstreams.set_cookie(choice, self._request.headers)
        if cookie is not None:
            head = replace(head, headers=[*head.headers, cookie])
        super().on_response(head, body, ended)

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Try again, else end the response or respond with an error."""
        if self.state is RESPONDING:
            self._judge(failed=True)
        super().on_failure(error, retriable)

    def _end_with(self, error: MeshError) -> None:
        """Try another upstream, or respond with an error."""
        if self._choice is None:
            super()._end_with(error)
            return
        self._dialing = None
        connecting = self.state is CONNECTING
        cause = "timeout" if isinstance(error, CallTimeout) else "connect" if connecting else "lost"
        self._judge(failed=True)
        if self._may_retry(cause, unsent=connecting):
            choice = self._next(cause)
            if choice is not None:
                logger.info("%s: %s; trying %s", self._route.id, error.message, choice.upstream.name)
                self._retrying(cause)
                self._send_again(choice)
                return
        super()._end_with(error)

    # Inside.

    def _connect(
        self, opened: Callable[[ClientConnection], None], failed: Callable[[MeshError], None]
    ) -> asyncio.Task[None]:
        def dial() -> asyncio.Task[None]:
            return self._context.upstreams.dial(self._route.destination, opened, failed, frozenset(self._avoided))

        if self._choice is None:
            return super()._connect(opened, failed)
        return DelayedDial(self._pause, dial).task if self._pause else dial()

    def _opened(self, connection: ClientConnection) -> None:
        if self._choice is None:  # a WebSocket with an upstream of its own
            super()._opened(connection)
            return
        self._was_sent = True
        self._avoided.add(connection.server)
        if self.route_upstreams.options.retries is None:
            super()._opened(connection)
            return
        super()._opened(WrappingConnection(connection, partial(Attempt, self)).as_connection)
        self._connection = connection

    def _release(self) -> None:
        super()._release()
        choice, self._choice = self._choice, None
        if choice is not None:
            choice.upstream.end()
        self._kept = None

    def _take_up(self, choice: Choice) -> None:
        if self._choice is not None:
            self._choice.upstream.end()
        choice.upstream.begin()
        self._choice = choice
        self._route = choice.route

    def _judge(self, *, failed: bool) -> None:
        """Count an answer or a failure for the breaker."""
        choice = self._choice
        if choice is None:
            return
        upstream = choice.upstream
        if not failed:
            if upstream.succeeded():
                logger.info("the upstream %s answers again", upstream.name)
        elif upstream.failed(self.route_upstreams.clock()):
            logger.warning("the upstream %s fails again and again: it gets a pause", upstream.name)

    def _keep(self, body: bytes) -> None:
        kept = self._kept
        if kept is not None and body:
            if len(kept) + len(body) > self.keeps:
                self._kept = None
            else:
                kept += body

    def _may_retry(self, cause: str, *, unsent: bool = False) -> bool:
        rules = self.route_upstreams.options.retries
        if rules is None:
            # Where nothing was sent, another upstream can take the request as well.
            return cause == "connect" and len(self._tried) + 1 < len(self.route_upstreams.choices)
        kept = (unsent and not self._was_sent) or (self._kept is not None and len(self._kept) <= rules.body_limit)
        return may_send_again(rules, cause, self._request.method, retries=self._retries, body_kept=kept)

    def _next(self, cause: str) -> Choice | None:
        """Return the upstream for another attempt, None when there is none or the budget is spent."""
        upstreams, failed = self.route_upstreams, self._choice
        assert failed is not None
        tried = self._tried | {failed.upstream}
        choice = upstreams.choose(self._request.headers, tried)
        if choice is None:
            return None
        again = choice.upstream in tried
        if again and cause == "connect" and isinstance(choice.upstream.destination, ServiceAddress):
            return None  # the mesh client has tried all workers, for as long as it is of use
        if again and upstreams.options.retries is None:
            return None
        if upstreams.budget is not None and not upstreams.budget.take(upstreams.clock()):
            logger.warning("%s: the budget of retries is spent", self._route.id)
            return None
        self._tried = tried
        self._pause = backoff(self._retries, first=FIRST_PAUSE, longest=LONGEST_PAUSE) if again else 0.0
        return choice

    def _send_again(self, choice: Choice) -> None:
        self._retries += 1
        self._take_up(choice)
        if self.state is AWAITING:
            self.state = transition(self.state, CONNECTING)
        path, client = self._arrival
        self._head = write_request_head(self._request, self._route, path, self._base_path, client, self._body_length)
        if self._was_sent:
            kept = bytes(self._kept or b"")
            pieces = [self._framed(kept)] if kept else []
            if self._request_ended and self._body_length is None:
                pieces.append(LAST_CHUNK)
            self._pending = pieces or None
            self._pending_size = len(kept)
            self._downstream.resume_reading()
        self._dial()

    def _copy(self) -> None:
        """Send a copy of the whole request to the mirror."""
        mirror, kept = self.mirror, self._kept
        if mirror is None or not self._mirrored or kept is None or len(kept) > mirror.options.body_limit:
            return
        path, client = self._arrival
        mirror.send(self._context.upstreams, self._request, path, self._base_path, client, bytes(kept))


def upstream_exchange(route_upstreams: RouteUpstreams, mirror: Mirror | None) -> type[ProxyExchange]:
    """Return the class of exchanges of a route with these upstreams."""
    retries = route_upstreams.options.retries
    limits = [0 if retries is None else retries.body_limit, 0 if mirror is None else mirror.options.body_limit]
    attributes = {"route_upstreams": route_upstreams, "mirror": mirror, "keeps": max(limits)}
    return cast("type[ProxyExchange]", type("UpstreamExchange", (UpstreamExchange,), attributes))
