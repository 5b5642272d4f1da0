"""`pywatt dev --debug`: an editor attaches to a service by the Debug Adapter Protocol, and again after a reload."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness.app import PATIENCE, RunningApp, Start
from harness.terminal import command
from harness.threads import in_thread

API = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    word = "{word}"
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": word.encode()}})
"""
LINE = 5
HANGS = """
import time

async def app(scope, receive, send):
    assert scope["type"] == "http"
    time.sleep(600)
"""
Files = dict[str, str | dict[str, Any]]


def files() -> Files:
    root = {"entrypoint": "api", "web": [{"id": "api", "path": "api"}], "watchdog": {"timeout": 1000}}
    return {"watt.json": root, "api/app.py": API.format(word="old")}


class Editor:
    """Speaks the Debug Adapter Protocol as an editor does."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._stream = self._socket.makefile("rb")
        self._sent = 0

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, request: str, **arguments: Any) -> None:
        self._sent += 1
        message = {"seq": self._sent, "type": "request", "command": request, "arguments": arguments}
        body = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def wait_for(self, kind: str, name: str) -> dict[str, Any]:
        """Return the next event or response with that name."""
        while True:
            header = self._stream.readline()
            assert header, f"closed before {name}"
            self._stream.readline()
            message: dict[str, Any] = json.loads(self._stream.read(int(header.split(b":")[1])))
            if message["type"] == kind and name in (message.get("event"), message.get("command")):
                return message

    def ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        self.send(request, **arguments)
        answer = self.wait_for("response", request)
        assert answer["success"], answer
        return answer

    def ended(self) -> bool:
        """Read to the end of the connection."""
        while self._stream.readline():
            pass
        return True


@contextmanager
def attached(port: int, file: Path) -> Iterator[Editor]:
    """Attach with a breakpoint at LINE."""
    editor = Editor(port)
    try:
        editor.ask("initialize", adapterID="pywatt", pathFormat="path")
        editor.send("attach", justMyCode=True)
        editor.wait_for("event", "initialized")
        set_at = editor.ask("setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": LINE}])
        assert set_at["body"]["breakpoints"][0]["verified"]
        editor.ask("configurationDone")
        yield editor
    finally:
        editor.close()


def port_of(app: RunningApp) -> int:
    line = app.wait_for_text('an editor can attach to the service "api" at 127.0.0.1:')
    return int(line["msg"].rpartition(":")[2])


def look(editor: Editor, folder: Path) -> str:
    """Call the service, read `word` at the breakpoint, and continue."""
    with in_thread(command, folder, "inject", "api") as call:
        thread = editor.wait_for("event", "stopped")["body"]["threadId"]
        frame = editor.ask("stackTrace", threadId=thread)["body"]["stackFrames"][0]
        assert frame["line"] == LINE
        word = editor.ask("evaluate", expression="word", frameId=frame["id"])["body"]["result"]
        editor.ask("continue", threadId=thread)
        assert call().out == word.strip("'")
    return str(word)


def test_an_editor_attaches_and_again_after_a_reload(start: Start, tmp_path: Path) -> None:
    source = tmp_path / "api/app.py"
    with start(files(), "dev", "--debug", "api:0") as app:
        assert app.get("/").text == "old"
        port = port_of(app)
        with attached(port, source) as editor:
            assert look(editor, tmp_path) == "'old'"
            source.write_text(API.format(word="new"))
            app.wait_for_text('new code of the service "api" serves')
            assert editor.ended()
        with attached(port, source) as editor:
            assert look(editor, tmp_path) == "'new'"
        assert app.stop() == 0
    launch = json.loads((tmp_path / ".vscode/launch.json").read_text())
    assert launch["configurations"] == [
        {
            "name": "pywatt: api",
            "type": "debugpy",
            "request": "attach",
            "connect": {"host": "127.0.0.1", "port": port},
        }
    ]


def test_a_launch_file_of_ones_own_stays(start: Start, tmp_path: Path) -> None:
    (tmp_path / ".vscode").mkdir()
    (tmp_path / ".vscode/launch.json").write_text("// mine\n")
    with start(files(), "dev", "--debug", "api:0") as app:
        port = port_of(app)
        told = app.wait_for_text("launch.json is left as it is")
        assert f'"port": {port}' in told["msg"]
    assert (tmp_path / ".vscode/launch.json").read_text() == "// mine\n"


def test_a_worker_that_an_editor_holds_is_not_killed_by_the_watchdog(start: Start, tmp_path: Path) -> None:
    made = files()
    root = made["watt.json"]
    assert isinstance(root, dict)
    root["web"].append({"id": "hangs", "path": "hangs"})
    made["hangs/app.py"] = HANGS
    with start(made, "dev", "--debug", "api:0") as app:
        app.get("/")
        with (
            attached(port_of(app), tmp_path / "api/app.py") as editor,
            in_thread(command, tmp_path, "inject", "api") as call,
            in_thread(command, tmp_path, "inject", "hangs"),
        ):
            thread = editor.wait_for("event", "stopped")["body"]["threadId"]
            app.wait_for(lambda line: "watchdog" in line["msg"] and "hangs" in line["msg"])
            editor.ask("continue", threadId=thread)
            assert call().out == "old"


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("nobody:0", 'there is no python service "nobody"'),
        ("api:many", "'many' is no port"),
        ("api:99999", "'99999' is no port"),
    ],
)
def test_what_cannot_be_debugged_is_told(start: Start, option: str, told: str) -> None:
    with start(files(), "dev", "--debug", option) as app:
        assert app.wait() == 1
    assert told in app.output


def test_a_port_that_is_taken_is_told(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(files(), "dev", "--debug", f"api:{port}") as app:
            assert app.wait() == 1
    assert f"cannot listen at 127.0.0.1:{port} for an editor: Address already in use" in app.output
    assert "--debug api:0" in app.output
