from pathlib import Path
from typing import Annotated

from litestar import Litestar, Request, WebSocket, get, post, websocket
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import File, Redirect
from litestar.static_files import create_static_files_router

PAGE = Path("index.html").read_text()


@get("/", media_type="text/html")
async def index(request: Request) -> str:
    page = PAGE
    for name in ("go", "upload", "download", "echo"):
        page = page.replace(f"<<{name}>>", request.url_for(name))
    return page.replace("<<css>>", request.url_for("static", file_path="style.css"))


@get("/go", name="go")
async def go() -> Redirect:
    return Redirect("/there")


@get("/there", media_type="text/html")
async def there() -> str:
    return "<h1>arrived</h1>"


@post("/upload", name="upload", media_type="text/html", status_code=200)
async def upload(data: Annotated[dict[str, UploadFile], Body(media_type=RequestEncodingType.MULTI_PART)]) -> str:
    file = data["file"]
    return f"<h1>{file.filename}: {(await file.read()).decode()}</h1>"


@get("/download", name="download")
async def download() -> File:
    return File("static/style.css", filename="style.css")


@websocket("/echo", name="echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text((await socket.receive_text()).upper())
    await socket.close()


app = Litestar([index, go, there, upload, download, echo, create_static_files_router("/static", ["static"])])
