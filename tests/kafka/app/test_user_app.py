"""The user's own app, from their own files, against a real broker."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.app import Line, RunningApp, run_pywatt, write_files
from harness.records import publish, read_until
from harness.user_document import ENVIRONMENT, KAFKA_HOOKS_OF_THE_APP, user_app

NO_DLQ = {
    "topic": "no-dlq",
    "url": "http://worker.plt.local/notify",
    "retries": 1,
    "dlq": False,
}
SHORT_TIMEOUT = {
    "path": "/async/nobody/:id",
    "requestTopic": "nobody-requests",
    "responseTopic": "process-responses",
    "timeout": 1000,
}


@pytest.fixture(scope="module")
def app(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """The user's app, with two more entries that their document only describes."""
    hooks = json.loads(KAFKA_HOOKS_OF_THE_APP)
    hooks["topics"].append(NO_DLQ)
    hooks["requestResponse"].append(SHORT_TIMEOUT)
    folder = write_files(tmp_path_factory.mktemp("app"), user_app(json.dumps(hooks)))
    with run_pywatt(folder, env={**ENVIRONMENT, "KAFKA_BROKERS": broker}) as running:
        assert running.get("/api/hello").text == "hello"
        yield running
        assert running.stop() == 0


def webhook(app: RunningApp, body: str) -> Line:
    """Return the api's line about the webhook with that body."""
    line = app.wait_for(lambda line: f'"webhook": {json.dumps(body)}' in str(line["msg"]))
    webhook: Line = json.loads(line["msg"])
    return webhook


def test_the_users_files_start_as_they_are(broker: str, tmp_path: Path) -> None:
    write_files(tmp_path, user_app())
    with run_pywatt(tmp_path, env={**ENVIRONMENT, "KAFKA_BROKERS": broker}) as app:
        assert app.get("/api/hello").text == "hello"
        # The worker's own aiokafka complains of topics that kafka-hooks is just creating.
        complaints = [line["msg"] for line in app.lines if line.get("level", 0) >= 40 and line["name"] != "worker"]
        assert complaints == []
        assert app.stop() == 0


def test_a_published_record_becomes_a_webhook(app: RunningApp) -> None:
    answer = app.post("/topics/orders-created", content=b'{"id":1}', headers={"x-plt-kafka-hooks-key": "k1"})
    assert (answer.status_code, answer.content) == (202, b"")
    headers = webhook(app, '{"id":1}')["headers"]
    assert headers["x-plt-kafka-hooks-key"] == "k1"
    assert headers["x-plt-kafka-hooks-attempt"] == "1"


def test_a_record_without_a_value_is_delivered_empty(app: RunningApp, broker: str) -> None:
    publish(broker, "orders-created", [(b"tombstone", None)])
    assert webhook(app, "")["headers"]["x-plt-kafka-hooks-key"] == "tombstone"


def test_any_bytes_are_delivered_as_they_are(app: RunningApp, broker: str) -> None:
    publish(broker, "orders-created", [(b"\xff\x00", bytes(range(256)))])
    assert webhook(app, bytes(range(256)).decode("latin-1"))


def test_a_target_that_always_fails_ends_in_the_dlq(app: RunningApp, broker: str) -> None:
    app.post("/topics/orders-created", content=b"bad", headers={"x-plt-kafka-hooks-key": "k9"})
    (record,) = read_until(broker, "orders-created-dlq", lambda records: len(records) == 1)
    assert record.value is not None
    dead = json.loads(record.value)
    assert base64.b64decode(dead["value"]) == b"bad"
    assert dead["key"] == "k9"
    assert (dead["topic"], dead["retries"]) == ("orders-created", 3)
    assert [error["statusCode"] for error in dead["errors"]] == [500, 500, 500]


def test_dlq_false_logs_the_record_and_goes_on(app: RunningApp) -> None:
    seen = len(app.lines)
    app.post("/topics/no-dlq", content=b"first")
    app.post("/topics/no-dlq", content=b"second")
    app.wait_for_text("notified first", after=seen)
    app.wait_for_text("notified second", after=seen)
    app.wait_for(lambda line: line.get("level") == 50 and "no-dlq" in json.dumps(line), after=seen)


def test_request_and_response_make_the_round_trip(app: RunningApp) -> None:
    answer = app.post("/async/process", content=b"this")
    assert (answer.status_code, answer.text) == (201, "processed this")
    assert answer.headers["content-type"] == "text/plain"


def test_a_response_that_never_comes_is_a_504(app: RunningApp) -> None:
    answer = app.post("/async/nobody/7", content=b"?")
    assert answer.status_code == 504
    assert answer.json() == {
        "code": "HTTP_ERROR_GATEWAY_TIMEOUT",
        "statusCode": 504,
        "error": "Gateway Timeout",
        "message": "Request timeout",
    }


def test_a_topic_that_is_not_configured_is_a_404(app: RunningApp) -> None:
    answer = app.post("/topics/nope", content=b"x")
    assert answer.status_code == 404
    assert answer.json() == {
        "code": "HTTP_ERROR_NOT_FOUND",
        "statusCode": 404,
        "error": "Not Found",
        "message": "Topic nope not found.",
    }
