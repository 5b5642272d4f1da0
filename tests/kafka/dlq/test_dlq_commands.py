"""`pywatt kafka dlq`, `topics` and `lag` against a real broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from harness.kafka_cli import kafka

from pywatt_kafka import GroupReader, Message, Producer, ensure_topics
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_kafka.dlq.dead_letter import Filter
from pywatt_kafka.dlq.redrive_headers import ORIGINAL_ID
from pywatt_kafka.dlq.topic import open_dead_letter_topic
from pywatt_services.kafka_hooks.delivering.dead_letter import dead_letter
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt

LONG = 60.0  # seconds


class Shell:
    """Runs commands for one dead-letter topic."""

    def __init__(self, broker: str, topic: str) -> None:
        self.broker = broker
        self.origin = topic
        self.topic = f"{topic}-dlq"

    def run(self, *arguments: str, status: int = 0, answer: str | None = None) -> str:
        result = kafka(*arguments, "--brokers", self.broker, answer=answer)
        assert result.status == status, result
        return result.out + result.err

    def dlq(self, command: str, *arguments: str, status: int = 0, answer: str | None = None) -> str:
        return self.run("dlq", command, self.topic, *arguments, status=status, answer=answer)

    def letters(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            kafka("dlq", "list", self.topic, "--json", "--brokers", self.broker, *arguments).out
        )
        return found

    async def read(self, topic: str, count: int) -> Sequence[Message]:
        found: list[Message] = []
        with anyio.fail_after(LONG):
            async with GroupReader(self.broker, group=f"reader-{topic}", topics=[topic]) as consumer:
                async for message in consumer:
                    found.append(message)
                    if len(found) == count:
                        break
        return found


async def write_letters(shell: Shell) -> None:
    """Write five letters in both shapes over two partitions, one of them without its record, and something else."""
    await ensure_topics(shell.broker, [shell.topic], partitions=2)
    await ensure_topics(shell.broker, [shell.origin])
    async with Producer(shell.broker) as producer:
        for number in range(5):
            message = Message(shell.origin, 0, number, b"k%d" % number, b"\0v%d" % number, (("h", b"\xff"),), 0)
            failure = Attempt(number=1, requested_at=0, status=500 if number else None, cause="connection refused")
            form = DeadLetterFormat.SIMPLE if number == 1 else DeadLetterFormat.ORIGINAL
            letter = dead_letter(message, [failure], form, attempts=1, now=1_700_000_000 + number, whole=number != 4)
            await producer.send(shell.topic, letter, partition=number % 2)
        await producer.send(shell.topic, b"something else", partition=1)


@pytest.fixture
def shell(broker: str, topic: str) -> Shell:
    made = Shell(broker, topic)
    asyncio.run(write_letters(made))
    return made


def test_letters_are_listed_filtered_and_shown(shell: Shell) -> None:
    found = shell.letters()
    assert sorted((each["key"] or "", each["partition"], each["offset"]) for each in found) == [
        ("", 0, 2),
        ("k0", 0, 0),
        ("k1", 1, 0),
        ("k2", 0, 1),
        ("k3", 1, 1),
    ]
    assert {each["topic"] for each in found} == {shell.origin}
    assert [each["key"] for each in shell.letters("--error", "REFUSED")] == ["k0"]
    assert [each["key"] for each in shell.letters("--key", "k3")] == ["k3"]
    assert shell.letters("--newer-than", "7d") == []
    assert len(shell.letters("--from", shell.origin, "--older-than", "1d", "--limit", "2")) == 2
    table = shell.dlq("list")
    assert "connection refused" in table
    assert "1 record in" in table

    shown = json.loads(shell.dlq("show", "1@0"))
    assert (shown["key"], shown["value"], shown["headers"]) == ("k1", "\0v1", [["h", {"base64": "/w=="}]])
    assert "has no dead letter 1@9" in shell.dlq("show", "1@9", status=1)
    assert any(
        row["topic"] == shell.topic and row["letters"] == 6 for row in json.loads(shell.run("dlq", "list", "--json"))
    )


def test_records_go_back_once_with_key_headers_and_value(shell: Shell) -> None:
    assert "4 would be sent back" not in shell.dlq("redrive", "--dry-run", "--key", "k2")
    assert "1 sent back" in shell.dlq("redrive", "--key", "k2")
    assert [each["key"] for each in shell.letters() if each["redriven"]] == ["k2"]
    outcome = json.loads(kafka("dlq", "redrive", shell.topic, "--json", "--brokers", shell.broker).out)
    (failure,) = outcome.pop("failures")
    assert (failure["partition"], failure["offset"]) == (0, 2)
    assert f"{shell.origin}[0]@4 is gone: deleted" in failure["message"]
    assert outcome == {
        "dryRun": False, "redriven": 3, "failed": 1, "redrivenBefore": 1, "noLetters": 1, "committed": True,
    }  # fmt: skip
    assert "NOT sent back: the letter lacks the record" in shell.dlq("redrive", status=1)
    records = asyncio.run(shell.read(shell.origin, 4))
    assert sorted((each.key, each.value, each.headers) for each in records) == [
        (b"k%d" % number, b"\0v%d" % number, (("h", b"\xff"), (ORIGINAL_ID, f"{shell.origin}-0-{number}".encode())))
        for number in range(4)
    ]

    assert "4 sent back before" in shell.dlq("redrive", "--dry-run")
    assert "1 sent back" in shell.dlq("redrive", "0@0", "--again", "--to", f"{shell.origin}-other", "--rate", "5")
    (other,) = asyncio.run(shell.read(f"{shell.origin}-other", 1))
    assert other.value == b"\0v0"


def test_letters_are_purged_from_the_oldest_on(shell: Shell) -> None:
    assert "which letters: --all, --redriven or --older-than" in shell.dlq("purge", status=2)
    assert shell.dlq("purge", "--redriven").startswith("0 letters")
    shell.dlq("redrive", "--key", "k0")
    shell.dlq("redrive", "--key", "k3")
    assert shell.dlq("purge", "--redriven", "--dry-run").startswith("1 letter ")
    shell.dlq("purge", "--redriven", status=1, answer="n\n")
    assert len(shell.letters()) == 5
    shell.dlq("purge", "--redriven", answer="y\n")
    assert sorted(each["key"] or "" for each in shell.letters()) == ["", "k1", "k2", "k3"]
    assert "2 sent back" in shell.dlq("redrive", status=1)
    assert shell.dlq("purge", "--older-than", "1h", "--dry-run").startswith("0 letters"), "their records are young"
    assert shell.dlq("purge", "--all", "--yes") == f"5 letters of {shell.topic} were deleted.\n"
    assert shell.letters() == []


def test_topics_and_lag(shell: Shell) -> None:
    found = {each["topic"]: each for each in json.loads(shell.run("topics", "--json"))}
    assert found[shell.topic] == {"topic": shell.topic, "partitions": 2, "records": 6}
    assert shell.topic in shell.run("topics")

    async def commit() -> None:
        async with GroupReader(shell.broker, group=f"g-{shell.topic}", topics=[shell.topic]) as consumer:
            async for message in consumer:
                await consumer.commit_through(message)
                break

    asyncio.run(commit())
    lag = json.loads(shell.run("lag", f"g-{shell.topic}", "--topic", shell.topic, "--json"))
    assert sum(lag[shell.topic].values()) == 5
    assert shell.run("lag", f"g-{shell.topic}", "--topic", shell.topic).splitlines()[-1].split() == ["in", "all", "5"]


def test_errors_say_what_to_do(shell: Shell) -> None:
    assert "there is no topic" in shell.run("dlq", "list", "nowhere", status=1)
    result = kafka("topics", "--brokers", "127.0.0.1:1")
    assert result.status == 1
    assert "no Kafka broker answers at 127.0.0.1:1" in result.err


@pytest.mark.anyio
async def test_what_was_sent_back_is_committed_when_it_is_broken_off(broker: str, topic: str) -> None:
    shell = Shell(broker, topic)
    await write_letters(shell)
    sent: list[int] = []
    with anyio.fail_after(LONG), anyio.CancelScope() as scope:
        async with open_dead_letter_topic(broker, shell.topic) as dead_letters:

            def tell(*_: object) -> None:
                sent.append(1)
                if len(sent) == 2:
                    scope.cancel()

            await dead_letters.redrive(Filter(), rate=10.0, progress=tell)
    assert len(sent) == 2
    async with open_dead_letter_topic(broker, shell.topic) as dead_letters:
        assert len([found async for found in dead_letters.letters(Filter()) if found.redriven]) == 2
