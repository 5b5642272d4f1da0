from __future__ import annotations

from typing import Any

import pytest

from pywatt.cli.inspection.ps import app_status
from pywatt.cli.output.table import STATE_COLOURS
from pywatt.mesh.table import ServiceState


def row(service: str, state: str, detail: str = "") -> dict[str, Any]:
    return {"id": service, "state": state, "detail": detail}


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([], "ready"),
        (["ready", "finished"], "ready"),
        (["ready", "degraded"], "degraded"),
        (["degraded", "restarting", "not-ready"], "not-ready"),
        (["failed", "crash-loop", "starting"], "crash-loop"),
    ],
)
def test_an_app_is_as_well_as_its_worst_service(states: list[str], worst: str) -> None:
    assert app_status([row(f"s{number}", state) for number, state in enumerate(states)]).state == worst


def test_what_is_wrong_is_told() -> None:
    status = app_status([row("api", "ready"), row("job", "failed", "exit status 3")])
    assert status.services == {"api": "ready", "job": "failed"}
    assert status.details == ["job is in the state failed: exit status 3"]


def test_every_state_has_a_colour() -> None:
    assert {state.value for state in ServiceState} <= set(STATE_COLOURS)
