"""Admission of requests to the dashboard: who may see and change the app.

A browser may be made to send requests by any page, and any user of the machine can connect. Hence the token, which
travels in the header `Authorization` alone (no cookie, so no page can have it sent along), and checks of `Host`
(against DNS rebinding) and `Origin`. The page itself holds nothing secret: it may be fetched without a token.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from quart import Quart, Response, request

from pywatt.config.dashboard_model import DashboardConfig

API = "/api/"
INGEST = "/v1/"
"""Where services send their telemetry, with a token that opens nothing else."""
SAFE_METHODS = frozenset({"GET", "HEAD"})
SCHEME = "Bearer "
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why a request is not served."""

    status: HTTPStatus
    message: str
    hint: str

    def reply(self) -> tuple[dict[str, Any], int]:
        """Return the response."""
        return {"error": {"kind": "refused", "message": self.message, "hint": self.hint}}, self.status


class Guard:
    """The rules of one dashboard."""

    def __init__(self, config: DashboardConfig, port: int, ingest_token: str) -> None:
        assert config.token
        self._token = config.token.encode()
        self._ingest_token = ingest_token.encode()
        self._read_only = config.read_only
        self._names = frozenset(name.lower() for name in ("localhost", config.hostname, *config.allowed_hosts))
        self._port = port

    def protect(self, app: Quart) -> None:
        """Have an application refuse the requests that break the rules, and send the headers that browsers obey."""

        @app.before_request
        async def admit() -> tuple[dict[str, Any], int] | None:
            refusal = self.refusal(request.method, request.path, request.headers, request.args)
            return None if refusal is None else refusal.reply()

        @app.after_request
        async def harden(response: Response) -> Response:
            response.headers.update(HEADERS)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

    def refusal(self, method: str, path: str, headers: Any, arguments: Any) -> Refusal | None:
        """Return why a request is refused, None if it is admitted (pure)."""
        host = headers.get("Host", "")
        if not self._knows(host):
            hint = f"use http://127.0.0.1:{self._port}/, or add the name to dashboard.allowedHosts"
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, f'the dashboard has no host name "{host}"', hint)
        origin = headers.get("Origin")
        site = headers.get("Sec-Fetch-Site", "same-origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return Refusal(HTTPStatus.FORBIDDEN, f"a page of {origin} may not use the dashboard", "use its own page")
        if path.startswith(INGEST):
            if not _has_token(headers.get("Authorization", ""), self._ingest_token):
                hint = "services have it in OTEL_EXPORTER_OTLP_HEADERS"
                return Refusal(HTTPStatus.UNAUTHORIZED, "the token for telemetry is missing or wrong", hint)
            return None
        if not path.startswith(API):
            return None
        if site not in ("same-origin", "none"):
            return Refusal(HTTPStatus.FORBIDDEN, "another page may not use the dashboard", "use its own page")
        if not _has_token(headers.get("Authorization", ""), self._token):
            return Refusal(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong", "run: pywatt dashboard")
        if arguments.get("secrets") == "true":
            hint = "use the command line: pywatt config --secrets, pywatt env --secrets"
            return Refusal(HTTPStatus.FORBIDDEN, "the dashboard shows no secrets", hint)
        if self._read_only and method not in SAFE_METHODS:
            return Refusal(HTTPStatus.FORBIDDEN, "this dashboard only shows", "dashboard.readOnly is true")
        return None

    def _knows(self, host: str) -> bool:
        """Return whether a Host header names this dashboard; an IP address does, for DNS cannot rebind it."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _has_token(authorization: str, token: bytes) -> bool:
    given = authorization.removeprefix(SCHEME)
    return given != authorization and hmac.compare_digest(given.encode(), token)
