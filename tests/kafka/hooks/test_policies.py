"""Several targets for a topic, breakers and signatures, on a real broker."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

import pytest
from harness.hooks import ReadRecords, Received, RunHooks, Target

from pywatt_kafka import Producer
from pywatt_services.kafka_hooks.webhooks.signature import Signer, read_key

pytestmark = pytest.mark.anyio

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def document(broker: str, *entries: dict[str, Any]) -> dict[str, Any]:
    topics = [{"url": "http://api.plt.local/hook", "retryDelay": 250, **entry} for entry in entries]
    return {"brokers": [broker], "topics": topics, "consumer": {"groupId": f"group-{entries[0]['topic']}"}}


async def again(target: Target, bodies: set[bytes]) -> None:
    """Wait until each of these has been received once more."""
    seen = len(target.requests)
    await target.wait_for(lambda requests: {request.body for request in requests[seen:]} >= bodies)


async def test_each_target_of_a_topic_has_its_own_progress_attempts_and_dead_letters(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    async def refuse_on_the_second(request: Received) -> int:
        return 500 if request.path == "/second" and request.body != b"1" else 200

    target.handler = refuse_on_the_second
    for number in range(3):
        await producer.send(topic, b"%d" % number, key=b"%d" % number)
    config = document(
        broker,
        {"topic": topic, "dlq": f"{topic}-dlq"},
        {"topic": topic, "url": "http://api.plt.local/second", "retries": 1000, "dlq": f"{topic}-dlq"},
    )
    for _ in range(2):
        async with run_hooks(config):
            await again(target, {b"0", b"2"})
    counts = Counter((request.path, request.body) for request in target.requests)
    assert [counts["/hook", b"%d" % number] for number in range(3)] == [1, 1, 1]
    assert counts["/second", b"1"] == 1
    assert counts["/second", b"0"] > 1
    config["topics"][1]["retries"] = 1
    async with run_hooks(config):
        letters = [json.loads(record.value or b"") for record in await read_records(f"{topic}-dlq", 2)]
    assert {letter["offset"] for letter in letters} == {"0", "2"}
    assert all(letter["retries"] == counts["/second", letter["offset"].encode()] for letter in letters)
    assert Counter((request.path, request.body) for request in target.requests) == counts


async def test_dead_target_uses_up_no_attempts_and_gets_everything_when_it_is_back(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    async def refuse(request: Received) -> int:
        return 503

    async def accept(request: Received) -> int:
        return 200

    target.handler = refuse
    for number in range(30):
        await producer.send(topic, b"%d" % number, key=b"%d" % number)
    entry = {"topic": topic, "retries": 2, "dlq": f"{topic}-dlq", "breaker": {"failures": 5, "pause": 100}}
    async with run_hooks(document(broker, entry)):
        # Far more than the attempts of all records, were they counted.
        await target.wait_for(lambda requests: len(requests) > 80)
        target.handler = accept
        await again(target, {b"%d" % number for number in range(30)})
    assert all(int(request.headers["x-plt-kafka-hooks-attempt"]) <= 2 for request in target.requests)


async def test_signature_can_be_verified(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    await producer.send(topic, b'{"test": 1}', key=b"k")
    async with run_hooks(document(broker, {"topic": topic, "signature": {"secrets": [SECRET]}})):
        await target.wait_for(lambda requests: len(requests) == 1)
    (request,) = target.requests
    id_, timestamp = (request.headers[f"webhook-{name}"].encode() for name in ("id", "timestamp"))
    expected = Signer([read_key(SECRET)]).sign(id_, timestamp, request.body)
    assert request.headers["webhook-signature"].encode() == expected
    assert id_ == f"{topic}-0-0".encode()


async def test_only_some_records_and_a_url_of_their_own(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    for number, status in enumerate(["new", "paid", "new", "paid"]):
        value = json.dumps({"id": f"a/{number}", "status": status}).encode()
        await producer.send(topic, value, key=b"k")
    entry = {"topic": topic, "url": "http://api.plt.local/orders/{json.id}", "filter": {"json": {"status": "paid"}}}
    async with run_hooks(document(broker, entry)):
        await target.wait_for(lambda requests: len(requests) == 2)
    assert [request.path for request in target.requests] == ["/orders/a%2F1", "/orders/a%2F3"]


async def test_records_travel_together_and_only_those_that_were_not_taken_come_again(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    seen: Counter[str] = Counter()

    def values(request: Received) -> list[str]:
        return [record["value"] for record in json.loads(request.body)["records"]]

    async def refuse_some(request: Received) -> bytes:
        refused = [index for index, value in enumerate(values(request)) if value.endswith("7") and not seen[value]]
        seen.update(values(request))
        return json.dumps({"failed": refused}).encode()

    target.body = refuse_some
    for number in range(200):
        await producer.send(topic, b"%d" % number, key=b"%d" % number)
    async with run_hooks(document(broker, {"topic": topic, "batch": {"records": 50}})):
        await target.wait_for(lambda requests: sum(len(values(request)) for request in requests) == 220)
    assert {value: count for value, count in seen.items() if count > 1} == {f"{n}": 2 for n in range(7, 200, 10)}
    assert len(target.requests) < 40
    async with run_hooks(document(broker, {"topic": topic, "batch": {"records": 50}})):
        await producer.send(topic, b"last", key=b"k")
        await target.wait_for(lambda requests: values(requests[-1]) == ["last"])
