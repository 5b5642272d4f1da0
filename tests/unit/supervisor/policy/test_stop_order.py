from __future__ import annotations

from pathlib import Path

from harness.restart_config import RESTART
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.model import ServiceConfig
from pywatt.supervisor.policy.stop_order import stop_levels


def service(service_id: str, *, dependencies: tuple[str, ...] = (), calls: tuple[str, ...] = ()) -> ServiceConfig:
    return ServiceConfig(
        restart=RESTART, id=service_id, path=Path("/"), type="python", dependencies=dependencies, calls=calls
    )


def test_the_entrypoint_stops_first_and_the_broker_last() -> None:
    services = [
        service("kafka-broker"),
        service("gateway", dependencies=("kafka-broker",), calls=("api", "kafka-hooks")),
        service("kafka-hooks", dependencies=("kafka-broker",), calls=("api",)),
        service("api", dependencies=("kafka-broker",)),
    ]
    assert stop_levels(services, "gateway") == (("gateway",), ("kafka-hooks",), ("api",), ("kafka-broker",))


def test_services_that_call_each_other_stop_together_before_what_they_depend_on() -> None:
    services = [
        service("db"),
        service("a", calls=("b",), dependencies=("db",)),
        service("b", calls=("a",), dependencies=("db",)),
    ]
    assert stop_levels(services, None) == (("a", "b"), ("db",))


def test_an_entrypoint_that_others_depend_on_is_no_endless_loop() -> None:
    services = [service("api"), service("worker", dependencies=("api",))]
    assert stop_levels(services, "api") == (("worker",), ("api",))


IDS = ("a", "b", "c", "d", "e")


@st.composite
def apps(draw: st.DrawFn) -> list[ServiceConfig]:
    return [
        service(
            service_id,
            # Only earlier ones: real dependencies never form a circle.
            dependencies=tuple(draw(st.sets(st.sampled_from(IDS[:index]))) if index else ()),
            calls=tuple(draw(st.sets(st.sampled_from(IDS)))),
        )
        for index, service_id in enumerate(IDS)
    ]


@given(apps(), st.sampled_from((*IDS, None)))
def test_every_service_stops_once_and_never_before_what_depends_on_it(
    services: list[ServiceConfig], entrypoint: str | None
) -> None:
    levels = stop_levels(services, entrypoint)
    position = {service_id: index for index, level in enumerate(levels) for service_id in level}
    assert sorted(service_id for level in levels for service_id in level) == sorted(IDS)
    for one in services:
        for dependency in one.dependencies:
            assert position[one.id] < position[dependency]
