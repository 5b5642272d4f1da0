"""A broker in memory: librdkafka's mock cluster (`rdkafka_mock.h`), which the package confluent-kafka carries.

It speaks the real protocol, but keeps only 5 MB per partition and nothing after it stops, creates topics only on
request of their metadata, and serves groups of one member best. For trying out; never for load or delivery tests.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from pywatt_kafka.errors import BrokerFailed, MissingDependency

RETAINED_BYTES = 5 * 1024 * 1024  # per partition; older records are dropped
GATHERING = 100  # milliseconds that a new group waits for members; the default of 3 s delays the first record
PRODUCER = 0  # RD_KAFKA_PRODUCER
MESSAGE_SIZE = 512


class EmbeddedBroker:
    """A broker in this process, on a free loopback port; a context manager.

    It starts threads: do not fork while one is open.
    """

    def __init__(self, nodes: int = 1) -> None:
        """`nodes`: number of brokers in the cluster, each with a port of its own."""
        self._nodes = nodes
        self._library: ctypes.CDLL | None = None
        self._client: int | None = None
        self._cluster: int | None = None
        self._address = ""

    @property
    def address(self) -> str:
        """The `host:port` of each node, separated by commas; empty while it is not running."""
        return self._address

    def __enter__(self) -> Self:
        """Start. Raises MissingDependency and BrokerFailed."""
        library = self._library = _library()
        message = ctypes.create_string_buffer(MESSAGE_SIZE)
        settings = library.rd_kafka_conf_new()
        library.rd_kafka_conf_set(settings, b"log_level", b"3", message, MESSAGE_SIZE)
        self._client = library.rd_kafka_new(PRODUCER, settings, message, MESSAGE_SIZE)
        if self._client is None:
            raise BrokerFailed(f"the embedded Kafka broker did not start: {message.value.decode()}")
        self._cluster = library.rd_kafka_mock_cluster_new(self._client, self._nodes)
        if self._cluster is None:
            self._close()
            raise BrokerFailed("the embedded Kafka broker did not start: it cannot listen on 127.0.0.1")
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, GATHERING)
        self._address = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; all records are lost."""
        self._close()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic. Raises BrokerFailed if it exists, or the broker is not running."""
        if self._library is None or self._cluster is None:
            raise BrokerFailed("the embedded Kafka broker is not running")
        code = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        if code:
            reason = self._library.rd_kafka_err2str(code).decode()
            raise BrokerFailed(f"topic {name} cannot be created on the embedded broker: {reason}")

    def disconnect(self) -> None:
        """Close all connections, and accept no more."""
        for node in range(1, self._nodes + 1):
            self._call("broker_set_down", node)

    def accept(self) -> None:
        """Accept connections again."""
        for node in range(1, self._nodes + 1):
            self._call("broker_set_up", node)

    def _call(self, name: str, node: int) -> None:
        if self._library is not None and self._cluster is not None:
            getattr(self._library, f"rd_kafka_mock_{name}")(self._cluster, node)

    def _close(self) -> None:
        self._address = ""
        cluster, self._cluster = self._cluster, None
        client, self._client = self._client, None
        if self._library is None:
            return
        if cluster is not None:
            self._library.rd_kafka_mock_cluster_destroy(cluster)
        if client is not None:
            self._library.rd_kafka_destroy(client)


def _library() -> ctypes.CDLL:
    """Load librdkafka, without the Python binding around it. Raises MissingDependency."""
    spec = find_spec("confluent_kafka")
    if spec is None or spec.origin is None:
        raise MissingDependency(
            "the embedded Kafka broker needs the package confluent-kafka", hint="pip install 'pywatt[embedded]'"
        )
    package = Path(spec.origin).parent
    bundled = sorted(package.with_name(f"{package.name}.libs").glob("librdkafka*.so*"))
    path = str(bundled[0]) if bundled else ctypes.util.find_library("rdkafka")
    if path is None:
        raise MissingDependency(f"the embedded Kafka broker needs librdkafka, which {package} does not bring along")
    library = ctypes.CDLL(path)
    pointer, text, number, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
    for name, result, arguments in (
        ("conf_new", pointer, ()),
        ("conf_set", number, (pointer, text, text, text, size)),
        ("new", pointer, (number, pointer, text, size)),
        ("destroy", None, (pointer,)),
        ("mock_cluster_new", pointer, (pointer, number)),
        ("mock_cluster_destroy", None, (pointer,)),
        ("mock_cluster_bootstraps", text, (pointer,)),
        ("mock_group_initial_rebalance_delay_ms", None, (pointer, ctypes.c_int32)),
        ("mock_topic_create", number, (pointer, text, number, number)),
        ("mock_broker_set_down", number, (pointer, ctypes.c_int32)),
        ("mock_broker_set_up", number, (pointer, ctypes.c_int32)),
        ("err2str", text, (number,)),
    ):
        function = getattr(library, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return library
