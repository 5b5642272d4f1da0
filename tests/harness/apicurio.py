"""Apicurio Registry, a real schema registry with Confluent's API: fetched from Maven once, in memory, on loopback."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
import zipfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from pywatt_kafka.brokers import parent_watchdog
from pywatt_kafka.brokers.jars import cache_folder
from pywatt_kafka.brokers.java import find_java
from pywatt_kafka.brokers.maven import repository_url
from pywatt_kafka.errors import MissingDependency

RELEASE = "2.6.13.Final"  # the last one that runs on Java 17 and is published as a program
GROUP, ARTIFACT = "io.apicurio", "apicurio-registry-app"
ARCHIVE = f"{ARTIFACT}-{RELEASE}-all.zip"
SHA256 = "d88014c1addff1fc585e1e9510fc41276473726340f4e0997353b46342d3532b"
PROGRAM = f"{ARTIFACT}-{RELEASE}-runner.jar"
API = "/apis/ccompat/v7"
LISTENING = re.compile(r"Listening on: (http://\S+)")
FETCH_LIMIT = 300.0  # seconds
START_LIMIT = 120.0  # seconds
JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


@contextmanager
def apicurio() -> Iterator[str]:
    """Run a registry; give its URL. Skips the test if neither the program nor Java can be had."""
    try:
        java = find_java(os.environ)
        folder = _program_folder(os.environ)
    except MissingDependency as error:
        pytest.skip(f"no real schema registry: {error.message} ({error.hint}; or PYWATT_SCHEMA_REGISTRY names one)")
    command = [
        str(java),
        *JVM_OPTIONS,
        "-Dquarkus.http.host=127.0.0.1",
        "-Dquarkus.http.port=0",
        "-jar",
        PROGRAM,
    ]
    wrapper = [sys.executable, "-I", "-S", parent_watchdog.__file__, str(os.getpid()), *command]
    said: deque[str] = deque(maxlen=20)
    urls: Queue[str | None] = Queue()
    with subprocess.Popen(
        wrapper, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:

        def pump() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if found := LISTENING.search(line):
                    urls.put(found[1])
            urls.put(None)

        reader = threading.Thread(target=pump, name="apicurio-log", daemon=True)
        reader.start()
        try:
            url = urls.get(timeout=START_LIMIT)
            assert url is not None, "".join(said)
            yield f"{url}{API}"
        finally:
            process.kill()
            reader.join()


def _program_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the unpacked program, fetching it if it is not there. Raises MissingDependency."""
    folder = cache_folder(environ) / f"{ARTIFACT}-{RELEASE}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():  # not by another process, meanwhile
            part = folder.with_name(f"{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)  # what a killed process left
            part.mkdir()
            archive = _fetch(environ, part)
            with archive.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
            assert found == SHA256, f"{archive.name} is not the pinned file: its SHA-256 is {found}"
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(part)
            archive.unlink()
            part.rename(folder)
    return folder


def _fetch(environ: Mapping[str, str], folder: Path) -> Path:
    """Fetch the archive as Kafka's jars are fetched."""
    archive = folder / ARCHIVE
    if url := repository_url(environ, Path.home() / ".m2" / "settings.xml"):
        address = f"{url.rstrip('/')}/{GROUP.replace('.', '/')}/{ARTIFACT}/{RELEASE}/{ARCHIVE}"
        try:
            with urllib.request.urlopen(address, timeout=FETCH_LIMIT) as response, archive.open("wb") as file:
                shutil.copyfileobj(response, file)
        except OSError as error:
            raise MissingDependency(
                f"{address}: {error}", hint="PYWATT_MAVEN_URL must name a Maven repository"
            ) from error
        return archive
    maven = shutil.which("mvn", path=environ.get("PATH"))
    if maven is None:
        raise MissingDependency("there is no way to fetch it", hint="install Maven, or set PYWATT_MAVEN_URL")
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    wanted = f"-Dartifact={GROUP}:{ARTIFACT}:{RELEASE}:zip:all"
    done = subprocess.run(
        [maven, "-B", "-q", copy, wanted, f"-DoutputDirectory={folder}"],
        capture_output=True, text=True, timeout=FETCH_LIMIT, check=False, cwd=folder,
    )  # fmt: skip
    if done.returncode:
        said = next((line for line in done.stdout.splitlines() if "[ERROR]" in line), done.stdout[-200:])
        raise MissingDependency(
            f"Maven cannot fetch {ARCHIVE}: {said}", hint="run it once with a network, or set PYWATT_MAVEN_URL"
        )
    return archive
