"""Spans and metrics of the library's clients on a real broker, both engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from harness.spans import OWN, Observed, identity, ids, linked, parents
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from pywatt_kafka import (
    Call,
    Consumer,
    KafkaError,
    Message,
    Producer,
    RecordPosition,
    Responder,
    StreamMessage,
    ensure_topics,
)
from pywatt_kafka.engine.settings import EngineName
from pywatt_kafka.tracing import KafkaInstrumentation, processing

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 60.0  # seconds


@pytest.fixture
def observed() -> Iterator[Observed]:
    with Observed() as recorded:
        yield recorded


async def read(broker: str, topic: str, engine: EngineName, count: int) -> list[StreamMessage[Any, Any]]:
    found: list[StreamMessage[Any, Any]] = []
    with anyio.fail_after(LONG):
        async with Consumer(topic, broker, topics=[topic], engine=engine) as consumer:
            async for message in consumer:
                found.append(message)
                with processing(message):
                    await message.commit()
                if len(found) == count:
                    break
    return found


async def test_story_of_records_is_one_trace_each(
    broker: str, topic: str, engine: EngineName, observed: Observed
) -> None:
    await ensure_topics(broker, [topic])
    delivered: list[RecordPosition | KafkaError] = []
    posted = anyio.Event()

    def done(outcome: RecordPosition | KafkaError) -> None:
        delivered.append(outcome)
        posted.set()

    async with Producer(broker, engine=engine, client_id="shop") as producer:
        with observed.tracer.start_as_current_span("order") as order:
            position = await producer.send(topic, b"1", key=b"k\xff")
            await producer.enqueue(topic, b"2", key=b"text", on_delivery=delivered.append)
            producer.post(topic, b"3", done, headers=[("odd", b"\xff\xfe")])
            await producer.send(topic, b"4", headers={"traceparent": OWN})
        await producer.flush()
        await posted.wait()
        assert trace.get_current_span().get_span_context().is_valid is False
    messages = await read(broker, topic, engine, 4)

    sends = observed.spans(f"send {topic}")
    assert len(sends) == 4
    assert {span.kind for span in sends} == {SpanKind.PRODUCER}
    (cluster,) = {str((span.attributes or {})["kafka.cluster.id"]) for span in sends}
    polls = observed.spans(f"poll {topic}")
    assert {str((span.attributes or {})["kafka.cluster.id"]) for span in polls} == {cluster}
    assert len(cluster) == len("4L6g3nShT-eMCtK--X86sw")
    by_offset = {(span.attributes or {})["messaging.kafka.offset"]: span for span in sends}
    assert by_offset.keys() == {message.offset for message in messages}
    assert all(span.parent is not None and span.parent.span_id == order.get_span_context().span_id for span in sends)
    assert observed.total("messaging.client.sent.messages") == 4
    first = dict(by_offset[position.offset].attributes or {})
    host, _, port = broker.rpartition(":")
    assert first == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(position.partition),
        "messaging.kafka.offset": position.offset,
        "messaging.client.id": "shop",
        "kafka.cluster.id": cluster,
        "server.address": host,
        "server.port": int(port),
    }
    for message in messages:
        (header,) = parents(message)
        span = by_offset[message.offset]
        if message.value == b"4":
            assert header == OWN.encode()
            assert linked(span) == [ids(header)]
        else:
            assert ids(header) == identity(span)
        assert ((span.attributes or {}).get("messaging.kafka.message.key") == "text") is (message.value == b"2")

    polls = observed.spans(f"poll {topic}")
    assert all(span.kind is SpanKind.CLIENT for span in polls)
    written = {ids(parents(message)[0]) for message in messages}
    assert {each for span in polls for each in linked(span)} == written
    assert observed.total("messaging.client.consumed.messages") == 4

    processed = observed.spans(f"process {topic}")
    assert [linked(span) for span in processed] == [[ids(parents(message)[0])] for message in messages]
    assert all(span.kind is SpanKind.CONSUMER for span in processed)
    assert all(span.parent is not None and span.parent.span_id == linked(span)[0][1] for span in processed)
    commits = observed.spans(f"commit {topic}")
    assert {span.parent.span_id for span in commits if span.parent} == {identity(span)[1] for span in processed}
    assert observed.total("messaging.process.duration") == 4
    assert len(observed.exporter.get_finished_spans()) == 1 + 4 + len(polls) + 4 + len(commits)


async def test_several_messages_are_created_each_and_sent_together(
    broker: str, topic: str, engine: EngineName, observed: Observed
) -> None:
    await ensure_topics(broker, [topic])
    async with Producer(broker, engine=engine) as producer:
        outcomes = await producer.send(
            messages=[{"topic": topic, "value": b"1"}, {"topic": topic}, {"topic": topic, "key": b"2"}]
        )
    assert [isinstance(each, KafkaError) for each in outcomes] == [False, True, False]
    messages = await read(broker, topic, engine, 2)
    created = observed.spans(f"create {topic}")
    (sent,) = observed.spans(f"send {topic}")
    assert {span.kind for span in created} == {SpanKind.PRODUCER}
    assert sent.kind is SpanKind.CLIENT
    assert linked(sent) == [identity(span) for span in created]
    assert {ids(parents(message)[0]) for message in messages} < {identity(span) for span in created}
    attributes = sent.attributes or {}
    assert attributes["messaging.batch.message_count"] == 3
    assert attributes["error.type"] == "InvalidRecord"
    assert observed.total("messaging.client.sent.messages") == 3


async def test_handlers_run_in_process_spans_that_failures_mark(
    broker: str, topic: str, engine: EngineName, observed: Observed
) -> None:
    await ensure_topics(broker, [topic])
    async with Producer(broker, engine=engine) as producer:
        await producer.send(topic, b"1")
    seen: list[tuple[int, int]] = []
    async with Consumer(topic, broker, engine=engine) as consumer:
        stream = await consumer.consume([topic])

        async def handle(message: Message | StreamMessage[Any, Any]) -> None:
            current = trace.get_current_span().get_span_context()
            seen.append((current.trace_id, current.span_id))
            if len(seen) == 1:
                raise ValueError("not yet")
            closing.start_soon(stream.close)

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as closing:
                await stream.process(handle, retry_delay=0.01)
    (sent,) = observed.spans(f"send {topic}")
    processed = observed.spans(f"process {topic}")
    assert [identity(span) for span in processed] == seen
    assert {trace_id for trace_id, _ in seen} == {identity(sent)[0]}
    assert [(span.attributes or {}).get("error.type") for span in processed] == ["ValueError", None]
    assert observed.spans(f"commit {topic}")


async def test_disabled_it_leaves_no_trace(broker: str, topic: str, engine: EngineName) -> None:
    before = Producer.send
    instrumentation = KafkaInstrumentation()
    instrumentation.enable()
    assert instrumentation.enabled
    assert Producer.send is not before
    instrumentation.disable()
    assert Producer.send is before
    await ensure_topics(broker, [topic])
    async with Producer(broker, engine=engine) as producer:
        await producer.send(topic, b"1")
    (message,) = await read(broker, topic, engine, 1)
    assert message.headers == ()


async def test_replies_and_failures_of_a_responder_belong_to_its_process_span(
    broker: str, topic: str, engine: EngineName, observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    replies = f"{topic}-replies"
    await ensure_topics(broker, [topic, replies])
    responder = Responder(topic, replies, group=topic, bootstrap_brokers=broker)

    @responder
    async def answer(call: Call) -> Any:
        if call.message.value == b"2":
            raise ValueError("not this one")
        return "done"

    async with Producer(broker, engine=engine) as producer:
        for value in (b"1", b"2"):
            await producer.send(topic, value, headers={"x-plt-kafka-hooks-correlation-id": value})
    async with responder:
        await read(broker, replies, engine, 2)
    processed = observed.spans(f"process {topic}")
    assert [(span.attributes or {}).get("error.type") for span in processed] == [None, "ValueError"]
    sent = observed.spans(f"send {topic}")
    assert [linked(span) for span in processed] == [[identity(span)] for span in sent]
    replied = observed.spans(f"send {replies}")
    assert [span.parent and span.parent.span_id for span in replied] == [identity(span)[1] for span in processed]
    assert {identity(span)[0] for span in replied} == {identity(span)[0] for span in sent}
