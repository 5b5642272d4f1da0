"""A partition with several targets: a full one does not delay the others, and its records are read later."""

from __future__ import annotations

from pywatt_kafka.processing.commit_metadata import ATTEMPT_RECORDS_LIMIT, AttemptRecord
from pywatt_kafka.records import Message, TopicPartition
from pywatt_services.kafka_hooks.consuming.partition_state import CROWD, SLICE, PartitionState

PLACE = TopicPartition("orders", 0)
LIMIT = 4
DEAD, HEALTHY = 0, 1


def message(offset: int) -> Message:
    return Message("orders", 0, offset, b"k", b"v", (), 0)


class Bench:
    """A partition with two targets; the test is its reader."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.now = 0.0
        self.partition = PartitionState(
            PLACE, limit=limit, targets=[DEAD, HEALTHY], changed=lambda _: None, start=0, clock=lambda: self.now
        )

    def read(self, offsets: range) -> tuple[list[int], list[int]]:
        """Pass in these records; return the records that each target has to get."""
        dead, healthy = (
            [taken.offset for taken in self.partition.take(list(map(message, offsets)), share)]
            for share in self.partition.shares
        )
        return dead, healthy

    def finish(self, target: int, offsets: range) -> None:
        for offset in offsets:
            self.partition.finish(message(offset), self.partition.shares[target])


def test_full_target_holds_up_no_other_and_is_read_for_later() -> None:
    b = Bench()
    assert b.read(range(4)) == ([0, 1, 2, 3], [0, 1, 2, 3])
    b.finish(HEALTHY, range(4))
    assert b.partition.schedule_read() is None
    assert not b.partition.full
    assert b.read(range(4, 7)) == ([], [4, 5, 6])
    b.finish(DEAD, range(1))
    assert not b.partition.has_room  # at half only
    b.finish(DEAD, range(1, 2))
    assert b.partition.has_room
    b.now = 1.0
    assert b.partition.schedule_read() == 4
    assert b.read(range(4, 6)) == ([4, 5], [])
    assert b.partition.schedule_read() == 7  # full again
    assert b.read(range(7, 8)) == ([], [7])
    commit = b.partition.to_commit()
    assert commit is not None
    assert commit.offset.offset == 2


def test_partition_is_full_when_all_targets_are() -> None:
    b = Bench()
    b.read(range(4))
    assert b.partition.schedule_read() is None
    assert b.partition.full
    b.finish(HEALTHY, range(2))
    assert b.partition.has_room
    assert b.partition.schedule_read() is None
    assert not b.partition.full


def test_records_behind_a_failed_one_of_their_key_take_no_room() -> None:
    rooms: list[bool] = []
    partition = PartitionState(
        PLACE, limit=LIMIT, targets=[DEAD], changed=lambda held: rooms.append(held.has_room), start=0
    )
    (share,) = partition.shares
    assert len(partition.take(list(map(message, range(4))), share)) == 4
    partition.schedule_read()
    assert partition.full
    partition.paused = True
    partition.wait_behind(share, 3)
    assert rooms == [True]
    partition.schedule_read()
    assert not partition.full
    partition.paused = False
    for offset in range(4, CROWD * LIMIT):
        assert not partition.full
        assert partition.take([message(offset)], share)
        partition.wait_behind(share, 1)
        partition.schedule_read()
    assert partition.full  # there is an end to it
    assert rooms == [True]  # nobody is told who does not wait
    partition.finish(message(0), share)
    partition.finish(message(1), share)
    partition.schedule_read()
    assert not partition.full
    partition.wait_behind(share, -(CROWD * LIMIT - 3))
    partition.schedule_read()
    assert partition.full


def test_places_take_turns_while_several_targets_have_room() -> None:
    b = Bench()
    b.read(range(4))
    b.finish(HEALTHY, range(4))
    b.partition.schedule_read()
    b.read(range(4, 8))
    b.finish(HEALTHY, range(4, 8))
    b.finish(DEAD, range(4))
    b.now = 1.0
    assert b.partition.schedule_read() == 4
    assert b.read(range(4, 5)) == ([4], [])
    b.now = 1.5
    assert b.partition.schedule_read() is None
    b.now = 2.0
    assert b.partition.schedule_read() == 8
    b.now = 3.5
    assert b.partition.schedule_read() is None  # nothing came yet
    b.now = 4.0
    b.finish(DEAD, range(4, 5))
    assert b.partition.schedule_read() == 5
    assert b.read(range(5, 8)) == ([5, 6, 7], [])
    assert b.partition.schedule_read() is None
    assert not b.partition.divided
    assert b.read(range(8, 9)) == ([8], [8])


def test_reading_back_is_not_taken_for_a_topic_made_anew() -> None:
    b = Bench()
    b.read(range(4))
    b.finish(HEALTHY, range(4))
    b.partition.schedule_read()
    b.read(range(4, 8))
    b.finish(DEAD, range(4))
    b.now = 1.0
    assert b.partition.schedule_read() == 4
    assert not b.partition.knows(4)
    assert b.partition.knows(3)


def test_batches_from_before_reading_went_elsewhere_are_known() -> None:
    b = Bench()
    b.read(range(4))
    assert not b.partition.is_stale(2)
    b.finish(HEALTHY, range(4))
    b.partition.schedule_read()
    b.read(range(4, 8))
    b.finish(DEAD, range(4))
    b.now = 1.0
    assert b.partition.schedule_read() == 4
    assert b.partition.is_stale(8)
    assert not b.partition.is_stale(4)
    assert not b.partition.is_stale(8)  # it had come to where it went
    b.read(range(4, 8))
    b.partition.schedule_read()
    b.finish(DEAD, range(4, 8))


def test_gap_behind_the_place_where_reading_went_is_believed_in_the_end() -> None:
    b = Bench()
    b.read(range(4))
    b.finish(HEALTHY, range(4))
    b.partition.schedule_read()
    b.read(range(4, 8))
    b.finish(DEAD, range(4))
    b.now = 1.0
    assert b.partition.schedule_read() == 4
    assert [b.partition.is_stale(100) for _ in range(3)] == [True, True, False]


def test_target_with_too_many_failed_records_for_a_note_holds_up_no_other() -> None:
    records = ATTEMPT_RECORDS_LIMIT + 10
    b = Bench(limit=10 * records)
    b.read(range(records))
    b.finish(HEALTHY, range(records))
    for offset in range(records):
        b.partition.try_again(message(offset), b.partition.shares[DEAD], AttemptRecord(1, 500))
    b.partition.schedule_read()
    assert not b.partition.divided
    b.partition.to_commit()
    b.partition.schedule_read()
    assert b.partition.divided
    assert b.read(range(records, records + 2)) == ([], [records, records + 1])
    b.finish(DEAD, range(records))
    b.partition.to_commit()
    b.now = 1.0
    assert b.partition.schedule_read() == records


def test_what_is_never_delivered_is_passed_by_each_target_that_reads_there() -> None:
    bench = Bench()
    bench.read(range(LIMIT))
    bench.finish(HEALTHY, range(LIMIT))
    assert bench.partition.schedule_read() is None  # the dead one is full
    bench.read(range(LIMIT, LIMIT + 2))
    bench.finish(HEALTHY, range(LIMIT, LIMIT + 2))
    bench.partition.skip_to(50)
    dead, healthy = bench.partition.shares
    assert (dead.next, healthy.next, healthy.position, bench.partition.next) == (LIMIT, 50, 50, 50)
    bench.partition.skip_to(40)  # never back
    assert bench.partition.next == 50
    bench.finish(DEAD, range(LIMIT))
    bench.now = SLICE
    assert bench.partition.schedule_read() == LIMIT
    assert bench.read(range(LIMIT, LIMIT + 2)) == ([LIMIT, LIMIT + 1], [])
    bench.finish(DEAD, range(LIMIT, LIMIT + 2))
    bench.partition.skip_to(50)
    assert (commit := bench.partition.to_commit()) is not None
    assert commit.offset.offset == 50


def test_first_position_of_a_partition_is_committed_when_it_is_known() -> None:
    partition = PartitionState(PLACE, limit=LIMIT, targets=[DEAD], changed=lambda _: None)
    assert partition.to_commit() is None
    partition.skip_to(2000)  # what was before is deleted
    assert (commit := partition.to_commit()) is not None
    assert commit.offset.offset == 2000
