"""Serves the dashboard of a recording on a loopback port until it is interrupted."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import cast

from pywatt.control.dashboard_address import dashboard_url
from pywatt.worker.asgi.endless_responses import Streams
from pywatt.worker.asgi.engine import Listeners
from pywatt.worker.asgi.hypercorn_engine import hypercorn_engine
from pywatt.worker.asgi.lifespan import Application
from pywatt_services.dashboard.recording.file_format import read_recording
from pywatt_services.dashboard.recording.playback import playback_application

TOKEN_BYTES = 24
BACKLOG = 64


def show_recording(path: Path, opened: Callable[[str], None]) -> None:
    """Serve the recording in a file; `opened` gets the URL with its token. Raises PywattError, OSError."""
    recording = read_recording(path)

    async def serve() -> None:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with socket.create_server(("127.0.0.1", 0)) as address:
            app = playback_application(recording, path.name, token=token, port=address.getsockname()[1])
            listeners = Listeners(mesh=(), public=address, backlog=BACKLOG)
            ended = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, ended.set)
            async with hypercorn_engine(Streams(cast(Application, app)), {}, listeners) as server:
                opened(dashboard_url(address, token))
                await ended.wait()
                await server.end_events()

    asyncio.run(serve())
