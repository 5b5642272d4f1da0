"""Parsing of command options: durations, positions of letters, and brokers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from pywatt.errors import PywattError
from pywatt_kafka.security.options import NONE
from pywatt_services.kafka_cli.cluster.connection_options import find_cluster
from pywatt_services.kafka_cli.cluster.precedence import Cluster, ServiceCluster
from pywatt_services.kafka_cli.dlq import duration, letter_place


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
    monkeypatch.setattr("pywatt_services.kafka_cli.cluster.connection_options.discover_clusters", lambda *_: ())
    monkeypatch.setenv("KAFKA_BROKERS", "embedded")
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "alice")
    with pytest.raises(PywattError, match="no embedded broker is running"):
        find_cluster(None)
    login = "KAFKA_SECURITY_PROTOCOL=SASL_SSL\nKAFKA_SASL_USERNAME=bob\nKAFKA_SASL_PASSWORD=p\n"
    (tmp_path / ".env").write_text(f"# brokers\nOTHER=1\nexport KAFKA_BROKERS='kafka:9092,kafka2:9092'\n{login}")
    cluster = find_cluster(None)
    assert cluster.brokers == ("kafka:9092", "kafka2:9092")
    assert cluster.security.sasl is not None
    assert cluster.security.sasl.username == "alice", "what the environment says comes first"
    assert find_cluster("b:1") == Cluster(brokers=("b:1",), security=NONE, note=find_cluster("b:1").note)
    monkeypatch.setenv("KAFKA_BROKERS", "a:1")
    assert find_cluster(None).brokers == ("a:1",)
    assert "KAFKA_SASL_PASSWORD" not in os.environ, "what a file says is nobody else's"


def test_app_whose_config_is_wrong_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> Sequence[ServiceCluster]:
        raise PywattError("the config of the app has 1 problem", hint="`pywatt validate` tells")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAFKA_BROKERS", raising=False)
    monkeypatch.setattr("pywatt_services.kafka_cli.cluster.connection_options.discover_clusters", broken)
    with pytest.raises(PywattError, match="has 1 problem"):
        find_cluster(None)
    assert find_cluster("a:1").brokers == ("a:1",)
    assert "The app here is not asked: the config of the app has 1 problem" in capsys.readouterr().err
    with pytest.raises(PywattError, match="has 1 problem"):
        find_cluster("a:1", "hooks")
