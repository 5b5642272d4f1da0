"""Limits the size of a request's body."""

from __future__ import annotations

from pywatt_services.gateway.policies.verdict import Answer, PolicyRequest, Verdict, refusal


def too_large(limit: int) -> Answer:
    """Return the refusal of a body above the limit, in bytes."""
    return refusal(413, f"the body of the request is larger than {limit} bytes")


class BodyLimit:
    """Refuses a body by its announced length, or that of its first piece; the exchange counts the others."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._refusal = too_large(limit)

    def check(self, request: PolicyRequest) -> Verdict:
        """Return the refusal of a body that is too large."""
        return self._refusal if max(request.head.content_length, request.received) > self._limit else None
