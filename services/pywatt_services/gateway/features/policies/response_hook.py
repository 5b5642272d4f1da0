"""Shows the heads of a service's responses to the user's function before anything else of the gateway sees them.

While the function runs, what follows the head waits, and the service is not read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar, cast

from pywatt.errors import BadResponse, MeshError
from pywatt.gateway import Headers, Response
from pywatt.http.client.connection import ClientConnection, Receiver
from pywatt.http.response_reader import ADDRESSED, SWITCHING_PROTOCOLS, ResponseHead
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.releasing_exchange import ReleasingExchange
from pywatt_services.gateway.policies.custom import (
    Hook,
    answer_of,
    changed_status,
    checked,
    user_request,
)
from pywatt_services.gateway.policies.verdict import Answer, policy_request
from pywatt_services.gateway.proxy_exchange import ProxyExchange

logger = logging.getLogger("pywatt.gateway")


class ResponseHookExchange(ReleasingExchange):
    """Has the responses of a route shown to a function."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    hook: ClassVar[Hook]
    _client = ClientAddress(b"", False)
    _held: HeldConnection | None = None

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Send the request on."""
        self._client = client
        super().start(path, client, body, ended)

    @property
    def waits_for_client(self) -> bool:
        """True while the client takes nothing."""
        return self._upstream_paused

    async def shown(self, head: ResponseHead) -> ResponseHead | Answer:
        """Return the response with the function's changes, or the answer that it gives instead. Raises HookFailed."""
        response = Response(status=head.status, headers=Headers.decoded(head.headers))
        request = user_request(policy_request(self._request, self._client))
        returned = await self.hook.call(request, response)
        if returned is not None and returned is not response:
            return answer_of(returned)
        headers = checked(response.headers)
        names = {name.lower() for name, _ in headers}
        return replace(
            head,
            status=changed_status(response, head.status),
            headers=headers,
            dated=b"date" in names,
            addressed=not names.isdisjoint(ADDRESSED),
        )

    def _opened(self, connection: ClientConnection) -> None:
        self._held = HeldConnection(connection, self)
        super()._opened(cast(ClientConnection, self._held))

    def _release(self) -> None:
        super()._release()
        if self._held is not None:
            self._held.drop()


class HeldConnection:
    """Stands for a connection while one request is sent, and holds its response until the function has seen it."""

    def __init__(self, connection: ClientConnection, exchange: ResponseHookExchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self._receiver: Receiver = exchange
        self._showing: asyncio.Task[ResponseHead | Answer] | None = None
        self._waiting: list[Callable[[], None]] = []
        self._over = False
        """True when the connection may serve somebody else already."""

    @property
    def server(self) -> str:
        """The name of the server."""
        return self._connection.server

    # For the exchange.

    def send(
        self, receiver: Receiver, data: bytes, *, ended: bool, to_head: bool = False, upgradable: bool = False
    ) -> None:
        """Start the exchange."""
        self._receiver = receiver
        self._connection.send(self, data, ended=ended, to_head=to_head, upgradable=upgradable)

    def write(self, data: bytes, *, ended: bool) -> None:
        """Send more of the request."""
        if not self._over:
            self._connection.write(data, ended=ended)

    def abandon(self) -> None:
        """Give the response up."""
        self.drop()
        if not self._over:
            self._over = True
            self._connection.abandon()

    def finish(self) -> None:
        """Close once everything was sent."""
        if not self._over:
            self._connection.finish()

    def pause_reading(self) -> None:
        """Read no more of the response."""
        if not self._over:
            self._connection.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._over and self._showing is None:
            self._connection.resume_reading()

    def drop(self) -> None:
        """Stop showing."""
        self._waiting.clear()
        showing, self._showing = self._showing, None
        if showing is not None:
            showing.cancel()

    # From the service.

    def on_informational(self, head: ResponseHead) -> None:
        """Pass it on."""
        self._receiver.on_informational(head)

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Show the head."""
        self._over = ended
        if head.status == SWITCHING_PROTOCOLS:
            self._receiver.on_response(head, body, ended)
            return
        self.pause_reading()
        self._showing = asyncio.ensure_future(self._exchange.shown(head))
        self._showing.add_done_callback(partial(self._shown, body, ended))

    def on_body(self, body: bytes, ended: bool) -> None:
        """Pass it on when it is its turn."""
        self._over = ended
        self._in_turn(partial(self._receiver.on_body, body, ended))

    def on_raw(self, data: bytes) -> None:
        """Pass it on."""
        self._receiver.on_raw(data)

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Pass it on when it is its turn."""
        self._over = True
        self._in_turn(partial(self._receiver.on_failure, error, retriable))

    def on_writable(self, writable: bool) -> None:
        """Pass it on."""
        self._receiver.on_writable(writable)

    def _in_turn(self, pass_on: Callable[[], None]) -> None:
        if self._showing is None:
            pass_on()
        else:
            self._waiting.append(pass_on)

    def _shown(self, body: bytes, ended: bool, showing: asyncio.Task[ResponseHead | Answer]) -> None:
        if self._showing is not showing:
            return
        self._showing = None
        waiting, self._waiting = self._waiting, []
        error = asyncio.CancelledError() if showing.cancelled() else showing.exception()
        if error is not None:
            logger.error("%s: %s", self._exchange.route_id, error, exc_info=error.__cause__)
            self._give_up()
            self._receiver.on_failure(BadResponse("a function of the gateway failed on the response"), False)
            return
        result = showing.result()
        if isinstance(result, Answer):
            self._exchange.answer(result.status, result.headers, result.body)
            return
        self._receiver.on_response(result, body, ended)
        for pass_on in waiting:
            pass_on()
        if not self._exchange.waits_for_client:
            self.resume_reading()

    def _give_up(self) -> None:
        if not self._over:
            self._over = True
            self._connection.abandon()


def response_hook_exchange(hook: Hook) -> type[ProxyExchange]:
    """Return the class of exchanges of a route with this function."""
    return cast("type[ProxyExchange]", type("ResponseHookExchange", (ResponseHookExchange,), {"hook": hook}))
