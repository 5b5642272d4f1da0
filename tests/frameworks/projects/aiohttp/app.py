import os
from pathlib import Path

from aiohttp import web

PAGE = Path("index.html").read_text()


async def index(request: web.Request) -> web.Response:
    # aiohttp has no notion of a prefix: this is the line that it needs.
    prefix = request.headers.get("X-Forwarded-Prefix", "")
    page = PAGE
    for name in ("go", "upload", "download", "echo"):
        page = page.replace(f"<<{name}>>", f"{prefix}/{name}")
    return web.Response(text=page.replace("<<css>>", f"{prefix}/static/style.css"), content_type="text/html")


async def go(request: web.Request) -> web.Response:
    raise web.HTTPFound("/there")


async def there(request: web.Request) -> web.Response:
    return web.Response(text="<h1>arrived</h1>", content_type="text/html")


async def upload(request: web.Request) -> web.Response:
    file = (await request.post())["file"]
    text = f"<h1>{file.filename}: {file.file.read().decode()}</h1>"
    return web.Response(text=text, content_type="text/html")


async def download(request: web.Request) -> web.FileResponse:
    return web.FileResponse("static/style.css", headers={"Content-Disposition": 'attachment; filename="style.css"'})


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str((await socket.receive_str()).upper())
    await socket.close()
    return socket


app = web.Application()
app.add_routes(
    [
        web.get("/", index),
        web.get("/go", go),
        web.get("/there", there),
        web.post("/upload", upload),
        web.get("/download", download),
        web.get("/echo", echo),
        web.static("/static", "static"),
    ]
)
web.run_app(app, host=os.environ["HOST"], port=int(os.environ["PORT"]))
