"""The options of a route's policies, from the keys of `proxy` and of `gateway.defaults`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pywatt.errors import Problem
from pywatt_services.gateway.policies.header_rules import NO_RULES, HeaderRules, read_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions:
    """The policies of one route."""

    request_headers: HeaderRules = NO_RULES
    response_headers: HeaderRules = NO_RULES


NO_POLICIES = PolicyOptions()


class PolicyReader:
    """Reads the policies of the entries of a gateway."""

    def __init__(self, problems: list[Problem]) -> None:
        """`problems`: gets what is wrong."""
        self._problems = problems

    def read(
        self, defaults: Mapping[str, Any], proxy: Mapping[str, Any], defaults_key: str, proxy_key: str
    ) -> PolicyOptions:
        """Read the policies of an entry. `defaults_key`, `proxy_key`: the places of both blocks."""

        def block(key: str) -> tuple[Any, str]:
            """Return the value of a key and its place; None when the policy is off."""
            found, where = (proxy, proxy_key) if key in proxy else (defaults, defaults_key)
            value = found.get(key)
            return None if value is False else value, f"{where}.{key}"

        headers, where = block("headers")
        return PolicyOptions(
            request_headers=self._rules(headers, "request", where),
            response_headers=self._rules(headers, "response", where),
        )

    def _rules(self, headers: Mapping[str, Any] | None, side: str, where: str) -> HeaderRules:
        rules, problems = read_rules((headers or {}).get(side, {}), f"{where}.{side}")
        self._add(problems)
        return rules

    def _add(self, problems: list[Problem]) -> None:
        # Each entry reads the defaults anew.
        self._problems += [problem for problem in problems if problem not in self._problems]
