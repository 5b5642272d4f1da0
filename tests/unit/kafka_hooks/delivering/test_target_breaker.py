"""All deliveries to one target wait for it together, and one record probes whether it is back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from pywatt.circuit_breaker import BreakerPolicy, BreakerState
from pywatt_kafka.processing.key_queues import KeyQueue
from pywatt_services.kafka_hooks.admin.admin_api import breaker_samples
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.delivering.target_breaker import TargetBreaker, TargetBreakers
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.templates import shown

POLICY = BreakerPolicy(failures=2, window=60.0, pause=10.0)
ENTRY = WebhookOptions(topic="orders", url="http://api.plt.local/orders?token=secret", breaker=POLICY)


@dataclass(eq=False)
class Member:
    """Has the number of records that the test sets."""

    breaker: TargetBreaker
    records: int = 0
    limit: int = 9
    at_work: int = 0
    looked_at_ages: int = 0
    options: WebhookOptions = ENTRY

    @property
    def breaker_state(self) -> BreakerState:
        return self.breaker.state

    def queues(self) -> list[KeyQueue[Delivery]]:
        return []

    def start(self) -> None:
        if self.records and self.at_work < self.limit:
            self.records -= 1
            self.at_work += 1
            self.breaker.begun(self)

    def end(self) -> None:
        self.at_work -= 1
        self.breaker.ended(self)

    def leave_alone(self) -> None:
        self.limit = 0

    def try_one(self) -> None:
        self.limit = 0 if self.at_work else 1
        self.start()

    def go_on(self) -> None:
        self.limit = 9
        self.start()

    def give_up_aged(self) -> None:
        self.looked_at_ages += 1


@dataclass
class Bench:
    pauses: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = TargetBreaker("it", POLICY, clock=lambda: 0.0, later=lambda *pause: self.pauses.append(pause))
        self.members = [Member(self.breaker) for _ in range(3)]
        for member in self.members:
            self.breaker.join(member)

    def open(self) -> None:
        assert [self.breaker.troubled("500") for _ in range(3)] == [True, False, False]

    def pause_over(self) -> float:
        seconds, call = self.pauses.pop()
        call()
        return seconds

    @property
    def at_work(self) -> list[int]:
        return [member.at_work for member in self.members]


def test_all_are_left_alone_together_and_go_on_together() -> None:
    b = Bench()
    b.open()
    late = Member(b.breaker)
    b.breaker.join(late)
    assert [member.limit for member in (*b.members, late)] == [0, 0, 0, 0]
    b.breaker.succeeded()
    assert [member.limit for member in (*b.members, late)] == [9, 9, 9, 9]


def test_one_record_of_all_of_them_is_tried_and_the_next_time_it_is_anothers_turn() -> None:
    b = Bench()
    for member in b.members:
        member.records = 5
    b.open()
    for turn in ([1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]):
        assert b.pause_over() == POLICY.pause
        assert b.at_work == turn
        b.breaker.troubled("500")
        b.members[turn.index(1)].end()
        assert b.at_work == [0, 0, 0]
    assert [member.looked_at_ages for member in b.members] == [4, 4, 4]


def test_whoever_has_a_record_first_tries_it() -> None:
    b = Bench()
    b.open()
    b.pause_over()
    for member in b.members[1:]:
        member.records = 1
        member.start()
    assert b.at_work == [0, 1, 0]
    b.members[1].end()  # there was nothing to try after all
    assert b.at_work == [0, 0, 1]


def test_calls_that_are_still_under_way_are_waited_for() -> None:
    b = Bench()
    b.members[0].records = 5
    b.members[0].start()
    b.open()
    b.pause_over()
    assert b.at_work == [1, 0, 0]
    b.members[0].start()
    assert b.at_work == [1, 0, 0]
    b.members[0].end()
    assert b.at_work == [1, 0, 0]
    assert b.members[0].records == 3


def test_target_may_ask_for_more_than_the_pause() -> None:
    b = Bench()
    b.breaker.troubled("503", 5.0)
    b.breaker.troubled("503", 60.0)
    assert b.pause_over() == 60.0
    b.breaker.troubled("503", 5.0)
    assert b.pause_over() == POLICY.pause


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        (replace(ENTRY, topic="payments"), True),
        (replace(ENTRY, url="http://api.plt.local/orders?token=other"), True),
        (replace(ENTRY, url="http://api.plt.local/payments"), False),
        (replace(ENTRY, breaker=replace(POLICY, pause=1.0)), False),
    ],
)
def test_target_is_a_url_without_its_query(other: WebhookOptions, shared: bool) -> None:
    breakers = TargetBreakers()
    assert (breakers.of(ENTRY) is breakers.of(other)) is shared
    assert breakers.of(replace(ENTRY, breaker=None)) is None


def test_entries_with_one_topic_and_url_are_one_sample() -> None:
    b = Bench()
    b.open()
    closed = Member(TargetBreaker("other settings", POLICY))
    payments = Member(closed.breaker, options=replace(ENTRY, topic="payments"))
    assert breaker_samples([closed, *b.members, payments]) == {
        ("orders", "http://api.plt.local/orders"): 2,
        ("payments", "http://api.plt.local/orders"): 0,
    }


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("http://a.plt.local/b?token=c", "http://a.plt.local/b"),
        ("https://user:secret@a.example:8443/b@c#d", "https://a.example:8443/b@c"),
        ("http://a.plt.local/{json.a?b}/c?d={record.key}", "http://a.plt.local/{json.a?b}/c"),
        ("http://a.plt.local", "http://a.plt.local"),
    ],
)
def test_query_and_user_of_a_url_are_not_shown(url: str, seen: str) -> None:
    assert shown(url) == seen
