"""The commands' own words: durations, places of letters, and which brokers are meant."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from pywatt_kafka.dlq.commands import letter_place
from pywatt_kafka.terminal import chosen_brokers, duration


def test_durations() -> None:
    assert [duration(text) for text in ("90s", "1.5m", "2h", "7d")] == [90, 90, 7200, 604_800]
    for text in ("", "7", "d", "1w", "-1s"):
        with pytest.raises(click.BadParameter):
            duration(text)


def test_places() -> None:
    assert letter_place("2@17") == (2, 17)
    for text in ("", "2", "2@", "@1", "2@x", "-1@1"):
        with pytest.raises(click.BadParameter):
            letter_place(text)


def test_brokers_come_from_the_option_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KAFKA_BROKERS", "embedded")
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "alice")
    assert chosen_brokers(None) is None
    (tmp_path / ".env").write_text("# brokers\nOTHER=1\nexport KAFKA_BROKERS='kafka:9092,kafka2:9092'\n")
    assert chosen_brokers(None) == "kafka:9092,kafka2:9092"
    assert os.environ["KAFKA_SASL_USERNAME"] == "alice", "what the environment says comes first"
    assert chosen_brokers("b:1") == "b:1"
    monkeypatch.setenv("KAFKA_BROKERS", "a:1")
    assert chosen_brokers(None) is None, "the client reads the variable itself"
