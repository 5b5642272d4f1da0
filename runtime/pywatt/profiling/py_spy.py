"""Records the stacks of a running process by py-spy, which needs no change of the program."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pywatt import procfs
from pywatt.errors import ControlError, MissingExtra
from pywatt.profiling.output_file import ProfileForm

PROGRAM, EXTRA = "py-spy", "profile"
FORMATS = {ProfileForm.FLAME_GRAPH: "flamegraph", ProfileForm.SPEEDSCOPE: "speedscope", ProfileForm.FOLDED: "raw"}
OVERTIME = 20.0
"""Seconds that it may take beside the recording itself."""
_SAMPLES = re.compile(r"Samples: (\d+)")
_ERROR = re.compile(r"^Error: (.+)$", re.MULTILINE)
_REFUSED = ("permission denied", "operation not permitted", "eperm")
_NO_PYTHON = ("failed to find python version", "failed to find a python", "failed to get python")
_NO_SAMPLES = "no stack counts found"
_PTRACE_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


def find_program() -> str:
    """Return the path of py-spy, beside this Python or in PATH. Raises MissingExtra."""
    beside = shutil.which(PROGRAM, path=sysconfig.get_path("scripts"))
    found = beside or shutil.which(PROGRAM)
    if found is None:
        raise MissingExtra(PROGRAM, EXTRA, needed_by="pywatt profile")
    return found


def record(program: str, pid: int, who: str, seconds: float, form: ProfileForm, output: Path, *, idle: bool) -> int:
    """Record the stacks of a process into a file for some whole seconds, or until Ctrl-C; return their number.

    `who` names the process in errors. Raises ControlError.
    """
    part = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        status, told = _run(_command(program, pid, seconds, form, part, idle=idle))
        if status == -signal.SIGINT:
            raise KeyboardInterrupt  # it had not begun
        count = checked(status, told, pid, who)
        part.replace(output)
        return count
    finally:
        part.unlink(missing_ok=True)


async def folded_stacks(program: str, pid: int, who: str, seconds: float) -> str:
    """Record the stacks of a process for some seconds, and return a line for each, with its count.

    Raises ControlError.
    """
    with tempfile.TemporaryDirectory(prefix="pywatt-") as folder:
        output = Path(folder, "stacks")
        command = _command(program, pid, seconds, ProfileForm.FOLDED, output, idle=False)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(seconds + OVERTIME):
                told, _ = await process.communicate()
        except TimeoutError:
            raise ControlError(f"py-spy has not ended {OVERTIME:.0f} s after it should have") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        checked(process.returncode or 0, told.decode("utf-8", "replace"), pid, who)
        return await asyncio.to_thread(output.read_text, "utf-8", "replace")


def checked(status: int, told: str, pid: int, who: str) -> int:
    """Return the number of samples that py-spy has taken. Raises ControlError if there are none."""
    count = samples(told)
    if status == 0 and count:
        return count
    raise refusal(told if status else _NO_SAMPLES, who, scope=_scope(), ended=procfs.has_ended(pid))


def _command(program: str, pid: int, seconds: float, form: ProfileForm, output: Path, *, idle: bool) -> list[str]:
    command = [program, "record", "--pid", str(pid), "--duration", f"{seconds:.0f}", "--output", str(output)]
    return [*command, "--format", FORMATS[form], *(["--idle"] if idle else [])]


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Run a program to its end, which Ctrl-C only hastens; return its status and its output."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # it reaches py-spy too, which then writes what it has
    try:
        with tempfile.TemporaryFile("w+") as heard:
            status = subprocess.run(command, stdout=heard, stderr=heard, check=False).returncode
            heard.seek(0)
            return status, heard.read()
    finally:
        signal.signal(signal.SIGINT, before)


def samples(told: str) -> int:
    """Return the number of samples that py-spy says it has taken (pure)."""
    found = _SAMPLES.search(told)
    return int(found[1]) if found else 0


def refusal(told: str, who: str, *, scope: int, ended: bool) -> ControlError:
    """Return the error for what py-spy told (pure). `scope`: the kernel's yama.ptrace_scope."""
    lower = told.lower()
    if ended:
        return ControlError(f"{who} has ended", hint="its log tells why: pywatt logs")
    if any(words in lower for words in _REFUSED):
        allow = "as root: sudo"
        if scope:
            allow += f", or allow it for your own processes: sudo sysctl kernel.yama.ptrace_scope=0 (it is {scope})"
        hint = f"run this command {allow}; a container needs the capability SYS_PTRACE: docker run --cap-add SYS_PTRACE"
        return ControlError(f"the kernel does not permit to read the stacks of {who} (ptrace)", hint=hint)
    if any(words in lower for words in _NO_PYTHON):
        hint = "profile programs in other languages with their own tools; update py-spy for a new Python"
        return ControlError(f"{who} runs no Python that py-spy knows", hint=hint)
    if _NO_SAMPLES in lower:
        hint = "send it requests meanwhile, or record waiting threads too: --idle"
        return ControlError(f"{who} did nothing in this time", hint=hint)
    found = _ERROR.search(told)
    return ControlError(f"py-spy failed for {who}: {found[1] if found else told.strip() or 'it told no reason'}")


def _scope() -> int:
    try:
        return int(_PTRACE_SCOPE.read_text())
    except (OSError, ValueError):
        return 0
