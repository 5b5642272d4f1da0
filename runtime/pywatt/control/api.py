"""The control API as a Quart application: each request becomes a command of the supervisor.

GET   /api/v1/metadata
GET   /api/v1/services                        `?usage=false` leaves out memory and CPU, which take 0.2 s to measure
GET   /api/v1/config  /services/<id>/env      `?secrets=true` shows secrets
POST  /api/v1/stop  /reload  /services/<id>/stack
POST  /api/v1/start /stop /restart {"services": [...]}   /scale {"services": {"api": 2}}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from quart import Quart, request
from werkzeug.exceptions import HTTPException

from pywatt.channel.messages import Answer

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]
Reply = tuple[dict[str, Any], int]

_STATUS = {"unknown": HTTPStatus.NOT_FOUND, "config": HTTPStatus.UNPROCESSABLE_ENTITY}


def control_application(ask: Ask) -> Quart:
    """Return the application."""
    app = Quart("pywatt.control")
    app.json.sort_keys = False  # type: ignore[attr-defined]

    async def run(command: str, **arguments: Any) -> Reply:
        answer = await ask(command, arguments)
        if answer.error is not None:
            return {"error": dict(answer.error)}, _STATUS.get(answer.error.get("kind", ""), HTTPStatus.CONFLICT)
        return answer.result, HTTPStatus.OK

    def reveals() -> bool:
        return request.args.get("secrets") == "true"

    @app.get("/api/v1/metadata")
    async def metadata() -> Reply:
        return await run("metadata")

    @app.get("/api/v1/services")
    async def services() -> Reply:
        return await run("services", usage=request.args.get("usage") != "false")

    @app.get("/api/v1/config")
    async def config() -> Reply:
        return await run("config", secrets=reveals())

    @app.get("/api/v1/services/<service>/env")
    async def env(service: str) -> Reply:
        return await run("env", service=service, secrets=reveals())

    @app.post("/api/v1/services/<service>/stack")
    async def stack(service: str) -> Reply:
        return await run("stack", service=service)

    @app.post("/api/v1/<any(start, stop, reload, restart, scale):command>")
    async def act(command: str) -> Reply:
        body = await request.get_json(silent=True)
        return await run(command, **({"services": body["services"]} if body and "services" in body else {}))

    @app.errorhandler(HTTPException)
    async def refuse(error: HTTPException) -> Reply:
        return {"error": {"kind": "request", "message": f"{request.method} {request.path}: {error.name}"}}, (
            error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        )

    return app
