"""The policies of one route, in the order in which they decide."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from pywatt.http.headers import Header
from pywatt_services.gateway.policies.header_rules import NO_RULES, HeaderChanges
from pywatt_services.gateway.policies.options import NO_POLICIES, PolicyOptions
from pywatt_services.gateway.policies.verdict import Answer, Change, Check, PolicyRequest, Verdict


class RoutePolicy:
    """Decides on the requests of a route, and changes the headers of its responses."""

    def __init__(self, checks: Sequence[Check], changes: Sequence[Change]) -> None:
        """`changes`: of every response, those of the gateway itself as well."""
        self._checks = tuple(checks)
        self._changes = tuple(changes)

    def admit(self, request: PolicyRequest) -> Verdict | Awaitable[Verdict]:
        """Return the response that refuses a request, None for one that may go on."""
        for number, check in enumerate(self._checks, start=1):
            verdict = check(request)
            if verdict is None:
                continue
            if isinstance(verdict, Answer):
                return verdict
            return self._wait(request, verdict, number)
        return None

    def response_headers(self, request: PolicyRequest, headers: list[Header]) -> list[Header]:
        """Return the headers of a response as the client gets them."""
        for change in self._changes:
            headers = change(request, headers)
        return headers

    async def _wait(self, request: PolicyRequest, verdict: Awaitable[Verdict], number: int) -> Verdict:
        decided = await verdict
        if decided is not None:
            return decided
        for check in self._checks[number:]:
            following = check(request)
            decided = following if following is None or isinstance(following, Answer) else await following
            if decided is not None:
                return decided
        return None


def compile_policy(options: PolicyOptions) -> RoutePolicy | None:
    """Return the policy of a route, None when it has none."""
    if options == NO_POLICIES:
        return None
    checks: list[Check] = []
    changes: list[Change] = []
    if options.request_headers != NO_RULES:
        checks.append(_changing(HeaderChanges(options.request_headers)))
    if options.response_headers != NO_RULES:
        changes.append(HeaderChanges(options.response_headers).apply)
    return RoutePolicy(checks, changes)


def _changing(changes: HeaderChanges) -> Check:
    def change(request: PolicyRequest) -> None:
        request.head.headers = changes.apply(request, request.head.headers)

    return change
