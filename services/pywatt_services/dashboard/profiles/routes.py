"""Starts and shows profiles.

GET   /api/v1/profiles
POST  /api/v1/profiles         {"service": "api", "kind": "cpu", "seconds": 10, "worker": 0}
GET   /api/v1/profiles/<id>    with its `tree` once it is done
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from quart import Blueprint, request

from pywatt.control.error_json import to_json
from pywatt.errors import NotKnown, PywattError
from pywatt_services.dashboard.profiles.recorder import ProfileRecorder

Reply = tuple[dict[str, Any], int]


def profile_routes(recorder: ProfileRecorder) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("profiles", __name__)

    @routes.errorhandler(PywattError)
    async def refuse(error: PywattError) -> Reply:
        status = HTTPStatus.NOT_FOUND if isinstance(error, NotKnown) else HTTPStatus.CONFLICT
        return {"error": to_json(error)}, status

    @routes.get("/api/v1/profiles")
    async def profiles() -> dict[str, Any]:
        return {"profiles": recorder.list()}

    @routes.post("/api/v1/profiles")
    async def start() -> Reply:
        body = await request.get_json(silent=True)
        given = body if isinstance(body, dict) else {}
        profile = await recorder.start(
            given.get("service"), given.get("kind", "cpu"), given.get("seconds", 10), given.get("worker")
        )
        return profile.to_json(), HTTPStatus.CREATED

    @routes.get("/api/v1/profiles/<profile>")
    async def one(profile: str) -> dict[str, Any]:
        return recorder.get(profile).to_json(whole=True)

    return routes
