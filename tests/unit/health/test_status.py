"""The app's health from its table and the lag."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.mesh.table import MeshService, MeshTable, ServiceState
from pywatt_services.health.lag import GroupLag
from pywatt_services.health.options import LagWatch
from pywatt_services.health.status import Status, health, readiness, worst


def table(**states: ServiceState) -> MeshTable:
    return MeshTable(1, {name: service(name, state) for name, state in states.items()})


def service(name: str, state: ServiceState, *, ready: int = 1, port: int | None = 1, detail: str = "") -> MeshService:
    return MeshService(name, state, port, ready=ready, detail=detail)


def group(
    lag: Mapping[str, Mapping[int, int]], *, name: str = "g", topics: Mapping[str, int] | None = None, failure: str = ""
) -> GroupLag:
    watch = LagWatch(brokers=("a:1",), groups=(name,), threshold=100, topics=topics or {})
    return GroupLag(group=name, watch=watch, lag=lag, failure=failure, checked_at=None if failure else 1700000000.0)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ServiceState.READY, Status.HEALTHY),
        (ServiceState.DEGRADED, Status.DEGRADED),
        (ServiceState.STARTING, Status.DEGRADED),
        (ServiceState.RESTARTING, Status.DEGRADED),
        (ServiceState.STOPPED, Status.DEGRADED),
        (ServiceState.FAILED, Status.UNHEALTHY),
    ],
)
def test_states(state: ServiceState, status: Status) -> None:
    assert health(table(api=ServiceState.READY, web=state), [])[0] is status


def test_the_control_api_is_no_service_of_the_app() -> None:
    services = {name: service(name, ServiceState.STARTING, ready=0) for name in ("pywatt.control",)}
    services["api"] = service("api", ServiceState.READY)
    status, document = health(MeshTable(1, services), [])
    assert (status, list(document["services"])) == (Status.HEALTHY, ["api"])
    assert readiness(MeshTable(1, services))[0]


def test_the_document_tells_each_service() -> None:
    services = {
        "api": MeshService("api", ServiceState.READY, 1, workers=2, ready=1),
        "hooks": service("hooks", ServiceState.DEGRADED, detail="Kafka is away"),
        "worker": service("worker", ServiceState.READY, port=None),
        "web": service("web", ServiceState.RESTARTING, ready=0),
    }
    status, document = health(MeshTable(1, services), [])
    assert status is Status.DEGRADED
    assert document == {
        "status": "degraded",
        "services": {
            "api": {"status": "ready", "workers": 2, "ready": 1},
            "hooks": {"status": "degraded", "workers": 1, "ready": 1, "detail": "Kafka is away"},
            "worker": {"status": "ready", "workers": 1, "ready": 1},
            "web": {"status": "restarting", "workers": 1, "ready": 0},
        },
    }


def test_lag_has_the_users_form() -> None:
    status, document = health(table(), [group({"my-topic": {0: 50, 1: 32}})])
    assert status is Status.HEALTHY
    assert document["status"] == "healthy"
    assert document["lag"] == {"my-topic": {"partition-0": 50, "partition-1": 32}}


@pytest.mark.parametrize(
    ("lag", "topics", "status"),
    [
        ({"t": {0: 100}}, {}, Status.HEALTHY),
        ({"t": {0: 0, 1: 101}}, {}, Status.UNHEALTHY),
        ({"t": {0: 101}}, {"t": 200}, Status.HEALTHY),
        ({"t": {0: 6}}, {"t": 5}, Status.UNHEALTHY),
    ],
)
def test_lag_beyond_the_threshold_is_unhealthy(
    lag: Mapping[str, Mapping[int, int]], topics: Mapping[str, int], status: Status
) -> None:
    assert health(table(), [group(lag, topics=topics)])[0] is status


def test_what_cannot_be_read_degrades_and_keeps_the_last_figures() -> None:
    status, document = health(table(api=ServiceState.READY), [group({"t": {0: 1}}, failure="no broker")])
    assert status is Status.DEGRADED
    assert document["groups"] == {"g": {"status": "degraded", "lag": {"t": {"partition-0": 1}}, "reason": "no broker"}}


def test_several_groups_show_the_highest_lag() -> None:
    _, document = health(table(), [group({"t": {0: 1, 1: 9}}, name="a"), group({"t": {0: 5}, "u": {0: 2}}, name="b")])
    assert document["lag"] == {"t": {"partition-0": 5, "partition-1": 9}, "u": {"partition-0": 2}}
    assert document["groups"]["a"]["lag"] == {"t": {"partition-0": 1, "partition-1": 9}}
    assert document["groups"]["a"]["checkedAt"] == 1700000000.0


@given(st.lists(st.sampled_from(list(Status))))
def test_worst_is_one_of_them_and_none_is_worse(statuses: list[Status]) -> None:
    order = [Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY]
    assert worst(statuses) is order[max(map(order.index, statuses), default=0)]


@pytest.mark.parametrize(
    ("state", "ready", "expected"),
    [
        (ServiceState.READY, 1, True),
        (ServiceState.DEGRADED, 1, True),
        (ServiceState.RESTARTING, 1, True),
        (ServiceState.RESTARTING, 0, False),
        (ServiceState.STARTING, 0, False),
        (ServiceState.FAILED, 0, False),
        (ServiceState.STOPPED, 0, False),
    ],
)
def test_readiness(state: ServiceState, ready: int, expected: bool) -> None:
    services = {"api": service("api", ServiceState.READY), "web": service("web", state, ready=ready)}
    is_ready, document = readiness(MeshTable(1, services))
    assert is_ready is expected
    assert document == ({"status": "ready"} if expected else {"status": "not ready", "waiting": {"web": state.value}})
