"""Backpressure on the app's output: pauses the reading of all pipes while the log cannot keep up."""

from __future__ import annotations

from typing import Protocol


class Reading(Protocol):
    """A pipe whose reading can be paused, such as asyncio's transports of pipes."""

    def pause_reading(self) -> None:
        """Leave incoming bytes in the pipe."""
        ...

    def resume_reading(self) -> None:
        """Read again."""
        ...

    def is_closing(self) -> bool:
        """Return whether nothing can be read any more."""
        ...


class OutputBackpressure:
    """The pipes of all workers, paused and resumed together."""

    def __init__(self) -> None:
        self.held = False
        self._readings: set[Reading] = set()

    @property
    def reading(self) -> bool:
        """Return whether there is any pipe."""
        return bool(self._readings)

    def join(self, reading: Reading) -> None:
        """Pause this pipe with the others from now on."""
        self._readings.add(reading)
        if self.held:
            reading.pause_reading()

    def leave(self, reading: Reading) -> None:
        """Read this pipe freely, since it is about to end."""
        self._readings.discard(reading)
        if self.held and not reading.is_closing():
            reading.resume_reading()

    def hold(self) -> None:
        """Read nothing until `release`: programs that print wait once their pipe is full."""
        self.held = True
        for reading in self._readings:
            if not reading.is_closing():
                reading.pause_reading()

    def release(self) -> None:
        """Resume reading."""
        self.held = False
        for reading in self._readings:
            if not reading.is_closing():
                reading.resume_reading()
