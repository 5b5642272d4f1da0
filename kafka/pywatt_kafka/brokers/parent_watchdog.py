"""Run as a program: replaces itself with a command that the kernel kills when its parent ends, even by SIGKILL.

    python parent_watchdog.py PARENT_PID PROGRAM [ARGUMENT ...]

A separate program, because Python code between fork and exec is not safe in a process with threads.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent: int, command: list[str]) -> None:
    """Ask the kernel to kill this process with its parent, and execute the command."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)  # the parent ended before it was watched
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
