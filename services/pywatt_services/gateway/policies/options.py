"""The options of a route's policies, from the keys of `proxy` and of `gateway.defaults`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pywatt.errors import Problem
from pywatt_services.gateway.policies.auth_options import AuthOptions, read_auth
from pywatt_services.gateway.policies.concurrency_limit import ConcurrencyOptions, read_concurrency
from pywatt_services.gateway.policies.cors import Cors, read_cors
from pywatt_services.gateway.policies.custom import CustomOptions, read_custom
from pywatt_services.gateway.policies.header_rules import NO_RULES, HeaderRules, read_rules
from pywatt_services.gateway.policies.ip_access import IpAccess, read_ip_access
from pywatt_services.gateway.policies.rate_limit import RateLimit, read_rate_limit
from pywatt_services.gateway.policies.security_headers import read_security_headers

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions:
    """The policies of one route."""

    ip_access: IpAccess | None = None
    auth: AuthOptions | None = None
    cors: Cors | None = None
    rate_limit: RateLimit | None = None
    body_limit: int | None = None
    custom: CustomOptions | None = None
    concurrency: ConcurrencyOptions | None = None
    security_headers: tuple[tuple[str, str], ...] = ()
    request_headers: HeaderRules = NO_RULES
    response_headers: HeaderRules = NO_RULES

    @property
    def client_headers(self) -> tuple[str, ...]:
        """The headers, in lower case, that tell the service for whom a request is: no other may get its response."""
        names = [name for name, value in self.request_headers.set if "{" in value]
        if self.auth is not None:
            names.append(self.auth.header)
        return tuple(name.lower() for name in names)

    @property
    def changes_requests(self) -> bool:
        """True when a function may change any header of a request."""
        return self.custom is not None and self.custom.request is not None


NO_POLICIES = PolicyOptions()


class PolicyReader:
    """Reads the policies of the entries of a gateway."""

    def __init__(self, problems: list[Problem], defaults: Mapping[str, tuple[Any, str]], folder: Path) -> None:
        """`problems`: gets what is wrong. `defaults`: values and their places in the file, by key.

        `folder`: where paths of files begin.
        """
        self._folder = folder
        self._problems = problems
        self._defaults = defaults

    def read(self, proxy: Mapping[str, Any], place: str) -> PolicyOptions:
        """Read the policies of an entry. `place`: the key of its block `proxy`."""

        def block(key: str) -> tuple[Any, str]:
            return self.block(key, proxy, place)

        headers, headers_key = block("headers")
        access, access_key = block("ipAccess")
        cors, cors_key = block("cors")
        rate, _ = block("rateLimit")
        concurrency, _ = block("concurrency")
        custom, _ = block("custom")
        auth, auth_key = block("auth")
        security, security_key = block("securityHeaders")
        return PolicyOptions(
            ip_access=None if access is None else self._checked(read_ip_access(access, access_key)),
            cors=None if cors is None else self._checked(read_cors(cors, cors_key)),
            auth=None if auth is None else self._checked(read_auth(auth, self._folder, auth_key)),
            rate_limit=None if rate is None else read_rate_limit(rate),
            body_limit=block("bodyLimit")[0],
            custom=None if custom is None else read_custom(custom),
            concurrency=None if concurrency is None else read_concurrency(concurrency),
            security_headers=()
            if security is None
            else self._checked(read_security_headers({} if security is True else security, security_key)),
            request_headers=self._rules(headers, "request", headers_key),
            response_headers=self._rules(headers, "response", headers_key),
        )

    def block(self, key: str, proxy: Mapping[str, Any], place: str) -> tuple[Any, str]:
        """Return the value of a key and its place; None when the policy is off."""
        value, where = (proxy[key], f"{place}.{key}") if key in proxy else self._defaults.get(key, (None, ""))
        return None if value is False else value, where

    def _rules(self, headers: Mapping[str, Any] | None, side: str, where: str) -> HeaderRules:
        return self._checked(read_rules((headers or {}).get(side, {}), f"{where}.{side}"))

    def _checked(self, read: tuple[Read, list[Problem]]) -> Read:
        result, problems = read
        # Each entry reads the defaults anew.
        self._problems += [problem for problem in problems if problem not in self._problems]
        return result
