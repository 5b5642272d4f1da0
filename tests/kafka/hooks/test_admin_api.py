"""The operator's view of a worker: metrics, the records that block a partition, dead letters over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from anyio import to_thread
from confluent_kafka import Producer as NativeProducer
from harness.hooks import LONG, Hooks, ReadRecords, Received, RunHooks, Target
from harness.topics import COMPACTED, create_topic

from pywatt.mesh.client import Response
from pywatt.mesh.table import Endpoint, MeshService, MeshTable, ServiceState
from pywatt_kafka import Producer

pytestmark = pytest.mark.anyio


def document(broker: str, topic: str, **more: Any) -> dict[str, Any]:
    webhook = {
        "topic": topic,
        "url": "http://api.plt.local/hook",
        "retries": 1,
        "retryDelay": 250,
        "dlq": f"{topic}-dlq",
        **more.pop("webhook", {}),
    }
    return {"brokers": [broker], "topics": [webhook], "consumer": {"groupId": f"group-{topic}"}, **more}


async def ask(hooks: Hooks, target: str, method: str = "GET", *headers: tuple[bytes, bytes]) -> Response:
    url = f"http://127.0.0.1:{hooks.port}{target}"
    return await hooks.mesh.request(method, url, headers=headers, timeout=LONG)


async def partitions(hooks: Hooks) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((await ask(hooks, "/why")).body)["partitions"]
    return found


async def states(hooks: Hooks) -> str:
    """Return the reasons of all records that block a partition."""
    return "".join(holder["state"] for each in await partitions(hooks) for holder in each["heldBy"])


async def unheld_transactions(hooks: Hooks) -> list[dict[str, int]]:
    """Return the open transactions of partitions that no record blocks."""
    return [
        each["openTransaction"]
        for each in await partitions(hooks)
        if each["openTransaction"] is not None and not each["heldBy"]
    ]


async def metrics(hooks: Hooks) -> dict[str, float]:
    answer = await ask(hooks, "/metrics")
    assert (answer.status, answer.header(b"content-type")) == (200, b"text/plain; version=0.0.4; charset=utf-8")
    samples = [line.rpartition(" ") for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


async def test_metrics_and_what_holds_a_partition(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    come, go_on = anyio.Event(), anyio.Event()

    async def handle(request: Received) -> int:
        if request.body == b"slow":
            come.set()
            await go_on.wait()
        return 500 if request.body == b"bad" else 200

    target.handler = handle
    for key, body in ((b"a", b"good"), (b"b", b"bad"), (b"c", b"slow"), (b"c", b"behind")):
        await producer.send(topic, body, key=key)
    async with run_hooks(document(broker, topic, webhook={"retries": 2})) as hooks:
        await come.wait()
        await target.wait_for(lambda requests: [request.body for request in requests].count(b"bad") == 2)
        with anyio.fail_after(LONG):
            while not (await metrics(hooks)).get(
                f'kafka_hooks_dlq_messages_total{{worker="0",topic="{topic}",reason="http_500"}}'
            ):
                pass
            while (why := json.loads((await ask(hooks, "/why")).body)["partitions"])[0]["committed"] != 2:
                pass
        (partition,) = why
        (holder,) = partition["heldBy"]
        assert (partition["topic"], partition["partition"], partition["next"]) == (topic, 0, 4)
        assert {name: holder[name] for name in ("target", "offset", "key", "attempts", "behind", "state")} == {
            "target": "http://api.plt.local/hook",
            "offset": 2,
            "key": "c",
            "attempts": 0,
            "behind": 1,
            "state": "in flight",
        }
        found = await metrics(hooks)
        own = f'worker="0",topic="{topic}"'
        assert found[f"kafka_hooks_messages_in_flight{{{own}}}"] == 1
        assert found[f"kafka_hooks_retries_total{{{own}}}"] == 1
        duration = "kafka_hooks_http_request_duration_seconds_count"
        assert found[f'{duration}{{{own},method="POST",status_code="200"}}'] == 1
        assert found[f'{duration}{{{own},method="POST",status_code="500"}}'] == 2
        assert found[f'kafka_hooks_consumer_lag{{{own},partition="0"}}'] == 2
        assert found[f'kafka_hooks_oldest_unfinished_seconds{{{own},partition="0"}}'] > 0
        go_on.set()
        await target.wait_for(lambda requests: requests[-1].body == b"behind")
        with anyio.fail_after(LONG):
            while json.loads((await ask(hooks, "/why")).body)["partitions"][0]["heldBy"]:
                pass


async def test_one_worker_answers_for_all(broker: str, topic: str, run_hooks: RunHooks) -> None:
    data = document(broker, topic)
    async with run_hooks(data) as first, run_hooks(data, slot=1) as second:
        endpoints = tuple(
            Endpoint(f"kafka-hooks/{hooks.slot}/0", f"unix:{hooks.endpoint.getsockname()}") for hooks in (first, second)
        )
        service = MeshService("kafka-hooks", ServiceState.READY, 1, endpoints, workers=2)
        for hooks in (first, second):
            hooks.mesh.apply(MeshTable(2, {**hooks.table.services, "kafka-hooks": service}))
        found = await metrics(first)
        assert {f'kafka_hooks_requests_waiting{{worker="{slot}"}}' for slot in (0, 1)} <= found.keys()
        with anyio.fail_after(LONG):
            while [row["worker"] for row in json.loads((await ask(second, "/why")).body)["partitions"]] == []:
                pass


async def test_requests_through_a_gateway_see_nothing_unless_that_is_wished(
    broker: str, topic: str, run_hooks: RunHooks
) -> None:
    forwarded = (b"x-forwarded-proto", b"http")
    async with run_hooks(document(broker, topic, operations={"dlq": True})) as hooks:
        for target in ("/metrics", "/why", "/dlq"):
            assert (await ask(hooks, target)).status == 200
            assert (await ask(hooks, target, "GET", forwarded)).status == 404
    data = document(broker, topic, operations={"dlq": True, "public": True}, auth={"apiKeys": ["secret"]})
    async with run_hooks(data) as hooks:
        for target in ("/metrics", "/why", "/dlq"):
            assert (await ask(hooks, target, "GET", forwarded)).status == 401
            assert (await ask(hooks, target, "GET", forwarded, (b"x-api-key", b"secret"))).status == 200
        assert (await ask(hooks, "/metrics")).status == 200
        assert (await ask(hooks, "/dlq")).status == 401
    async with run_hooks(document(broker, topic)) as hooks:
        assert (await ask(hooks, "/dlq")).status == 404


async def test_dead_letters_over_http(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    async def refuse(request: Received) -> int:
        return 500

    target.handler = refuse
    for number in range(3):
        await producer.send(topic, b"%d" % number, key=b"k%d" % number, headers=[("h", b"v")])
    path = f"/dlq/{topic}-dlq"
    async with run_hooks(document(broker, topic, operations={"dlq": True})) as hooks:
        with anyio.fail_after(LONG):
            while json.loads((await ask(hooks, "/dlq")).body)["topics"] != [{"topic": f"{topic}-dlq", "letters": 3}]:
                pass
        letters = json.loads((await ask(hooks, f"{path}?key=k1&error=500")).body)["letters"]
        assert [(each["key"], each["topic"], each["attempts"], each["redriven"]) for each in letters] == [
            ("k1", topic, 1, False)
        ]
        place = f"{letters[0]['partition']}@{letters[0]['offset']}"
        shown = json.loads((await ask(hooks, f"{path}/{place}")).body)
        assert (shown["value"], shown["headers"]) == ("1", [["h", "v"]])
        assert (await ask(hooks, f"{path}/0@99")).status == 404
        assert (await ask(hooks, "/dlq/other-dlq")).status == 404
        for wrong in (f"{path}?kye=1", f"{path}?limit=x", f"{path}?limit=0", f"{path}/x", f"{path}?olderThan=x"):
            assert (await ask(hooks, wrong)).status == 400
        assert json.loads((await ask(hooks, f"{path}?olderThan=1h")).body)["letters"] == []
        assert len(json.loads((await ask(hooks, f"{path}?newerThan=1h")).body)["letters"]) == 3
        refused = await ask(hooks, f"{path}/redrive?rate=inf", "POST")
        assert (refused.status, json.loads(refused.body)["message"]) == (
            400, "rate is 'inf'; it takes a number of records per second from 0.1 to 1000000.",
        )  # fmt: skip
        assert (await ask(hooks, path, "DELETE")).status == 400
        assert (await ask(hooks, path, "PUT")).status == 404

        async def accept(request: Received) -> int:
            return 200

        target.handler = accept
        seen = len(target.requests)
        dry = json.loads((await ask(hooks, f"{path}/redrive?dryRun", "POST")).body)
        assert (dry["dryRun"], dry["redriven"]) == (True, 3)
        done = json.loads((await ask(hooks, f"{path}/redrive", "POST")).body)
        assert (done["redriven"], done["failed"]) == (3, 0)
        await target.wait_for(lambda requests: len(requests) == seen + 3)
        again = target.requests[seen:]
        assert sorted((each.body, each.headers["x-plt-kafka-hooks-key"], each.headers["h"]) for each in again) == [
            (b"%d" % number, f"k{number}", "v") for number in range(3)
        ]
        assert (await ask(hooks, f"{path}/0@99/redrive", "POST")).status == 404
        assert (await ask(hooks, f"{path}/0/redrive", "POST")).status == 400
        once = json.loads((await ask(hooks, f"{path}/{place}/redrive", "POST")).body)
        assert (once["redriven"], once["redrivenBefore"]) == (0, 1)
        elsewhere = f"{path}/{place}/redrive?again&to={topic}-other"
        assert json.loads((await ask(hooks, elsewhere, "POST")).body)["redriven"] == 1
        (other,) = await read_records(f"{topic}-other", 1)
        assert (other.key, other.value) == (b"k1", b"1")
        assert len(target.requests) == seen + 3
        assert json.loads((await ask(hooks, f"{path}?redriven=1", "DELETE")).body)["deleted"] == 3
        assert json.loads((await ask(hooks, path)).body)["letters"] == []


@pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)
async def test_open_transaction_that_holds_a_partition_is_told(
    broker: str, topic: str, run_hooks: RunHooks, target: Target
) -> None:
    native = NativeProducer({"bootstrap.servers": broker, "transactional.id": topic})
    await to_thread.run_sync(native.init_transactions, LONG)
    native.begin_transaction()
    native.produce(topic, b"before")
    await to_thread.run_sync(native.commit_transaction, LONG)
    native.begin_transaction()
    native.produce(topic, b"held")
    await to_thread.run_sync(native.flush, LONG)
    async with run_hooks(document(broker, topic)) as hooks:
        with anyio.fail_after(LONG):
            while not (held := await unheld_transactions(hooks)):
                pass
        assert [each["end"] - each["begin"] for each in held] == [1]
        await to_thread.run_sync(native.commit_transaction, LONG)
        await target.wait_for(lambda requests: [request.body for request in requests][-1:] == [b"held"])
        with anyio.fail_after(LONG):
            while any(each["openTransaction"] for each in await partitions(hooks)):
                pass


@pytest.mark.parametrize("configs", [COMPACTED, {"max.message.bytes": "200"}], ids=["compacted", "small"])
async def test_dead_letter_that_its_topic_does_not_take_is_told(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, configs: Mapping[str, str]
) -> None:
    async def refuse(request: Received) -> int:
        return 500

    await create_topic(broker, f"{topic}-dlq", configs)
    target.handler = refuse
    await producer.send(topic, b"x" * 2000, key=b"k" * 2000)
    async with run_hooks(document(broker, topic)) as hooks:
        with anyio.fail_after(LONG):
            while "cannot be written" not in (state := await states(hooks)):
                pass
    remedy = "set cleanup.policy=delete" if configs is COMPACTED else "raise max.message.bytes"
    assert f"{remedy} " in state
    assert f"{topic}-dlq" in state
