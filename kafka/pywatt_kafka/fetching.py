"""How a consumer fetches: which records, how many bytes at once, how long a broker waits for them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

LONGEST_WAIT = 3.0  # seconds; on its connection a broker answers nothing else meanwhile, and soon counts as away
PARTITION_BYTES = 1024 * 1024  # of one partition in a fetch: both libraries' default
MESSAGE_BYTES = 1_000_000  # librdkafka's default


class Isolation(enum.Enum):
    """What is read of transactions."""

    READ_COMMITTED = "read_committed"
    """Only what was committed; reading waits at the first record of one that is open."""
    READ_UNCOMMITTED = "read_uncommitted"
    """Everything, what was aborted too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """The defaults are those of the libraries, but for the isolation."""

    isolation: Isolation = Isolation.READ_COMMITTED
    min_bytes: int = 1
    """A broker answers when it has so many ..."""
    max_wait: float = 0.5
    """... or after so many seconds; more than LONGEST_WAIT counts as that."""
    max_bytes: int = 50 * 1024 * 1024
    """In one answer, but for a single batch that is larger. At least 1000."""

    def for_aiokafka(self) -> dict[str, Any]:
        """Return what an AIOKafkaConsumer is to be given."""
        return {
            "isolation_level": self.isolation.value,
            "fetch_min_bytes": self.min_bytes,
            "fetch_max_bytes": self.max_bytes,
            "max_partition_fetch_bytes": min(PARTITION_BYTES, self.max_bytes),
            "fetch_max_wait_ms": self._wait_ms,
        }

    def for_rdkafka(self) -> dict[str, Any]:
        """Return what a confluent_kafka.Consumer is to be given."""
        return {
            "isolation.level": self.isolation.value,
            "fetch.min.bytes": self.min_bytes,
            "fetch.max.bytes": self.max_bytes,
            "message.max.bytes": min(MESSAGE_BYTES, self.max_bytes),  # it insists
            "max.partition.fetch.bytes": min(PARTITION_BYTES, self.max_bytes),
            "fetch.wait.max.ms": self._wait_ms,
        }

    @property
    def _wait_ms(self) -> int:
        return int(min(self.max_wait, LONGEST_WAIT) * 1000)
