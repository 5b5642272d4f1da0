"""The error for a request that must not be served."""

from __future__ import annotations


class RequestError(Exception):
    """A request that must not be served: respond with `status`, then close the connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
