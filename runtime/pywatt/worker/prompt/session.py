"""One prompt: statements come over a socket, are carried out, and their output goes back.

A statement runs in a thread, so that the event loop and the heartbeat go on; one with `await` runs in the event loop.
Both can be interrupted. Messages are lines of JSON:

    prompt -> worker   {"run": "1 + 1"}   {"interrupt": true}
    worker -> prompt   {"hello": ...}   {"out": "2\\n"}   {"done": "ok" | "more" | "error"}
"""

from __future__ import annotations

import ast
import asyncio
import codeop
import contextvars
import ctypes
import inspect
import json
import queue
import socket
import sys
import threading
import traceback
import types
from collections.abc import Mapping
from typing import Any

from pywatt.worker.prompt.output import direct, directed_output

MOST_WAITING = 4 * 1024 * 1024
"""Characters of output that wait for the prompt; what comes beyond them is left out."""
LONGEST_LINE = 1024 * 1024
FILE = "<prompt>"
GRACE_SECONDS = 1.0
"""Seconds after which an interrupt of code that holds the event loop is thrown into it."""


class Interrupted(BaseException):
    """Ctrl-C at the prompt. No Exception, which code may catch in a loop."""


class Session:
    """The worker's end of one prompt; its threads end with the connection."""

    def __init__(
        self, connection: socket.socket, loop: asyncio.AbstractEventLoop, names: Mapping[str, Any], hello: str
    ) -> None:
        """`names`: the variables that the prompt has to begin with."""
        self._connection = connection
        self._loop = loop
        self._names: dict[str, Any] = {"__name__": "__prompt__", "__builtins__": __builtins__, **names}
        self._hello = hello
        self._compiler = codeop.CommandCompiler()
        self._compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._statements: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._output: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._waiting = 0
        self._left_out = False
        self._thread = 0
        self._task: asyncio.Task[Any] | None = None
        self._lock = threading.Lock()
        self._running = False

    def start(self) -> None:
        """Begin; returns at once."""
        for target in (self._receive, self._carry_out, self._transmit):
            threading.Thread(target=target, name=f"prompt{target.__name__}", daemon=True).start()

    # Threads.

    def _receive(self) -> None:
        """Take messages until the prompt leaves."""
        try:
            with self._connection.makefile("rb") as lines:
                while (line := lines.readline(LONGEST_LINE)).endswith(b"\n"):
                    message = json.loads(line)
                    if "run" in message:
                        self._statements.put(str(message["run"]))
                    elif "interrupt" in message:
                        self._interrupt()
        except (OSError, ValueError, TypeError):
            pass
        self._statements.put(None)
        self._interrupt()

    def _carry_out(self) -> None:
        self._thread = threading.get_ident()
        self._send({"hello": self._hello})
        with directed_output():
            direct(self._print, self._show)
            while (source := self._statements.get()) is not None:
                try:
                    done = self._run(source)
                except Interrupted:  # it came when all was done
                    done = "error"
                self._send({"done": done})
        self._output.put(None)

    def _transmit(self) -> None:
        try:
            while (line := self._output.get()) is not None:
                self._waiting -= len(line)
                self._connection.sendall(line.encode())
        except OSError:
            pass
        finally:
            self._connection.close()

    # Statements.

    def _run(self, source: str) -> str:
        try:
            code = self._compiler(source, FILE, "single")
        except (SyntaxError, ValueError, OverflowError) as error:
            self._print("".join(traceback.format_exception_only(error)))
            return "error"
        if code is None:
            return "more"
        try:
            with self._lock:
                self._running = True
            function = types.FunctionType(code, self._names)
            if code.co_flags & inspect.CO_COROUTINE:
                self._await(function)
            else:
                function()
        except Interrupted:
            self._print("KeyboardInterrupt\n")
            return "error"
        except BaseException as error:  # noqa: BLE001 - SystemExit, too, is of the prompt, not of the worker
            self._print("".join(traceback.format_exception(_of_user(error))))
            return "error"
        finally:
            with self._lock:
                self._running = False
                self._task = None
        return "ok"

    def _await(self, function: types.FunctionType) -> None:
        """Run a coroutine in the event loop, and wait for its end."""
        ended = threading.Event()
        failure: list[BaseException] = []

        async def run() -> None:
            try:
                await function()
            except asyncio.CancelledError:
                failure.append(Interrupted())
            except BaseException as error:  # noqa: BLE001 - it is shown at the prompt, and must not end the loop
                failure.append(error)
            finally:
                ended.set()

        def begin() -> None:
            self._task = self._loop.create_task(run(), context=context)

        context = contextvars.copy_context()
        self._loop.call_soon_threadsafe(begin)
        ended.wait()
        if failure:
            raise failure[0]

    def _interrupt(self) -> None:
        with self._lock:
            if not self._running:
                return
            task = self._task
        if task is None:
            _throw(self._thread)
            return
        self._loop.call_soon_threadsafe(task.cancel)
        threading.Timer(GRACE_SECONDS, self._insist, [task]).start()

    def _insist(self, task: asyncio.Task[Any]) -> None:
        """Throw the interrupt into code that holds the event loop, so that nothing there can be cancelled."""
        try:
            holds = asyncio.current_task(self._loop) is task
        except RuntimeError:
            return
        if holds:
            _throw(threading.main_thread().ident or 0)

    # Output.

    def _print(self, text: str) -> None:
        if self._waiting + len(text) > MOST_WAITING:
            if not self._left_out:
                self._left_out = True
                self._send({"out": "\n[output is left out: it comes faster than it is shown]\n"})
            return
        self._left_out = False
        self._send({"out": text})

    def _show(self, value: object) -> None:
        if value is not None:
            self._names["_"] = value
            self._print(f"{value!r}\n")

    def _send(self, message: Mapping[str, str]) -> None:
        line = json.dumps(message) + "\n"
        self._waiting += len(line)
        self._output.put(line)


def _throw(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Interrupted))


def _of_user(error: BaseException) -> BaseException:
    """Return an error without the frames of this module."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return error.with_traceback(trace)


def greeting(service: str, slot: int, pid: int, names: Mapping[str, Any]) -> str:
    """Return the first line of a prompt."""
    version = ".".join(map(str, sys.version_info[:3]))
    known = f"; {', '.join(names)}" if names else ""
    return f"Python {version} in worker {slot} of {service} (pid {pid}){known}. `await` works; Ctrl-D ends it."


def connect(path: str) -> socket.socket:
    """Connect to the prompt that waits at a socket of this user. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(5.0)
        connection.connect(path)
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return connection
