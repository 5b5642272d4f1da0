"""Apache Kafka itself on loopback, without Docker: one node in KRaft mode, from Maven's jars and any Java 17."""

from __future__ import annotations

import base64
import contextlib
import os
import queue
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from pywatt_kafka.brokers import parent_watchdog
from pywatt_kafka.brokers.jars import DEFAULT_VERSION, kafka_jars, release_of
from pywatt_kafka.brokers.java import find_java
from pywatt_kafka.errors import BrokerFailed

LOOPBACK = "127.0.0.1"
START_LIMIT = 90.0  # seconds until it must answer
STOP_LIMIT = 20.0  # seconds for a controlled shutdown
CONNECT_LIMIT = 5.0  # seconds
HEAP = "512m"
PORTS = range(20_000, 32_000)
"""Below the ephemeral ports of Linux, as an outgoing connection could take a port while its broker is down."""
PORT_ATTEMPTS = 20
READY_LINE = b"Kafka Server started"
MISSING_CLASS = re.compile("ClassNotFoundException|NoClassDefFoundError|Invalid or corrupt jarfile")
LAST_LINES = 8  # shown when it does not start
JVM_OPTIONS = (
    "-Xms128m",
    "-XX:+UseSerialGC",  # few threads and little memory; enough for one developer
    "-Xshare:auto",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
)
JVM_VARIABLE = "KAFKA_OPTS"
"""Environment variable with more options of the JVM, as for Kafka's own scripts."""
KAFKA_4 = {
    # share groups (KIP-932): one node cannot hold the default of three copies, and one partition starts faster than 50
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # the consumer protocol (KIP-848) and share groups: members learn of each other in half a second, not in five
    "group.consumer.heartbeat.interval.ms": "500",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.min.session.timeout.ms": "6000",
    "group.share.heartbeat.interval.ms": "500",
    "group.share.min.heartbeat.interval.ms": "500",
    "group.share.min.session.timeout.ms": "6000",
    "group.share.min.record.lock.duration.ms": "1000",
}
"""Settings that Kafka 3.9 does not know."""


class RealBroker:
    """A Kafka broker in a separate process; a context manager for sync and async code.

    It listens on loopback, keeps its data in `data_dir` (default: a temporary folder), and ends with the process that
    started it, even if that is killed. After `stop` or `kill`, `start` restarts it on the same port with the same data.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        port: int = 0,
        version: str = DEFAULT_VERSION,
        properties: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`port` 0: a free one. `version`: 3.9 or 4.2. `properties`: additional settings for its server.properties.

        Raises KafkaError for a version that is not pinned.
        """
        self._data_dir = data_dir
        self._temporary: str | None = None
        self._port = port
        self._version = release_of(version)
        self._properties = dict(properties or {})
        self._environ = dict(os.environ if environ is None else environ)
        self._jars: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)

    @property
    def address(self) -> str:
        """The `host:port` of the broker."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The pid of the broker; None while it is not running."""
        return None if self._process is None else self._process.pid

    @property
    def folder(self) -> Path:
        """The folder of its data and its log file."""
        if self._data_dir is None:
            raise BrokerFailed("a Kafka broker without a data folder of its own has none before it is started")
        return self._data_dir.absolute()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._discard()

    async def __aenter__(self) -> Self:
        await anyio.to_thread.run_sync(self.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.__exit__, kind, error, trace)

    def start(self) -> None:
        """Start the broker and wait until it answers. Raises MissingDependency and BrokerFailed."""
        java = find_java(self._environ)
        jars = self._jars = kafka_jars(self._version, self._environ)
        self._port = _free_port(self._port)
        if self._data_dir is None:
            self._temporary = tempfile.mkdtemp(prefix="pywatt-kafka-")
            self._data_dir = Path(self._temporary)
        self._last_lines.clear()
        try:
            self._configure()
            options = (f"-Xmx{HEAP}", *JVM_OPTIONS, *shlex.split(self._environ.get(JVM_VARIABLE, "")))
            program = [str(java), *options, "-cp", f"{jars}/*"]
            self._format(program)
            self._run([*program, "kafka.Kafka", str(self._settings_file)])
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Shut the broker down, and kill it after STOP_LIMIT; does nothing if it is not running."""
        if self._process is None or self._pump is None:
            return
        self._process.send_signal(signal.SIGTERM)
        self._pump.join(STOP_LIMIT)
        self.kill()

    def kill(self) -> None:
        """Kill the broker, as a crash would."""
        if self._process is not None and self._pump is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._pump.join()
        self._process = self._pump = None

    def wait(self) -> None:
        """Wait until the broker has ended."""
        if self._pump is not None:
            self._pump.join()

    @property
    def _settings_file(self) -> Path:
        return self.folder / "server.properties"

    def _configure(self) -> None:
        controller = _free_port(other_than=self._port)
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            # one node cannot hold the default of three copies
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            # quick on a developer's machine: few internal partitions, no wait before a group's first assignment
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.num.partitions": "1",
            "group.initial.rebalance.delay.ms": "0",
            # a killed node may return after this time without heartbeats (default 9000)
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            **(KAFKA_4 if self._version.startswith("4.") else {}),
            **self._properties,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = (f"{name}={value}".replace("\\", "\\\\") for name, value in settings.items())
        self._settings_file.write_text("\n".join(lines) + "\n", "latin-1", "backslashreplace")

    def _format(self, program: list[str]) -> None:
        if Path(self.folder, "data", "meta.properties").exists():
            return
        tool = [*program, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(self._settings_file)]
        result = subprocess.run(
            tool, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=START_LIMIT, check=False
        )
        if result.returncode:
            self._last_lines.extend(filter(_is_informative, result.stdout.splitlines()))
            raise self._not_started("could not prepare its data folder")

    def _run(self, command: list[str]) -> None:
        facts: queue.Queue[subprocess.Popen[bytes] | OSError | bool] = queue.Queue()
        # The child dies with the thread that started it, so that must be one that lives as long as the child may.
        self._pump = threading.Thread(target=self._run_process, args=(command, facts), name="kafka-log", daemon=True)
        self._pump.start()
        started = facts.get()
        if not isinstance(started, subprocess.Popen):
            self._pump = None
            raise BrokerFailed(f"cannot run {command[0]}: {started}")
        self._process = started
        try:
            ready = facts.get(timeout=START_LIMIT)
        except queue.Empty:
            raise self._not_started(f"did not get ready within {START_LIMIT:g} s") from None
        if ready is not True:
            raise self._not_started("ended while starting")
        try:
            socket.create_connection((LOOPBACK, self._port), CONNECT_LIMIT).close()
        except OSError as error:
            raise self._not_started(f"does not answer at {self.address} ({error})") from error

    def _run_process(self, command: list[str], facts: queue.Queue[subprocess.Popen[bytes] | OSError | bool]) -> None:
        """Start the broker, copy its output to its log file, and report when it is ready and when it has ended."""
        wrapper = [sys.executable, "-I", "-S", parent_watchdog.__file__, str(os.getpid()), *command]
        try:
            process = subprocess.Popen(
                wrapper,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C in a terminal goes to the parent, which shuts the broker down
            )
        except OSError as error:
            facts.put(error)
            return
        facts.put(process)
        with process, Path(self.folder, "kafka.log").open("ab", buffering=0) as log:
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                text = line.decode("utf-8", "replace").rstrip()
                if _is_informative(text):
                    self._last_lines.append(text)
                if READY_LINE in line:
                    facts.put(True)
        facts.put(False)

    def _not_started(self, what: str) -> BrokerFailed:
        said = "".join(f"\n  {line}" for line in self._last_lines)
        hint = f"the jars in {self._jars} are damaged: delete that folder" if MISSING_CLASS.search(said) else ""
        return BrokerFailed(f"Kafka {self._version} at {self.address} {what}; its last words:{said}", hint=hint)

    def _discard(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = self._data_dir = None


def _free_port(wanted: int = 0, *, other_than: int = 0) -> int:
    """Return a free port. Raises BrokerFailed when the wanted one is taken."""
    reason: str | None = None
    drawn = secrets.SystemRandom().sample(PORTS, PORT_ATTEMPTS)
    attempts = [wanted] if wanted else [port for port in drawn if port != other_than]
    for port in attempts:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # an earlier broker's connections may linger
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                reason = error.strerror
            else:
                return port
    raise BrokerFailed(
        f"cannot listen on {LOOPBACK}:{attempts[-1]}: {reason}", hint="choose another port; 0 takes a free one"
    )


def _is_informative(line: str) -> bool:
    """Return whether a line of output is not part of a Java stack trace."""
    return not line.lstrip().startswith(("at ", "... "))


def _cluster_id() -> str:
    """Return a random cluster id: 16 bytes in base64, not starting with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
