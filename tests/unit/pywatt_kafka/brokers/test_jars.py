"""The sources of Kafka's jars; only the pinned files are used."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from pywatt_kafka.brokers import jars
from pywatt_kafka.brokers.jars import MARKER, cache_folder, kafka_jars, pinned, release_of, versions
from pywatt_kafka.brokers.java import find_java
from pywatt_kafka.brokers.maven import Jar, project_file, repository_url
from pywatt_kafka.errors import BrokerFailed, KafkaError, MissingDependency

CONTENT = b"the jar"
SMALL = Jar(PurePosixPath("org/example/thing/1.0/thing-1.0.jar"), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def one_jar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka 3.9.1 is one small file."""
    monkeypatch.setattr(jars, "pinned", lambda _version: (SMALL,))


def repository(folder: Path, content: bytes = CONTENT) -> dict[str, str]:
    """A Maven repository in a folder, and the environment that leads to it."""
    path = folder / "repository" / SMALL.path
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return {"XDG_CACHE_HOME": str(folder / "cache"), "PYWATT_MAVEN_URL": (folder / "repository").as_uri()}


@pytest.mark.parametrize("version", versions())
def test_every_pinned_version_is_complete(version: str) -> None:
    listed = pinned(version)
    names = [jar.path.name for jar in listed]
    assert len(names) == len(set(names))
    assert f"kafka_2.13-{release_of(version)}.jar" in names
    assert any(name.startswith("slf4j-simple") for name in names)
    for jar in listed:
        *_, artifact, number, name = jar.path.parts
        assert name == f"{artifact}-{number}.jar"
        assert re.fullmatch("[0-9a-f]{64}", jar.sha256)


def test_a_version_is_named_by_its_minor_number_or_its_release() -> None:
    assert versions() == ("3.9", "4.2")
    assert release_of("4.2") == release_of("4.2.0") == "4.2.0"


def test_a_version_that_is_not_pinned_is_refused() -> None:
    with pytest.raises(KafkaError, match=r"3\.9\.1"):
        pinned("2.0.0")


def test_jars_are_fetched_once(one_jar: None, tmp_path: Path) -> None:
    environ = repository(tmp_path)
    folder = kafka_jars("3.9.1", environ, home=tmp_path)
    assert folder == tmp_path / "cache" / "pywatt" / "kafka-3.9.1"
    assert (folder / SMALL.path.name).read_bytes() == CONTENT
    assert kafka_jars("3.9.1", {"XDG_CACHE_HOME": environ["XDG_CACHE_HOME"]}, home=tmp_path) == folder


def cached(folder: Path) -> tuple[dict[str, str], Path]:
    """A complete cache, the environment that leads to it, and its only jar."""
    environ = repository(folder)
    return environ, kafka_jars("3.9.1", environ, home=folder) / SMALL.path.name


def empty(jar: Path) -> None:
    for file in jar.parent.iterdir():
        file.unlink()


def kill_fetch(jar: Path) -> None:
    jar.with_name(MARKER).unlink()
    jar.unlink()
    jar.with_name("part").mkdir()
    jar.with_name("part").joinpath(jar.name).write_bytes(b"half")


BREAKAGES: dict[str, Callable[[Path], object]] = {
    "an empty folder": empty,
    "a jar is missing": Path.unlink,
    "a jar is cut off": lambda jar: jar.write_bytes(CONTENT[:-1]),
    "a jar of the same length": lambda jar: jar.write_bytes(b"the rat"),
    "a jar that is not pinned": lambda jar: jar.with_name("other.jar").write_bytes(CONTENT),
    "a marker that is cut off": lambda jar: jar.with_name(MARKER).write_text('{"thing'),
    "no marker, and a killed fetch": kill_fetch,
}


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES)
def test_a_broken_cache_repairs_itself(one_jar: None, tmp_path: Path, breakage: Callable[[Path], object]) -> None:
    environ, jar = cached(tmp_path)
    breakage(jar)
    assert kafka_jars("3.9.1", environ, home=tmp_path) == jar.parent
    assert jar.read_bytes() == CONTENT
    assert {file.name for file in jar.parent.iterdir()} == {jar.name, MARKER}


def test_a_broken_cache_without_a_source_is_no_cache(one_jar: None, tmp_path: Path) -> None:
    environ, jar = cached(tmp_path)
    jar.write_bytes(b"")
    with pytest.raises(MissingDependency, match="fetch"):
        kafka_jars("3.9.1", {"XDG_CACHE_HOME": environ["XDG_CACHE_HOME"], "PATH": ""}, home=tmp_path)


def test_a_complete_folder_without_a_marker_is_not_fetched_again(one_jar: None, tmp_path: Path) -> None:
    environ, jar = cached(tmp_path)
    jar.with_name(MARKER).unlink()
    fetched: list[object] = []
    kafka_jars("3.9.1", environ, home=tmp_path, on_fetch=lambda jars, _: fetched.append(jars))
    assert not fetched
    assert jar.with_name(MARKER).exists()


def test_the_caller_learns_what_is_fetched_to_where(one_jar: None, tmp_path: Path) -> None:
    environ, jar = cached(tmp_path)
    jar.unlink()
    fetched: list[object] = []
    kafka_jars("3.9.1", environ, home=tmp_path, on_fetch=lambda *facts: fetched.append(facts))
    assert fetched == [([SMALL], jar.parent)]


def test_a_cache_that_cannot_be_written_to_is_named(one_jar: None, tmp_path: Path) -> None:
    environ = repository(tmp_path)
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(BrokerFailed, match=re.escape(str(tmp_path / "cache"))):
        kafka_jars("3.9.1", environ, home=tmp_path)


def test_processes_that_fetch_at_once_fetch_once(tmp_path: Path) -> None:
    environ = repository(tmp_path)
    program = f"""
import os
from pathlib import PurePosixPath
from pywatt_kafka.brokers import jars
jars.pinned = lambda version: (jars.Jar(PurePosixPath("{SMALL.path}"), "{SMALL.sha256}"),)
jars.kafka_jars("3.9", os.environ, on_fetch=lambda *facts: print("fetched"))
"""
    command = [sys.executable, "-c", program]
    started = [
        subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4
    assert sorted(outputs) == ["", "", "", "fetched\n"]


def test_a_file_that_is_not_the_pinned_one_is_refused(one_jar: None, tmp_path: Path) -> None:
    environ = repository(tmp_path, b"something else")
    with pytest.raises(BrokerFailed, match="SHA-256"):
        kafka_jars("3.9.1", environ, home=tmp_path)
    assert list((tmp_path / "cache" / "pywatt" / "kafka-3.9.1").iterdir()) == []


def test_a_repository_without_the_file_is_an_error_that_names_it(one_jar: None, tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path), "PYWATT_MAVEN_URL": tmp_path.as_uri()}
    with pytest.raises(BrokerFailed, match=re.escape(str(SMALL.path))):
        kafka_jars("3.9.1", environ, home=tmp_path)


def test_no_way_to_fetch_them_says_what_to_do(one_jar: None, tmp_path: Path) -> None:
    with pytest.raises(MissingDependency) as caught:
        kafka_jars("3.9.1", {"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)}, home=tmp_path)
    assert "PYWATT_MAVEN_URL" in caught.value.hint


def test_maven_gets_exactly_the_pinned_jars() -> None:
    project = ET.fromstring(project_file(pinned("3.9.1")))
    dependencies = project.findall("./dependencies/dependency")
    assert len(dependencies) == len(pinned("3.9.1"))
    assert dependencies[0].findtext("groupId", "").count(".") >= 1
    assert {one.findtext("exclusions/exclusion/artifactId") for one in dependencies} == {"*"}


def settings(mirrors: str) -> str:
    namespace = "http://maven.apache.org/SETTINGS/1.0.0"
    return f'<settings xmlns="{namespace}"><mirrors>{mirrors}</mirrors></settings>'


def mirror(of: str, url: str, extra: str = "") -> str:
    return f"<mirror><id>m</id><mirrorOf>{of}</mirrorOf><url>{url}</url>{extra}</mirror>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (settings(mirror("central", "http://mirror.example/a")), "http://mirror.example/a"),
        (settings(mirror("*", "http://mirror.example/a")), "http://mirror.example/a"),
        (settings(mirror("external:*,!other", "http://mirror.example/a")), "http://mirror.example/a"),
        (settings(mirror("*,!central", "http://mirror.example/a")), None),
        (settings(mirror("other", "http://mirror.example/a")), None),
        (settings(mirror("*", "http://mirror.example/a", "<blocked>true</blocked>")), None),
        (settings(mirror("other", "http://b.example") + mirror("central", "http://c.example")), "http://c.example"),
        (
            "<settings><mirrors>" + mirror("central", "http://d.example") + "</mirrors></settings>",
            "http://d.example",
        ),
        ("not xml", None),
    ],
)
def test_the_mirror_that_the_users_maven_uses(text: str, expected: str | None, tmp_path: Path) -> None:
    file = tmp_path / "settings.xml"
    file.write_text(text, "utf-8")
    assert repository_url({}, file) == expected
    assert repository_url({"PYWATT_MAVEN_URL": "http://mine.example"}, file) == "http://mine.example"


def test_no_settings_file_no_mirror(tmp_path: Path) -> None:
    assert repository_url({}, tmp_path / "settings.xml") is None


def test_the_cache_is_where_xdg_says() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/pywatt")
    assert cache_folder({}) == Path.home() / ".cache" / "pywatt"
    assert cache_folder({"XDG_CACHE_HOME": "relative/is/invalid"}) == Path.home() / ".cache" / "pywatt"


def java(folder: Path, version: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n", "utf-8")
    program.chmod(0o755)
    return program


def test_java_home_comes_before_the_path(tmp_path: Path) -> None:
    home, path = java(tmp_path / "home", "21.0.8"), java(tmp_path / "path", "17.0.1")
    environ = {"JAVA_HOME": str(tmp_path / "home"), "PATH": f"{path.parent}:/usr/bin:/bin"}
    assert find_java(environ) == home
    assert find_java({"PATH": environ["PATH"]}) == path


def test_a_java_that_is_too_old_is_passed_over_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    old = java(tmp_path / "old", "11.0.2")
    new = java(tmp_path / "new", "17")
    assert find_java({"JAVA_HOME": str(tmp_path / "old"), "PATH": f"{new.parent}:/bin"}) == new
    with pytest.raises(MissingDependency, match="is Java 11") as caught:
        find_java({"PATH": f"{old.parent}:/bin"} | {"JAVA_HOME": str(tmp_path / "nothing")})
    assert "pywatt[java]" in caught.value.hint
