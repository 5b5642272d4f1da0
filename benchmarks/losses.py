"""Records that are never delivered when the whole app is killed in the middle of 5,000 and started again.

python -m benchmarks.losses [--records N] [--kills N] [--signal KILL|TERM]

The webhooks are taken by this script, which lives on. A killed app is started again as soon as that is of use.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import topic
from benchmarks.apps import App, AppError
from benchmarks.contestants import Contestant, contestants
from pywatt_kafka.brokers.apache import RealBroker

RECORDS = 5000
QUIET = 10.0  # seconds without a webhook after which the rest counts as lost
LONGEST = 120.0  # seconds for all of it
POLL = 0.01  # seconds
GRACE = 15.0  # seconds for a stop


class Target:
    """Takes webhooks and counts their bodies."""

    def __init__(self) -> None:
        self.bodies: Counter[bytes] = Counter()
        self.last = time.perf_counter()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
                self.bodies[await reader.readexactly(length)] += 1
                self.last = time.perf_counter()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@contextmanager
def taking() -> Iterator[Target]:
    """Take webhooks in a thread of its own."""
    target = Target()
    listener = socket.create_server(("127.0.0.1", 0))
    target.url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with await asyncio.start_server(target.serve, sock=listener):
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    try:
        yield target
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(GRACE)


def wait_until(target: Target, number: int, app: App) -> bool:
    """Wait for that many different webhooks; return whether they came before it was quiet for too long."""
    begun = target.last = time.perf_counter()
    while len(target.bodies) < number:
        now = time.perf_counter()
        if now - target.last > QUIET or now - begun > LONGEST:
            return False
        app.check()
        time.sleep(POLL)
    return True


def end(app: App, number: signal.Signals) -> None:
    """Send the signal to all processes of the app (a stop: to the first one), and wait until they are gone."""
    pids = app.tree() if number is signal.SIGKILL else [app.process.pid]
    for pid in pids:
        os.kill(pid, number)
    app.process.wait(GRACE)


def measure(contestant: Contestant, broker: str, records: int, number: signal.Signals) -> tuple[int, int]:
    """Return how many records were lost, and how many came more than once."""
    name = asyncio.run(topic.create(broker))
    topic.fill(broker, name, records)
    with taking() as target:
        with contestant.running(broker, name, hook=target.url) as app:
            wait_until(target, records // 2, app)
            end(app, number)
        time.sleep(contestant.restart_pause)
        try:
            with contestant.running(broker, name, hook=target.url) as app:
                wait_until(target, records, app)
        except AppError as error:
            print(f"{contestant.name:10} did not start again: {str(error).splitlines()[0]}")
        return records - len(target.bodies), sum(count - 1 for count in target.bodies.values())


def compare(broker: str, records: int, kills: int, number: signal.Signals) -> None:
    """Measure everybody and print it."""
    for contestant in contestants():
        for _ in range(kills):
            lost, twice = measure(contestant, broker, records, number)
            print(
                f"{contestant.name:10} {number.name} in the middle of {records}: {lost} lost, {twice} delivered again"
            )


def main() -> None:
    """Measure pywatt and, when ORIGINAL_APP is set, the original."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--signal", choices=("KILL", "TERM"), default="KILL")
    options = parser.parse_args()
    with RealBroker() as kafka:
        compare(kafka.address, options.records, options.kills, signal.Signals[f"SIG{options.signal}"])


if __name__ == "__main__":
    main()
