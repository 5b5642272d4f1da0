"""A schema registry over HTTP on loopback: the part of Confluent's API that serdes use, with a gate and a login."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class HttpRegistry:
    """Schemas by subject, and what the clients asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.open = threading.Event()
        """Answers wait for it."""
        self.open.set()
        self.asked = threading.Event()
        """Set by each request."""
        self.status: int | None = None
        """Answers every request with it."""
        self.authorization: str | None = None
        """The header that requests must have."""
        self._lock = threading.Lock()
        self._ids: dict[str, int] = {}
        self._versions: dict[str, list[str]] = {}

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return status and document."""
        if self.status is not None:
            return self.status, {"error_code": self.status, "message": "told to"}
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        with self._lock:
            match method, parts:
                case "POST", ["subjects", subject, "versions"]:
                    text = json.dumps({"schemaType": "AVRO", **body}, sort_keys=True)
                    number = self._ids.setdefault(text, len(self._ids) + 1)
                    versions = self._versions.setdefault(subject, [])
                    if text not in versions:
                        versions.append(text)
                    return 200, {"id": number}
                case "POST", ["subjects", subject]:
                    text = json.dumps({"schemaType": "AVRO", **body}, sort_keys=True)
                    if text in self._versions.get(subject, ()):
                        return 200, self._registered(subject, text)
                case "GET", ["subjects", subject, "versions", "latest"] if subject in self._versions:
                    return 200, self._registered(subject, self._versions[subject][-1])
                case "GET", ["schemas", "ids", number]:
                    for text, known in self._ids.items():
                        if str(known) == number:
                            return 200, json.loads(text)
                case _:
                    pass
        return 404, {"error_code": 40403, "message": "not found"}

    def _registered(self, subject: str, text: str) -> dict[str, Any]:
        version = self._versions[subject].index(text) + 1
        return {"subject": subject, "version": version, "id": self._ids[text], **json.loads(text)}


@contextmanager
def http_registry(tls: ssl.SSLContext | None = None) -> Iterator[HttpRegistry]:
    """Run a registry on a free port."""
    registry = HttpRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Print nothing."""

        def _answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
            registry.requests.append(f"{self.command} {self.path}")
            registry.headers.append({name.lower(): value for name, value in self.headers.items()})
            registry.asked.set()
            registry.open.wait()
            if registry.authorization not in (None, self.headers.get("authorization")):
                status, document = 401, {"error_code": 401, "message": "who are you?"}
            else:
                status, document = registry.answer(self.command, self.path, body)
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    registry.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield registry
    finally:
        registry.open.set()
        server.shutdown()
        thread.join()
        server.server_close()
