"""Fetch settings of a consumer: isolation, bytes per answer, and how long a broker waits for them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

LONGEST_WAIT = 3.0  # seconds; on its connection a broker answers nothing else meanwhile, and soon counts as away
PARTITION_BYTES = 1024 * 1024  # of one partition in a fetch: both libraries' default


class Isolation(enum.Enum):
    """The records of transactions that a consumer reads."""

    READ_COMMITTED = "read_committed"
    """Only committed ones; reading waits at the first record of an open transaction."""
    READ_UNCOMMITTED = "read_uncommitted"
    """All of them, aborted ones too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """Fetch settings; all defaults but the isolation are those of the libraries."""

    isolation: Isolation = Isolation.READ_COMMITTED
    min_bytes: int = 1
    """A broker answers when it has this many bytes ..."""
    max_wait: float = 0.5
    """... or after this many seconds, LONGEST_WAIT at most."""
    max_bytes: int = 50 * 1024 * 1024
    """Limit of one answer, which a single larger batch may exceed. At least 1000."""

    @property
    def partition_bytes(self) -> int:
        """The limit of one partition in an answer."""
        return min(PARTITION_BYTES, self.max_bytes)

    @property
    def wait_ms(self) -> int:
        """Milliseconds that a broker waits for `min_bytes`."""
        return int(min(self.max_wait, LONGEST_WAIT) * 1000)
