"""One run of a program as a child process that does not outlive its worker."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import shlex
import shutil
import signal
import string
import subprocess
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

from pywatt.config.model import ServiceConfig
from pywatt.errors import ServiceFailed
from pywatt.worker.process.descendant_mark import end_marked, marked, new_app_mark, own_mark, put_mark, send
from pywatt.worker.process.prctl import die_with_parent
from pywatt_services.command.options import CommandOptions

OTHERS_SHARE = 0.5
"""Share of a stop's limit after which the program's other processes get SIGTERM although the first one still runs."""

logger = logging.getLogger("pywatt.command")


class Program:
    """A running child process."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, mark: int) -> None:
        self.name = name
        self.ended = asyncio.Event()
        self._process = process
        self._mark = mark

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def outcome(self) -> str:
        """Describes how it ended."""
        status = self._process.returncode
        if status is None:
            return f"{self.name} is running"
        if status >= 0:
            return f"{self.name} ended with status {status}"
        try:
            return f"{self.name} was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"{self.name} was ended by signal {-status}"

    def reap(self) -> None:
        """Collect its exit status, after the kernel has reported its end."""
        self._process.wait()
        self.ended.set()

    async def stop(self, limit: float) -> None:
        """Ask it and all its processes to end, wait for `limit` seconds, then kill the remaining ones.

        The first process is asked alone: a server that has children ends them itself, and in order. What is left when
        it has ended, or when half of the time has passed, is asked then: below a shell or npm, nobody else would.
        """
        self._process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                with suppress(TimeoutError):
                    async with asyncio.timeout(limit * OTHERS_SHARE):
                        await self.ended.wait()
                asked: set[int] = set()
                while (others := self._others()) or not self.ended.is_set():
                    send(set(others) - asked, signal.SIGTERM, self._is_own)
                    asked.update(others)
                    await (_all_gone(others) if others else self.ended.wait())
                return
        logger.warning("%s did not end within %.1f s after SIGTERM; it is killed", self.name, limit)
        self.kill()
        await self.ended.wait()

    def kill(self) -> None:
        """End all its processes at once."""
        if not self.ended.is_set():
            with suppress(ProcessLookupError):
                self._process.kill()
        end_marked(self._is_own, but={os.getpid()})

    def _others(self) -> list[int]:
        """Return the processes that it has started, and those started by them."""
        return marked(self._is_own, but={os.getpid(), self.pid})

    def _is_own(self, mark: int) -> bool:
        return mark == self._mark


@asynccontextmanager
async def running(options: CommandOptions, env: Mapping[str, str], service: ServiceConfig) -> AsyncIterator[Program]:
    """Start the program; leaving the context kills it if it still runs. Raises ServiceFailed when it cannot be run."""
    arguments = [string.Template(word).safe_substitute(env) if options.expands else word for word in options.run]
    executable = shutil.which(arguments[0], path=env.get("PATH", os.defpath))
    if executable is None:
        place = "" if "/" in arguments[0] else f" or on PATH ({env.get('PATH', os.defpath)})"
        built = "run `pywatt build` first, which makes it" if service.build else "install the program"
        raise ServiceFailed(
            service.id,
            f"no program {arguments[0]!r} in the service's folder{place}",
            hint=f"{built}, or correct the command",
        )
    # A worker and its program have one mark; where there is none, as in a test, the program gets its own.
    mark = own_mark() or new_app_mark(random.Random())  # noqa: S311 - no secret
    try:
        process = subprocess.Popen(  # noqa: ASYNC220 - returns once exec has succeeded
            arguments,
            executable=executable,
            env=env,
            stdin=subprocess.DEVNULL,
            # No other thread holds a lock here that the function could need: it makes three system calls.
            preexec_fn=partial(_stay_with, os.getpid(), mark),  # noqa: PLW1509
        )
    except OSError as error:
        raise ServiceFailed(service.id, f"cannot run {executable}: {error.strerror}") from error
    program = Program(process, shlex.join(options.run), mark)
    loop = asyncio.get_running_loop()
    pidfd = os.pidfd_open(process.pid)

    def reap() -> None:
        loop.remove_reader(pidfd)
        program.reap()

    loop.add_reader(pidfd, reap)
    try:
        yield program
    finally:
        if not program.ended.is_set():
            program.kill()
            reap()
        os.close(pidfd)


async def _all_gone(pids: Iterable[int]) -> None:
    """Wait until these processes, children or not, have ended."""
    loop = asyncio.get_running_loop()
    for pid in pids:
        with suppress(ProcessLookupError):
            process = os.pidfd_open(pid)
            gone = asyncio.Event()
            loop.add_reader(process, gone.set)
            try:
                await gone.wait()
            finally:
                loop.remove_reader(process)
                os.close(process)


def _stay_with(parent: int, mark: int) -> None:
    """Tie the child to its worker, in the child: a worker that is killed cannot stop it any more."""
    put_mark(mark)
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
