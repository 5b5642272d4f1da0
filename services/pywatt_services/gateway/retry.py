"""The rule for sending a request to a service a second time."""

from __future__ import annotations

from pywatt.http.methods import IDEMPOTENT


def may_retry(method: bytes, *, body_length: int | None, retriable: bool, retried: bool) -> bool:
    """Tell whether a request whose connection failed may be sent over another one.

    `body_length`: None when it is not known. `retriable`: the service most likely has not seen the request. `retried`:
    this was the second attempt.
    """
    return retriable and not retried and body_length == 0 and method in IDEMPOTENT
