from __future__ import annotations

import pytest

from pywatt.config.model import ProbeEndpointConfig, ProbePolicy
from pywatt.control.probes.verdict import AppHealth, CheckAnswer, ServiceHealth, liveness, readiness
from pywatt.mesh.table import ServiceState

ALL = ProbeEndpointConfig()
ANY = ProbeEndpointConfig(policy=ProbePolicy(any=True))
API = ProbeEndpointConfig(policy=ProbePolicy(services=("api",)))
NOTHING = ProbeEndpointConfig(policy=ProbePolicy(services=()))
STRICT = ProbeEndpointConfig(accept_degraded=False)


def service(
    state: ServiceState, *, name: str = "api", ready: int | None = None, check: CheckAnswer | None = None
) -> ServiceHealth:
    serving = state in (ServiceState.READY, ServiceState.DEGRADED)
    return ServiceHealth(
        id=name,
        state=state,
        ready=int(serving) if ready is None else ready,
        workers=2,
        detail="no broker" if state is ServiceState.DEGRADED else "",
        check=check,
    )


def app(*services: ServiceHealth, leaving: bool = False) -> AppHealth:
    return AppHealth(services=services, leaving=leaving)


GOOD, BAD = service(ServiceState.READY), service(ServiceState.FAILED, name="web")


@pytest.mark.parametrize(
    ("health", "config", "ready"),
    [
        (app(GOOD), ALL, True),
        (app(GOOD, BAD), ALL, False),
        (app(GOOD, BAD), ANY, True),
        (app(BAD), ANY, False),
        (app(GOOD, BAD), API, True),
        (app(service(ServiceState.STARTING), service(ServiceState.READY, name="web")), API, False),
        (app(service(ServiceState.RESTARTING)), ALL, False),
        (app(service(ServiceState.RESTARTING)), NOTHING, True),
        # One of two workers is being replaced, or is in a crash loop: the other one serves.
        (app(service(ServiceState.RESTARTING, ready=1)), ALL, True),
        (app(service(ServiceState.CRASH_LOOP, ready=1)), ALL, True),
        (app(service(ServiceState.FINISHED, ready=0)), ALL, True),
        (app(service(ServiceState.NOT_READY)), ALL, False),
        (app(service(ServiceState.STOPPED)), ALL, False),
        (app(service(ServiceState.DEGRADED)), ALL, True),
        (app(service(ServiceState.DEGRADED)), STRICT, False),
        (app(GOOD, leaving=True), ALL, False),
        (app(GOOD, leaving=True), NOTHING, False),
    ],
)
def test_readiness_follows_the_policy(health: AppHealth, config: ProbeEndpointConfig, ready: bool) -> None:
    verdict = readiness(health, config)
    assert verdict.good is ready
    assert verdict.document["status"] == ("ready" if ready else "not ready")
    assert ("reason" in verdict.document) is not ready


def test_document_has_the_reason_for_each_service() -> None:
    verdict = readiness(app(service(ServiceState.DEGRADED), BAD), STRICT)
    assert verdict.document == {
        "status": "not ready",
        "reason": "api: no broker; web: failed",
        "services": {
            "api": {"ready": False, "state": "degraded", "workers": 2, "readyWorkers": 1, "reason": "no broker"},
            "web": {"ready": False, "state": "failed", "workers": 2, "readyWorkers": 0},
        },
    }


def test_check_that_wants_it_decides_about_the_response() -> None:
    own = CheckAnswer(status=429, body="busy", decides=True)
    shown = CheckAnswer(status=500, body="<html>")
    for check, decides in ((own, own), (shown, None)):
        verdict = readiness(app(service(ServiceState.NOT_READY, check=check)), ALL)
        assert verdict.check is decides
        assert verdict.document["services"]["api"]["check"] == {"statusCode": check.status, "body": check.body}
    # The one that has failed, not another one that passes.
    passing = service(ServiceState.READY, name="web", check=CheckAnswer(body="fine", decides=True))
    assert readiness(app(passing, service(ServiceState.NOT_READY, check=own)), ALL).check is own
    assert readiness(app(passing), ALL).check is passing.check
    assert readiness(app(passing, leaving=True), ALL).check is None


@pytest.mark.parametrize(
    ("health", "config", "live"),
    [
        (app(GOOD, BAD), NOTHING, True),
        (app(GOOD, BAD), ALL, False),
        (app(GOOD, BAD), ANY, True),
        (app(BAD), ANY, False),
        (app(GOOD, BAD), API, True),
        (app(service(ServiceState.CRASH_LOOP)), API, False),
        (app(service(ServiceState.RESTARTING)), API, True),
        (app(service(ServiceState.STARTING)), ALL, True),
        (app(BAD, leaving=True), ALL, True),
    ],
)
def test_liveness_fails_for_lost_services_of_its_policy_alone(
    health: AppHealth, config: ProbeEndpointConfig, live: bool
) -> None:
    assert liveness(health, config).good is live
