"""Variables that Python reads when it starts apply to python services, from the configuration and from `.env`."""

from __future__ import annotations

from typing import Any

import pytest
from harness.app import Start
from harness.apps import Files

APP = """
import asyncio, ctypes, gc, json, locale, sys, time, warnings

try:
    import orders
except ImportError:
    orders = None

async def app(scope, receive, send):
    assert scope["type"] == "http"
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    body = {
        "zone": time.tzname[0],
        "orders": getattr(orders, "WORD", None),
        "customized": getattr(sys, "customized", None),
        "debug": asyncio.get_running_loop().get_debug(),
        "flags": {name: getattr(sys.flags, name) for name in ("dev_mode", "optimize", "hash_randomization")},
        "filters": [str(one[0]) for one in warnings.filters],
        "no bytecode": sys.dont_write_bytecode,
        "unbuffered": sys.stdout.write_through,
        "encoding": sys.stdout.encoding,
        "locale": locale.setlocale(locale.LC_CTYPE),
        "initial": [line.decode() for line in open("/proc/self/environ", "rb").read().split(b"\\0")],
        "mesh": scope["type"],
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
"""
VARIABLES = {
    "TZ": "Asia/Tokyo",
    "PYTHONPATH": "lib",
    "PYTHONUNBUFFERED": "1",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
AT_THE_START = {
    "PYTHONDEVMODE": "1",
    "PYTHONOPTIMIZE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONWARNINGS": "error::BytesWarning",
    "PYTHONIOENCODING": "latin-1",
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
}


def files(env: dict[str, str], source: str) -> Files:
    made: Files = {"web/api/app.py": APP, "web/api/lib/orders.py": "WORD = 'found'\n"}
    root: dict[str, Any] = {"web": [{"id": "api", "path": "web/api"}]}
    text = "".join(f"{name}={value}\n" for name, value in env.items())
    match source:
        case "env of the service":
            root["web"][0]["env"] = env
        case "env of the root":
            root["env"] = env
        case ".env of the service":
            made["web/api/.env"] = text
        case ".env of the root":
            made[".env"] = text
    return {**made, "watt.json": root}


SOURCES = ["env of the service", "env of the root", ".env of the service", ".env of the root"]


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_forked_worker_can_make_good(start: Start, source: str) -> None:
    with start(files(VARIABLES, source)) as app:
        seen = app.get("/").json()
        assert seen["zone"] == "JST"
        assert seen["orders"] == "found"
        assert [seen[name] for name in ("unbuffered", "debug", "no bytecode")] == [True, True, True]
        assert app.stop() == 0


@pytest.mark.parametrize("source", [SOURCES[0], SOURCES[3]])
def test_what_needs_a_new_interpreter(start: Start, source: str) -> None:
    with start(files({**VARIABLES, **AT_THE_START}, source)) as app:
        seen = app.get("/").json()
        assert seen["flags"] == {"dev_mode": True, "optimize": 1, "hash_randomization": 0}
        assert "error" in seen["filters"]
        assert seen["encoding"] == "latin-1"
        assert seen["locale"] == "C.UTF-8"
        assert "MALLOC_ARENA_MAX=2" in seen["initial"]
        assert seen["zone"] == "JST"
        assert seen["orders"] == "found"
        assert [seen[name] for name in ("unbuffered", "debug", "no bytecode")] == [True, True, True]
        assert app.stop() == 0


def test_a_search_path_with_a_sitecustomize_or_other_versions_of_loaded_modules(start: Start) -> None:
    made = files({"PYTHONPATH": "lib"}, SOURCES[0])
    made["web/api/lib/sitecustomize.py"] = "import sys\nsys.customized = 'yes'\n"
    made["web/api/lib/uvloop_of_mine.py"] = ""
    made["web/api/lib/anyio_extra/__init__.py"] = ""
    with start(made) as app:
        assert app.get("/").json()["customized"] == "yes"


def test_what_no_interpreter_can_start_with_is_told(start: Start) -> None:
    with start(files({"PYTHONHASHSEED": "many"}, SOURCES[0])) as app:
        assert app.wait() == 1
    assert "PYTHONHASHSEED must be" in app.output
