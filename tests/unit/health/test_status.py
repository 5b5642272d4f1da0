"""The app's health from its table and the lag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.mesh.table import MeshService, MeshTable, ServiceState
from pywatt_kafka.lag.verdict import Finding, LagRules, Verdict
from pywatt_kafka.records import TopicPartition
from pywatt_services.health.lag import WatchedGroup
from pywatt_services.health.options import LagWatch
from pywatt_services.health.status import Status, health, is_alarm, lag_health, readiness, status_of_group, worst


def table(**states: ServiceState) -> MeshTable:
    return MeshTable(1, {name: service(name, state) for name, state in states.items()})


def service(name: str, state: ServiceState, *, ready: int = 1, port: int | None = 1, detail: str = "") -> MeshService:
    return MeshService(name, state, port, ready=ready, detail=detail)


def group(
    lag: Mapping[str, Mapping[int, int]],
    *,
    name: str = "g",
    verdict: Verdict = Verdict.OK,
    failure: str = "",
    strict: bool = False,
    known: bool = True,
    unknown_for: float = 0.0,
    ready: bool = False,
) -> WatchedGroup:
    rules = LagRules(interval=30.0, threshold=100)
    watch = LagWatch(brokers=("a:1",), groups=(name,), rules=rules, unhealthy_if_stalled=strict, readiness=ready)
    return WatchedGroup(
        group=name,
        watch=watch,
        known=known,
        unknown_for=unknown_for,
        members=1,
        findings={
            TopicPartition(topic, number): Finding(
                verdict=verdict, records=records, seconds=2.5 if records else 0.0, threshold=100, still=45.0
            )
            for topic, partitions in lag.items()
            for number, records in partitions.items()
        },
        failure=failure,
        checked_at=None if failure else 1700000000.0,
    )


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


def test_what_pywatt_adds_is_no_service_of_the_app() -> None:
    services = {
        name: replace(service(name, ServiceState.STARTING, ready=0), internal=True)
        for name in ("pywatt.control", "gateway", "health")
    }
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
    ("verdict", "lag", "strict", "status"),
    [
        (Verdict.OK, 100, False, Status.HEALTHY),
        (Verdict.CATCHING_UP, 5000, False, Status.DEGRADED),
        (Verdict.STALLED, 3, False, Status.DEGRADED),
        (Verdict.STALLED, 3, True, Status.UNHEALTHY),
        (Verdict.STALLED, 101, False, Status.UNHEALTHY),
        (Verdict.FALLING_BEHIND, 101, False, Status.UNHEALTHY),
        (Verdict.NO_MEMBER, 101, False, Status.UNHEALTHY),
        (Verdict.LATE, 1, False, Status.UNHEALTHY),
    ],
)
def test_status_of_a_verdict(verdict: Verdict, lag: int, strict: bool, status: Status) -> None:
    known = group({"t": {0: lag}}, verdict=verdict, strict=strict)
    assert health(table(), [known])[0] is status
    assert is_alarm(status, [known]) is (status is Status.UNHEALTHY)


def test_what_cannot_be_read_degrades_and_keeps_the_last_figures() -> None:
    status, document = health(table(api=ServiceState.READY), [group({"t": {0: 1}}, failure="no broker")])
    assert status is Status.DEGRADED
    assert document["groups"] == {
        "g": {
            "status": "degraded",
            "verdict": "ok",
            "members": 1,
            "lag": {"t": {"partition-0": 1}},
            "seconds": 2.5,
            "reason": "consumer group g: no broker",
        }
    }


def test_unknown_group_is_not_healthy() -> None:
    known = group({}, known=False)
    assert status_of_group(known) is Status.UNKNOWN
    status, document = lag_health(table(api=ServiceState.READY), [known])
    assert (status, document["status"], document["lag"]) == (Status.UNKNOWN, "unknown", {})
    assert document["reasons"] == [
        "consumer group g: the cluster knows no such group; check groupId, or start its consumers"
    ]
    assert not is_alarm(status, [known])  # it may be about to join
    assert is_alarm(status, [group({}, known=False, unknown_for=60.0)])


def test_the_plugins_document_has_status_and_lag_alone() -> None:
    app = table(api=ServiceState.READY)
    assert lag_health(app, [group({"my-topic": {0: 50, 1: 32}})]) == (
        Status.HEALTHY,
        {"status": "healthy", "lag": {"my-topic": {"partition-0": 50, "partition-1": 32}}},
    )
    status, document = lag_health(table(api=ServiceState.FAILED), [group({"t": {0: 101}}, verdict=Verdict.STALLED)])
    assert (status, document["reasons"]) == (
        Status.UNHEALTHY,
        [
            "service api: failed",
            "consumer group g, t[0]: stalled, it has not moved for 45 s, 101 records behind, the oldest 2 s old",
        ],
    )


def test_app_that_is_about_to_stop_is_not_ready() -> None:
    ready, document = readiness(MeshTable(1, leaving=True))
    assert (ready, document["reason"]) == (False, "the app is stopping")


def test_lag_counts_for_readiness_if_that_is_asked_for() -> None:
    app, lag = table(api=ServiceState.READY), {"t": {0: 101}}
    assert readiness(app, [group(lag, verdict=Verdict.STALLED)]) == (True, {"status": "ready"})
    ready, document = readiness(app, [group(lag, verdict=Verdict.STALLED, ready=True)])
    assert (ready, list(document["waiting"])) == (False, ["consumer group g"])


def test_several_groups_show_the_highest_lag() -> None:
    _, document = health(table(), [group({"t": {0: 1, 1: 9}}, name="a"), group({"t": {0: 5}, "u": {0: 2}}, name="b")])
    assert document["lag"] == {"t": {"partition-0": 5, "partition-1": 9}, "u": {"partition-0": 2}}
    assert document["groups"]["a"]["lag"] == {"t": {"partition-0": 1, "partition-1": 9}}
    assert document["groups"]["a"]["checkedAt"] == 1700000000.0


@given(st.lists(st.sampled_from(list(Status))))
def test_worst_is_one_of_them_and_none_is_worse(statuses: list[Status]) -> None:
    order = [Status.HEALTHY, Status.DEGRADED, Status.UNKNOWN, Status.UNHEALTHY]
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
