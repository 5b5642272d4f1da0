"""A webhook that takes several records in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import anyio

from pywatt_kafka.records import TopicPartition
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.delivering.lanes import Lane
from pywatt_services.kafka_hooks.delivering.webhook import Webhook
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.bundle import BundleOptions, weight
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions


class BundlingWebhook(Webhook):
    """The deliveries of an entry with `batch`: `concurrency` counts requests.

    Records that have to stay in order may travel in one request, in their order. When the target does not take one of
    them, those behind it count as not delivered: they come again, after it.
    """

    def __init__(self, options: WebhookOptions, bundle: BundleOptions, **more: Any) -> None:
        """`more`: as for Webhook."""
        super().__init__(options, **more)
        self._bundle = bundle
        self._missing = 0
        """Records for which a runner waits."""
        self._enough = asyncio.Event()

    def hold(self, partition: TopicPartition) -> None:
        """Start nothing of that partition, but what waits for company, until it is released or dropped."""
        super().hold(partition)
        self._enough.set()

    def stop(self) -> None:
        """Start nothing new but what waits for company."""
        super().stop()
        self._enough.set()

    def _start_runner(self) -> None:
        if not self._missing:
            super()._start_runner()
            return
        self._missing -= 1
        if not self._missing:
            self._enough.set()

    def _run_on(self) -> None:
        self._tasks.start_soon(self._run)  # it takes a lane when it runs: by then the company is there

    def _begin(self, lane: Lane[Delivery]) -> bool:
        return False

    def _fail_at_once(self, lane: Lane[Delivery]) -> bool:
        return False  # all of a request fail together

    async def _work(self, lane: Lane[Delivery]) -> None:
        """Make one request of a lane's records and of others."""
        if lane.head.verdict is not None:
            await super()._work(lane)
            return
        lanes = [lane]
        parts = self._gather(lanes)
        missing = self._bundle.records - sum(map(len, parts))
        if missing > 0 and self._bundle.wait and not self._missing and not self._stopping:
            await self._wait(missing)
            parts = self._gather(lanes)
        together = [delivery for part in parts for delivery in part]
        results = await self._caller.deliver_all(together) if together else ()
        counts = self._judge(results)
        outcome = dict(zip(map(id, together), results, strict=True))
        async with asyncio.TaskGroup() as tasks:
            for each, part in zip(lanes, parts, strict=True):
                tasks.create_task(self._settle(each, [(d, outcome[id(d)]) for d in part], counts=counts))

    async def _wait(self, missing: int) -> None:
        self._missing = missing
        self._enough.clear()
        with anyio.move_on_after(self._bundle.wait):
            await self._enough.wait()
        self._missing = 0

    def _gather(self, lanes: list[Lane[Delivery]]) -> list[list[Delivery]]:
        """Return what of these lanes, and of further ones that are added to them, makes a bundle."""
        parts: list[list[Delivery]] = []
        count = size = 0
        for number in range(self._bundle.records):
            if number == len(lanes):
                lane = self._lanes.take() if count < self._bundle.records and size < self._bundle.size else None
                if lane is None:
                    break
                lanes.append(lane)
            part: list[Delivery] = []
            for delivery in lanes[number].items:
                if count == self._bundle.records or size >= self._bundle.size:
                    break
                if delivery.verdict is not None or delivery.partition.lost:
                    break
                part.append(delivery)
                count += 1
                size += weight(delivery.message)
            parts.append(part)
        return parts

    def _judge(self, results: Sequence[Attempt | None]) -> bool:
        """Tell the breaker what came of a request; return whether failures count as attempts."""
        if None in results:
            self._aftermath.took()
            return True
        first = results[0] if results else None
        return first is None or self._aftermath.counts(first)

    async def _settle(
        self, lane: Lane[Delivery], part: Sequence[tuple[Delivery, Attempt | None]], *, counts: bool
    ) -> None:
        """Do what follows for the records of one lane, in their order."""
        for delivery, attempt in part:
            wait: float | None = None
            if attempt is not None:
                wait = self._aftermath.failed(delivery, attempt, counts=counts)
                if wait is None:
                    wait = await self._aftermath.bury(delivery)
            if delivery.partition.lost:
                break
            if wait is not None:
                self._park(lane, wait)
                return
            self._lanes.advance(lane)
            delivery.finish()
        if lane.items and lane.head.partition.lost:
            self._lanes.advance(lane)  # a dropped lane has kept its head only, and what came after
        self._lanes.rest(lane)
