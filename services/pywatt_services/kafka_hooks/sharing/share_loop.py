"""Hands the records that a share group gives to this member to their targets, and acknowledges each: at least once.

The group gives the next records when all of the last ones are acknowledged. Each is locked for a while: shortly before
the lock ends, a record that no target is done with is given back, and is delivered again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import Protocol, TypeAlias

import anyio

from pywatt_kafka.engine.share_group import Acknowledgement
from pywatt_kafka.records import Headers, Message
from pywatt_kafka.timeout_queue import TimeoutQueue
from pywatt_services.diagnostics.log_throttle import LogThrottle
from pywatt_services.kafka_hooks.sharing.group_settings import DELIVERY_LIMIT, ShareLimits
from pywatt_services.kafka_hooks.sharing.held_record import HeldRecord, SharingTarget
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt

logger = logging.getLogger("pywatt.kafka_hooks")

LEAVE_SHARE = 0.8
"""Part of a lock after which no attempt is begun: what waits for one is given back ..."""
GIVE_BACK_SHARE = 0.95
"""... and after which what is in flight is given back too."""
REMEMBERED = 10_000  # records that were given back

Place: TypeAlias = tuple[str, int, int]
"""Topic, partition and offset."""


class GivenRecord(Protocol):
    """A record that the group has given to this member."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def delivery_count(self) -> int: ...
    def acknowledge_soon(self, outcome: Acknowledgement) -> asyncio.Future[None]: ...


class ShareTarget(SharingTarget, Protocol):
    """Delivers records of one topic."""

    def stop(self) -> None: ...
    async def idle(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Hold:
    """A record while it is held."""

    given: GivenRecord
    record: HeldRecord


class ShareLoop:
    """The records of one worker."""

    def __init__(
        self,
        targets: Mapping[str, Sequence[ShareTarget]],
        limits: ShareLimits,
        *,
        now: Callable[[], float] = time,
    ) -> None:
        """`targets` by topic."""
        self._targets = targets
        self._limits = limits
        self._now = now
        self._held: dict[Place, _Hold] = {}
        self._remembered: OrderedDict[Place, HeldRecord] = OrderedDict()
        """Records that were given back, the oldest first."""
        self._leaving = TimeoutQueue[_Hold](limits.lock * LEAVE_SHARE, ended=self._is_over, expired=_leave)
        self._given_back = TimeoutQueue[_Hold](
            limits.lock * GIVE_BACK_SHARE, ended=self._is_over, expired=self._give_back
        )
        self._throttle = LogThrottle()

    @property
    def held(self) -> Sequence[HeldRecord]:
        """The records that wait for an acknowledgement."""
        return [hold.record for hold in self._held.values()]

    def take(self, given: GivenRecord) -> None:
        """Hand a record to its targets."""
        message = Message(
            given.topic, given.partition, given.offset, given.key, given.value, tuple(given.headers), given.timestamp
        )
        place = message[:3]
        known = self._known(place, given)
        record = known or HeldRecord(message, self._settled)
        record.message = message
        hold = self._held[place] = _Hold(given, record)
        self._leaving.add(hold)
        self._given_back.add(hold)
        record.begin(self._targets[message.topic], last=self._last(given))

    async def drain(self, limit: float) -> None:
        """Start no new delivery, give back what waits, let those in flight end within `limit` seconds."""
        for target in self._all_targets():
            target.stop()
        for record in self.held:
            record.leave()
        with anyio.move_on_after(limit):
            for target in self._all_targets():
                await target.idle()
        for hold in list(self._held.values()):
            self._give_back(hold)
        self._leaving.close()
        self._given_back.close()

    def _known(self, place: Place, given: GivenRecord) -> HeldRecord | None:
        """Return what is known of an earlier delivery of a record; other than the first of its offset none counts."""
        hold = self._held.pop(place, None)
        known = self._remembered.pop(place, None) if hold is None else hold.record
        if known is None or given.delivery_count == 1 or known.message.timestamp != given.timestamp:
            return None  # the first delivery; or the topic was created again
        return known

    def _last(self, given: GivenRecord) -> Attempt | None:
        """Return what the dead letters say if the record is delivered for the last time; None if it is not.

        Its dead letter is written before anything else: if this worker ended first, the record would be lost.
        """
        if given.delivery_count < self._limits.deliveries:
            return None
        cause = f"delivered {given.delivery_count} times, as often as the share group allows ({DELIVERY_LIMIT})"
        if self._throttle.due():
            logger.warning(
                "%s[%d]@%d was %s: it becomes a dead letter; raise that limit, %s, or the concurrency "
                "if records wait for their turn", given.topic, given.partition, given.offset, cause,
                "share.record.lock.duration.ms",
            )  # fmt: skip
        return Attempt(number=given.delivery_count, requested_at=self._now(), status=None, cause=cause)

    def _settled(self, record: HeldRecord) -> None:
        """Acknowledge a record, as its targets are done with it or it is given back."""
        place = record.message[:3]
        hold = self._held.get(place)
        if hold is None or hold.record is not record:
            return  # its offset is another record's now
        del self._held[place]
        if not record.is_done:
            self._remember(place, record)
            hold.given.acknowledge_soon(Acknowledgement.RELEASE).add_done_callback(self._answered)
            return
        outcome = Acknowledgement.REJECT if record.is_rejected else Acknowledgement.ACCEPT

        def answered(answer: asyncio.Future[None]) -> None:
            if not answer.cancelled() and answer.exception() is not None:
                self._remember(place, record)  # it will be delivered again, and nobody has to do it again
            self._answered(answer)

        hold.given.acknowledge_soon(outcome).add_done_callback(answered)

    def _give_back(self, hold: _Hold) -> None:
        hold.record.give_back()

    def _remember(self, place: Place, record: HeldRecord) -> None:
        record.forget_content()
        self._remembered[place] = record
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    def _answered(self, answer: asyncio.Future[None]) -> None:
        if not answer.cancelled() and (error := answer.exception()) is not None:
            logger.debug("a record is delivered again, as it was not acknowledged: %s", error)

    def _is_over(self, hold: _Hold) -> bool:
        return self._held.get(hold.record.message[:3]) is not hold

    def _all_targets(self) -> Sequence[ShareTarget]:
        return [target for targets in self._targets.values() for target in targets]


def _leave(hold: _Hold) -> None:
    hold.record.leave()
