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
LARGE = "large"
BASIC = "Basic " + base64.b64encode(b"ann:secret").decode()
SECRET = "a secret of the benchmark, of 32 bytes or more"
TOKEN = jwt.encode({"sub": "ann", "exp": 4_000_000_000}, SECRET, "HS256")
HASH = f"scrypt:16384:8:1$salt${hashlib.scrypt(b'secret', salt=b'salt', n=16384, r=8, p=1).hex()}"


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
    base: str = OFF
    """The feature to compare with."""


FEATURES: tuple[Feature, ...] = (
    Feature(name=OFF),
    Feature(name="metrics", root={"metrics": {"port": 0, "hostname": "127.0.0.1"}}),
    Feature(name="accessLog", server={"accessLog": {"file": "access.log"}}),
    Feature(name="headers", proxy={"headers": {"request": {"set": {"x-by": "us"}}, "response": {"remove": ["x"]}}}),
    Feature(name="securityHeaders", proxy={"securityHeaders": True}),
    Feature(name="cors", proxy={"cors": True}, headers=["Origin: https://app.example"]),
    Feature(name="ipAccess", proxy={"ipAccess": {"allow": ["127.0.0.0/8", "10.0.0.0/8"]}}),
    Feature(name="rateLimit", proxy={"rateLimit": {"max": 100_000_000}}),
    Feature(name="bodyLimit", proxy={"bodyLimit": 1024}),
    Feature(name="concurrency", proxy={"concurrency": {"max": 1000}}),
    Feature(name="basic", proxy={"auth": {"basic": {"users": {"ann": HASH}}}}, headers=[f"Authorization: {BASIC}"]),
    Feature(name="apiKeys", proxy={"auth": {"apiKeys": ["a-key"]}}, headers=["x-api-key: a-key"]),
    Feature(name="jwt", proxy={"auth": {"jwt": {"secret": SECRET}}}, headers=[f"Authorization: Bearer {TOKEN}"]),
    Feature(name="timeouts", proxy={"timeouts": {"response": 5000}}),
    Feature(name="retries", proxy={"retries": True}),
    Feature(name="breaker", proxy={"breaker": True}),
    Feature(name="deduplication", proxy={"deduplication": True}),
    Feature(name=LARGE, path="/large"),
    Feature(
        name="compression",
        proxy={"compression": True},
        headers=["Accept-Encoding: gzip"],
        path="/large",
        base=LARGE,
    ),
)
BASES = {feature.base for feature in FEATURES}


def compare(folder: Path, names: Sequence[str], rounds: int, seconds: int) -> None:
    """Measure the features in turns, and print the processor time per request of each."""
    chosen = [feature for feature in FEATURES if not names or feature.name in names or feature.name in BASES]
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
            app.wait_for(PREFIX + feature.path, dict(header.split(": ", 1) for header in feature.headers))
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
    for feature in chosen:
        values, others = costs[feature.name], costs.get(feature.base, costs[OFF])
        ratios = [value / other for value, other in zip(values, others, strict=True)]
        compared = f"{statistics.median(ratios):5.2f}x of {feature.base}"
        print(f"{feature.name:20} {statistics.median(values):7.1f} us   {compared}")


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
