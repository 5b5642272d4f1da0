"""Profiles become trees of bounded size; few are recorded at once, and faults are told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.channel.messages import Answer
from pywatt.errors import ControlError, NotKnown
from pywatt_services.dashboard.profiles.recorder import MOST_AT_ONCE, MOST_KEPT, ProfileRecorder
from pywatt_services.dashboard.profiles.tree import DEEPEST, MOST_NODES, folded, tree_of

WORKER = {"slot": 0, "pid": 1, "state": "ready"}
ROWS = [{"id": "api", "type": "python", "workers": [WORKER]}, {"id": "go", "type": "command", "workers": [WORKER]}]


def test_stacks_become_a_tree() -> None:
    tree = tree_of(folded("main;serve;read 3\nmain;serve 2\nmain;wait 7\nno number\n"))
    serve = {"name": "serve", "weight": 5, "callees": [{"name": "read", "weight": 3, "callees": []}]}
    main = {"name": "main", "weight": 12, "callees": [{"name": "wait", "weight": 7, "callees": []}, serve]}
    assert tree == {"name": "all", "weight": 12, "callees": [main]}


def size(tree: Mapping[str, Any]) -> int:
    return 1 + sum(map(size, tree["callees"]))


def test_a_tree_is_bounded() -> None:
    assert size(tree_of((["main", f"function {number}"], number) for number in range(3 * MOST_NODES))) <= MOST_NODES
    deep = tree_of([(["f"] * 10_000, 1)])
    assert size(deep) == DEEPEST + 2


@given(st.lists(st.tuples(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), st.integers(1, 9)), max_size=20))
def test_weights_add_up(stacks: list[tuple[list[str], int]]) -> None:
    tree = tree_of(stacks)
    assert tree["weight"] == sum(weight for _, weight in stacks)
    assert sum(each["weight"] for each in tree["callees"]) == tree["weight"]


class App:
    """Answers as the supervisor does; recordings end when `done` is set."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.answer = Answer(0, {"stacks": [[["main"], 5]]})

    async def ask(self, command: str, _arguments: Mapping[str, Any]) -> Answer:
        if command == "services":
            return Answer(0, {"services": ROWS})
        await self.done.wait()
        return self.answer


async def test_memory_is_recorded_and_its_tree_is_kept() -> None:
    app = App()
    async with asyncio.TaskGroup() as tasks:
        recorder = ProfileRecorder(app.ask, tasks)
        profile = await recorder.start("api", "memory", 1)
        assert recorder.list()[0]["state"] == "recording"
        app.done.set()
    assert recorder.get(profile.id).to_json(whole=True)["tree"]["weight"] == 5
    assert recorder.list()[0]["state"] == "done"


async def test_a_failure_is_told() -> None:
    app = App()
    app.done.set()
    app.answer = Answer(0, error={"kind": "control", "message": "it has ended"})
    async with asyncio.TaskGroup() as tasks:
        recorder = ProfileRecorder(app.ask, tasks)
        await recorder.start("api", "memory", 1)
    row = recorder.list()[0]
    assert (row["state"], row["error"]["message"]) == ("failed", "it has ended")


async def test_few_at_once_and_few_are_kept() -> None:
    app = App()
    async with asyncio.TaskGroup() as tasks:
        recorder = ProfileRecorder(app.ask, tasks)
        for _ in range(MOST_AT_ONCE):
            await recorder.start("api", "memory", 1)
        with pytest.raises(ControlError, match="are being recorded"):
            await recorder.start("api", "memory", 1)
        recorder.end()
    app.done.set()
    for _ in range(MOST_KEPT):
        async with asyncio.TaskGroup() as tasks:
            recorder._tasks = tasks
            await recorder.start("api", "memory", 1)
    assert len(recorder.list()) == MOST_KEPT
    with pytest.raises(NotKnown):
        recorder.get("1")


@pytest.mark.parametrize(
    ("service", "kind", "seconds", "worker"),
    [
        ("api", "heap", 1, None),
        ("api", "cpu", 0, None),
        ("api", "cpu", True, None),
        ("api", "cpu", 10**9, None),
        ("api", "cpu", "1", None),
        ("api", "memory", 1, 7),
        ("api", "memory", 1, "0"),
        (["api"], "memory", 1, None),
        ("other", "memory", 1, None),
        ("go", "memory", 1, None),
    ],
)
async def test_what_makes_no_sense_is_refused(service: object, kind: object, seconds: object, worker: object) -> None:
    async with asyncio.TaskGroup() as tasks:
        with pytest.raises(ControlError):
            await ProfileRecorder(App().ask, tasks).start(service, kind, seconds, worker)
