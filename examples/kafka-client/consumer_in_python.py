"""A consumer of typed values: the context manager leaves the group; brokers and group id come from the environment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from settings import ENGINE

from pywatt_kafka import Consumer, Deserializers, Json, String


@dataclass
class Event:
    """The value of a record."""

    name: str
    action: str


async def main() -> None:
    """Print the events of a topic, and commit each; records that are no events are skipped."""
    deserializers = Deserializers(key=String(), value=Json(Event))
    async with Consumer(
        topics=["my-events"], deserializers=deserializers, on_bad_value="skip", engine=ENGINE
    ) as consumer:
        async for message in consumer:
            if message.value is not None:  # a tombstone
                print(f"Received: {message.key} {message.value.action} by {message.value.name}", flush=True)
            await message.commit()


if __name__ == "__main__":
    asyncio.run(main())
