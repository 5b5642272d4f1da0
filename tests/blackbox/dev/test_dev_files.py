"""`pywatt dev` watches the app's files through changes of their folders, and watches no ignored files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from harness.app import RunningApp, Start
from harness.apps import gateway_and_api

API = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": VERSION})
"""


def api(version: str, before: str = "") -> str:
    return f'{before}\nVERSION = b"{version}"\n{API}'


def wait_for_version(app: RunningApp, version: str, path: str = "/api/") -> None:
    """Wait until that code answers: after one of the lines that say that new code serves."""
    seen = 0
    while app.get(path).text != version:
        app.wait_for_text("serves after", after=seen)
        seen = next(i for i, line in enumerate(app.lines) if i >= seen and "serves after" in line["msg"]) + 1


def starts(app: RunningApp, service: str = "api") -> int:
    return sum(f'started worker 0 of the service "{service}"' in line["msg"] for line in app.lines)


@pytest.mark.parametrize("folder", ["web/api", "web"])
def test_edits_in_a_folder_that_was_replaced_are_seen(start: Start, tmp_path: Path, folder: str) -> None:
    with start(gateway_and_api(api("v0")), "dev") as app:
        assert app.get("/api/").text == "v0"
        shutil.copytree(tmp_path / folder, tmp_path / "copy")
        (tmp_path / folder).rename(tmp_path / "old")
        app.wait_for_text("the old code goes on serving")
        (tmp_path / "copy").rename(tmp_path / folder)
        app.wait_for_text("serves after")
        for version in ("v1", "v2"):
            (tmp_path / "web/api/app.py").write_text(api(version))
            wait_for_version(app, version)
        assert app.stop() == 0


def test_a_new_folder_of_code_is_followed(start: Start, tmp_path: Path) -> None:
    code = "from parts.version import VERSION\n" + API
    with start({**gateway_and_api(code), "web/api/parts/version.py": 'VERSION = b"v0"\n'}, "dev") as app:
        assert app.get("/api/").text == "v0"
        (tmp_path / "web/api/more/deep").mkdir(parents=True)
        (tmp_path / "web/api/more/deep/version.py").write_text('VERSION = b"v1"\n')
        app.wait_for_text("serves after")
        (tmp_path / "web/api/app.py").write_text(code.replace("parts", "more.deep"))
        wait_for_version(app, "v1")
        (tmp_path / "web/api/more/deep/version.py").write_text('VERSION = b"v2"\n')
        wait_for_version(app, "v2")


def test_a_folder_that_appears_under_autoload_becomes_a_service(start: Start, tmp_path: Path) -> None:
    files = gateway_and_api(api("v0"))
    files["watt.json"] = {"autoload": {"path": "web"}, "entrypoint": "gateway", "server": {"port": 0}}
    files["web/gateway/platformatic.json"] = {"module": "gateway", "gateway": {"applications": []}}
    with start(files, "dev") as app:
        assert app.url
        made = tmp_path / "web/second"
        made.mkdir()
        (made / "app.py").write_text("import nothing_like_this\n" + api("second"))
        app.wait_for_text("nothing_like_this")
        (made / "app.py").write_text(api("second"))
        app.wait_for_text("+second")
        shutil.rmtree(made)
        app.wait_for_text("-second")
        assert app.stop() == 0


def test_a_configuration_that_is_saved_while_another_is_applied_is_not_lost(start: Start, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = api("v0", f'import os\nif os.environ.get("WORD") == "one": open({str(gate)!r}).close()')
    files = {**gateway_and_api(slow), ".env": "WORD=none\n"}
    with start(files, "dev") as app:
        assert app.get("/api/").text == "v0"
        (tmp_path / ".env").write_text("WORD=one\n")
        writer = gate.open("w")  # opens once the new worker imports
        (tmp_path / ".env").write_text("WORD=two\n")
        writer.close()
        line = app.wait_for_text("the configuration was read again")
        app.wait_for_text("the configuration was read again", after=app.lines.index(line) + 1)
        assert app.stop() == 0


def test_a_service_that_writes_into_its_folder_at_each_start_is_found_out(start: Start, tmp_path: Path) -> None:
    writes = "import time, pathlib\npathlib.Path('state.json').write_text(str(time.time_ns()))"
    with start(gateway_and_api(api("v0", writes)), "dev") as app:
        told = app.wait_for_text("is written by each start")
        assert told["msg"].startswith('state.json of the service "api"')
        assert '"ignore": ["state.json"]' in told["msg"]
        counts = []
        for version in ("v1", "v2"):
            seen = len(app.lines)
            (tmp_path / "app.new").write_text(api(version, writes))
            (tmp_path / "app.new").replace(tmp_path / "web/api/app.py")  # one change, however busy the machine
            # "(app.py and 1 more)" when the start that was found out was still under way
            app.wait_for(lambda line: "serves after" in line["msg"] and "(app.py" in line["msg"], after=seen)
            assert app.get("/api/").text == version
            counts.append(starts(app))
        # The start for v1 wrote the file too, and led to no further start.
        assert counts[1] == counts[0] + 1
        assert app.stop() == 0


def watched(app: RunningApp) -> int:
    """Return the number of inotify watches of the supervisor."""
    pid = app.process.pid
    total = 0
    for descriptor in os.listdir(f"/proc/{pid}/fdinfo"):
        total += Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text().count("inotify wd:")
    return total


def test_ignored_folders_cost_no_watch(start: Start, tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / f"web/api/node_modules/p{number}").mkdir(parents=True)
        (tmp_path / f"web/api/build/p{number}").mkdir(parents=True)
    files = {**gateway_and_api(api("v0")), "web/api/.gitignore": "build/\n"}
    with start(files, "dev") as app:
        assert app.get("/api/").text == "v0"
        (tmp_path / "web/api/app.py").write_text(api("v1"))
        wait_for_version(app, "v1")
        assert 0 < watched(app) < 50


def test_what_a_changed_gitignore_lets_in_is_followed(start: Start, tmp_path: Path) -> None:
    files = {**gateway_and_api(api("v0")), "web/api/.gitignore": "*.json\n!settings.json\n"}
    with start({**files, "web/api/settings.json": "{}", "web/api/data.json": "{}"}, "dev") as app:
        assert app.get("/api/").text == "v0"
        (tmp_path / "web/api/data.json").write_text("[]")
        (tmp_path / "web/api/settings.json").write_text("[]")
        assert app.wait_for_text("serves after")["msg"].endswith("(settings.json)")
        seen = len(app.lines)
        (tmp_path / "web/api/.gitignore").write_text("")
        (tmp_path / "web/api/data.json").write_text("[1]")
        assert app.wait_for_text("serves after", after=seen)["msg"].endswith("(data.json)")


def test_files_are_scanned_where_the_kernel_reports_nothing(start: Start, tmp_path: Path) -> None:
    with start(gateway_and_api(api("v0")), "dev", env={"WATCHFILES_FORCE_POLLING": "true"}) as app:
        assert app.get("/api/").text == "v0"
        assert watched(app) == 0
        (tmp_path / "web/api/app.py").write_text(api("v1"))
        wait_for_version(app, "v1")


def test_the_address_is_told_before_the_slowest_service_is_ready(start: Start, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    files = gateway_and_api(api("v0"))
    root = files["watt.json"]
    assert isinstance(root, dict)
    files["watt.json"] = {**root, "web": [*root["web"], {"id": "slow", "path": "web/slow"}]}
    files["web/slow/app.py"] = api("slow", f"open({str(gate)!r}).close()")
    with start(files, "dev") as app:
        told = app.wait_for_text("already; still starting: slow")
        assert "http://127.0.0.1:" in told["msg"]
        gate.open("w").close()
        app.wait_for_text("is now listening")
