from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

PAGE = Path("index.html").read_text()


async def index(request: Request) -> HTMLResponse:
    page = PAGE
    for name in ("go", "upload", "download", "echo"):
        page = page.replace(f"<<{name}>>", str(request.url_for(name)))
    return HTMLResponse(page.replace("<<css>>", str(request.url_for("static", path="style.css"))))


async def go(request: Request) -> RedirectResponse:
    return RedirectResponse("/there")  # which needs a slash at its end


async def there(request: Request) -> HTMLResponse:
    return HTMLResponse("<h1>arrived</h1>")


async def upload(request: Request) -> HTMLResponse:
    async with request.form() as form:
        return HTMLResponse(f"<h1>{form['file'].filename}: {(await form['file'].read()).decode()}</h1>")


async def download(request: Request) -> FileResponse:
    return FileResponse("static/style.css", filename="style.css")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text((await websocket.receive_text()).upper())
    await websocket.close()


app = Starlette(
    routes=[
        Route("/", index),
        Route("/go", go),
        Route("/there/", there),
        Route("/upload", upload, methods=["POST"]),
        Route("/download", download),
        WebSocketRoute("/echo", echo),
        Mount("/static", StaticFiles(directory="static"), name="static"),
    ]
)
