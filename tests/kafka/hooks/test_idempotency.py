"""An idempotency key with several workers and with a replacement worker, over their real sockets."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from harness.hooks import LONG, Hooks, ReadRecords, RunHooks

from pywatt.http.client.client import HttpClient
from pywatt.mesh.client import Response
from pywatt.mesh.table import Endpoint, MeshService, MeshTable, ServiceState
from pywatt_services.kafka_hooks.http.peer_workers import PeerWorkers
from pywatt_services.kafka_hooks.publishing.idempotency_shards import HANDOVER, owner_of

pytestmark = pytest.mark.anyio

BODY_LIMIT = 100_000


def show(hooks: tuple[Hooks, ...], everybody: tuple[Hooks, ...]) -> None:
    """Announce these workers to all of them."""
    endpoints = tuple(
        Endpoint(f"kafka-hooks/{each.slot}/{number}", f"unix:{each.endpoint.getsockname()}")
        for number, each in enumerate(hooks)
    )
    service = MeshService("kafka-hooks", ServiceState.READY, 1, endpoints, workers=len(hooks))
    for each in everybody:
        each.mesh.apply(MeshTable(each.table.version + 1, {**each.table.services, "kafka-hooks": service}))


async def publish(hooks: Hooks, topic: str, key: str, body: bytes, *more: tuple[str, bytes]) -> tuple[int, Any, bool]:
    """Return the status, the record's position, and whether the answer is a replay."""
    headers = [("idempotency-key", key.encode()), ("x-api-key", b"secret"), *more]
    answer: Response = await hooks.post(f"/topics/{topic}?ack=1", body, headers)
    told = json.loads(answer.body)
    return answer.status, told.get("offset", told), answer.header(b"idempotent-replayed") == b"true"


async def test_key_is_known_to_all_workers_and_to_those_that_follow(
    broker: str, topic: str, run_hooks: RunHooks, read_records: ReadRecords
) -> None:
    document = {
        "brokers": [broker],
        "publish": {"topics": [topic], "bodyLimit": BODY_LIMIT, "headers": ["x-a"]},
        "auth": {"apiKeys": ["secret"]},
    }
    keys = [
        next(f"{slot}-{n}" for n in range(99) if owner_of(topic, f"{slot}-{n}".encode(), 2) == slot) for slot in (0, 1)
    ]
    large = bytes(range(256)) * 390
    async with run_hooks(document) as first, run_hooks(document, slot=1) as second:
        show((first, second), (first, second))
        for offset, key in enumerate(keys):
            answers = [await publish(hooks, topic, key, large, ("x-a", "é".encode())) for hooks in (first, second) * 3]
            assert answers == [(200, offset, False)] + [(200, offset, True)] * 5
        assert (await publish(first, topic, keys[1], bytes(BODY_LIMIT + 1)))[0] == 413
        forwarded = ("x-forwarded-proto", b"http")
        nothing = b'{"memories": [], "last": true}'
        assert (await first.post(HANDOVER, nothing, [forwarded])).status == 401
        assert (await first.post(HANDOVER, nothing)).status == 404  # over TCP it could be anybody
        async with HttpClient() as client:
            over_unix = await PeerWorkers(client).post(first.endpoint.getsockname(), HANDOVER, nothing)
        assert over_unix is not None
        assert over_unix.status == 204
        async with run_hooks(document, before=first.table.services["kafka-hooks"]) as third:
            assert await publish(third, topic, keys[0], large) == (200, 0, True)
            show((third, second), (first, second, third))
            first.stop()
            with anyio.fail_after(LONG):
                await first.ended.wait()
            assert await publish(third, topic, keys[0], large) == (200, 0, True)
            assert await publish(second, topic, keys[0], large) == (200, 0, True)
            assert await publish(third, topic, keys[1], large) == (200, 1, True)
        records = await read_records(topic, 2)
    assert [(record.value, record.headers) for record in records] == [(large, (("x-a", "é".encode()),))] * 2
