"""`server.https` with the installed command: the gateway, direct entrypoints, new certificates, redirects."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.app import PATIENCE, PYWATT, RunningApp, Start
from harness.apps import ASGI_API, Files, gateway_and_api
from harness.certificates import Authority
from harness.http2_client import http2_client

SCHEME_API = """
import json

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    headers = [(b"content-type", b"application/json")]
    tls = scope.get("extensions", {}).get("tls", {})
    body = json.dumps({"scheme": scope["scheme"], "client": tls.get("client_cert_name")}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def https(authority: Authority, **keys: Any) -> dict[str, Any]:
    authority.issue("server")
    files = {"cert": {"path": "server.pem"}, "key": {"path": "server.key"}}
    return {"port": "{PORT}", "https": {**files, **keys}}


def client(authority: Authority, *certificate: Path) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(authority.file))
    if certificate:
        context.load_cert_chain(certificate[0], certificate[1])
    return httpx.Client(verify=context, timeout=PATIENCE)


def answered(http: httpx.Client, url: str) -> bool:
    """Wait for the first response: the worker that is replaced accepts connections for a moment yet."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            return http.get(url).status_code == 200
        except httpx.TransportError:
            continue
    return False


def serial_number(app: RunningApp, authority: Authority) -> str:
    """Return the serial number of the certificate that a new client gets."""
    host, port = app.url.removeprefix("https://").split(":")
    return ssl.get_server_certificate((host, int(port)), ca_certs=str(authority.file))


def test_a_gateway_serves_https_and_redirects(start: Start, authority: Authority) -> None:
    files = gateway_and_api(SCHEME_API, server=https(authority, redirectFrom=0))
    with start(files) as app, client(authority) as http:
        assert app.url.startswith("https://127.0.0.1:")
        assert http.get(f"{app.url}/api/").json()["scheme"] == "https"
        plain = app.wait_for_text("leads to https")["msg"].split()[0]
        answer = http.get(f"{plain}/api/x?y=1")
        assert (answer.status_code, answer.headers["location"]) == (308, f"{app.url}/api/x?y=1")
        refused = httpx.get(app.url.replace("https:", "http:"))
        assert refused.status_code == 400
        assert app.stop() == 0


@pytest.mark.parametrize("engine", ["uvicorn", "hypercorn"])
def test_a_python_service_serves_https(start: Start, authority: Authority, engine: str) -> None:
    keys = {"requestCert": True, "rejectUnauthorized": False, "ca": {"path": "ca.pem"}}
    files: Files = {
        "watt.json": {"web": [{"id": "api", "path": "api"}], "server": https(authority, **keys)},
        "api/platformatic.json": {"type": "python", "server": {"engine": engine}},
        "api/app.py": SCHEME_API,
    }
    with start(files) as app, client(authority, *authority.issue("client")) as http:
        expected = "CN=client" if engine == "uvicorn" else None
        assert http.get(app.url).json() == {"scheme": "https", "client": expected}
        assert app.stop() == 0


def test_a_failed_service_answers_by_https(start: Start, authority: Authority) -> None:
    files: Files = {
        "watt.json": {"web": [{"id": "api", "path": "api"}], "server": https(authority)},
        "api/app.py": "import nope\n" + SCHEME_API,
        "api/platformatic.json": {"type": "python"},
    }
    with start(files, "dev") as app, client(authority) as http:
        app.wait_for_text("nothing serves until")
        assert http.get(app.url).status_code == 503
        assert app.stop() == 0


def python_service(engine: str, server: dict[str, Any]) -> Files:
    return {
        "watt.json": {"web": [{"id": "api", "path": "api"}], "server": server},
        "api/platformatic.json": {"type": "python", "server": {"engine": engine}},
        "api/app.py": SCHEME_API.replace('"client": tls', '"version": scope["http_version"], "client": tls'),
    }


@pytest.mark.parametrize("engine", ["uvicorn", "hypercorn"])
def test_a_python_service_speaks_http_2(start: Start, authority: Authority, engine: str) -> None:
    files = python_service(engine, {**https(authority), "http2": True})
    context = ssl.create_default_context(cafile=str(authority.file))
    with start(files) as app, httpx.Client(http2=True, verify=context, timeout=PATIENCE) as http:
        for _ in range(3):
            response = http.get(app.url)
            assert response.http_version == "HTTP/2"
            assert response.json() == {"scheme": "https", "version": "2", "client": None}
        assert app.stop() == 0


def test_no_request_fails_while_the_gateway_is_replaced(start: Start, authority: Authority) -> None:
    stop = threading.Event()
    files = gateway_and_api(ASGI_API, server={**https(authority), "http2": True})

    def load(port: int) -> tuple[int, int]:
        requests = connections = 0
        while not stop.is_set():
            connections += 1
            with http2_client(port, str(authority.file)) as one:
                while not one.goaways and not stop.is_set():
                    response = one.response(one.request("POST", "/api/echo", body=b"x" * 1000))
                    assert (response.status, response.ended) == (200, True)
                    requests += 1
        return requests, connections

    def load_http_1(url: str) -> None:
        with client(authority) as http:
            while not stop.is_set():
                assert http.post(f"{url}/api/echo", content=b"x" * 1000).status_code == 200

    with start(files) as app, ThreadPoolExecutor() as threads:
        loads = [threads.submit(load, int(app.url.rpartition(":")[2])) for _ in range(3)]
        plain = threads.submit(load_http_1, app.url)
        for _ in range(3):
            restarted = subprocess.run([PYWATT, "restart", str(app.process.pid), "gateway"], timeout=PATIENCE)
            assert restarted.returncode == 0
        stop.set()
        for requests, connections in (each.result() for each in loads):
            assert requests > connections > 1
        plain.result()
        assert app.stop() == 0


def test_http_2_needs_https(start: Start) -> None:
    with start(gateway_and_api(ASGI_API, server={"port": "{PORT}", "http2": True})) as app:
        assert app.wait() == 2
        assert "HTTP/2 is spoken with TLS only" in app.output


def test_development_has_a_local_certificate(start: Start, tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with start(gateway_and_api(SCHEME_API), "dev", "--https", env=env) as app:
        advice = app.wait_for_text("signed by an authority of this machine")["msg"]
        authority = tmp_path / "state/pywatt/certificates/authority.pem"
        assert str(authority) in advice
        with httpx.Client(verify=ssl.create_default_context(cafile=str(authority)), timeout=PATIENCE) as http:
            assert http.get(f"{app.url}/api/").json()["scheme"] == "https"
            assert http.get(app.url.replace("127.0.0.1", "localhost") + "/api/").json()["scheme"] == "https"


def test_new_certificates_are_served_without_a_restart(start: Start, authority: Authority, tmp_path: Path) -> None:
    with start(gateway_and_api(ASGI_API, server=https(authority))) as app, client(authority) as http:
        first, worker = serial_number(app, authority), app.worker_pid("gateway")
        authority.issue("server")
        app.wait_for_text("new certificates are served")
        second = serial_number(app, authority)
        assert second != first
        assert app.worker_pid("gateway") == worker
        (tmp_path / "server.pem").write_text("broken")
        app.wait_for_text("the old ones stay")
        assert serial_number(app, authority) == second
        seen = len(app.lines)
        app.process.send_signal(signal.SIGHUP)
        error = app.wait_for_text("not reloaded", after=seen)["msg"]
        assert "server.https.cert" in error
        assert "server.pem" in error
        assert http.get(f"{app.url}/api/").status_code == 200
        authority.issue("server")
        seen = len(app.lines)
        app.process.send_signal(signal.SIGHUP)
        app.wait_for_text("reloaded: ", after=seen)
        while serial_number(app, authority) == second:  # the old worker accepts for a moment yet
            pass


def test_a_reload_can_begin_and_end_https(start: Start, authority: Authority, tmp_path: Path) -> None:
    files = gateway_and_api(ASGI_API)
    with start(files) as app, client(authority) as http:
        port = app.url.rpartition(":")[2]
        document = json.loads((tmp_path / "watt.json").read_text())
        for server in (https(authority, redirectFrom=0), {"port": "{PORT}"}):
            seen = len(app.lines)
            (tmp_path / "watt.json").write_text(json.dumps({**document, "server": server}))
            app.process.send_signal(signal.SIGHUP)
            app.wait_for_text("reloaded: changed gateway", after=seen)
            scheme = "https" if "https" in server else "http"
            assert answered(http, f"{scheme}://127.0.0.1:{port}/api/")


def test_a_start_with_a_wrong_key_tells_the_file_and_the_remedy(start: Start, authority: Authority) -> None:
    server = https(authority)
    authority.issue("other")
    server["https"]["key"] = {"path": "other.key"}
    with start(gateway_and_api(ASGI_API, server=server)) as app:
        assert app.wait() == 2
        output = app.output
        assert "server.https.key" in output
        assert "other.key: the private key does not belong to the certificate" in output
        assert "fix: give the key that the certificate was requested with" in output
