from __future__ import annotations

from pywatt.dev.status_line import status_text
from pywatt.mesh.table import MeshService, MeshTable, ServiceState


def table(**states: ServiceState) -> MeshTable:
    services = {
        name: MeshService(id=name, state=state, port=None, endpoints=(), workers=1, ready=0)
        for name, state in states.items()
    }
    return MeshTable(1, services)


SHOP = table(gateway=ServiceState.READY, api=ServiceState.RESTARTING, job=ServiceState.CRASH_LOOP)


def test_each_service_has_its_key_and_its_mark() -> None:
    assert status_text(SHOP, None, 80, colour=False) == "1 gateway ● 2 api ◐ 3 job ✗ · r restart all · q quit"


def test_old_code_is_told() -> None:
    shown = status_text(SHOP, None, 80, colour=True, outdated={"gateway"})
    assert shown.startswith("1 gateway \x1b[31m✗ old code\x1b[0m 2 api \x1b[33m◐")


def test_many_services_do_not_push_the_address_out() -> None:
    names = {f"service{number}": ServiceState.READY for number in range(12)}
    names["service7"] = ServiceState.CRASH_LOOP
    shown = status_text(table(**names), "http://127.0.0.1:3042", 80, colour=False, outdated={"service2"})
    assert shown == "http://127.0.0.1:3042 3 service2 ✗ old code 8 service7 ✗ · 10 ready"


def test_services_with_trouble_that_do_not_fit_are_counted() -> None:
    names = {f"service{number}": ServiceState.CRASH_LOOP for number in range(12)}
    shown = status_text(table(**names), "http://127.0.0.1:3042", 80, colour=False)
    assert shown == "http://127.0.0.1:3042 1 service0 ✗ 2 service1 ✗ 3 service2 ✗ · +9 more"


def test_it_never_fills_the_line() -> None:
    for width in range(1, 90):
        shown = status_text(SHOP, "http://127.0.0.1:3042", width, colour=False, outdated={"api"})
        assert len(shown) < width
