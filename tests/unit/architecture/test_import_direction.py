"""Imports between our packages run one way: schemas <- pywatt <- services, and the Kafka library stands alone.

So do those between the folders of `pywatt`, of the Kafka library, and of kafka-hooks, the largest of the services.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

FOLDERS = {
    "pywatt_schemas": ROOT / "schemas/pywatt_schemas",
    "pywatt": ROOT / "runtime/pywatt",
    "pywatt_services": ROOT / "services/pywatt_services",
    "pywatt_kafka": ROOT / "kafka/pywatt_kafka",
}
ALLOWED = {
    "pywatt_schemas": set[str](),
    "pywatt": {"pywatt_schemas"},
    "pywatt_services": {"pywatt", "pywatt_schemas", "pywatt_kafka"},
    "pywatt_kafka": set[str](),
}

LAYERS: tuple[set[str], ...] = (
    {"backoff", "circuit_breaker", "gateway", "wait_any", "procfs", "redaction", "testing"},
    {"errors"},
    {"telemetry"},
    {"http"},
    {"mesh"},
    {"config.model", "config.dashboard_model", "config.logger_model", "config.metrics_model"},
    {"channel", "logs", "metrics", "profiling"},
    {"service_type"},
    {"config"},
    {"worker"},
    {"control"},
    {"supervisor"},
    {"scaffold"},
    {"dev"},
    {"cli"},
    {"__main__"},
)
"""Modules and folders of `pywatt`, lowest first; each may import only from the layers below its own.

`config.model` is only data, which all above it may use; the rest of `config` reads files and asks service types.
"""

HOOKS = "pywatt_services.kafka_hooks"
HOOKS_FOLDER = ROOT / "services/pywatt_services/kafka_hooks"
GROUND = {"wire"}
"""Folders that import no other folder; nearly all others may import them."""
HOOKS_ALLOWED = {
    **{folder: set[str]() for folder in GROUND},
    "metrics": set[str](),
    "http": GROUND,
    "webhooks": GROUND,
    "patterns": {"webhooks"},
    "auth": GROUND | {"http"},
    "publishing": GROUND | {"http", "patterns"},
    "config": GROUND | {"auth", "http", "patterns", "publishing", "webhooks"},
    "consuming": GROUND | {"config", "webhooks"},
    "sharing": GROUND | {"config", "consuming", "webhooks"},
    "delivering": GROUND | {"config", "consuming", "metrics", "patterns", "sharing", "webhooks"},
    "tracing": GROUND | {"consuming", "delivering", "http", "metrics", "publishing", "webhooks"},
    "request_reply": GROUND | {"config", "http", "publishing"},
    "admin": GROUND
    | {"config", "consuming", "delivering", "http", "metrics", "publishing", "request_reply", "webhooks"},
}

KAFKA = "pywatt_kafka"
KAFKA_GROUND = {"backoff", "broker_errors", "errors", "json_bytes", "records", "timeout_queue"}
"""Modules that all may import, and that import nothing of the library but `errors`."""
_CLIENT = KAFKA_GROUND | {"aiokafka", "connection", "engine", "libraries", "security", "serde"}
KAFKA_ALLOWED = {
    **{module: set[str]() for module in KAFKA_GROUND},
    "broker_errors": {"errors"},
    "security": KAFKA_GROUND,
    "engine": KAFKA_GROUND,
    "connection": KAFKA_GROUND | {"engine"},
    "aiokafka": KAFKA_GROUND | {"connection", "engine", "security"},
    "rdkafka": KAFKA_GROUND | {"connection", "engine", "security"},
    "libraries": KAFKA_GROUND | {"aiokafka", "engine", "rdkafka", "security"},
    "serde": KAFKA_GROUND | {"security"},
    "producing": _CLIENT,
    "processing": KAFKA_GROUND | {"dlq"},
    "consuming": _CLIENT | {"admin", "dlq", "processing", "producing", "rdkafka"},
    "share_groups": _CLIENT | {"consuming", "producing"},
    "request_response": KAFKA_GROUND | {"consuming", "engine", "producing", "security"},
    "admin": KAFKA_GROUND | {"aiokafka", "connection", "security"},
    "lag": KAFKA_GROUND | {"admin", "aiokafka", "connection", "security"},
    "dlq": KAFKA_GROUND | {"aiokafka", "connection", "producing", "security"},
    "brokers": KAFKA_GROUND,
    "testing": KAFKA_GROUND | {"brokers", "connection"},
    "tracing": KAFKA_GROUND | {"aiokafka", "connection", "consuming", "producing", "request_response", "share_groups"},
}
"""Folders and modules of the Kafka library: the two engines know nothing of each other."""


def imported_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import of a module, those inside functions and type-checking blocks too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield node.lineno, module
            if "." not in module:
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("package", FOLDERS)
def test_package_imports_only_what_stands_below_it(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in FOLDERS[package].rglob("*.py")
        for line, name in imported_names(path.read_text())
        if (top := name.partition(".")[0]) in FOLDERS and top != package and top not in ALLOWED[package]
    ]
    assert wrong == []


def layer_of(name: str) -> int | None:
    """Return the layer of a module of `pywatt`; None: the package itself, which is only a version."""
    parts = name.split(".")
    for length in (3, 2):
        part = ".".join(parts[1:length])
        for number, layer in enumerate(LAYERS):
            if part in layer:
                return number
    return None


def runs_back(importer: str, imported: str) -> bool:
    """Return whether an import leads to a higher layer, or to another part of the same one."""
    own, other = layer_of(importer), layer_of(imported)
    if own is None or other is None:
        return False
    return other > own or (other == own and importer.split(".")[1] != imported.split(".")[1])


def parts_of_pywatt() -> list[str]:
    """Return the names of its folders and modules."""
    folder = FOLDERS["pywatt"]
    return sorted(
        {path.relative_to(folder).parts[0].removesuffix(".py") for path in folder.rglob("*.py")} - {"__init__"}
    )


@pytest.mark.parametrize("part", parts_of_pywatt())
def test_part_of_pywatt_imports_only_lower_layers(part: str) -> None:
    assert any(part in layer for layer in LAYERS), "it has no layer"
    folder = FOLDERS["pywatt"]
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in [*(folder / part).rglob("*.py"), *folder.glob(f"{part}.py")]
        for line, name in imported_names(path.read_text())
        if name.startswith("pywatt.")
        and runs_back(".".join(path.relative_to(folder.parent).with_suffix("").parts), name)
    ]
    assert wrong == []


def test_imports_that_run_back_are_found() -> None:
    assert runs_back("pywatt.config.settings", "pywatt.supervisor.service")
    assert runs_back("pywatt.config.model", "pywatt.config.pipeline")
    assert runs_back("pywatt.channel.stream", "pywatt.logs.lines")
    assert not runs_back("pywatt.cli.output.table", "pywatt.logs.escapes")
    assert not runs_back("pywatt.config.pipeline", "pywatt.config.model")
    assert not runs_back("pywatt.mesh.client", "pywatt.mesh.table")


def test_every_folder_of_kafka_hooks_has_its_place() -> None:
    assert {path.parent.name for path in HOOKS_FOLDER.glob("*/__init__.py")} <= HOOKS_ALLOWED.keys()


def wrong_imports(package: str, folder: Path, part: str, allowed: set[str]) -> list[str]:
    """Return the imports of one part of a package that lead to parts which it may not import."""
    paths = [*(folder / part).rglob("*.py"), *folder.glob(f"{part}.py")]
    assert paths
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for line, name in imported_names(path.read_text())
        if name == package
        or (
            name.startswith(f"{package}.")
            and (other := name.removeprefix(f"{package}.").partition(".")[0]) != part
            and other not in allowed
        )
    ]


@pytest.mark.parametrize("part", sorted(HOOKS_ALLOWED))
def test_part_of_kafka_hooks_imports_only_what_stands_below_it(part: str) -> None:
    assert wrong_imports(HOOKS, HOOKS_FOLDER, part, HOOKS_ALLOWED[part]) == []


def test_every_part_of_the_kafka_library_has_its_place() -> None:
    folder = FOLDERS[KAFKA]
    parts = {path.parent.name for path in folder.glob("*/__init__.py")} | {path.stem for path in folder.glob("*.py")}
    assert parts - {"__init__"} == KAFKA_ALLOWED.keys()


@pytest.mark.parametrize("part", sorted(KAFKA_ALLOWED))
def test_part_of_the_kafka_library_imports_only_what_stands_below_it(part: str) -> None:
    assert wrong_imports(KAFKA, FOLDERS[KAFKA], part, KAFKA_ALLOWED[part]) == []


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import a.b\nif True:\n    from c.d import e\ndef f():\n    import g, h\n"
    assert set(imported_names(source)) == {(1, "a.b"), (3, "c.d"), (5, "g"), (5, "h")}
