"""An exchange of a route with policies: asks them before the request goes on, and about the response's headers.

A request that waits for a decision is in the state CONNECTING, as one that waits for a connection.
"""

from __future__ import annotations

import asyncio
import logging
from typing import ClassVar, cast

from pywatt.http.headers import Header, Headers
from pywatt.http.response_reader import ResponseHead
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.releasing_exchange import ReleasingExchange
from pywatt_services.gateway.policies.body_limit import too_large
from pywatt_services.gateway.policies.route_policy import RoutePolicy
from pywatt_services.gateway.policies.verdict import Later, PolicyRequest, Verdict, policy_request, refusal
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import CONNECTING, ENDED

MAX_ARRIVED = 16 * 1024
"""Bytes of a body that wait for a decision before the client has to wait too: a thousand requests may wait."""

logger = logging.getLogger("pywatt.gateway")


class PolicyExchange(ReleasingExchange):
    """Passes on the requests that the policies of their route admit."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    policy: ClassVar[RoutePolicy]
    _asked: PolicyRequest | None = None
    _body_left = 0
    """Bytes that the rest of the body may have, where there is a limit."""
    _deciding: asyncio.Task[Verdict] | None = None

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Send the request on once it is admitted."""
        asked = self._asked = policy_request(self._request, client, len(body))
        if self.policy.body_limit is not None:
            self._body_left = self.policy.body_limit - len(body)
        verdict = self.policy.admit(asked)
        if verdict is None:
            super().start(path, client, body, ended)
        elif isinstance(verdict, Later):
            self._arrived = [body]
            self._arrived_size = len(body)
            self._complete = ended
            # The exchange owns the task, and cancels it when it ends.
            self._deciding = asyncio.ensure_future(verdict)
            self._deciding.add_done_callback(lambda decided: self._decided(decided, path, client))
        else:
            self.answer(verdict.status, verdict.headers, verdict.body)

    def on_request_body(self, body: bytes, ended: bool) -> None:
        """Send more of the body on, or keep it until the request is admitted; refuse one that gets too large."""
        if self.policy.body_limit is not None:
            self._body_left -= len(body)
            if self._body_left < 0:
                self._refuse_body()
                return
        if self._deciding is None:
            super().on_request_body(body, ended)
            return
        self._arrived.append(body)
        self._arrived_size += len(body)
        self._complete = ended
        if self._arrived_size > MAX_ARRIVED and not ended:
            self._downstream.pause_reading()

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass the head on with changed headers."""
        asked = self._asked
        assert asked is not None
        if self.policy.changes_responses or asked.added:
            headers = list(self._public_headers(head) if head.addressed else head.headers)
            head = _with_headers(head, self.policy.response_headers(asked, headers))
        super().on_response(head, body, ended)

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Respond in place of the service."""
        if self._asked is not None:
            headers = self.policy.response_headers(self._asked, [*headers])
        super().answer(status, headers, body)

    def _own_headers(self) -> Headers:
        return () if self._asked is None else self.policy.response_headers(self._asked, [])

    def _decided(self, decided: asyncio.Task[Verdict], path: bytes, client: ClientAddress) -> None:
        if self.state is not CONNECTING:
            return
        self._deciding = None
        error = asyncio.CancelledError() if decided.cancelled() else decided.exception()
        if error is not None:
            # Nothing that goes wrong with one request may end the worker, or let the request through.
            logger.error("%s: a policy failed", self._route.id, exc_info=error)
            failed = refusal(500, "the gateway could not decide on the request")
            self.answer(failed.status, failed.headers, failed.body)
            return
        verdict = decided.result()
        if verdict is not None:
            self.answer(verdict.status, verdict.headers, verdict.body)
            return
        self._downstream.resume_reading()
        super().start(path, client, b"".join(self._arrived), self._complete)
        self._arrived.clear()

    def _refuse_body(self) -> None:
        """Give the request up: the service has got a part of the body at most."""
        assert self.policy.body_limit is not None
        if self.responding:
            self._let_go()
            self._downstream.abort()
        elif self.state is not ENDED:
            refused = too_large(self.policy.body_limit)
            self.answer(refused.status, refused.headers, refused.body)

    def _release(self) -> None:
        super()._release()
        deciding, self._deciding = self._deciding, None
        if deciding is not None:
            deciding.cancel()
        asked = self._asked
        if asked is not None and asked.ended is not None:
            ended, asked.ended = asked.ended, None
            ended()


def _with_headers(head: ResponseHead, headers: list[Header]) -> ResponseHead:
    """Return a head with other headers, which are in their public form already; `replace` takes four times as long."""
    return ResponseHead(
        head.status,
        headers,
        head.content_length,
        head.until_close,
        head.keep_alive,
        head.dated,
        head.upgrade,
        idle_timeout=head.idle_timeout,
    )


def policy_exchange(policy: RoutePolicy) -> type[ProxyExchange]:
    """Return the class of exchanges of a route with this policy."""
    return cast("type[ProxyExchange]", type("PolicyExchange", (PolicyExchange,), {"policy": policy}))
