"""Errors of the Kafka library as errors of a command."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pywatt.errors import PywattError
from pywatt_kafka.errors import KafkaError

Result = TypeVar("Result")


class KafkaCommandError(PywattError):
    """A command of `pywatt kafka` failed."""


@contextmanager
def kafka_errors() -> Iterator[None]:
    """Raise every KafkaError of the block as KafkaCommandError."""
    try:
        yield
    except KafkaError as error:
        raise KafkaCommandError(error.message, hint=error.hint) from error


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine and return its result. Raises KafkaCommandError for a KafkaError."""
    with kafka_errors():
        return asyncio.run(work)
