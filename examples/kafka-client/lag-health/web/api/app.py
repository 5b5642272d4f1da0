"""A service that answers HTTP: the entrypoint of the app."""

from __future__ import annotations

from quart import Quart

app = Quart(__name__)


@app.get("/")
async def index() -> dict[str, str]:
    """Greet."""
    return {"message": "hello"}
