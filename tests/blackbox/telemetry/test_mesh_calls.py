"""Calls of user code to other services carry the trace of their request, by whatever client they are made."""

from __future__ import annotations

from typing import Any

import pytest
from harness.app import Start
from harness.apps import Files
from harness.otlp_receiver import OtlpReceiver
from harness.scraping import metrics_url, scrape, total

API = """
import asyncio, json
from urllib.request import Request, urlopen
import aiohttp, httpx, requests

URL = "http://echo.plt.local/x?sig=1"
OWN = {"traceparent": "00-11111111111111111111111111111111-2222222222222222-01"}

def by_urllib():
    return json.loads(urlopen(URL).read())

def by_requests():
    return requests.get(URL).json()

def by_httpx():
    with httpx.Client() as client:
        return client.get(URL).json()

async def by_httpx_async():
    async with httpx.AsyncClient() as client:
        return (await client.get(URL)).json()

async def by_aiohttp():
    async with aiohttp.ClientSession() as session, session.get(URL) as response:
        return await response.json(content_type=None)

def with_a_header_of_its_own():
    return json.loads(urlopen(Request(URL, headers=OWN)).read())

async def app(scope, receive, send):
    assert scope["type"] == "http"
    seen = {}
    for call in (by_urllib, by_requests, by_httpx, with_a_header_of_its_own):
        seen[call.__name__] = await asyncio.to_thread(call)
    for async_call in (by_httpx_async, by_aiohttp):
        seen[async_call.__name__] = await async_call()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})
"""
ECHO = """
import json
from pywatt.telemetry.trace_context import current_trace

def application(environ, start_response):
    seen = {name: environ.get("HTTP_" + name.upper()) for name in ("traceparent", "tracestate", "baggage")}
    trace = current_trace()
    seen["served in"] = trace and trace.span_id
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps(seen).encode()]
"""
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "v=1", "baggage": "user=42"}
CLIENTS = ("by_urllib", "by_requests", "by_httpx", "by_httpx_async", "by_aiohttp")
OWN = "with_a_header_of_its_own"


def files(**telemetry: Any) -> Files:
    services = [{"id": "api", "path": "api"}, {"id": "echo", "path": "echo"}]
    root = {"entrypoint": "api", "server": {"port": "{PORT}"}, "web": services, **telemetry}
    return {"watt.json": root, "api/app.py": API, "echo/wsgi.py": ECHO}


def test_the_context_passes_without_spans(start: Start) -> None:
    with start(files()) as app:
        seen = app.get("/", headers=HEADERS).json()
        untraced = app.get("/").json()
    assert {name: seen[name] for name in CLIENTS} == {name: {**HEADERS, "served in": SPAN} for name in CLIENTS}
    assert seen[OWN]["traceparent"] == f"00-{'1' * 32}-{'2' * 16}-01"
    assert seen[OWN]["baggage"] is None
    assert {untraced[name]["traceparent"] for name in CLIENTS} == {None}


def test_each_call_is_counted(start: Start) -> None:
    with start(files(metrics={"hostname": "127.0.0.1", "port": 0})) as app:
        app.get("/")
        values = scrape(metrics_url(app))
    calls = {"caller": "api", "callee": "echo"}
    count = len(CLIENTS) + 1
    assert total(values, "pywatt_mesh_requests_total", **calls, status="2xx") == count
    assert total(values, "pywatt_mesh_request_duration_seconds_count", **calls) == count


@pytest.mark.parametrize("sampled", [True, False])
def test_each_call_has_a_span_if_it_is_sampled(start: Start, otlp: OtlpReceiver, sampled: bool) -> None:
    headers = dict(HEADERS) if sampled else {}
    telemetry = {"exporter": {"type": "otlp", "options": {"url": otlp.url}}}
    env = {} if sampled else {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    with start(files(telemetry=telemetry), env=env) as app:
        seen = app.get("/", headers=headers).json()
        assert app.stop() == 0
    parents = [seen[name]["traceparent"].split("-") for name in CLIENTS]
    if not sampled:
        # One decision for the whole trace.
        assert len({trace for _, trace, _, _ in parents}) == 1
        assert {flags for *_, flags in parents} == {"02"}
        assert {span.trace_id for span in otlp.spans} == {"1" * 32}
        return
    spans = {span.span_id: span for span in otlp.spans}
    (server,) = [span for span in otlp.spans if span.parent_id == SPAN]
    assert server.service.endswith("-api")
    for (_, trace, span, flags), name in zip(parents, CLIENTS, strict=True):
        client = spans[span]
        assert (trace, flags) == (TRACE, "01"), name
        assert (client.kind, client.name, client.parent_id) == ("CLIENT", "GET", server.span_id), name
        assert client.attributes["url.full"] == "http://echo.plt.local/x?sig=REDACTED"
        assert client.attributes["http.response.status_code"] == 200
        assert (seen[name]["tracestate"], seen[name]["baggage"]) == ("v=1", "user=42")
        assert spans[seen[name]["served in"]].parent_id == span
    assert len([span for span in otlp.spans if span.trace_id == TRACE]) == 1 + 2 * len(CLIENTS)
