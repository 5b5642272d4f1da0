"""One run of a program as a child process that does not outlive its worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import signal
import string
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from pywatt.config.model import ServiceConfig
from pywatt.errors import ServiceFailed
from pywatt.worker.kernel import die_with_parent
from pywatt_services.command.config import CommandOptions

logger = logging.getLogger("pywatt.command")


class Program:
    """A running child process."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        self.name = name
        self.ended = asyncio.Event()
        self._process = process

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
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
        """Take note of its end, which the kernel has reported."""
        self._process.wait()
        self.ended.set()

    async def stop(self, limit: float) -> None:
        """Ask it to end, wait so many seconds, then kill it."""
        self._process.terminate()
        try:
            async with asyncio.timeout(limit):
                await self.ended.wait()
        except TimeoutError:
            logger.warning("%s did not end within %.1f s after SIGTERM; it is killed", self.name, limit)
            self._process.kill()
            await self.ended.wait()


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
    try:
        process = subprocess.Popen(  # noqa: ASYNC220 - returns once exec has succeeded
            arguments,
            executable=executable,
            env=env,
            stdin=subprocess.DEVNULL,
            # No other thread holds a lock here that the function could need: it makes two system calls.
            preexec_fn=partial(_stay_with, os.getpid()),  # noqa: PLW1509
        )
    except OSError as error:
        raise ServiceFailed(service.id, f"cannot run {executable}: {error.strerror}") from error
    program = Program(process, shlex.join(options.run))
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
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            reap()
        os.close(pidfd)


def _stay_with(parent: int) -> None:
    """Tie the child to its worker, in the child: a worker that is killed cannot stop it any more."""
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
