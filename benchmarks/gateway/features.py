"""Features of the gateway, each switched on alone: its keys, and what a request that meets it looks like."""

from __future__ import annotations

import base64
import hashlib
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt

from benchmarks import apps
from benchmarks.gateway.contestants import PREFIX, app_folder
from benchmarks.load import requests
from benchmarks.turns import Runner
from pywatt import procfs

CONNECTIONS = 32
OFF = "none"


SECRET = "a secret of at least 32 bytes, as it should be"
TOKEN = jwt.encode({"sub": "ann", "exp": 4_000_000_000}, SECRET, "HS256")
HASH = f"scrypt:16384:8:1$salt${hashlib.scrypt(b'secret', salt=b'salt', n=16384, r=8, p=1).hex()}"
ANN = base64.b64encode(b"ann:secret").decode()


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Keys that switch a feature on."""

    name: str
    proxy: Mapping[str, Any] = field(default_factory=dict)
    gateway: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, Any] = field(default_factory=dict)
    root: Mapping[str, Any] = field(default_factory=dict)
    headers: Sequence[str] = ()
    """Of each request, as `name: value`."""
    path: str = "/hello"


FEATURES: tuple[Feature, ...] = (
    Feature(name=OFF),
    Feature(name="headers", proxy={"headers": {"request": {"set": {"X-Client": "{client.ip}"}, "remove": ["Cookie"]}}}),
    Feature(name="security headers", proxy={"securityHeaders": True}),
    Feature(name="cors", proxy={"cors": {"origin": "https://a.example"}}, headers=("Origin: https://a.example",)),
    Feature(name="ip access", proxy={"ipAccess": {"allow": ["127.0.0.0/8", "2001:db8::/32"]}}),
    Feature(name="rate limit", proxy={"rateLimit": {"max": 100_000_000}}),
    Feature(name="body limit", proxy={"bodyLimit": 1000}),
    Feature(name="concurrency", proxy={"concurrency": {"max": 1000}}),
    Feature(name="api key", proxy={"auth": {"apiKeys": ["key"]}}, headers=("x-api-key: key",)),
    Feature(name="token", proxy={"auth": {"jwt": {"secret": SECRET}}}, headers=(f"Authorization: Bearer {TOKEN}",)),
    Feature(
        name="password", proxy={"auth": {"basic": {"users": {"ann": HASH}}}}, headers=(f"Authorization: Basic {ANN}",)
    ),
    Feature(name="metrics", root={"metrics": {"port": 0, "hostname": "127.0.0.1"}}),
)


def compare(folder: Path, names: Sequence[str], rounds: int, seconds: int) -> None:
    """Measure the features in turns, and print the processor time per request of each."""
    chosen = [feature for feature in FEATURES if not names or feature.name in names or feature.name == OFF]
    with ExitStack() as stack:
        runners: dict[str, Runner] = {}
        for feature in chosen:
            path = app_folder(
                folder / feature.name.replace(" ", "-"),
                proxy=feature.proxy,
                gateway=feature.gateway,
                server=feature.server,
                root={"metrics": False, **feature.root},
            )
            app = stack.enter_context(apps.running([apps.PYWATT, "start"], path))
            app.wait_for(PREFIX + "/count")
            runners[feature.name] = Runner(app=app, count=lambda: 1)
            stack.callback(runners[feature.name].go_on)
            runners[feature.name].stop()
        costs: dict[str, list[float]] = {feature.name: [] for feature in chosen}
        for turn in range(rounds + 1):
            for feature in chosen if turn % 2 else reversed(chosen):
                cost = _turn(runners[feature.name], feature, seconds)
                if turn:  # the first warms up
                    costs[feature.name].append(cost)
    print(f"\nfeatures: processor time of the whole app per request, {CONNECTIONS} connections, {rounds} turns")
    for name, values in costs.items():
        ratios = [value / none for value, none in zip(values, costs[OFF], strict=True)]
        print(f"{name:20} {statistics.median(values):7.1f} us   {statistics.median(ratios):5.2f}x of none")


def _turn(runner: Runner, feature: Feature, seconds: int) -> float:
    """Return the microseconds per request of one turn."""
    runner.go_on()
    app = runner.app
    before = procfs.cpu_seconds(app.tree())
    load = requests(app.url + PREFIX + feature.path, connections=CONNECTIONS, seconds=seconds, headers=feature.headers)
    used = procfs.cpu_seconds(app.tree()) - before
    runner.stop()
    app.check()
    if load.failed:
        raise apps.AppError(f"{feature.name}: {load.failed} requests failed")
    return used * 1e6 / (load.rate * seconds)
