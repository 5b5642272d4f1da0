"""Runs an app for its own tests: the installed `pywatt start`, on a free port, asked over HTTP.

with running(Path(__file__).parents[1]) as app:
    assert app.get("/api/").json() == {"hello": "world"}
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

__all__ = ["App", "AppResponse", "running"]

PATIENCE = 60.0
"""Seconds after which a wait fails."""
_STARTED = "pywatt has started"
"""The message of an app without a public address that it is ready."""


@dataclass(frozen=True, slots=True)
class AppResponse:
    """An HTTP response, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the document in the body. Raises ValueError."""
        return json.loads(self.body)


class App:
    """A running app."""

    def __init__(self, process: subprocess.Popen[str], patience: float) -> None:
        self.log: list[dict[str, Any]] = []
        """Every line of its log until now."""
        self._process = process
        self._patience = patience
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # No proxy of the environment stands between a test and the app on this machine.
        self._opener = build_opener(ProxyHandler({}))
        self.url: str | None = None

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> AppResponse:
        """GET from the app's public address."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> AppResponse:
        """POST to the app's public address."""
        return self.request("POST", path, body, headers)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> AppResponse:
        """Send a request to the app's public address. Raises RuntimeError when it has none."""
        if self.url is None:
            raise RuntimeError('this app has no public address: name a service as "entrypoint" in its root file')
        sent = {"content-type": "application/octet-stream", **(headers or {})}
        request = Request(self.url + path, data=body, headers=sent, method=method)  # noqa: S310 - our own address
        try:
            with self._opener.open(request, timeout=self._patience) as response:
                return AppResponse(response.status, dict(response.headers), response.read())
        except HTTPError as error:
            with error:
                return AppResponse(error.code, dict(error.headers), error.read())

    def wait_for_log(self, text: str) -> dict[str, Any]:
        """Return the first line of the log whose message contains the text. Raises AssertionError."""
        return self._wait_for(lambda line: text in str(line.get("msg")), repr(text))

    def started(self) -> None:
        """Wait until the app is ready. Raises AssertionError."""
        line = self._wait_for(lambda line: "url" in line or _STARTED in str(line.get("msg")), "the app's start")
        self.url = line.get("url")

    def stop(self) -> None:
        """Stop the app and wait for its end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(self._patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(self._patience)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _wait_for(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def done() -> bool:
            found.update(next((line for line in self.log if wanted(line)), {}))
            return bool(found) or not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(done, self._patience)
            if not found:
                lines = "\n".join(str(line.get("msg")) for line in self.log)
                raise AssertionError(f"{what} did not come; the app's log:\n{lines}")
        return found

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                line = {"msg": text.rstrip("\n")}  # an error report, which is for people
            with self._changed:
                self.log.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


@contextmanager
def running(folder: Path, *, env: Mapping[str, str] | None = None, patience: float = PATIENCE) -> Iterator[App]:
    """Run the app in a folder, on a free port (variable PORT), until the context is left.

    `env`: further variables; `patience`: seconds to wait for the start, an answer, a line, the end. Raises
    AssertionError, with the app's log, when it does not start.
    """
    process = subprocess.Popen(
        [_program(), "start"],
        cwd=folder,
        env={**os.environ, "PORT": "0", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    app = App(process, patience)
    try:
        app.started()
        yield app
    finally:
        app.stop()


def _program() -> str:
    """Return the `pywatt` of this environment, else the one on PATH. Raises FileNotFoundError."""
    beside = Path(sys.executable).with_name("pywatt")
    found = str(beside) if beside.is_file() else shutil.which("pywatt")
    if found is None:
        raise FileNotFoundError("there is no program pywatt beside this Python or on PATH: pip install pywatt")
    return found
