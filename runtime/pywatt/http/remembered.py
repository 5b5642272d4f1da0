"""What was made of header blocks that came before.

Clients send the same fields with nearly every request, and services with their answers: a block that is the same
to the byte need not be read again.
"""

from __future__ import annotations

from typing import TypeVar

BLOCK_SIZE = 2048
"""Bytes above which a block is not remembered: long ones are rarely the same."""
BLOCKS = 256

ValueT = TypeVar("ValueT")


class Remembered(dict[bytes, ValueT]):
    """Values by block, for all connections of a process."""

    def remember(self, block: bytes, value: ValueT) -> None:
        """Keep a value; all others make room when there are too many."""
        if len(block) > BLOCK_SIZE:
            return
        if len(self) >= BLOCKS:
            self.clear()
        self[block] = value
