from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pywatt.logs.batch_writer import BATCH_BYTES, BatchWriter

PATIENCE = 20.0


class Sink:
    """Takes batches while its gate is open."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.failures = 0

    def __call__(self, batch: bytes) -> None:
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.batches.append(batch)

    @property
    def text(self) -> str:
        return b"".join(self.batches).decode()


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.gate.set()


def writer(sink: Sink, *, failed: list[OSError] | None = None, **settings: float) -> BatchWriter:
    return BatchWriter(
        sink,
        name="test",
        notice=lambda count, error: b"(%d lost%s)\n" % (count, b": full" if error else b""),
        failed=([] if failed is None else failed).append,
        linger=settings.get("linger", 0.0),
        limit=int(settings.get("limit", 1000)),
    )


def test_everything_is_passed_on_in_order_until_the_end(sink: Sink) -> None:
    batches = writer(sink, limit=10**6)
    for number in range(1000):
        batches.write(b"%d\n" % number)
    assert batches.close(PATIENCE) == 0
    assert sink.text.split() == [str(number) for number in range(1000)]
    assert batches.pending == 0


def test_lines_are_gathered(sink: Sink) -> None:
    batches = writer(sink, linger=PATIENCE)
    for number in range(10):
        batches.write(b"%d\n" % number)
    batches.close(PATIENCE)
    assert len(sink.batches) == 1


def test_an_urgent_line_is_passed_on_at_once(sink: Sink) -> None:
    batches = writer(sink, linger=PATIENCE)
    batches.write(b"patient\n")
    batches.write(b"urgent\n", urgent=True)
    assert sink.entered.wait(PATIENCE / 2)
    batches.close(PATIENCE)


def test_a_full_batch_does_not_linger(sink: Sink) -> None:
    batches = writer(sink, linger=PATIENCE, limit=10 * BATCH_BYTES)
    batches.write(b"x" * BATCH_BYTES)
    assert sink.entered.wait(PATIENCE / 2)
    batches.close(PATIENCE)


def test_what_does_not_fit_is_counted_and_told(sink: Sink) -> None:
    sink.gate.clear()
    batches = writer(sink, limit=100)
    batches.write(b"taken\n")
    assert sink.entered.wait(PATIENCE)
    for _ in range(50):
        batches.write(b"123456789\n")
    assert batches.pending <= 100
    sink.gate.set()
    assert batches.close(PATIENCE) == 0
    lines = sink.text.splitlines()
    lost = int(lines[-1].strip("(lost) "))
    assert lines.count("123456789") + lost == 50
    assert lost > 0


def test_lines_after_a_loss_come_after_its_notice(sink: Sink) -> None:
    sink.gate.clear()
    batches = writer(sink, limit=10)
    batches.write(b"1\n")
    assert sink.entered.wait(PATIENCE)
    batches.write(b"too long for it\n")
    batches.write(b"2\n")
    sink.gate.set()
    batches.close(PATIENCE)
    assert sink.text == "1\n(1 lost)\n2\n"


def test_the_end_does_not_wait_for_a_sink_that_takes_nothing(sink: Sink) -> None:
    sink.gate.clear()
    batches = writer(sink)
    batches.write(b"1\n")
    assert sink.entered.wait(PATIENCE)
    batches.write(b"2\n")
    # The one that it was given last, and did not return from, and the one that waits.
    assert batches.close(0.05) == 2


def test_a_failure_is_told_once_until_a_batch_passes_again(sink: Sink) -> None:
    failed: list[OSError] = []
    batches = writer(sink, failed=failed)
    sink.failures = 2
    for _ in range(3):
        sink.entered.clear()
        batches.write(b"line\n")
        assert sink.entered.wait(PATIENCE)
    batches.close(PATIENCE)
    assert len(failed) == 1
    assert sink.text == "(2 lost: full)\nline\n"


def test_lines_that_a_failing_sink_lost_are_counted_at_the_end(sink: Sink) -> None:
    batches = writer(sink)
    sink.failures = 100
    for _ in range(3):
        sink.entered.clear()
        batches.write(b"line\n")
        assert sink.entered.wait(PATIENCE)
    assert batches.close(PATIENCE) == 3
    assert isinstance(batches.failure, OSError)
