"""Resets the signal handlers that a forked child of the application must not inherit from its worker."""

from __future__ import annotations

import os
import signal
import threading

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


def forget_signals_in_children() -> None:
    """Give forked children the default handlers in place of the event loop's present ones.

    A child has no loop that would obey: `Process.terminate()` would have no effect on it.
    """
    ours = {number: signal.getsignal(number) for number in _NUMBERS}
    forking = threading.local()

    def hold() -> None:
        # A signal that comes before the child has its own handlers would be lost.
        forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, forking.mask)

    def forget() -> None:
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, signal.SIG_DFL if number is signal.SIGTERM else signal.default_int_handler)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.set_wakeup_fd(-1)  # the loop's, which is shared with the worker
        release()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=forget)
