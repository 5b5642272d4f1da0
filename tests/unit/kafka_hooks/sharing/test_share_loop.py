"""Acknowledgement of a share group's records: outcomes, locks that end, redeliveries, the last delivery, stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from pywatt_kafka import CommitFailed, Headers
from pywatt_kafka.engine.share_group import Acknowledgement
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.sharing.group_settings import ShareLimits
from pywatt_services.kafka_hooks.sharing.held_record import DELIVERY_LIMIT
from pywatt_services.kafka_hooks.sharing.share_loop import ShareLoop
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.retry import SendToDlq

pytestmark = pytest.mark.anyio

ACCEPT, RELEASE, REJECT = Acknowledgement
LATER = 1e12  # seconds since 1970, far away
SHORT = ShareLimits(lock=0.05, deliveries=5)
LONG = ShareLimits(lock=1000.0, deliveries=5)


@dataclass
class Given:
    """A record that the group gives."""

    offset: int = 0
    delivery_count: int = 1
    timestamp: int = 1
    topic: str = "orders"
    partition: int = 0
    key: bytes | None = b"k"
    value: bytes | None = b"v"
    headers: Headers = ()
    outcomes: list[Acknowledgement] = field(default_factory=list)
    is_lost: bool = False
    """True if the broker refuses the acknowledgement."""
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledge_soon(self, outcome: Acknowledgement) -> asyncio.Future[None]:
        self.outcomes.append(outcome)
        self.acknowledged.set()
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.is_lost:
            answer.set_exception(CommitFailed("the lock has ended"))
        else:
            answer.set_result(None)
        return answer


@dataclass
class Target:
    """Keeps its deliveries until the test ends them."""

    id: int = 1
    in_flight: bool = False
    accepted: list[Delivery] = field(default_factory=list)
    withdrawn: list[Delivery] = field(default_factory=list)
    stopped: bool = False

    def accept(self, delivery: Delivery) -> None:
        self.accepted.append(delivery)

    def withdraw(self, delivery: Delivery) -> bool:
        if not self.in_flight:
            self.withdrawn.append(delivery)
        return not self.in_flight

    def stop(self) -> None:
        self.stopped = True

    async def idle(self) -> None:
        if self.in_flight:
            await asyncio.get_running_loop().create_future()


def loop_of(*targets: Target, limits: ShareLimits = LONG) -> ShareLoop:
    return ShareLoop({"orders": targets}, limits)


def failed(delivery: Delivery, due: float) -> None:
    delivery.attempts += 1
    delivery.failed(Attempt(number=delivery.attempts, requested_at=0.0, status=503))
    delivery.try_again(503, due)


async def test_a_record_is_accepted_when_all_targets_are_done_with_it() -> None:
    first, second = Target(1), Target(2)
    loop, given = loop_of(first, second), Given()
    loop.take(given)
    first.accepted[0].finish()
    assert (given.outcomes, len(loop.held)) == ([], 1)
    second.accepted[0].finish()
    assert (given.outcomes, len(loop.held)) == ([ACCEPT], 0)


async def test_a_record_with_a_dead_letter_is_rejected() -> None:
    first, second = Target(1), Target(2)
    loop, given = loop_of(first, second), Given()
    loop.take(given)
    first.accepted[0].disposition = SendToDlq("http_500")
    first.accepted[0].finish()
    second.accepted[0].finish()
    assert given.outcomes == [REJECT]


async def test_a_record_that_waits_is_released_before_its_lock_ends_and_goes_on_when_it_comes_again() -> None:
    waiting, done = Target(1), Target(2)
    loop, given = loop_of(waiting, done, limits=SHORT), Given()
    loop.take(given)
    done.accepted[0].finish()
    failed(waiting.accepted[0], LATER)
    await given.acknowledged.wait()
    assert (given.outcomes, loop.held) == ([RELEASE], [])
    again = Given(delivery_count=2)
    loop.take(again)
    assert len(done.accepted) == 1
    delivery = waiting.accepted[1]
    record = delivery.share.attempt_record(0)
    assert record is not None
    assert (record.attempts, record.status, record.due, delivery.attempts) == (1, 503, LATER, 1)
    assert [attempt.status for attempt in delivery.failures] == [503]
    delivery.finish()
    assert again.outcomes == [ACCEPT]


async def test_a_redelivery_of_another_record_is_delivered_from_the_beginning() -> None:
    target = Target()
    loop = loop_of(target, limits=SHORT)
    for count, timestamp in ((1, 1), (1, 1), (2, 2)):  # the offset of a topic that was created again
        given = Given(delivery_count=count, timestamp=timestamp)
        loop.take(given)
        assert target.accepted[-1].share.attempt_record(0) is None
        failed(target.accepted[-1], LATER)
        await given.acknowledged.wait()
    assert len(target.accepted) == 3


async def test_what_is_in_flight_when_the_lock_ends_goes_on_and_is_not_repeated() -> None:
    target = Target(in_flight=True)
    loop, given = loop_of(target, limits=SHORT), Given()
    loop.take(given)
    await given.acknowledged.wait()
    assert given.outcomes == [RELEASE]
    while_in_flight = Given(delivery_count=2)
    loop.take(while_in_flight)
    assert len(target.accepted) == 1
    target.accepted[0].finish()
    assert while_in_flight.outcomes == [ACCEPT]


async def test_what_succeeds_after_the_record_was_given_back_is_not_repeated() -> None:
    target = Target(in_flight=True)
    loop, given = loop_of(target, limits=SHORT), Given()
    loop.take(given)
    await given.acknowledged.wait()
    target.accepted[0].finish()
    again = Given(delivery_count=2)
    loop.take(again)
    assert (again.outcomes, len(target.accepted)) == ([ACCEPT], 1)


async def test_what_fails_after_the_record_was_given_back_is_not_tried_until_it_comes_again() -> None:
    target = Target(in_flight=True)
    loop, given = loop_of(target, limits=SHORT), Given()
    loop.take(given)
    await given.acknowledged.wait()
    failed(target.accepted[0], LATER)
    assert target.accepted[0].partition.lost
    loop.take(Given(delivery_count=2))
    assert not target.accepted[1].partition.lost
    assert target.accepted[1].attempts == 1


async def test_a_record_whose_acknowledgement_is_refused_is_not_delivered_again_here() -> None:
    target = Target()
    loop, given = loop_of(target), Given(is_lost=True)
    loop.take(given)
    target.accepted[0].finish()
    await asyncio.sleep(0)
    again = Given(delivery_count=2)
    loop.take(again)
    assert (given.outcomes, again.outcomes, len(target.accepted)) == ([ACCEPT], [ACCEPT], 1)


async def test_the_last_delivery_is_a_dead_letter_which_survives_the_lock() -> None:
    target = Target()
    loop, given = loop_of(target, limits=SHORT), Given(delivery_count=5)
    loop.take(given)
    (delivery,) = target.accepted
    assert delivery.disposition == DELIVERY_LIMIT
    assert delivery.failures[-1].cause.startswith("delivered 5 times, as often as the share group allows")
    await given.acknowledged.wait()
    assert (given.outcomes, target.withdrawn) == ([RELEASE], [])  # its letter is still being written


async def test_a_stop_gives_back_what_waits_at_once_and_the_rest_when_its_time_is_over() -> None:
    target = Target()
    loop = loop_of(target)
    waiting, hanging = Given(0), Given(1)
    loop.take(waiting)
    loop.take(hanging)
    order: Sequence[Delivery] = list(target.accepted)

    def withdraw(delivery: Delivery) -> bool:
        return delivery is order[0]

    target.withdraw = withdraw  # type: ignore[method-assign]
    target.in_flight = True
    draining = asyncio.ensure_future(loop.drain(0.01))
    await waiting.acknowledged.wait()
    assert (waiting.outcomes, hanging.outcomes, target.stopped) == ([RELEASE], [], True)
    await draining
    assert (hanging.outcomes, loop.held) == ([RELEASE], [])
