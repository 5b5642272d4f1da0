"""The membership of a consumer in its group: its name, and the timeouts that the group keeps for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Required, TypeAlias, TypedDict

from pywatt_kafka.errors import Fenced

SESSION_TIMEOUT = 45.0  # seconds
HEARTBEAT_INTERVAL = 3.0  # seconds, or a third of the session timeout
REBALANCE_TIMEOUT = 15.0  # seconds

GroupProtocol: TypeAlias = Literal["auto", "classic", "consumer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """One member of a consumer group. Durations are seconds.

    A static member, which has an `instance_id`, gets its partitions back at once after a crash, without a rebalance;
    the id must be used by one living consumer at a time: a second one fences the first. Another member that is killed
    keeps its partitions from the others for the session timeout.
    """

    group: str
    instance_id: str | None = None
    session_timeout: float = SESSION_TIMEOUT
    heartbeat_interval: float | None = None
    """None: a third of the session timeout, HEARTBEAT_INTERVAL at most."""
    rebalance_timeout: float = REBALANCE_TIMEOUT
    """Time that the group waits for this member to give up its partitions."""
    protocol: GroupProtocol = "classic"
    """The protocol of the group; only the engine rdkafka knows another one than `classic`.

    With `consumer` (KIP-848, Kafka 4.0 and later) the broker assigns the partitions, a rebalance stops only those that
    move, and the broker sets the timeouts. `auto`: `consumer` where the broker knows it.
    """

    @property
    def heartbeat(self) -> float:
        """Seconds between heartbeats."""
        return self.heartbeat_interval or min(HEARTBEAT_INTERVAL, self.session_timeout / 3)

    def fenced(self) -> Fenced:
        """Return the error of a static member that another one has replaced."""
        return Fenced(
            f"another member of consumer group {self.group} has taken the instance id {self.instance_id}; this one "
            "has stopped reading",
            hint="give each member an instance id of its own (groupInstanceId), or none; then start this one again",
            code="FENCED_INSTANCE_ID",
        )


class MembershipOptions(TypedDict, total=False):
    """The fields of a Membership as keyword arguments."""

    group: Required[str]
    instance_id: str | None
    session_timeout: float
    heartbeat_interval: float | None
    rebalance_timeout: float
    protocol: GroupProtocol


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """A member of a consumer group at one generation; brokers reject offsets that it commits at a later one."""

    group: str
    generation: int = -1
    member_id: str = ""
    instance_id: str | None = None
    native: Any = None
    """The same as librdkafka keeps it: it shows none of the other fields."""
