"""Commits whose result librdkafka has not told yet; used in the poller's thread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from pywatt_kafka.rdkafka.errors import translate, translated


class Commits:
    """Starts commits, and completes their futures when librdkafka calls back."""

    def __init__(self) -> None:
        self._open: list[tuple[frozenset[tuple[str, int, int]], Future[None]]] = []
        """The partitions and offsets of each commit."""

    def __bool__(self) -> bool:
        """Return whether a commit has no result yet."""
        return bool(self._open)

    def start(self, consumer: Any, wanted: list[Any], committed: Future[None], *, in_rebalance: bool) -> None:
        """Start a commit; commit synchronously in a rebalance, when its callback would not be called."""
        with translated("committing"):
            if in_rebalance:
                _complete(committed, None, consumer.commit(offsets=wanted, asynchronous=False))
                return
            consumer.commit(offsets=wanted, asynchronous=True)
        self._open.append((_places(wanted), committed))

    def on_commit(self, error: Any, partitions: Sequence[Any]) -> None:
        """Receive the result of a commit."""
        places = _places(partitions)
        for index, (wanted, committed) in enumerate(self._open):
            if wanted == places:
                del self._open[index]
                _complete(committed, error, partitions)
                return


def _places(partitions: Sequence[Any]) -> frozenset[tuple[str, int, int]]:
    return frozenset((each.topic, each.partition, each.offset) for each in partitions)


def _complete(committed: Future[None], error: Any, partitions: Sequence[Any]) -> None:
    if committed.done():
        return  # the caller no longer waits
    failed = error or next((each.error for each in partitions if each.error is not None), None)
    if failed is None:
        committed.set_result(None)
    else:
        committed.set_exception(translate(failed, during="committing"))
