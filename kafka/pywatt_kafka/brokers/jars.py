"""Apache Kafka's jars: pinned by SHA-256, fetched once, kept in the cache folder.

Sources, in this order: the Maven repository named by `PYWATT_MAVEN_URL`; the mirror of Maven Central in
`~/.m2/settings.xml`; Maven itself, if `mvn` is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath

from pywatt_kafka.errors import BrokerFailed, KafkaError, MissingDependency

DEFAULT_VERSION = "3.9.1"
MAVEN_URL_VARIABLE = "PYWATT_MAVEN_URL"
FETCH_LIMIT = 60.0  # seconds of silence on one connection
PARALLEL_FETCHES = 6
MAVEN_LIMIT = 600.0  # seconds
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


@dataclass(frozen=True, slots=True)
class Jar:
    """One file of a Maven repository."""

    path: PurePosixPath
    """Path in a Maven repository: group/artifact/version/file."""
    sha256: str


def versions() -> tuple[str, ...]:
    """Return the Kafka versions whose jars are pinned."""
    listings = files("pywatt_kafka.brokers").joinpath("jars").iterdir()
    return tuple(sorted(entry.name.removesuffix(".sha256") for entry in listings if entry.name.endswith(".sha256")))


def pinned(version: str) -> tuple[Jar, ...]:
    """Return the jars of a Kafka version. Raises KafkaError for one that is not pinned."""
    if version not in versions():
        raise KafkaError(f"Kafka {version} is not among the versions {', '.join(versions())}")
    listing = files("pywatt_kafka.brokers").joinpath("jars", f"{version}.sha256").read_text("utf-8")
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


def is_cached(version: str, environ: Mapping[str, str]) -> bool:
    """Return whether the jars of a Kafka version are on this machine already."""
    return _folder(version, environ).is_dir()


def kafka_jars(version: str, environ: Mapping[str, str], *, home: Path | None = None) -> Path:
    """Return the folder that holds the jars of a Kafka version, fetching them the first time.

    Raises MissingDependency when there is no way to fetch them, BrokerFailed when fetching fails. Safe to call
    concurrently.
    """
    jars = pinned(version)
    target = _folder(version, environ)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f"{target.name}.lock")):
        if not target.is_dir():
            fetch = _fetcher(environ, home or _home())
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as part:
                folder = Path(part, "lib")
                folder.mkdir()
                fetch(jars, folder)
                for jar in jars:
                    _verify(jar, folder)
                folder.rename(target)  # only a complete folder ever has this name
    return target


def _folder(version: str, environ: Mapping[str, str]) -> Path:
    return cache_folder(environ) / f"kafka-{version}"


def repository_url(environ: Mapping[str, str], settings: Path) -> str | None:
    """Return the URL of a Maven repository that replaces Maven Central, if one is configured."""
    if url := environ.get(MAVEN_URL_VARIABLE):
        return url
    try:
        root = ET.parse(settings).getroot()  # noqa: S314  the user's own file
    except (OSError, ET.ParseError):
        return None
    for mirror in root.iterfind("./{*}mirrors/{*}mirror"):
        names = [name.strip() for name in mirror.findtext("{*}mirrorOf", "").split(",")]
        wanted = "!central" not in names and {"*", "central", "external:*"}.intersection(names)
        if wanted and mirror.findtext("{*}blocked") != "true":
            return mirror.findtext("{*}url")
    return None


def _fetcher(environ: Mapping[str, str], home: Path) -> Callable[[tuple[Jar, ...], Path], None]:
    if url := repository_url(environ, home / ".m2" / "settings.xml"):
        return lambda jars, folder: _download(url, jars, folder)
    if maven := shutil.which("mvn", path=environ.get("PATH")):
        return lambda jars, folder: _copy_by_maven(maven, jars, folder)
    raise MissingDependency(
        "Kafka's jars (about 45 MB) are not on this machine yet, and there is no way to fetch them",
        hint=f"install Maven, or set {MAVEN_URL_VARIABLE} to the address of a Maven repository",
    )


def _download(url: str, jars: tuple[Jar, ...], folder: Path) -> None:
    def fetch(jar: Jar) -> None:
        address = f"{url.rstrip('/')}/{jar.path}"
        try:
            with (
                urllib.request.urlopen(address, timeout=FETCH_LIMIT) as response,  # noqa: S310  the user's own choice
                Path(folder, jar.path.name).open("wb") as file,
            ):
                shutil.copyfileobj(response, file)
        except (OSError, ValueError) as error:
            raise BrokerFailed(f"cannot fetch {address}: {error}", hint=f"check {MAVEN_URL_VARIABLE}") from error

    with ThreadPoolExecutor(PARALLEL_FETCHES) as pool:
        list(pool.map(fetch, jars))


def _copy_by_maven(maven: str, jars: tuple[Jar, ...], folder: Path) -> None:
    pom = folder.with_name("pom.xml")
    pom.write_text(project_file(jars), "utf-8")
    command = [maven, "-B", "-q", "-f", str(pom), PLUGIN, f"-DoutputDirectory={folder}"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=MAVEN_LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokerFailed(f"cannot fetch Kafka's jars by {maven}: {error}") from error
    if result.returncode:
        said = "\n".join(result.stdout.splitlines()[-5:])
        raise BrokerFailed(f"cannot fetch Kafka's jars by {maven}:\n{said}", hint=f"or set {MAVEN_URL_VARIABLE}")


def project_file(jars: tuple[Jar, ...]) -> str:
    """Return a Maven project whose dependencies are exactly these jars."""
    project = ET.Element("project")
    for name, text in {
        "modelVersion": "4.0.0",
        "groupId": "pywatt",
        "artifactId": "kafka-jars",
        "version": "1",
        "packaging": "pom",
    }.items():
        ET.SubElement(project, name).text = text
    dependencies = ET.SubElement(project, "dependencies")
    for jar in jars:
        *group, artifact, version, _ = jar.path.parts
        dependency = ET.SubElement(dependencies, "dependency")
        ET.SubElement(dependency, "groupId").text = ".".join(group)
        ET.SubElement(dependency, "artifactId").text = artifact
        ET.SubElement(dependency, "version").text = version
        exclusion = ET.SubElement(ET.SubElement(dependency, "exclusions"), "exclusion")
        ET.SubElement(exclusion, "groupId").text = "*"
        ET.SubElement(exclusion, "artifactId").text = "*"
    return ET.tostring(project, encoding="unicode")


def _verify(jar: Jar, folder: Path) -> None:
    try:
        with Path(folder, jar.path.name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise BrokerFailed(f"{jar.path.name} was not among the fetched jars") from error
    if digest != jar.sha256:
        raise BrokerFailed(f"{jar.path} is not the file that is pinned: its SHA-256 is {digest}, not {jar.sha256}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
