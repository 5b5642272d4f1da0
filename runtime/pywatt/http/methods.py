"""Properties of request methods (RFC 9110 9)."""

from __future__ import annotations

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})
"""Methods that may be repeated (RFC 9110 9.2.2)."""
WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})
"""Methods whose requests have a Content-Length even without a body (RFC 9110 8.6)."""
