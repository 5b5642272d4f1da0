"""The contestants of the Kafka benchmarks: pywatt and, when ORIGINAL_APP is set, the original with the same app."""

from __future__ import annotations

import platform
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import apps

APP = apps.ROOT / "benchmarks/app"
IN_APP = "http://api.plt.local/hook"
"""Target of webhooks unless the benchmark is the target itself."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One program with its version of the app: see `benchmarks/app`."""

    name: str
    command: list[str]
    folder: Path
    restart_pause: float = 0.0
    """Seconds after a kill before it is of use to start it again."""

    @contextmanager
    def running(self, broker: str, topic: str, *, hook: str = IN_APP, level: str = "warn") -> Iterator[apps.App]:
        """Run the app for a topic, from the moment that it answers."""
        env: Mapping[str, str] = {"KAFKA_BROKERS": broker, "TOPIC": topic, "HOOK_URL": hook, "LEVEL": level}
        with apps.running(self.command, self.folder, env) as app:
            app.wait_for("/api/count")
            yield app


def contestants() -> list[Contestant]:
    """Return all that can be measured here."""
    found = [Contestant(name="pywatt", command=[apps.PYWATT, "start", "-c", "watt.kafka.json"], folder=APP)]
    if apps.ORIGINAL:
        # Its dead member holds the group for its session timeout; a start before that gives up after two minutes.
        found.append(
            Contestant(
                name="original",
                command=apps.original_command(apps.ORIGINAL),
                folder=Path(apps.ORIGINAL),
                restart_pause=20.0,
            )
        )
    return found


def print_python() -> None:
    """Print which Python runs pywatt, and how it was configured: one without these options is a good deal slower."""
    configured = str(sysconfig.get_config_var("CONFIG_ARGS"))
    found = [option for option in ("--enable-optimizations", "--with-lto") if option in configured]
    print(f"Python {platform.python_version()}, configured with", *found or ["neither optimizations nor LTO"])


def print_ratio(what: str, figures: Mapping[str, float], *, less_is_better: bool = False) -> None:
    """Print how pywatt compares with the original, if both were measured."""
    ours, theirs = figures.get("pywatt"), figures.get("original")
    if ours and theirs:
        print(f"{'':10} pywatt / original: {theirs / ours if less_is_better else ours / theirs:.1f} x {what}")
