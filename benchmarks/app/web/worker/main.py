"""Answers every request that comes over the topic with its own body."""

from __future__ import annotations

import os

from pywatt_kafka import Call, Responder

TOPIC = os.environ["TOPIC"]

responder = Responder(f"{TOPIC}-requests", f"{TOPIC}-responses", group=f"{TOPIC}-worker")


@responder
async def echo(call: Call) -> bytes:
    return call.body


async def main() -> None:
    await responder.run()
