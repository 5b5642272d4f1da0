"""An unreachable broker degrades only kafka-hooks; the rest of the app serves."""

from __future__ import annotations

import json
import signal

import httpx
from harness.app import Start
from harness.user_document import ENVIRONMENT, user_app

NOBODY = "127.0.0.1:1"


def test_two_brokers_in_one_variable_are_two_brokers(start: Start) -> None:
    with start(user_app(), env={**ENVIRONMENT, "KAFKA_BROKERS": "127.0.0.1:1,127.0.0.1:2"}) as app:
        app.wait_for_text("127.0.0.1:1,127.0.0.1:2: away")


def test_the_app_serves_while_the_broker_is_away(start: Start) -> None:
    files = user_app()
    root = json.loads(str(files["watt.json"]))
    root["web"].append({"id": "health", "path": "web/health"})
    strict = {"endpoint": "/strict", "acceptDegraded": False}
    root["healthProbes"] = {"hostname": "127.0.0.1", "port": 0, "shutdownDelay": 1500, "readiness": strict}
    files["watt.json"] = root
    files["web/health/watt.json"] = {"type": "health", "health": {"brokers": [NOBODY], "groupId": "watt-kafka-hooks"}}
    gateway = json.loads(str(files["web/gateway/platformatic.json"]))
    gateway["gateway"]["applications"].append({"id": "health", "proxy": {"prefix": "/app"}})
    files["web/gateway/platformatic.json"] = gateway
    # The worker talks to Kafka in its own code and cannot start without it; this one has no consumer.
    files["web/worker/app.py"] = str(files["web/api/app.py"])

    with start(files, env={**ENVIRONMENT, "KAFKA_BROKERS": NOBODY}) as app:
        assert app.get("/api/hello").text == "hello"
        refused = app.post("/topics/orders-created", content=b"{}")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert app.post("/async/process", content=b"{}").status_code == 503
        app.wait_for(lambda line: line["name"] == "kafka-hooks" and line["level"] >= 40)
        health = app.get("/app/health").json()
        assert health["services"]["kafka-hooks"]["status"] == "degraded"
        assert NOBODY in health["services"]["kafka-hooks"]["detail"]
        assert health["services"]["api"]["status"] == "ready"
        assert health["status"] == "degraded"
        # A pod without Kafka is ready unless the user asks for more, and it is not to be restarted.
        assert app.get("/app/health/ready").status_code == 200
        said = app.wait_for_text("health endpoints are served at")["msg"]
        probes = said.split(" at ")[1].split(": ")[0]
        strict_answer = httpx.get(f"{probes}/strict")
        assert strict_answer.status_code == 503
        assert NOBODY in strict_answer.json()["services"]["kafka-hooks"]["reason"]
        assert httpx.get(f"{probes}/status").status_code == 200
        # At a stop, the endpoint at the public address fails as well, which still serves.
        app.process.send_signal(signal.SIGTERM)
        app.wait_for_text("not ready any more")
        leaving = app.get("/app/health/ready")
        assert (leaving.status_code, leaving.json()["reason"]) == (503, "the app is stopping")
        assert app.get("/api/hello").text == "hello"
        assert app.wait() == 0
