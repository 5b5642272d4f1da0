"""`pywatt dev` in a terminal: the status line, the keys, and the report of a bad save."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.app import PATIENCE, PYWATT, write_files
from harness.apps import Files, gateway_and_api
from harness.processes import MARKER, marked, wait_for_end
from harness.terminal import Terminal, command, terminal

API = """
import os

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": os.environ.get("WORD", "none").encode()})
"""
BROKEN = f"import nothing_like_this\n{API}"
SERVES = 'new code of the service "api" serves'


def files(api: str = API) -> Files:
    made = gateway_and_api(api)
    root = made["watt.json"]
    assert isinstance(root, dict)
    return {**made, "watt.json": {**root, "envfile": "shared.env"}, "shared.env": "WORD=old\n"}


@pytest.fixture
def screen(tmp_path: Path, marker: str) -> Iterator[Terminal]:
    """Run `pywatt dev` on an app with a gateway (key 1) and an api (key 2)."""
    write_files(tmp_path, files())
    with terminal(tmp_path, "dev", env={"PORT": "0", MARKER: marker}) as shown:
        shown.wait_for("1 gateway ● 2 api ● · http://127.0.0.1:")
        shown.wait_for("· r restart all · q quit")
        yield shown
        shown.type("q")
        assert shown.wait() == 0
    assert wait_for_end(marked(marker)) == []


def word(folder: Path) -> str:
    return command(folder, "inject", "api").out


def test_a_broken_save_is_shown_once_and_until_it_is_mended(screen: Terminal, tmp_path: Path) -> None:
    (tmp_path / "web/api/app.py").write_text(BROKEN)
    screen.wait_for("2 api ✗ old code ·")
    screen.wait_for("the old code goes on serving")
    assert "\x1b[31m✗ old code" in screen.text
    trace = screen.plain[screen.plain.index("Traceback") :]
    assert trace.splitlines()[1].endswith('/web/api/app.py", line 1, in <module>')
    assert screen.plain.count("Traceback") == 1
    assert word(tmp_path) == "old"
    seen = len(screen.plain)
    (tmp_path / "web/api/app.py").write_text(API)
    screen.wait_for(SERVES, after=seen)
    screen.wait_for("2 api ● ·", after=seen)


def test_old_code_is_none_any_more_once_a_command_brought_up_the_new_one(screen: Terminal, tmp_path: Path) -> None:
    (tmp_path / "web/api/app.py").write_text(f"import os\nassert not os.path.exists('bad')\n{API}")
    screen.wait_for(SERVES)
    (tmp_path / "web/api/bad").touch()
    screen.type("2")
    screen.wait_for("2 api ✗ old code ·")
    (tmp_path / "web/api/bad").unlink()
    seen = len(screen.plain)
    assert command(tmp_path, "restart", "api").status == 0
    screen.wait_for("2 api ● ·", after=seen)


def test_keys_restart_one_service_or_all(screen: Terminal) -> None:
    seen = len(screen.plain)
    screen.type("2")
    screen.wait_for(SERVES, after=seen)
    assert 'new code of the service "gateway"' not in screen.plain
    seen = len(screen.plain)
    screen.type("rs\n")  # what nodemon and the original take
    screen.wait_for(SERVES, after=seen)
    screen.wait_for('new code of the service "gateway" serves', after=seen)


def test_a_file_of_variables_counts_as_configuration(screen: Terminal, tmp_path: Path) -> None:
    (tmp_path / "shared.env").write_text("WORD=new\n")
    screen.wait_for("the configuration was read again: api, gateway")
    assert word(tmp_path) == "new"


def test_a_config_that_is_mended_again_is_told(screen: Terminal, tmp_path: Path) -> None:
    text = (tmp_path / "watt.json").read_text()
    (tmp_path / "watt.json").write_text(text.replace("entrypoint", "entripoint"))
    screen.wait_for('fix: did you mean "entrypoint"?')
    (tmp_path / "watt.json").write_text(text)
    screen.wait_for("the configuration is in order again, and the same as before")


def test_a_config_that_broken_code_held_up_is_used_once_that_is_mended(screen: Terminal, tmp_path: Path) -> None:
    (tmp_path / "web/api/app.py").write_text(BROKEN)
    screen.wait_for("the old code goes on serving")
    (tmp_path / "shared.env").write_text("WORD=new\n")
    screen.wait_for("the new configuration is not used")
    assert word(tmp_path) == "old"
    (tmp_path / "web/api/app.py").write_text(API)
    screen.wait_for("the configuration was read again: api, gateway")
    assert word(tmp_path) == "new"


def test_a_crash_loop_is_left_by_a_changed_file(screen: Terminal, tmp_path: Path) -> None:
    code = tmp_path / "web/api/app.py"
    code.write_text(f"import os\nassert not os.path.exists('bad')\n{API}")
    screen.wait_for(SERVES)
    (tmp_path / "web/api/bad").touch()
    (api,) = [row for row in command(tmp_path, "services", "--json").json if row["id"] == "api"]
    os.kill(api["workers"][0]["pid"], signal.SIGKILL)
    screen.wait_for("(crash loop)")
    screen.wait_for("2 api ✗ ·")
    shown = command(tmp_path, "ps").out
    assert f"{tmp_path.name} (pid {screen.process.pid}): api is in the state crash-loop" in shown
    seen = len(screen.plain)
    code.write_text(API)
    screen.wait_for("2 api ● ·", after=seen)
    assert word(tmp_path) == "old"


def test_the_app_ends_at_ctrl_c_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    write_files(tmp_path, files())
    with terminal(tmp_path, "dev", env={"PORT": "0"}) as screen:
        screen.wait_for("is now listening")
        screen.type("\x03")
        assert screen.wait() == 0
        assert screen.process.wait(PATIENCE) == 0
        # The scroll region is given back, and nothing stays at the bottom.
        assert "\x1b[r" in screen.text[screen.text.rindex("q quit") :]
    kept = [json.loads(line)["msg"] for line in command(tmp_path, "logs").out.splitlines()]
    assert any("is now listening" in message for message in kept)


def test_a_job_in_the_background_leaves_the_terminal_alone(tmp_path: Path) -> None:
    write_files(tmp_path, files())
    env = {"PORT": "0", "PS1": "shell> ", "HISTFILE": "/dev/null"}
    with terminal(tmp_path, "--norc", "--noprofile", "-i", env=env, program="bash") as shell:
        shell.wait_for("shell> ")
        shell.type(f"{PYWATT} dev &\n")
        shell.wait_for("is now listening")
        shell.type("jobs\n")
        shell.wait_for("Running")
        assert "q quit" not in shell.plain
        shell.type("fg\n")
        shell.wait_for("q quit")
        shell.type("\x1a")
        shell.wait_for("Stopped")
        seen = len(shell.plain)
        shell.type("bg\n")
        shell.type("jobs\n")
        shell.wait_for("Running", after=seen)
        assert "q quit" not in shell.plain[seen:]
        shell.type("fg\n")
        shell.wait_for("q quit", after=seen)
        shell.type("q")
        shell.wait_for("stopped", after=seen)
        shell.type("exit\n")
        assert shell.wait() == 0
