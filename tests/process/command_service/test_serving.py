"""Programs run as services."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from harness.context import PATIENCE, Worker, exchange, ready, start
from harness.output import collected_output

from pywatt.errors import ServiceFailed
from pywatt.service_type import Placement
from pywatt_services.command import TYPE

pytestmark = pytest.mark.anyio

PROGRAM = str(Path(__file__).with_name("program.py"))


def service(*behaviours: str, **options: Any) -> partial[Any]:
    return command([sys.executable, PROGRAM, *behaviours], **options)


def command(run: list[str] | str, **options: Any) -> partial[Any]:
    placement = Placement(id="it", path=Path(), services=("it",))
    return partial(TYPE.serve, TYPE.configure({"command": {"run": run, **options}}, placement).options)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


async def failure(worker: Worker) -> ServiceFailed:
    with pytest.raises((ExceptionGroup, ServiceFailed)) as raised:
        await worker.ended()
    error: BaseException = raised.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, ServiceFailed)
    assert error.service == "it"
    return error


async def test_connections_are_led_to_the_program() -> None:
    async with ready(service(env={"GREETING": "hello"})) as worker:
        assert (await exchange(worker.port, get("/GREETING"))).endswith(b"\r\n\r\nhello")
        assert (await exchange(worker.public_port, get("/GREETING"))).endswith(b"\r\n\r\nhello")
        scheme, host, port = str(worker.context.ready_with["address"]).split(":")
        assert (scheme, host) == ("tcp", "127.0.0.1")
        assert (await exchange(int(port), get("/PORT"))).endswith(port.encode())
        assert (await exchange(int(port), get("/HOST"))).endswith(b"127.0.0.1")


async def test_the_programs_environment_is_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLT_API_URL", "http://127.0.0.1:4242")
    async with ready(service()) as worker:
        assert (await exchange(worker.port, get("/PLT_API_URL"))).endswith(b"http://127.0.0.1:4242")


async def test_variables_in_a_line_are_those_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERPRETER", sys.executable)
    line = "$INTERPRETER -m http.server --bind $HOST ${PORT}"
    async with ready(command(line)) as worker:
        assert (await exchange(worker.port, get("/"))).startswith(b"HTTP/1.0 200 ")


async def test_bytes_go_both_ways_in_any_amount_and_half_closed() -> None:
    size = 8 * 1024 * 1024
    async with ready(service("bytes")) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:

            async def send() -> None:
                writer.write(b"x" * size)
                await writer.drain()
                writer.write_eof()

            tasks.create_task(send())
            received = await reader.read(-1)
        writer.close()
    assert received == b"hello" + b"x" * (size - 1) + str(size).encode()


async def test_it_is_ready_when_the_probe_passes() -> None:
    async with ready(service(probe="/warming")) as worker:
        assert (await exchange(worker.port, get("/none"))).endswith(b"\r\n\r\n3")


async def test_without_http_it_is_ready_at_once() -> None:
    with collected_output() as output:
        async with ready(service("silent", http=False)) as worker:
            assert worker.context.ready_with == {"http": False, "address": None, "exports": None}
            await output.until("pid")


@pytest.mark.parametrize("http", [True, False])
async def test_a_program_that_ends_fails_the_service(http: bool) -> None:
    async with start(service("fail", http=http)) as worker:
        error = await failure(worker)
    assert str(error) == f"{sys.executable} {PROGRAM} fail ended with status 3"


async def test_a_program_that_crashes_fails_the_service() -> None:
    async with start(service("crash")) as worker:
        assert str(await failure(worker)).endswith("crash was ended by SIGSEGV")


async def test_status_0_is_a_failure_too() -> None:
    async with start(service()) as worker:
        await worker.context.is_ready.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(get("/exit"))
        assert await reader.read() == b""
        writer.close()
        assert str(await failure(worker)).endswith("ended with status 0")


async def test_a_program_that_is_not_found_is_told_with_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere:/neither")
    async with start(command("nodde server.js")) as worker:
        error = await failure(worker)
    assert "no program 'nodde'" in str(error)
    assert "/nowhere:/neither" in str(error)


async def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"\x00")
    script.chmod(0o755)
    async with start(command([str(script)])) as worker:
        assert str(await failure(worker)) == f"cannot run {script}: Exec format error"


async def test_a_fixed_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        async with start(service(port=port)) as worker:
            assert f"port {port} (command.port) is taken" in str(await failure(worker))


async def test_a_fixed_port_is_used() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    async with ready(service(port=port)) as worker:
        assert worker.context.ready_with["address"] == f"tcp:127.0.0.1:{port}"


async def test_a_stop_is_a_request_first() -> None:
    with collected_output() as output:
        async with ready(service("polite")) as worker:
            await worker.stop()
        await output.until("bye")


async def test_a_program_that_does_not_heed_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    with collected_output() as output:
        async with ready(service("stubborn", "silent", http=False)) as worker:
            pid = int((await output.until("\n")).split()[1])
            await worker.stop(timeout=0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert "did not end within 0.3 s after SIGTERM; it is killed" in caplog.text


@pytest.mark.parametrize("run", [[sys.executable, PROGRAM, "silent", "stubborn"]])
async def test_a_program_does_not_outlive_its_worker(run: list[str]) -> None:
    code = f"""
import asyncio
from pywatt_services.command.options import CommandOptions
from pywatt_services.command.program import running
import os
async def main():
    async with running(CommandOptions(run={tuple(run)!r}), dict(os.environ), "it"):
        await asyncio.Event().wait()
asyncio.run(main())
"""
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert worker.stdout is not None
    async with asyncio.timeout(PATIENCE):
        pid = int((await worker.stdout.readline()).split()[1])
        descriptor = os.pidfd_open(pid)
        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, gone.set)
        worker.send_signal(signal.SIGKILL)
        await gone.wait()
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        await worker.wait()


async def test_connections_are_cut_off_with_the_worker() -> None:
    async with ready(service("bytes")) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(b"xy")
        assert await reader.readexactly(6) == b"helloy"
        await worker.stop()
        assert await reader.read() == b""
        writer.close()
