"""`pywatt start` from the user's view: its answers, its output and its end."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from harness.app import PATIENCE, Start
from harness.apps import SLOW_API, gateway_and_api
from harness.processes import marked, wait_for_end


def test_the_gateway_leads_to_the_api_and_the_real_port_is_printed(start: Start) -> None:
    with start(gateway_and_api()) as app:
        assert not app.url.endswith(":0")
        answer = app.post("/api/echo", content=b"hello").json()
        assert (answer["path"], answer["method"], answer["body"]) == ("/echo", "POST", "hello")


def test_an_unknown_prefix_is_answered_404_in_the_originals_form(start: Start) -> None:
    with start(gateway_and_api()) as app:
        answer = app.get("/nothing/here")
        assert answer.status_code == 404
        assert answer.json() == {
            "message": "Route GET:/nothing/here not found",
            "error": "Not Found",
            "statusCode": 404,
        }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_status_0_and_nothing_left(start: Start, marker: str, number: int) -> None:
    with start(gateway_and_api()) as app:
        assert app.get("/api/").status_code == 200
        assert len(marked(marker)) >= 4  # supervisor, forkserver, two workers
        assert app.stop(number) == 0
        assert wait_for_end(marked(marker), patience=1) == []


def test_a_request_in_flight_is_answered_when_the_app_stops(start: Start) -> None:
    with start(gateway_and_api(SLOW_API)) as app, ThreadPoolExecutor() as threads:
        answer = threads.submit(app.get, "/api/")
        app.wait_for_text("request arrived")
        assert app.stop() == 0
        assert answer.result().text == "late"


def test_a_crashed_worker_is_replaced_and_no_request_fails(start: Start) -> None:
    with start(gateway_and_api()) as app:
        first = app.get("/api/").json()["pid"]
        os.kill(first, signal.SIGKILL)
        seen = len(app.lines)
        second = app.get("/api/").json()["pid"]
        assert second != first
        app.wait_for_text('service "api" ended: killed by SIGKILL', after=max(0, seen - 5))


def test_a_crashed_gateway_is_replaced_while_connections_wait(start: Start) -> None:
    with start(gateway_and_api()) as app:
        assert app.get("/api/").status_code == 200
        os.kill(app.worker_pid("gateway"), signal.SIGKILL)
        assert app.get("/api/").status_code == 200


def test_nothing_outlives_a_supervisor_that_is_killed(start: Start, marker: str) -> None:
    api = "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n" + SLOW_API
    with start(gateway_and_api(api)) as app:
        assert app.url
        children = marked(marker)
        assert len(children) >= 5  # the grandchild too
        app.stop(signal.SIGKILL)
        assert wait_for_end(children) == []


def test_several_workers_share_the_load_of_one_service(start: Start) -> None:
    files = gateway_and_api(workers="2")
    with start(files) as app, httpx.Client(base_url=app.url, timeout=PATIENCE) as client:
        pids = {client.get("/api/").json()["pid"] for _ in range(40)}
        assert len(pids) == 2


def test_services_reach_each_other_by_name_with_any_client(start: Start) -> None:
    files = gateway_and_api()
    files["watt.json"]["web"].append({"id": "caller", "path": "web/caller"})  # type: ignore[index,union-attr]
    files["web/caller/app.py"] = """
import json, urllib.request
import httpx, requests
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

URL = "http://api.plt.local/seen"

async def call(request):
    async with httpx.AsyncClient() as client:
        one = (await client.get(URL)).json()["path"]
    two = (await run_in_threadpool(requests.get, URL)).json()["path"]
    three = json.load(await run_in_threadpool(urllib.request.urlopen, URL))["path"]
    return JSONResponse([one, two, three])

app = Starlette(routes=[Route("/", call)])
"""
    with start(files) as app:
        assert app.get("/caller/").json() == ["/seen"] * 3


def test_a_second_signal_ends_a_stop_that_takes_long(start: Start) -> None:
    stubborn = """
import asyncio

async def main():
    print("main runs", flush=True)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print("main refuses", flush=True)
"""
    files = gateway_and_api()
    files["watt.json"]["web"].append({"id": "stubborn", "path": "web/stubborn"})  # type: ignore[index,union-attr]
    files["web/stubborn/main.py"] = stubborn
    with start(files) as app:
        app.wait_for_text("main runs")
        assert app.url
        app.process.send_signal(signal.SIGTERM)
        app.wait_for_text("main refuses")
        assert app.stop(signal.SIGTERM) == 0


def test_the_version_is_printed_bare(start: Start) -> None:
    with start({}, "--version") as app:
        assert app.wait() == 0
        assert app.lines[0]["msg"].count(".") == 2
