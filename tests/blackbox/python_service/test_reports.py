"""The reason of a failure is logged even if the application changes logging and its standard streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from harness.app import RunningApp, Start

WAYS = {
    "dictConfig": "import logging.config\nlogging.config.dictConfig({'version': 1})\n",
    "dictConfig to a file": """
import logging.config
logging.config.dictConfig({
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "app.log"}},
    "root": {"handlers": ["file"], "level": "INFO"},
})
""",
    "fileConfig": """
import logging.config, pathlib
pathlib.Path("logging.ini").write_text(
    "[loggers]\\nkeys=root\\n[handlers]\\nkeys=\\n[formatters]\\nkeys=\\n[logger_root]\\nlevel=CRITICAL\\nhandlers=\\n"
)
logging.config.fileConfig("logging.ini")
""",
    "disable": "import logging\nlogging.disable(logging.CRITICAL)\n",
    "no handlers": "import logging\nlogging.getLogger().handlers.clear()\n",
    "levels": "import logging\nfor name in (None, 'uvicorn.error'):\n    logging.getLogger(name).setLevel(1000)\n",
    "a handler that raises": """
import logging

class Raises(logging.Handler):
    def emit(self, record):
        raise RuntimeError("not this one")

logging.getLogger().handlers[:] = [Raises()]
""",
    "a record factory that raises": """
import logging

def factory(*args, **kwargs):
    raise RuntimeError("not this one")

logging.setLogRecordFactory(factory)
""",
    "streams replaced": "import io, sys\nsys.stdout = sys.stderr = io.StringIO()\n",
    "streams closed": "import os, sys\nsys.stdout.flush()\nos.close(1)\nos.close(2)\n",
    "descriptors redirected": "import os\nfor it in (1, 2):\n    os.dup2(os.open(os.devnull, os.O_WRONLY), it)\n",
}

IMPORT = "import nothing_like_this\nasync def app(scope, receive, send): ...\n"
LIFESPAN = """
from starlette.applications import Starlette
from contextlib import asynccontextmanager

@asynccontextmanager
async def lifespan(app):
    {starts}
    yield
    raise KeyError("at the end")

app = Starlette(lifespan=lifespan)
"""
STARTUP = LIFESPAN.format(starts="raise KeyError('at the start')")
SHUTDOWN = LIFESPAN.format(starts="")
MAIN = "async def main():\n    raise KeyError('in main')\n"
ASGI_REQUEST = (
    "async def app(scope, receive, send):\n    assert scope['type'] == 'http'\n    raise KeyError('in a request')\n"
)
WSGI_REQUEST = "def app(environ, start_response):\n    raise KeyError('in a request')\n"
HYPERCORN = {"server": {"engine": "hypercorn"}}


def tells(error: str) -> Callable[[dict[str, Any]], bool]:
    return lambda line: "err" in line and error in f"{line['err']['type']}: {line['err']['message']}"


def traceback_of(app: RunningApp, error: str) -> str:
    line = app.wait_for(tells(error))
    assert line["level"] >= 50
    stack: str = line["err"]["stack"]
    assert "app.py" in stack
    return stack


@pytest.mark.parametrize("way", WAYS)
def test_failures_of_start_and_requests(start: Start, way: str) -> None:
    request = f"{WAYS[way]}{ASGI_REQUEST}"
    with start({"watt.json": {}, "app.py": request}) as app:
        assert app.get("/").status_code == 500
        assert "in app\n" in traceback_of(app, "KeyError: 'in a request'")
        assert app.stop() == 0
        assert len([line for line in app.lines if tells("KeyError")(line)]) == 1, app.output
    with start({"app.py": f"{WAYS[way]}{IMPORT}"}) as app:
        traceback_of(app, "ModuleNotFoundError: No module named 'nothing_like_this'")
        assert app.wait() == 1


SILENT = "dictConfig"


@pytest.mark.parametrize(
    ("source", "document", "error"),
    [
        (STARTUP, {}, "KeyError: 'at the start'"),
        (STARTUP, HYPERCORN, "KeyError: 'at the start'"),
        (MAIN, {}, "KeyError: 'in main'"),
    ],
    ids=["lifespan", "lifespan under hypercorn", "main"],
)
def test_failures_of_every_kind_of_start(start: Start, source: str, document: dict[str, Any], error: str) -> None:
    with start({"watt.json": {}, "platformatic.json": document, "app.py": f"{WAYS[SILENT]}{source}"}) as app:
        traceback_of(app, error)
        assert app.wait() == 1


@pytest.mark.parametrize(
    ("source", "document"),
    [(ASGI_REQUEST, HYPERCORN), (WSGI_REQUEST, {}), (WSGI_REQUEST, HYPERCORN)],
    ids=["asgi under hypercorn", "wsgi", "wsgi under hypercorn"],
)
def test_failures_of_requests_under_every_engine(start: Start, source: str, document: dict[str, Any]) -> None:
    with start({"watt.json": {}, "platformatic.json": document, "app.py": f"{WAYS[SILENT]}{source}"}) as app:
        assert app.get("/").status_code == 500
        traceback_of(app, "KeyError: 'in a request'")


def test_a_failure_of_the_shutdown(start: Start) -> None:
    with start({"watt.json": {}, "app.py": f"{WAYS[SILENT]}{SHUTDOWN}"}) as app:
        assert app.get("/").status_code == 404
        app.stop()
        traceback_of(app, "KeyError: 'at the end'")


def test_an_error_whose_text_raises_is_told(start: Start) -> None:
    source = """
class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no text")

raise Odd
app = None
"""
    with start({"watt.json": {}, "app.py": source}) as app:
        traceback_of(app, "Odd: <its text cannot be had: RuntimeError>")
        assert app.wait() == 1


def test_the_applications_own_handlers_get_the_report_as_well(start: Start, tmp_path: Any) -> None:
    with start({"watt.json": {}, "app.py": f"{WAYS['dictConfig to a file']}{ASGI_REQUEST}"}) as app:
        app.get("/")
        traceback_of(app, "KeyError: 'in a request'")
    # dictConfig has disabled the logger of uvicorn by name, the application's own configuration does as it says.
    configured = WAYS["dictConfig to a file"].replace('"version": 1', '"version": 1, "disable_existing_loggers": False')
    with start({"app.py": f"{configured}{ASGI_REQUEST}"}) as app:
        app.get("/")
        traceback_of(app, "KeyError: 'in a request'")
        assert app.stop() == 0
    assert "KeyError: 'in a request'" in (tmp_path / "app.log").read_text()
