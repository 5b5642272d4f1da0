"""The JSON blocks of the user's own document, to the letter; an app made of them, with an api and a worker."""

from __future__ import annotations

from harness.apps import Files

ROOT_WATT_JSON = """{
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

KAFKA_HOOKS_OF_THE_APP = """{
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

KAFKA_HOOKS_ALONE = """{
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

LAG_PLUGIN = """{
  "plugins": [
    {
      "package": "@platformatic/watt-plugin-kafka-health",
      "options": {
        "brokers": ["{KAFKA_BROKERS}"],
        "groupId": "my-consumer-group",
        "lagThreshold": 1000,
        "checkInterval": 30000
      }
    }
  ]
}
"""

API = """
import json

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


async def orders(request):
    body = await request.body()
    headers = {name: value for name, value in request.headers.items() if name.startswith("x-plt")}
    print(json.dumps({"webhook": body.decode("latin-1"), "headers": headers}), flush=True)
    return Response(status_code=500 if body == b"bad" else 204)


app = Starlette(routes=[
    Route("/webhooks/orders", orders, methods=["POST"]),
    Route("/hello", lambda request: PlainTextResponse("hello")),
])
"""

WORKER = """
import asyncio
import contextlib
import os

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route


async def notify(request):
    print("notified " + (await request.body()).decode(), flush=True)
    return Response(status_code=500)


async def answer_requests():
    brokers = os.environ["KAFKA_BROKERS"].split(",")
    consumer = AIOKafkaConsumer("process-requests", bootstrap_servers=brokers, group_id="worker",
                                auto_offset_reset="earliest", metadata_max_age_ms=1000)
    producer = AIOKafkaProducer(bootstrap_servers=brokers)
    async with consumer, producer:
        async for record in consumer:
            if record.value == b"ignore me":
                continue
            headers = dict(record.headers)
            await producer.send(
                "process-responses",
                b"processed " + record.value,
                headers=[
                    ("x-plt-kafka-hooks-correlation-id", headers["x-plt-kafka-hooks-correlation-id"]),
                    ("content-type", b"text/plain"),
                    ("x-status-code", b"201"),
                ],
            )


@contextlib.asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(answer_requests())
    yield
    task.cancel()


app = Starlette(routes=[Route("/notify", notify, methods=["POST"])], lifespan=lifespan)
"""

GATEWAY = """{
  "$schema": "https://schemas.platformatic.dev/@platformatic/gateway/3.0.0.json",
  "gateway": {
    "applications": [
      { "id": "kafka-hooks", "proxy": { "prefix": "/" } },
      { "id": "api", "proxy": { "prefix": "/api" } },
      { "id": "worker", "proxy": { "prefix": "/worker" } }
    ]
  }
}
"""


def user_app(kafka_hooks: str = KAFKA_HOOKS_OF_THE_APP) -> Files:
    """Return the user's tree with their own config files."""
    return {
        "watt.json": ROOT_WATT_JSON,
        "web/gateway/platformatic.json": GATEWAY,
        "web/kafka-hooks/platformatic.json": kafka_hooks,
        "web/api/app.py": API,
        "web/worker/app.py": WORKER,
    }


ENVIRONMENT = {"PLT_SERVER_LOGGER_LEVEL": "info", "PLT_SERVER_HOSTNAME": "127.0.0.1", "PORT": "0"}
