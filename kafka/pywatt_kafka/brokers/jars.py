"""Apache Kafka's jars: pinned by SHA-256, fetched once, kept in the cache folder, one folder for each version.

A folder is complete when a marker in it, written last, records size and time of each pinned jar as they are. Otherwise
each jar's SHA-256 is computed, and those that are missing or broken are fetched again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path, PurePosixPath

from pywatt_kafka.brokers.maven import Jar, find_repository
from pywatt_kafka.errors import BrokerFailed, KafkaError, MissingDependency

DEFAULT_VERSION = "3.9"
MARKER = "complete.json"
"""The file in a folder of jars that is written last."""
PART = "part"
"""The folder in a folder of jars that holds what is being fetched."""


def versions() -> tuple[str, ...]:
    """Return the Kafka versions that can be had, each as major and minor number."""
    return tuple(_minor(release) for release in _releases())


def release_of(version: str) -> str:
    """Return the pinned release of a version: 3.9.1 for 3.9 or 3.9.1. Raises KafkaError for one that is not pinned."""
    for release in _releases():
        if version in (release, _minor(release)):
            return release
    raise KafkaError(f"Kafka {version} is not among the versions {', '.join(_releases())}")


def _releases() -> tuple[str, ...]:
    listings = files("pywatt_kafka.brokers").joinpath("jars").iterdir()
    return tuple(sorted(entry.name.removesuffix(".sha256") for entry in listings if entry.name.endswith(".sha256")))


def _minor(release: str) -> str:
    return release.rpartition(".")[0]


def pinned(version: str) -> tuple[Jar, ...]:
    """Return the jars of a Kafka version. Raises KafkaError for one that is not pinned."""
    listing = files("pywatt_kafka.brokers").joinpath("jars", f"{release_of(version)}.sha256").read_text("utf-8")
    pairs = (line.split() for line in listing.splitlines())
    return tuple(Jar(PurePosixPath(path), digest) for digest, path in pairs)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return pywatt's folder in the user's cache (XDG Base Directory). Raises MissingDependency without a home."""
    cache = environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if Path(cache).is_absolute() else _home() / ".cache") / "pywatt"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # the user has no entry in /etc/passwd, as in many containers
        raise MissingDependency(
            "this user has no home folder to keep Kafka's jars in",
            hint="set HOME or XDG_CACHE_HOME to a folder that it may write to",
        ) from error


def kafka_jars(
    version: str,
    environ: Mapping[str, str],
    *,
    home: Path | None = None,
    on_fetch: Callable[[Sequence[Jar], Path], None] | None = None,
) -> Path:
    """Return the folder that holds the jars of a Kafka version, fetching those that are missing or broken.

    `on_fetch` is called before fetching, with the jars and the folder. Raises MissingDependency when there is no way to
    fetch them, BrokerFailed when fetching fails. Safe to call concurrently, also from different processes.
    """
    jars = pinned(version)
    folder = cache_folder(environ) / f"kafka-{release_of(version)}"
    if _is_marked_complete(folder, jars):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f"{folder.name}.lock")):
            _complete(folder, jars, environ, home, on_fetch)
    except OSError as error:
        if _broken(folder, jars):  # else: a cache that is complete but read-only
            raise BrokerFailed(
                f"cannot keep Kafka's jars in {folder}: {error.strerror or error}",
                hint="set XDG_CACHE_HOME to a folder with about 45 MB to write to",
            ) from error
    return folder


def _complete(
    folder: Path,
    jars: Sequence[Jar],
    environ: Mapping[str, str],
    home: Path | None,
    on_fetch: Callable[[Sequence[Jar], Path], None] | None,
) -> None:
    """Make a folder hold exactly these jars, and mark it. Raises MissingDependency, BrokerFailed and OSError."""
    if _is_marked_complete(folder, jars):  # by another process, meanwhile
        return
    Path(folder, MARKER).unlink(missing_ok=True)
    if broken := _broken(folder, jars):
        fetch = find_repository(environ, home or _home())
        if on_fetch is not None:
            on_fetch(broken, folder)
        part = folder / PART
        shutil.rmtree(part, ignore_errors=True)  # what a killed process left
        part.mkdir()
        try:
            fetch(broken, part)
            for jar in broken:
                _verify(jar, part)
                # replaced, not written to: a running broker keeps the file that it has opened
                Path(part, jar.name).replace(folder / jar.name)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    names = {jar.name for jar in jars}
    for other in folder.glob("*.jar"):  # all of them would be on Java's class path
        if other.name not in names:
            other.unlink()
    unfinished = folder / f"{MARKER}.{os.getpid()}"
    unfinished.write_text(json.dumps(_facts(folder, jars)), "utf-8")
    unfinished.replace(folder / MARKER)


def _is_marked_complete(folder: Path, jars: Sequence[Jar]) -> bool:
    """Return whether the marker describes the files of a folder as they are."""
    try:
        noted = json.loads(Path(folder, MARKER).read_bytes())
        return bool(noted == _facts(folder, jars))
    except (OSError, ValueError):
        return False


def _facts(folder: Path, jars: Sequence[Jar]) -> Mapping[str, object]:
    """Return what the marker has to say. Raises OSError when a jar is missing."""
    facts: dict[str, object] = {entry.name: None for entry in folder.glob("*.jar")}
    for jar in jars:
        status = Path(folder, jar.name).stat()
        facts[jar.name] = [jar.sha256, status.st_size, status.st_mtime_ns]
    return facts


def _broken(folder: Path, jars: Sequence[Jar]) -> list[Jar]:
    """Return the jars that are not in a folder, or not as they are pinned."""
    return [jar for jar in jars if _digest(folder / jar.name) != jar.sha256]


def _digest(file: Path) -> str | None:
    with contextlib.suppress(OSError), file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
    return None


def _verify(jar: Jar, folder: Path) -> None:
    digest = _digest(folder / jar.name)
    if digest is None:
        raise BrokerFailed(f"{jar.name} was not among the fetched jars")
    if digest != jar.sha256:
        raise BrokerFailed(
            f"{jar.path} is not the file that is pinned: its SHA-256 is {digest}, not {jar.sha256}",
            hint=f"check the Maven repository; Maven's own copy is ~/.m2/repository/{jar.path}",
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
