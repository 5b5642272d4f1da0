"""The three JSON blocks of the user guide load unchanged."""

from __future__ import annotations

from typing import Any

from pywatt.config.model import LogLevel

ROOT = """{
  "$schema": "https://schemas.platformatic.dev/@platformatic/runtime/3.0.0.json",
  "entrypoint": "gateway",
  "web": [
    { "id": "gateway", "path": "web/gateway" },
    { "id": "kafka-hooks", "path": "web/kafka-hooks" },
    { "id": "api", "path": "web/api" },
    { "id": "worker", "path": "web/worker" }
  ],
  "runtime": {
    "logger": { "level": "{PLT_SERVER_LOGGER_LEVEL}" },
    "server": {
      "hostname": "{PLT_SERVER_HOSTNAME}",
      "port": "{PORT}"
    }
  }
}
"""

HOOKS = """{
  "$schema": "https://schemas.platformatic.dev/@platformatic/kafka-hooks/1.0.0.json",
  "brokers": ["{KAFKA_BROKERS}"],
  "topics": [
    {
      "topic": "orders-created",
      "url": "http://api.plt.local/webhooks/orders",
      "method": "POST",
      "dlq": "orders-created-dlq"
    },
    {
      "topic": "notifications",
      "url": "http://worker.plt.local/notify",
      "method": "POST"
    }
  ],
  "requestResponse": [
    {
      "path": "/async/process",
      "requestTopic": "process-requests",
      "responseTopic": "process-responses",
      "timeout": 60000
    }
  ],
  "consumer": {
    "groupId": "watt-kafka-hooks"
  },
  "concurrency": 20
}
"""

LONG_HOOKS = """{
  "$schema": "https://schemas.platformatic.dev/@platformatic/kafka-hooks/1.0.0.json",
  "brokers": ["localhost:9092"],
  "topics": [
    {
      "topic": "orders",
      "url": "http://api.plt.local/webhooks/orders",
      "method": "POST",
      "retries": 3,
      "retryDelay": 1000,
      "dlq": "orders-dlq"
    },
    {
      "topic": "notifications",
      "url": "http://notification-service.plt.local/notify",
      "method": "POST",
      "dlq": "notifications-dlq"
    }
  ],
  "requestResponse": [
    {
      "path": "/api/process/:id",
      "requestTopic": "process-requests",
      "responseTopic": "process-responses",
      "timeout": 30000
    }
  ],
  "consumer": {
    "groupId": "kafka-hooks-consumer"
  },
  "concurrency": 10
}
"""

GATEWAY = {"$schema": "https://schemas.platformatic.dev/@platformatic/gateway/3.0.0.json"}
ENV = {
    "PLT_SERVER_LOGGER_LEVEL": "debug",
    "PLT_SERVER_HOSTNAME": "0.0.0.0",
    "PORT": "3042",
    "KAFKA_BROKERS": "kafka:9092, kafka2:9092",
}


def files(hooks: str) -> dict[str, Any]:
    return {
        "watt.json": ROOT,
        "web/gateway/platformatic.json": GATEWAY,
        "web/kafka-hooks/platformatic.json": hooks,
        "web/api/platformatic.json": {},
        "web/api/app.py": "",
        "web/worker/app.py": "",
    }


def test_multi_service_app(app: Any) -> None:
    config = app.load(files(HOOKS), ENV)
    assert [(service.id, service.type) for service in config.services] == [
        ("gateway", "gateway"),
        ("kafka-hooks", "kafka-hooks"),
        ("api", "python"),
        ("worker", "python"),
    ]
    assert config.entrypoint == "gateway"
    assert (config.server.hostname, config.server.port) == ("0.0.0.0", 3042)
    assert config.log_level is LogLevel.DEBUG
    assert config.warnings == ()
    options = config.service("kafka-hooks").options
    assert options["brokers"] == ["kafka:9092", "kafka2:9092"]
    assert options["concurrency"] == 20
    assert "$schema" not in options
    assert config.service("gateway").calls == ("kafka-hooks", "api", "worker")
    assert config.service("api").file == app.path / "web/api/platformatic.json"
    assert config.service("worker").file is None


def test_long_kafka_hooks_file(app: Any) -> None:
    options = app.load(files(LONG_HOOKS), ENV).service("kafka-hooks").options
    assert options["brokers"] == ["localhost:9092"]
    assert options["topics"][0]["retryDelay"] == 1000


def test_every_missing_variable_is_in_one_error(app: Any) -> None:
    problems = app.problems(files(HOOKS), {"PORT": "3042"})
    assert [(problem.file, problem.line, problem.key, problem.message) for problem in problems] == [
        ("watt.json", 11, "runtime.logger.level", "the variable PLT_SERVER_LOGGER_LEVEL is not set"),
        ("watt.json", 13, "runtime.server.hostname", "the variable PLT_SERVER_HOSTNAME is not set"),
        ("web/kafka-hooks/platformatic.json", 3, "brokers[0]", "the variable KAFKA_BROKERS is not set"),
    ]
    assert {problem.hint for problem in problems} == {
        "set it in the environment or in a .env file, or write {NAME:-default}"
    }


def test_embedded_broker_starts_first_and_all_wait_for_it(app: Any) -> None:
    config = app.load(files(HOOKS), {**ENV, "KAFKA_BROKERS": "embedded"})
    broker, *others = config.services
    assert (broker.id, broker.type, broker.workers, broker.internal) == ("kafka-broker", "kafka-broker", 1, True)
    assert all(service.dependencies[0] == "kafka-broker" for service in others)
    assert config.service("kafka-hooks").options["brokers"] == ["embedded"]
    assert config.entrypoint == "gateway"


def test_key_that_will_do_nothing_later_either_says_why(app: Any) -> None:
    hooks = {"type": "kafka-hooks", "brokers": ["a:1"], "topics": [{"topic": "t", "url": "http://api.plt.local/"}]}
    consumer = {"groupId": "g", "autocommit": 100}
    config = app.load({**files(HOOKS), "web/kafka-hooks/platformatic.json": {**hooks, "consumer": consumer}}, ENV)
    assert any("consumer.autocommit does nothing: what is done is committed by itself" in w for w in config.warnings)
