"""The policies of one route, in the order in which they decide."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from pywatt.http.headers import Header
from pywatt_services.gateway.policies.auth_options import AuthOptions
from pywatt_services.gateway.policies.authentication import Authentication
from pywatt_services.gateway.policies.body_limit import BodyLimit
from pywatt_services.gateway.policies.concurrency_limit import ConcurrencyLimit
from pywatt_services.gateway.policies.cors import CorsPolicy
from pywatt_services.gateway.policies.custom import Hook, RequestHook, load_function
from pywatt_services.gateway.policies.header_rules import NO_RULES, HeaderChanges
from pywatt_services.gateway.policies.ip_access import IpCheck
from pywatt_services.gateway.policies.options import NO_POLICIES, PolicyOptions
from pywatt_services.gateway.policies.rate_limit import RateLimiter
from pywatt_services.gateway.policies.security_headers import SecurityHeaders
from pywatt_services.gateway.policies.shared_times import SharedTimes
from pywatt_services.gateway.policies.verdict import Answer, Change, Check, Later, PolicyRequest, Verdict
from pywatt_services.tokens.fetched_keys import FetchedKeys
from pywatt_services.tokens.token_options import TokenOptions

logger = logging.getLogger("pywatt.gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyContext:
    """The parts that all policies of a worker share."""

    clock: Callable[[], float] = time.monotonic
    """Seconds; the same clock in all workers."""
    fetched_keys: Callable[[TokenOptions], FetchedKeys] | None = None
    """Returns the keys of tokens that are fetched from a URL."""
    folder: Path = Path()
    """The gateway's, where the modules of functions are."""
    shared_file: Callable[[str], Path] | None = None
    """Returns the path of a file that all workers of the gateway use, by a name for it; None: there is one worker."""


NO_CONTEXT = PolicyContext()


class RoutePolicy:
    """Decides on the requests of a route, and changes the headers of its responses."""

    def __init__(
        self,
        checks: Sequence[Check],
        changes: Sequence[Change],
        *,
        body_limit: int | None = None,
        response_hook: Hook | None = None,
    ) -> None:
        """`changes`: of every response, those of the gateway itself as well. `body_limit`: bytes.

        `response_hook`: the user's function for responses of the service.
        """
        self._checks = tuple(checks)
        self._changes = tuple(changes)
        self.changes_responses = bool(changes)
        """True when there are rules for all responses; single requests may add headers all the same."""
        self.body_limit = body_limit
        self.response_hook = response_hook

    def admit(self, request: PolicyRequest) -> Verdict | Later:
        """Return the response that refuses a request, None for one that may go on."""
        for number, check in enumerate(self._checks, start=1):
            verdict = check(request)
            if verdict is None:
                continue
            if isinstance(verdict, Answer):
                return verdict
            return Later(partial(self._wait, request, verdict, number))
        return None

    def response_headers(self, request: PolicyRequest, headers: list[Header]) -> list[Header]:
        """Return the headers of a response as the client gets them."""
        if request.added:
            headers = [*headers, *request.added]
        for change in self._changes:
            headers = change(request, headers)
        return headers

    async def _wait(self, request: PolicyRequest, verdict: Later, number: int) -> Verdict:
        decided = await verdict
        if decided is not None:
            return decided
        for check in self._checks[number:]:
            following = check(request)
            decided = await following if isinstance(following, Later) else following
            if decided is not None:
                return decided
        return None


def compile_policy(route: str, options: PolicyOptions, context: PolicyContext) -> RoutePolicy | None:
    """Return the policy of a route, None when it has none. `route`: a name for it that no other one has."""
    if options == NO_POLICIES:
        return None
    checks: list[Check] = []
    changes: list[Change] = []
    if options.ip_access is not None:
        checks.append(IpCheck(options.ip_access).check)
    if options.cors is not None:
        cors = CorsPolicy(options.cors)
        checks.append(cors.check)
        changes.append(cors.apply)
    if options.rate_limit is not None:
        times = _times(f"{route} {options.rate_limit}", context)
        checks.append(RateLimiter(options.rate_limit, times, context.clock).check)
    if options.body_limit is not None:
        checks.append(BodyLimit(options.body_limit).check)
    if options.auth is not None:
        checks.append(_authentication(options.auth, context).check)
    custom, response_hook = options.custom, None
    if custom is not None and custom.request is not None:
        checks.append(RequestHook(_hook(custom.request, custom.timeout, context)).check)
    if custom is not None and custom.response is not None:
        response_hook = _hook(custom.response, custom.timeout, context)
    if options.concurrency is not None:
        checks.append(ConcurrencyLimit(options.concurrency).check)
    if options.request_headers != NO_RULES:
        checks.append(_changing(HeaderChanges(options.request_headers)))
    if options.security_headers:
        changes.append(SecurityHeaders(options.security_headers).apply)
    if options.response_headers != NO_RULES:
        changes.append(HeaderChanges(options.response_headers).apply)
    return RoutePolicy(checks, changes, body_limit=options.body_limit, response_hook=response_hook)


def _hook(target: str, timeout: float, context: PolicyContext) -> Hook:
    return Hook(target, load_function(target, context.folder), timeout)


def _authentication(options: AuthOptions, context: PolicyContext) -> Authentication:
    token = options.token
    fetched = None
    if token is not None and token.jwks_url is not None:
        assert context.fetched_keys is not None
        fetched = context.fetched_keys(token)
    return Authentication(options, fetched=fetched, clock=context.clock)


def _times(name: str, context: PolicyContext) -> SharedTimes:
    """Return the table of a limit, the same one for equal limits of equal routes, so that it outlives a reload."""
    if context.shared_file is None:
        return SharedTimes()
    path = context.shared_file(sha256(name.encode()).hexdigest()[:16])
    try:
        return SharedTimes(path)
    except OSError as error:
        logger.error("the workers of this gateway count rate limits each for itself: %s", error)
        return SharedTimes()


def _changing(changes: HeaderChanges) -> Check:
    def change(request: PolicyRequest) -> None:
        request.head.headers = changes.apply(request, request.head.headers)

    return change
