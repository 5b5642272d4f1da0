"""The log reaches a page in few events, with a bounded number of lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from pywatt.control.log_stream import LogLine
from pywatt_services.dashboard.log_batches import BATCH_LINES, FLOOD_BATCHES, FLOOD_LINES, log_batches


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def source(clock: Clock, items: Iterable[int | float | str | None]) -> AsyncIterator[LogLine | None]:
    """Yield a line for each int or text, wait for each float."""
    for item in items:
        if isinstance(item, float):
            clock.now += item
        elif item is None:
            yield None
        else:
            yield LogLine(json.dumps({"msg": item}).encode(), f"1-{item}")


async def events(items: Iterable[int | float | str | None], first: int = BATCH_LINES) -> list[tuple[str, Any]]:
    clock = Clock()
    found = []
    async for block in log_batches(source(clock, items), clock, first=first):
        lines = block.decode().strip().split("\n")
        if lines[0] == "event: logs":
            found.append((lines[1].removeprefix("id: "), json.loads(lines[2].removeprefix("data: "))))
        elif lines[0].startswith(":"):
            found.append(("comment", None))
    return found


async def test_lines_are_batched_by_time() -> None:
    found = await events([1, 2, None, 3, 0.3, 4, 5])
    assert [(place, [record["msg"] for record in batch["records"]]) for place, batch in found] == [
        ("1-2", [1, 2]),
        ("1-4", [3, 4]),
        ("1-5", [5]),
    ]


async def test_a_flood_is_cut_to_the_newest_lines() -> None:
    found = await events([*range(5000), None, *range(5000, 15000), None], first=2000)
    assert [(batch["skipped"], batch["count"], len(batch["records"])) for _, batch in found] == [
        (3000, 400, 400),
        *[(0, 400, 400)] * 4,
        (10000 - BATCH_LINES, 400, 400),
    ]
    assert [batch["records"][0]["msg"] for _, batch in found[:5]] == [3000, 3400, 3800, 4200, 4600]
    place, last = found[-1]
    assert last["records"][-1]["msg"] == 14999
    assert place == "1-14999"


async def test_a_lasting_flood_is_cut_further() -> None:
    found = await events([*([*range(1000), 0.3] * 12), None, None, 0.3, *range(300), None])
    counts = [(batch["count"], batch["skipped"]) for _, batch in found]
    assert counts[0] == (BATCH_LINES, 601)  # the line that shows that it is due
    assert counts[FLOOD_BATCHES + 2] == (FLOOD_LINES, 900)
    assert counts[-1] == (299, 0)
    assert sum(map(sum, counts)) == 12 * 1000 + 300


async def test_silence_is_kept_alive() -> None:
    assert await events([None, 16.0, None, 16.0, None]) == [("comment", None), ("comment", None)]


async def test_the_token_of_a_dashboard_is_hidden() -> None:
    ((_, batch),) = await events(["the dashboard is at http://127.0.0.1:1/#token=aB3-_x"])
    assert batch["records"][0]["msg"] == "the dashboard is at http://127.0.0.1:1/#token=[hidden]"
