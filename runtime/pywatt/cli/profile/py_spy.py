"""Records the stacks of a running process by py-spy, which needs no change of the program."""

from __future__ import annotations

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
from pywatt.cli.profile.output_file import ProfileForm
from pywatt.errors import ControlError, MissingExtra

PROGRAM, EXTRA = "py-spy", "profile"
FORMATS = {ProfileForm.FLAME_GRAPH: "flamegraph", ProfileForm.SPEEDSCOPE: "speedscope", ProfileForm.FOLDED: "raw"}
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
    command = [program, "record", "--pid", str(pid), "--duration", f"{seconds:.0f}", "--output", str(part)]
    command += ["--format", FORMATS[form], *(["--idle"] if idle else [])]
    try:
        status, told = _run(command)
        count = samples(told)
        if status == 0 and count:
            part.replace(output)
            return count
    finally:
        part.unlink(missing_ok=True)
    if status == -signal.SIGINT:
        raise KeyboardInterrupt  # it had not begun
    if status == 0:
        told = _NO_SAMPLES
    raise refusal(told, who, scope=_scope(), ended=procfs.has_ended(pid))


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
