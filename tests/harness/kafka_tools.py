"""Kafka's own command-line tools, run from the jar `kafka-tools` beside the broker's jars."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path, PurePosixPath

import anyio
import pytest

from pywatt_kafka.brokers.jars import cache_folder, kafka_jars
from pywatt_kafka.brokers.java import find_java
from pywatt_kafka.brokers.maven import Jar, find_repository
from pywatt_kafka.errors import BrokerFailed, MissingDependency

RELEASE = "3.9.1"
JAR = Jar(
    PurePosixPath(f"org/apache/kafka/kafka-tools/{RELEASE}/kafka-tools-{RELEASE}.jar"),
    "aae08609f1259e59db9746570c53d939820e9efa7a4c0fd7bf7d1b3508f34f11",
)


def tools_class_path() -> str:
    """Return the class path of Kafka's tools; skips the test if the jar cannot be had."""
    folder = cache_folder(os.environ) / f"kafka-tools-{RELEASE}"
    jar = folder / JAR.name
    if not jar.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            part = Path(temporary, "part")
            part.mkdir()
            try:
                find_repository(os.environ, Path.home())([JAR], part)
            except (BrokerFailed, MissingDependency) as error:
                pytest.skip(f"no Kafka tools: {error.message} ({error.hint})")
            fetched = part / JAR.name
            assert hashlib.sha256(fetched.read_bytes()).hexdigest() == JAR.sha256
            fetched.replace(jar)
    return f"{jar}:{kafka_jars(RELEASE, os.environ)}/*"


async def run_tool(main_class: str, *arguments: str) -> str:
    """Run the main class of a tool, and return its standard output. Raises CalledProcessError."""
    command = [str(find_java(os.environ)), "-cp", tools_class_path(), f"org.apache.kafka.tools.{main_class}"]
    done = await anyio.run_process([*command, *arguments], stderr=subprocess.DEVNULL)
    return done.stdout.decode()
