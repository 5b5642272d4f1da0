"""A record that a share group has given to this member, and its deliveries to the topic's targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from pywatt_kafka.processing.commit_metadata import AttemptRecord, Progress
from pywatt_kafka.processing.offset_tracker import OffsetTracker
from pywatt_kafka.records import Message, TopicPartition
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.retry import SendToDlq

DELIVERY_LIMIT = SendToDlq("delivery_limit")


class SharingTarget(Protocol):
    """Delivers records of one topic."""

    @property
    def id(self) -> int:
        """Identity among the topic's targets."""
        ...

    def accept(self, delivery: Delivery) -> None: ...
    def withdraw(self, delivery: Delivery) -> bool: ...


class HeldRecord:
    """A record from its acquisition until all targets are done with it.

    When it is given back before, it is delivered again, to this member or another one. This one remembers which targets
    are done with it, and how often the others have failed.
    """

    __slots__ = (
        "_done",
        "_failed",
        "_left",
        "_on_settled",
        "_shares",
        "is_held",
        "is_leaving",
        "is_rejected",
        "message",
    )

    def __init__(self, message: Message, on_settled: Callable[[HeldRecord], None]) -> None:
        """`on_settled` is called when all targets are done with it or, as it is leaving, none works on it any more."""
        self.message = message
        self.is_held = False
        """True while the broker waits for its acknowledgement."""
        self.is_leaving = False
        """True if no further attempt is begun."""
        self.is_rejected = False
        """True if a target has not taken it, and its dead letter is written."""
        self._on_settled = on_settled
        self._shares: dict[int, TargetShare] = {}
        """Deliveries that are under way, by target."""
        self._left: set[int] = set()
        """Targets that are not done with it."""
        self._done: set[int] = set()
        self._failed: dict[int, tuple[AttemptRecord, Sequence[Attempt]]] = {}

    def begin(self, targets: Iterable[SharingTarget], *, last: Attempt | None = None) -> None:
        """Hand it to the targets that are not done with it nor still deliver it.

        `last`: the failure that stands for all deliveries before, as no other follows: it gets dead letters at once.
        """
        self.is_held, self.is_leaving = True, False
        left = [target for target in targets if target.id not in self._done]
        self._left = {target.id for target in left}
        for target in left:
            if target.id not in self._shares:
                self._shares[target.id] = share = TargetShare(self, target)
                target.accept(self._delivery(share, last))
        if not left:
            self._check_settled()

    def leave(self) -> None:
        """Take it back from targets that have not begun with it: it is about to be given back."""
        self.is_leaving = True
        for share in list(self._shares.values()):
            if not share.is_decided and share.target.withdraw(share.delivery):
                del self._shares[share.target.id]
        self._check_settled()

    def give_back(self) -> None:
        """End holding it; what is in flight goes on, and is not repeated if it succeeds."""
        self.leave()
        if self.is_held:
            self.is_held = False
            self._on_settled(self)

    def forget_content(self) -> None:
        """Forget key, value and headers: they come again with the next delivery."""
        self.message = self.message._replace(key=None, value=None, headers=())

    @property
    def is_done(self) -> bool:
        """True if all targets are done with it."""
        return not self._left

    @property
    def deliveries(self) -> Iterable[Delivery]:
        """The deliveries that are under way."""
        return [share.delivery for share in self._shares.values()]

    def finished(self, share: TargetShare) -> None:
        """Note that a target has taken it, or that its dead letter is written."""
        target = share.target.id
        self._shares.pop(target, None)
        self._failed.pop(target, None)
        self._left.discard(target)
        self._done.add(target)
        self.is_rejected = self.is_rejected or share.is_decided
        self._check_settled()

    def failed(self, share: TargetShare, record: AttemptRecord) -> None:
        """Note that an attempt failed; without a due time no other follows."""
        target = share.target.id
        self._failed[target] = record, share.delivery.failures
        if record.due and self.is_leaving:
            share.lost = True
            self._shares.pop(target, None)
            self._check_settled()

    def _check_settled(self) -> None:
        if self.is_held and (not self._left or (self.is_leaving and not self._shares)):
            self.is_held = False
            self._on_settled(self)

    def _delivery(self, share: TargetShare, last: Attempt | None) -> Delivery:
        before, failures = self._failed.get(share.target.id, (None, ()))
        resumed = {} if before is None or last is not None else {self.message.offset: before}
        delivery = share.delivery = Delivery(
            self.message,
            share,
            OffsetTracker(self.message.offset, Progress(attempts=resumed)),
            attempts=0 if before is None else before.attempts,
            failures=tuple(failures),
        )
        if last is not None:
            delivery.failed(last)
            delivery.disposition = DELIVERY_LIMIT
        return delivery


class TargetShare:
    """The part of one target in a held record."""

    __slots__ = ("delivery", "lost", "place", "record", "target")

    delivery: Delivery

    def __init__(self, record: HeldRecord, target: SharingTarget) -> None:
        self.record = record
        self.target = target
        self.place = TopicPartition(record.message.topic, record.message.partition)
        self.lost = False

    @property
    def is_decided(self) -> bool:
        """True if only its dead letter is left to be written."""
        return isinstance(self.delivery.disposition, SendToDlq)

    def finish(self, message: Message, share: OffsetTracker) -> None:
        """Note that the target is done with the record."""
        self.record.finished(self)

    def try_again(self, message: Message, share: OffsetTracker, record: AttemptRecord) -> None:
        """Note that an attempt failed."""
        share.try_again(message.offset, record)
        self.record.failed(self, record)

    def wait_behind(self, share: OffsetTracker, more: int) -> None:
        """Do nothing: records without order wait behind none."""
