"""Random failures of every kind on real processes: nothing is left over or runs twice, and every death is seen.

PYWATT_FAULTS: how many rounds; PYWATT_FAULTS_SEED: which ones.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from harness.faulty import ORDERS, SIGNALS, Fault, faults
from harness.processes import marked, wait_for_end

ROUNDS = int(os.environ.get("PYWATT_FAULTS", "50"))
SEED = int(os.environ.get("PYWATT_FAULTS_SEED", "0")) or random.randrange(1, 2**32)
SUPERVISOR_SHARE = 0.08
FORKSERVER_SHARE = 0.12
AT_ONCE = (1, 1, 1, 2, 3)


@pytest.mark.timeout(60 + 5 * ROUNDS)
def test_whatever_fails_the_app_goes_on(tmp_path: Path, marker: str) -> None:
    print(f"\n{ROUNDS} rounds, PYWATT_FAULTS_SEED={SEED}")
    with faults(tmp_path, marker, SEED) as app:
        rng = app.rng
        for _ in range(ROUNDS):
            kind = rng.random()
            if kind < SUPERVISOR_SHARE:
                app.harm_supervisor()
            elif kind < SUPERVISOR_SHARE + FORKSERVER_SHARE:
                app.harm_forkserver()
            else:
                victims = rng.sample(sorted(app.alive), rng.choice(AT_ONCE))
                app.harm([(pid, choose(rng, app.alive[pid])) for pid in victims])
        app.stop()
    assert wait_for_end(marked(marker)) == []
    print(app.report())


def choose(rng: random.Random, service: str) -> Fault:
    # A program in another language does not obey orders.
    possible: list[Fault] = [*SIGNALS]
    if service != "tool":
        possible += ORDERS
    return rng.choice(possible)
