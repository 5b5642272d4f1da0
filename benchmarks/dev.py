"""Measures the time from a save to the first response of the new code, and failures: `pywatt dev` under load.

python -m benchmarks.dev [--saves N] [--rate N] [--pywatt COMMAND]

A gateway in front of a small FastAPI service. The load comes in equal distances over kept connections; every answer
tells which version of the code gave it. With each save the rest of the app must go on as it is: counted by pid.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks import apps

SAVES = 30
RATE = 200  # requests/s
PAUSE = 0.5  # seconds between two saves, counted from the first answer of the new code
SERVICES = ("gateway", "api", "other")
API = """
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def version():
    return VERSION
"""


@dataclass
class Seen:
    """Results of the clients."""

    answers: int = 0
    failures: list[str] = field(default_factory=list)
    newest: int = -1
    """The highest version that has answered."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, version: int) -> None:
        """Wait until that version has answered."""
        while self.newest < version:
            self.arrived.clear()
            await self.arrived.wait()


def save(folder: Path, version: int) -> None:
    """Write the service's code."""
    (folder / "web/api/app.py").write_text(f"VERSION = {version}\n{API}")


def write_app(folder: Path) -> None:
    """Write a gateway, the service that will change, and one that will not."""
    document = {
        "entrypoint": "gateway",
        "web": [{"id": name, "path": f"web/{name}"} for name in SERVICES],
        "server": {"hostname": "127.0.0.1", "port": "{PORT}"},
    }
    (folder / "watt.json").write_text(json.dumps(document))
    for name in SERVICES:
        (folder / "web" / name).mkdir(parents=True)
    routes = [{"id": name, "proxy": {"prefix": f"/{name}"}} for name in SERVICES[1:]]
    gateway = {"$schema": "https://schemas.platformatic.dev/@platformatic/gateway/3.0.0.json"}
    (folder / "web/gateway/platformatic.json").write_text(json.dumps({**gateway, "gateway": {"applications": routes}}))
    (folder / "web/other/app.py").write_text(f"VERSION = 0\n{API}")
    save(folder, 0)


def workers(pywatt: str, folder: Path) -> Mapping[str, list[int]]:
    """Return the pids of each service's workers."""
    done = subprocess.run([pywatt, "services", "--json"], cwd=folder, capture_output=True, text=True, check=True)
    services = json.loads(done.stdout)
    return {service["id"]: [worker["pid"] for worker in service["workers"]] for service in services}


async def ask(client: httpx.AsyncClient, seen: Seen) -> None:
    """Make one request and note what came."""
    try:
        answer = await client.get("/api/")
    except httpx.HTTPError as error:
        seen.failures.append(repr(error))
        return
    seen.answers += 1
    if answer.status_code != httpx.codes.OK:
        seen.failures.append(f"{answer.status_code} {answer.text[:200]}")
    elif (version := int(answer.text)) > seen.newest:
        seen.newest = version
        seen.arrived.set()


async def load(url: str, rate: int, seen: Seen) -> None:
    """Send requests at a fixed rate, with or without responses, until cancelled."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client, asyncio.TaskGroup() as tasks:
        begun = time.perf_counter()
        number = 0
        while True:
            number += 1
            tasks.create_task(ask(client, seen))
            await asyncio.sleep(begun + number / rate - time.perf_counter())


async def measure(folder: Path, url: str, saves: int, rate: int) -> tuple[list[float], Seen]:
    """Save again and again under load; return the seconds that each save took to answer, and what was seen."""
    seen = Seen()
    seconds: list[float] = []
    loading = asyncio.create_task(load(url, rate, seen))
    try:
        await seen.wait_for(0)
        for version in range(1, saves + 1):
            await asyncio.sleep(PAUSE)
            save(folder, version)
            begun = time.perf_counter()
            await seen.wait_for(version)
            seconds.append(time.perf_counter() - begun)
    finally:
        loading.cancel()
        await asyncio.wait({loading})
    return seconds, seen


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--saves", type=int, default=SAVES)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--pywatt", default=apps.PYWATT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_app(folder)
        with apps.running([options.pywatt, "dev"], folder) as app:
            app.wait_for("/api/")
            before = workers(options.pywatt, folder)
            seconds, seen = asyncio.run(measure(folder, app.url, options.saves, options.rate))
            after = workers(options.pywatt, folder)
            app.stop()
    replaced = [service for service in before if before[service] != after[service]]
    print(
        f"{len(seconds)} saves under {options.rate} requests/s: save to new code answering"
        f" p50 {statistics.median(seconds) * 1000:.0f} ms, longest {max(seconds) * 1000:.0f} ms;"
        f" {seen.answers} answers, {len(seen.failures)} failed; replaced: {', '.join(replaced)}"
    )
    for failure in seen.failures[:5]:
        print(f"  {failure}")


if __name__ == "__main__":
    main()
