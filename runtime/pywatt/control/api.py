"""The control API as a Quart application: each request becomes a command of the supervisor.

GET   /api/v1/metadata
GET   /api/v1/services                        `?usage=false` leaves out memory and CPU, which take 0.2 s to measure
GET   /api/v1/metrics                         `?service=<id>` leaves out what does not belong to that service
GET   /api/v1/config  /services/<id>/env      `?secrets=true` shows secrets
GET   /api/v1/config?sources=true             with the source of each value: file and line, variable, option, default
GET   /api/v1/logs                            NDJSON or server-sent events: see `log_stream`
POST  /api/v1/stop  /reload  /services/<id>/stack
POST  /api/v1/services/<id>/profile           {"seconds": 10, "worker": 0} records the memory of a worker
POST  /api/v1/services/<id>/repl               {"socket": PATH, "worker": 0} opens a prompt; only on the unix socket
POST  /api/v1/dashboard                       opens the dashboard and returns its URL; only on the unix socket
POST  /api/v1/start /stop /restart {"services": [...]}   /scale {"services": {"api": 2}}
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from pywatt.channel.messages import Answer
from pywatt.control.error_json import to_json
from pywatt.control.log_stream import kept_log, log_events, log_lines, log_query, log_text
from pywatt.errors import ControlError, PywattError

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]
Collect = Callable[[str | None], Awaitable[tuple[bool, list[dict[str, Any]]]]]
Reply = tuple[dict[str, Any], int]

EVENT_STREAM, NDJSON = "text/event-stream", "application/x-ndjson"
_STATUS = {"unknown": HTTPStatus.NOT_FOUND, "config": HTTPStatus.UNPROCESSABLE_ENTITY}


def control_application(
    ask: Ask, collect: Collect | None = None, *, stopping: Callable[[], bool] = lambda: False
) -> Quart:
    """Return the application; `collect` returns the metrics, `stopping` says when its streams have to end."""
    app = Quart("pywatt.control")
    app.json.sort_keys = False  # type: ignore[attr-defined]

    @app.before_request
    async def read_body() -> None:
        # A response before the end of the request closes the connection, which fails a client that is still sending.
        await request.get_data()

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
        return await run("config", secrets=reveals(), sources=request.args.get("sources") == "true")

    @app.get("/api/v1/metrics")
    async def metrics() -> Reply:
        assert collect is not None
        try:
            counting, found = await collect(request.args.get("service"))
        except PywattError as error:
            return {"error": to_json(error)}, HTTPStatus.CONFLICT
        except (TimeoutError, OSError) as error:
            why = f"the metrics cannot be collected now: {str(error) or type(error).__name__}"
            return {"error": to_json(ControlError(why, hint="try again later"))}, HTTPStatus.CONFLICT
        return {"counting": counting, "metrics": found}, HTTPStatus.OK

    @app.get("/api/v1/services/<service>/env")
    async def env(service: str) -> Reply:
        return await run("env", service=service, secrets=reveals())

    @app.get("/api/v1/logs")
    async def logs() -> Reply | Response:
        answer = await ask("metadata", {})
        if answer.error is not None:
            return {"error": dict(answer.error)}, HTTPStatus.CONFLICT
        try:
            folder = kept_log(answer.result, os.environ)
            query = log_query(request.args.to_dict(flat=False))
        except PywattError as error:
            return {"error": to_json(error)}, HTTPStatus.BAD_REQUEST
        events = EVENT_STREAM in request.headers.get("accept", "")
        lines = log_lines(folder, query, stopping=stopping, after=request.headers.get("last-event-id"))
        body = log_events(lines, time.monotonic) if events else log_text(lines)
        response = Response(
            body, content_type=EVENT_STREAM if events else NDJSON, headers={"cache-control": "no-store"}
        )
        response.timeout = None
        return response

    @app.post("/api/v1/services/<service>/stack")
    async def stack(service: str) -> Reply:
        return await run("stack", service=service)

    @app.post("/api/v1/services/<service>/profile")
    async def profile(service: str) -> Reply:
        body = await request.get_json(silent=True)
        named = {name: body[name] for name in ("seconds", "worker") if name in body} if isinstance(body, dict) else {}
        return await run("profile", service=service, **named)

    @app.post("/api/v1/<any(start, stop, reload, restart, scale):command>")
    async def act(command: str) -> Reply:
        body = await request.get_json(silent=True)
        named = {name: body[name] for name in ("services", "dryRun") if name in body} if isinstance(body, dict) else {}
        return await run(command, **named)

    @app.errorhandler(HTTPException)
    async def refuse(error: HTTPException) -> Reply:
        return {"error": {"kind": "request", "message": f"{request.method} {request.path}: {error.name}"}}, (
            error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        )

    return app


def add_repl_route(api: Quart, ask: Ask) -> None:
    """Add `POST /api/v1/services/<id>/repl`, which runs any code: for the unix socket only."""

    @api.post("/api/v1/services/<service>/repl")
    async def repl(service: str) -> Reply:
        body = await request.get_json(silent=True)
        given = body if isinstance(body, dict) else {}
        answer = await ask("repl", {"service": service, "socket": given.get("socket"), "worker": given.get("worker")})
        if answer.error is not None:
            return {"error": dict(answer.error)}, _STATUS.get(answer.error.get("kind", ""), HTTPStatus.CONFLICT)
        return {}, HTTPStatus.OK
