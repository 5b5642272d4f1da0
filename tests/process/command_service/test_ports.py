"""Programs that listen on another port than PORT."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from harness.context import PATIENCE, exchange, ready, start

from pywatt.service_type import Placement
from pywatt_services.command import TYPE

pytestmark = pytest.mark.anyio

PROGRAM = """
import http.server, socket, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

servers = []
for host in sys.argv[1].split(","):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.create_server((host, 0), family=family)
    servers.append(server)
servers[0].serve_forever()
"""
GET = b"GET /it HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def program(hosts: str, *, launcher: tuple[str, ...] = (), **options: Any) -> partial[Any]:
    run = [*launcher, sys.executable, "-c", PROGRAM, hosts]
    placement = Placement(id="it", path=Path(), services=("it",))
    return partial(TYPE.serve, TYPE.configure({"command": {"run": run, **options}}, placement).options)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
async def test_its_port_is_found_and_told(host: str, caplog: pytest.LogCaptureFixture) -> None:
    async with ready(program(host)) as worker:
        assert (await exchange(worker.port, GET)).endswith(b"\r\n\r\n/it")
        scheme, _, address = str(worker.context.ready_with["address"]).partition(":")
        assert scheme == "tcp"
        assert f"listens on {address}, not on 127.0.0.1:" in caplog.text


async def test_the_port_of_a_grandchild_is_found(tmp_path: Path) -> None:
    launcher = tmp_path / "launch"
    # It hands the end on: here no supervisor ends what a launcher leaves behind.
    launcher.write_text('#!/bin/sh\n"$@" &\ntrap "kill $!" TERM\nwait $!\n')
    launcher.chmod(0o755)
    async with ready(program("127.0.0.1", launcher=(str(launcher),))) as worker:
        assert (await exchange(worker.port, GET)).endswith(b"\r\n\r\n/it")


async def test_the_probe_must_pass_there_too() -> None:
    async with ready(program("127.0.0.1", probe="/ready")) as worker:
        assert (await exchange(worker.port, GET)).endswith(b"\r\n\r\n/it")


async def test_of_several_ports_none_is_guessed(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    caplog.handler.addFilter(told)
    async with start(program("127.0.0.1,127.0.0.1")) as worker:
        await told.wait()
        assert not worker.context.is_ready.is_set()
    assert "name the right one in command.port" in caplog.text


class Told:
    """Sets an event at the first record of the log."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def filter(self, _record: object) -> bool:
        self._event.set()
        return True

    async def wait(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._event.wait()
