"""Fetches jars from a Maven repository.

Sources, in this order: the repository named by `PYWATT_MAVEN_URL`; the mirror of Maven Central in `~/.m2/settings.xml`;
Maven itself, if `mvn` is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from pywatt_kafka.errors import BrokerFailed, MissingDependency

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

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name


Fetch: TypeAlias = Callable[[Sequence[Jar], Path], None]
"""Copies jars into a folder. Raises BrokerFailed."""


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


def find_repository(environ: Mapping[str, str], home: Path) -> Fetch:
    """Return the function that fetches jars. Raises MissingDependency when there is no source."""
    if url := repository_url(environ, home / ".m2" / "settings.xml"):
        return lambda jars, folder: _download(url, jars, folder)
    if maven := shutil.which("mvn", path=environ.get("PATH")):
        return lambda jars, folder: _copy_by_maven(maven, jars, folder)
    raise MissingDependency(
        "Kafka's jars (about 45 MB) are not on this machine yet, and there is no way to fetch them",
        hint=f"install Maven, or set {MAVEN_URL_VARIABLE} to the address of a Maven repository",
    )


def _download(url: str, jars: Sequence[Jar], folder: Path) -> None:
    def fetch(jar: Jar) -> None:
        address = f"{url.rstrip('/')}/{jar.path}"
        try:
            with (
                urllib.request.urlopen(address, timeout=FETCH_LIMIT) as response,  # noqa: S310  the user's own choice
                Path(folder, jar.name).open("wb") as file,
            ):
                shutil.copyfileobj(response, file)
        except (OSError, ValueError) as error:
            raise BrokerFailed(f"cannot fetch {address}: {error}", hint=f"check {MAVEN_URL_VARIABLE}") from error

    with ThreadPoolExecutor(PARALLEL_FETCHES) as pool:
        list(pool.map(fetch, jars))


def _copy_by_maven(maven: str, jars: Sequence[Jar], folder: Path) -> None:
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


def project_file(jars: Sequence[Jar]) -> str:
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
