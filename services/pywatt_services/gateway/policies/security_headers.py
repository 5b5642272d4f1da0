"""Headers that tell browsers to be careful with a response."""

from __future__ import annotations

from collections.abc import Mapping

from pywatt.errors import Problem
from pywatt.http.headers import Header
from pywatt_services.gateway.policies.header_rules import read_rules
from pywatt_services.gateway.policies.verdict import PolicyRequest

HSTS = b"strict-transport-security"
DEFAULTS: Mapping[str, str] = {
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "strict-origin-when-cross-origin",
}
"""Without `includeSubDomains`: other hosts of the domain may not have https yet."""


def read_security_headers(
    given: Mapping[str, str | bool], where: str
) -> tuple[tuple[tuple[str, str], ...], list[Problem]]:
    """Read values by name that replace the defaults, or add to them; False takes one out."""
    wanted: dict[str, str | bool] = {**DEFAULTS, **{name.lower(): value for name, value in given.items()}}
    headers = tuple((name, value) for name, value in wanted.items() if isinstance(value, str))
    _, problems = read_rules({"set": dict(headers)}, where)
    return headers, problems


class SecurityHeaders:
    """Adds the headers; those that the service itself sends stay."""

    def __init__(self, headers: tuple[tuple[str, str], ...]) -> None:
        self._headers = [(name.encode(), value.encode()) for name, value in headers]
        # Browsers ignore it on http, and a client behind a wrong proxy must not keep it for a year (RFC 6797 7.2).
        self._without_hsts = [header for header in self._headers if header[0] != HSTS]

    def apply(self, request: PolicyRequest, headers: list[Header]) -> list[Header]:
        """Return a response's headers with those that it lacks."""
        names = {name.lower() for name, _ in headers}
        wanted = self._headers if request.https else self._without_hsts
        return headers + [header for header in wanted if header[0] not in names]
