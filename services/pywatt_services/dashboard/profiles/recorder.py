"""Records profiles, a few at once, and keeps the newest ones."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pywatt.channel.messages import Answer
from pywatt.control.error_json import from_json, to_json
from pywatt.errors import ControlError, NotKnown, PywattError
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.profiling.py_spy import find_program, folded_stacks
from pywatt.profiling.target import chosen, python_process
from pywatt_services.dashboard.profiles.tree import folded, tree_of

KINDS = ("cpu", "memory")
COMMAND = "command"
MOST_SECONDS = 600
MOST_AT_ONCE = 3
MOST_KEPT = 20

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]
logger = pywatt_logger("pywatt.dashboard")


@dataclass(slots=True, kw_only=True)
class Profile:
    """One recording."""

    id: str
    service: str
    kind: str
    seconds: int
    worker: int
    started: float
    """Seconds since 1970."""
    tree: Mapping[str, Any] | None = None
    """None: it is still being recorded, or has failed."""
    error: Mapping[str, Any] | None = None

    def to_json(self, *, whole: bool = False) -> dict[str, Any]:
        """Return it for the HTTP API; `whole`: with its tree."""
        row = {
            "id": self.id,
            "service": self.service,
            "kind": self.kind,
            "seconds": self.seconds,
            "worker": self.worker,
            "started": self.started,
            "state": "failed" if self.error else "done" if self.tree else "recording",
            "error": self.error,
        }
        return {**row, "tree": self.tree} if whole else row


class ProfileRecorder:
    """The profiles of one dashboard."""

    def __init__(self, ask: Ask, tasks: asyncio.TaskGroup) -> None:
        """`tasks` owns the recordings."""
        self._ask = ask
        self._tasks = tasks
        self._profiles: OrderedDict[str, Profile] = OrderedDict()
        self._running: set[asyncio.Task[None]] = set()
        self._count = 0

    def list(self) -> list[dict[str, Any]]:
        """Return the rows of all, the newest first."""
        return [profile.to_json() for profile in reversed(self._profiles.values())]

    def get(self, profile: str) -> Profile:
        """Return one. Raises NotKnown."""
        found = self._profiles.get(profile)
        if found is None:
            raise NotKnown(f"there is no profile {profile}", hint="newer ones have taken its place")
        return found

    async def start(self, service: object, kind: object, seconds: object, worker: object = None) -> Profile:
        """Begin a recording. Raises PywattError."""
        if kind not in KINDS:
            raise ControlError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
        if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= MOST_SECONDS:
            raise ControlError(f"seconds is a whole number from 1 to {MOST_SECONDS}, not {seconds!r}")
        if worker is not None and (isinstance(worker, bool) or not isinstance(worker, int)):
            raise ControlError(f"worker is a number, not {worker!r}")
        if len(self._running) >= MOST_AT_ONCE:
            raise ControlError(f"{MOST_AT_ONCE} profiles are being recorded", hint="wait for one of them")
        answer = await self._ask("services", {"usage": False})
        if answer.error is not None:
            raise from_json(answer.error)
        row = next((each for each in answer.result["services"] if each["id"] == service), None)
        if row is None:
            raise NotKnown(f"the app has no service {service!r}")
        if row["type"] == COMMAND and kind == "memory":
            hint = "record it with the tools of its language"
            raise ControlError(f'the service "{service}" runs a program of its own', hint=hint)
        program = find_program() if kind == "cpu" else ""
        chosen_worker = chosen(row, worker)
        self._count += 1
        profile = Profile(
            id=str(self._count),
            service=row["id"],
            kind=str(kind),
            seconds=seconds,
            worker=chosen_worker["slot"],
            started=time.time(),
        )
        self._profiles[profile.id] = profile
        while len(self._profiles) > MOST_KEPT:
            self._profiles.popitem(last=False)
        pid = python_process(chosen_worker["pid"], below=row["type"] == COMMAND)
        running = self._tasks.create_task(self._record(profile, program, pid))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return profile

    def end(self) -> None:
        """Break off all recordings."""
        for task in self._running:
            task.cancel()

    async def _record(self, profile: Profile, program: str, pid: int) -> None:
        try:
            if profile.kind == "cpu":
                who = f"worker {profile.worker} of {profile.service} (pid {pid})"
                text = await folded_stacks(program, pid, who, profile.seconds)
                profile.tree = await asyncio.to_thread(lambda: tree_of(folded(text)))
                return
            arguments = {"service": profile.service, "seconds": profile.seconds, "worker": profile.worker}
            answer = await self._ask("profile", arguments)
            if answer.error is not None:
                profile.error = answer.error
                return
            profile.tree = await asyncio.to_thread(tree_of, answer.result["stacks"])
        except PywattError as error:
            profile.error = to_json(error)
        except Exception as error:
            logger.exception("a profile of %s cannot be recorded", profile.service)
            profile.error = to_json(ControlError(f"it cannot be recorded: {type(error).__name__}"))
