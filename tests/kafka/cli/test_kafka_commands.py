"""The commands of `pywatt kafka` with real brokers, as users type them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import pytest
from harness.kafka_cli import Finished, kafka

from pywatt_kafka import GroupReader
from pywatt_kafka.brokers.embedded import EmbeddedBroker

LONG = 60.0  # seconds
WIDTH = 80  # columns

On = Callable[..., Finished]


@pytest.fixture
def on(each_broker: str, monkeypatch: pytest.MonkeyPatch) -> On:
    """Runs a command on a broker of each version."""
    monkeypatch.setenv("KAFKA_BROKERS", each_broker)
    return succeeded


@pytest.fixture
def on_one(broker: str, monkeypatch: pytest.MonkeyPatch) -> On:
    """Runs a command on the shared broker."""
    monkeypatch.setenv("KAFKA_BROKERS", broker)
    return succeeded


def succeeded(*arguments: str, answer: str | None = None) -> Finished:
    result = kafka(*arguments, answer=answer)
    assert result.status == 0, result.err
    assert all(len(line) <= WIDTH for line in result.out.splitlines() if not line.startswith("{")), result.out
    return result


def failed(*arguments: str, answer: str | None = None) -> str:
    result = kafka(*arguments, answer=answer)
    assert result.status != 0
    assert "error: " in result.err.lower()  # a usage error is printed by click here, by pywatt in a terminal
    return result.err


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command as a process of its own."""
    program = "from pywatt.cli import main; main()"
    command = [sys.executable, "-c", program, "kafka", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def records(result: Finished) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.out.splitlines()]


def test_topics_from_creation_to_deletion(on: On, topic: str) -> None:
    out = on("topics", "create", topic, "--partitions", "2", "--config", "retention.ms=60000").out
    assert out == f"{topic} was created with 2 partitions.\n"
    described = json.loads(on("topics", "describe", topic, "--json").out)
    assert [part["end"] for part in described["partitions"]] == [0, 0]
    assert described["configs"]["retention.ms"] == "60000"
    on("topics", "alter", topic, "--partitions", "3")
    on("produce", topic, "a", "-p", "2")
    shown = on("topics", "describe", topic).out
    assert "2          1       1         1        0          1    1" in shown
    (row,) = [each for each in json.loads(on("topics", "--json").out) if each["topic"] == topic]
    assert row == {"topic": topic, "partitions": 3, "records": 1}
    assert "already exists" in failed("topics", "create", topic)
    assert "Aborted" in kafka("topics", "delete", topic, answer="n\n").err
    assert on("topics", "delete", topic, answer="y\n").out.endswith(f"{topic} was deleted.\n")
    assert "no such topic" in failed("topics", "describe", topic)


def test_records_are_written_and_shown_with_keys_headers_and_any_bytes(on_one: On, topic: str) -> None:
    on_one("topics", "create", topic)
    out = on_one("produce", topic, '{"id": 1}', "-k", "c-7", "-H", "trace=abc", "-H", "none").out
    assert out == f"1 record was written: {topic}[0]@0.\n"
    assert on_one("produce", topic, "-K", ":", answer="a:1\nb:2\n").out == f"2 records were written to {topic}.\n"
    on_one("produce", topic, "--tombstone", "-k", "c-7")
    with process("produce", topic) as producing:
        producing.communicate(b"\xff\xfe\r\nlast", timeout=LONG)
        assert producing.returncode == 0
    lines = on_one("consume", topic).out.splitlines()
    assert lines[0].startswith(f"{topic}[0]@0  ")
    assert lines[0].endswith("  c-7")
    assert lines[1:4] == ["  trace: abc", "  none: null", '  {"id": 1}']
    assert [line for line in lines if not line.startswith(topic)][3:] == [
        "  1", "  2", "  null (a tombstone)", r"  \xff\xfe", "  last"
    ]  # fmt: skip
    everything = records(on_one("consume", topic, "--json"))
    assert [each["offset"] for each in everything] == [0, 1, 2, 3, 4, 5]
    assert everything[4]["value"] == {"base64": "//4="}


def test_consume_begins_and_ends_where_it_is_told(on_one: On, topic: str) -> None:
    on_one("topics", "create", topic, "--partitions", "2")
    on_one("produce", topic, "-p", "0", answer="".join(f"{number}\n" for number in range(10)))
    on_one("produce", topic, "-p", "1", "other")
    for arguments, expected in (
        (("-p", "0", "--from", "7"), "789"),
        (("-p", "0", "--from", "-2"), "89"),
        (("-p", "0", "-n", "3"), "012"),
        (("-p", "0", "--from", "latest"), ""),
        (("-p", "0", "--from", "1h"), "0123456789"),
        (("-p", "0", "--grep", "[258]"), "258"),
        (("-p", "0", "--grep", "[258]", "-n", "2"), "25"),
    ):
        assert [each["value"] for each in records(on_one("consume", topic, "--json", *arguments))] == list(expected)
    assert on_one("consume", topic, "--values", "-p", "1").out == "other\n"
    result = on_one("consume", topic, "--grep", "nothing")
    assert (result.out, result.err) == ("", "There are no such records.\n")
    assert "0, 1" in failed("consume", topic, "-p", "7")
    assert "no such topic" in failed("consume", f"{topic}-missing")
    assert "regular expression" in failed("consume", topic, "--grep", "(")
    assert "no time" in failed("consume", topic, "--from", "tomorrow")


def test_records_are_copied_through_a_pipe(on_one: On, topics: Callable[[], str]) -> None:
    first, second = topics(), topics()
    on_one("topics", "create", first, "--partitions", "3")
    on_one("topics", "create", second)
    on_one("produce", first, "-K", ":", "-H", "a=1", "-H", "a=2", answer="a:1\nb:2\nc:3\n")
    copied = on_one("consume", first, "--json").out
    on_one("produce", second, "--records", answer=copied)
    before, after = records(on_one("consume", first, "--json")), records(on_one("consume", second, "--json"))

    def contents(found: list[dict[str, object]]) -> list[str]:
        return sorted(str((each["key"], each["value"], each["headers"], each["timestamp"])) for each in found)

    assert contents(after) == contents(before)
    err = failed("produce", second, "--records", answer='{"value": "1"}\n{"key": 1}\n')
    assert "line 2 is no record" in err


def test_follow_shows_what_comes_until_ctrl_c(on_one: On, topic: str) -> None:
    on_one("topics", "create", topic)
    on_one("produce", topic, "before")
    with process("consume", topic, "-f", "--json", "--from", "-1") as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["value"] == "before"
        on_one("produce", topic, "after")
        assert json.loads(following.stdout.readline())["value"] == "after"
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=LONG)
        assert (following.returncode, out, err) == (0, b"", b"")


def test_a_closed_pipe_ends_consume_quietly(on_one: On, topic: str) -> None:
    on_one("topics", "create", topic)
    on_one("produce", topic, answer="x" * 1000 + "\n" + ("y" * 1000 + "\n") * 500)
    with process("consume", topic, "-f", "--values", "--from", "earliest") as reading:
        assert reading.stdout is not None
        assert reading.stdout.readline() == b"x" * 1000 + b"\n"
        reading.stdout.close()
        assert reading.wait(LONG) != 0
        assert reading.stderr is not None
        assert reading.stderr.read() == b""


def test_what_cannot_be_written_is_an_error(on_one: On, topic: str) -> None:
    on_one("topics", "create", topic)
    assert "no partition 9" in failed("produce", topic, "x", "-p", "9")
    assert "2 of 2 records failed" in failed("produce", topic, "x", "y", "-p", "9")
    assert "needs a key" in failed("produce", topic, "--tombstone")
    assert "either VALUES or" in failed("produce", topic, "x", "--whole")


def test_aborted_records_are_left_out(on_one: On, broker: str, topic: str) -> None:
    confluent = pytest.importorskip("confluent_kafka")
    on_one("topics", "create", topic)
    producer = confluent.Producer({"bootstrap.servers": broker, "transactional.id": topic})
    producer.init_transactions(LONG)
    for value, finish in (("kept", producer.commit_transaction), ("gone", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush()
        finish(LONG)
    assert [each["value"] for each in records(on_one("consume", topic, "--json"))] == ["kept"]
    assert len(records(on_one("consume", topic, "--json", "--uncommitted"))) == 2


def test_a_group_is_shown_reset_and_deleted(on: On, each_broker: str, topic: str) -> None:
    group = f"{topic}-group"
    on("topics", "create", topic)
    on("produce", topic, answer="1\n2\n3\n")
    assert f"no group {group}" in failed("groups", "describe", group)
    assert f"no group {group}" in failed("lag", group)
    assert "--topic" in failed("reset", group, "--to", "earliest")

    async def read_one() -> None:
        with anyio.fail_after(LONG):
            async with GroupReader(each_broker, group=group, topics=[topic], client_id="here") as reader:
                async for message in reader:
                    await reader.commit_through(message)
                    document = await anyio.to_thread.run_sync(
                        lambda: json.loads(on("groups", "describe", group, "--json").out)
                    )
                    assert (document["state"], document["lag"]) == ("Stable", 2)
                    assert document["members"][0]["client"] == "here"
                    assert document["partitions"][0]["client"] == "here"
                    shown = await anyio.to_thread.run_sync(lambda: failed("reset", group, "--to", "earliest", "--yes"))
                    assert "has members" in shown
                    return

    anyio.run(read_one)
    assert {"group": group, "type": "classic", "state": "Empty"} in json.loads(on("groups", "--json").out)
    assert f"{group}: Empty, 0 members, classic protocol" in on("groups", "describe", group).out
    assert json.loads(on("lag", group, "--json").out) == {topic: {"0": 2}}
    planned = on("reset", group, "--to", "-1")
    assert planned.err == "Nothing was changed: --yes does it.\n"
    assert json.loads(on("lag", group, "--json").out) == {topic: {"0": 2}}
    changed = json.loads(on("reset", group, "--to", "-1", "--yes", "--json").out)
    assert changed["partitions"] == [{"topic": topic, "partition": 0, "before": 1, "after": 2}]
    assert json.loads(on("lag", group, "--json").out) == {topic: {"0": 1}}
    on("reset", group, "--to", "1h", "--yes")
    assert json.loads(on("lag", group, "--json").out) == {topic: {"0": 3}}
    on("groups", "delete", group, "--yes")
    assert f"no group {group}" in failed("groups", "describe", group)


def test_the_embedded_broker_does_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("confluent_kafka")
    with EmbeddedBroker() as broker:
        monkeypatch.setenv("KAFKA_BROKERS", broker.address)
        succeeded("topics", "create", "orders")
        succeeded("produce", "orders", "-p", "1", answer="1\n2\n")
        assert succeeded("consume", "orders", "--values").out == "1\n2\n"
        assert (
            "1          1       1         1        0          2    2" in succeeded("topics", "describe", "orders").out
        )
        succeeded("reset", "billing", "--to", "1", "--topic", "orders", "--partition", "1", "--yes")
        assert json.loads(succeeded("lag", "billing", "--json").out) == {"orders": {"1": 1}}
        assert "by time" in failed("consume", "orders", "--from", "1h")
        for arguments in (("groups",), ("groups", "describe", "billing"), ("topics", "delete", "orders", "--yes")):
            assert "no such request" in failed(*arguments)


def test_without_a_broker_a_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BROKERS", "127.0.0.1:1")
    for arguments in (("topics",), ("groups",), ("consume", "t"), ("lag", "g"), ("reset", "g", "--to", "0")):
        assert "127.0.0.1:1" in failed(*arguments)
