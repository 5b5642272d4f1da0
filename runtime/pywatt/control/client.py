"""The command line's side of the control API: plain HTTP over the app's unix socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from pywatt.control.error_json import from_json
from pywatt.control.metadata import CONTROL_SOCKET, Runtime
from pywatt.errors import ControlError

API = "/api/v1"
QUICK_SECONDS = 10.0
"""Seconds within which a question is answered."""
_OK = 200


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


class ControlClient:
    """Asks one running app."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._path = runtime.folder / CONTROL_SOCKET

    def get(self, *path: str, timeout: float | None = QUICK_SECONDS, **query: str) -> Any:
        """Return the app's answer. Raises ControlError, or the error that the app met."""
        return self._call("GET", path, query, None, timeout)

    def post(self, *path: str, timeout: float | None = None, **body: Any) -> Any:
        """Send a command and return its result, without a limit of time by default."""
        return self._call("POST", path, {}, body, timeout)

    def services(self, *, usage: bool = False, timeout: float = QUICK_SECONDS) -> list[dict[str, Any]]:
        """Return the app's services, its internal ones too; `usage`: with memory and CPU, which take 0.2 s to measure.

        Raises ControlError.
        """
        query = {} if usage else {"usage": "false"}
        rows: list[dict[str, Any]] = self.get("services", timeout=timeout, **query)["services"]
        return rows

    def lines(self, *path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of an answer in NDJSON as they come, without a limit of time.

        Raises ControlError, or the error that the app met.
        """
        connection = _UnixConnection(self._path, None)
        try:
            connection.request("GET", f"{_target(path)}?{urlencode(query)}")
            response = connection.getresponse()
            if response.status != _OK:
                raise from_json(json.loads(response.read()).get("error", {}))
            for line in response:
                yield json.loads(line)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ControlError(f"{self._who} did not answer to the end", hint="see: pywatt logs") from error
        finally:
            connection.close()

    @property
    def _who(self) -> str:
        return f'the app "{self.runtime.name}" (pid {self.runtime.pid})'

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        timeout: float | None,
    ) -> Any:
        target = _target(path) + (f"?{urlencode(query)}" if query else "")
        connection = _UnixConnection(self._path, timeout)
        who = self._who
        try:
            connection.request(
                method,
                target,
                body=None if body is None else json.dumps(body),
                headers={} if body is None else {"content-type": "application/json"},
            )
            response = connection.getresponse()
            document = json.loads(response.read())
        except TimeoutError:
            if not self.runtime.ready:
                hint = "`pywatt logs --follow` shows what it does"
                raise ControlError(f"{who} is still starting", hint=hint) from None
            hint = "it may still be starting, or its machine be busy; `pywatt logs` shows what it does"
            raise ControlError(f"{who} did not answer within {timeout:g} s", hint=hint) from None
        except (ConnectionRefusedError, FileNotFoundError):
            hint = "its log tells why: pywatt logs"
            raise ControlError(f"{who} cannot be asked: its control API does not run", hint=hint) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ControlError(f"{who} ended or failed before it answered", hint="see: pywatt logs") from error
        finally:
            connection.close()
        if response.status != _OK:
            raise from_json(document.get("error", {}))
        return document


def _target(path: Sequence[str]) -> str:
    return "/".join([API, *(quote(part, safe="") for part in path)])
