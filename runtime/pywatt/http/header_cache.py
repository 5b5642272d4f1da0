"""Caches parsed header blocks by their bytes.

Clients send the same fields with nearly every request, and services with their responses: a block that is the same
to the byte need not be parsed again.
"""

from __future__ import annotations

from typing import TypeVar

BLOCK_SIZE = 2048
"""Bytes above which a block is not cached: long ones are rarely the same."""
BLOCKS = 256
"""Blocks that a cache holds."""

ValueT = TypeVar("ValueT")


class HeaderCache(dict[bytes, ValueT]):
    """Parsed values by header block, shared by all connections of a process."""

    def store(self, block: bytes, value: ValueT) -> None:
        """Add a value; a full cache is emptied first."""
        if len(block) > BLOCK_SIZE:
            return
        if len(self) >= BLOCKS:
            self.clear()
        self[block] = value
