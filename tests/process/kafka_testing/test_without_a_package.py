"""A broker in memory needs a package, and says so."""

from __future__ import annotations

import subprocess
import sys


def test_a_missing_package_is_named() -> None:
    code = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name == "confluent_kafka" else find(name, *more)
from pywatt_kafka import MissingDependency
from pywatt_kafka.testing import broker
try:
    with broker():
        pass
except MissingDependency as error:
    print(f"{error.message}; {error.hint}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = "the embedded Kafka broker needs the package confluent-kafka; pip install 'pywatt[embedded]'\n"
    assert (done.stdout, done.stderr) == (said, "")
