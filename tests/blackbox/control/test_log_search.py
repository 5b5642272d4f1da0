"""`pywatt logs --grep, --trace, --where`, and the same filters over the control API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from harness.app import PATIENCE, RunningApp, Start, runtime_folder_of
from harness.apps import gateway_and_api
from harness.terminal import Outcome

Run = Callable[..., Outcome]

LOGS = """
import json, time

async def app(scope, receive, send):
    assert scope["type"] == "http"
    word = scope["path"].removeprefix(scope["root_path"]).strip("/")
    if word:
        line = {"level": 30, "time": int(time.time() * 1000), "msg": word, "trace_id": word * 2}
        print(json.dumps({**line, "order": {"id": len(word)}}), flush=True)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"said"})
"""


def words(text: str) -> list[str]:
    return [json.loads(line)["msg"] for line in text.splitlines()]


@contextmanager
def control(app: RunningApp) -> Iterator[httpx.Client]:
    app.wait_for_text("listening")
    transport = httpx.HTTPTransport(uds=str(runtime_folder_of(app) / "control.sock"))
    with httpx.Client(transport=transport, base_url="http://app/api/v1", timeout=PATIENCE) as client:
        yield client


def test_records_are_found_by_text_trace_and_keys(start: Start, run: Run) -> None:
    with start(gateway_and_api(LOGS)) as app:
        for word in ("one", "three", "seven"):
            app.get(f"/api/{word}")
        app.wait_for_text("seven")
        assert app.stop() == 0
    for options, found in (
        (("--grep", "^(one|se.*)$"), ["one", "seven"]),
        (("--trace", "THREETHREE"), ["three"]),
        (("--where", "order.id=5"), ["three", "seven"]),
        (("-w", "order.id>=5", "-w", "msg!=seven", "--since", "1h"), ["three"]),
        (("--grep", "o", "--lines", "1"), ["one"]),
    ):
        done = run("logs", "api", *options)
        assert (done.status, words(done.out)) == (0, found), done.err
    for options, told in ((("--grep", "("), "no regular expression"), (("--where", "x"), "err.type=KeyError")):
        done = run("logs", *options)
        assert done.status != 0
        assert told in done.err


def test_control_api_streams_the_log_with_the_same_filters(start: Start) -> None:
    with start(gateway_and_api(LOGS)) as app, control(app) as client:
        app.get("/api/one")
        app.get("/api/three")
        query = {"service": "api", "where": "order.id>=3", "follow": "true"}
        with client.stream("GET", "/logs", params=query) as stream:
            lines = stream.iter_lines()
            assert stream.headers["content-type"] == "application/x-ndjson"
            assert words(f"{next(lines)}\n{next(lines)}") == ["one", "three"]
            app.get("/api/me")
            app.get("/api/later")
            assert words(next(lines)) == ["later"]
        with client.stream("GET", "/logs", params=query, headers={"accept": "text/event-stream"}) as stream:
            fields = [line.partition(": ") for _, line in zip(range(9), stream.iter_lines(), strict=False)]
            events = [value for name, _, value in fields if name == "data"]
            assert words("\n".join(events)) == ["one", "three"]
            ids = [value for name, _, value in fields if name == "id"]
        # A client that comes back gets what it has not seen, however much that is.
        headers = {"accept": "text/event-stream", "last-event-id": ids[0]}
        with client.stream("GET", "/logs", params={**query, "lines": "1"}, headers=headers) as stream:
            lines = stream.iter_lines()
            events = [next(lines).partition(": ")[2] for _ in range(9)]
            assert words("\n".join(event for event in events if event.startswith("{"))) == ["three", "later"]
            # An open stream does not hold up a stop.
            assert app.stop() == 0
            assert [line for line in lines if line.startswith("data")] == []


def test_control_api_refuses_malformed_filters(start: Start) -> None:
    with start(gateway_and_api(LOGS)) as app, control(app) as client:
        for query, told in (
            ({"grep": "("}, "no regular expression"),
            ({"where": "x"}, "err.type=KeyError"),
            ({"level": "loud"}, "loud"),
            ({"lines": "few"}, "few"),
            ({"since": "soon"}, "10m, 2h"),
            ({"levels": "info"}, 'unknown parameter "levels"'),
        ):
            response = client.get("/logs", params=query)
            assert response.status_code == 400
            assert told in response.json()["error"]["message"]
