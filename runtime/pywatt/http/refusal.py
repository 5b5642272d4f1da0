"""The one way a request is refused while it is being read."""

from __future__ import annotations


class RefusedError(Exception):
    """A request that must not be served: answer with `status` and close the connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
