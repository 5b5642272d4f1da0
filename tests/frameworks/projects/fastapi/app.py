from pathlib import Path

from fastapi import FastAPI, Request, UploadFile, WebSocket
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

app = FastAPI()
PAGE = Path("index.html").read_text()
app.mount("/static", StaticFiles(directory="static"), name="static")


@app.get("/")
async def index(request: Request) -> HTMLResponse:
    page = PAGE
    for name in ("go", "upload", "download", "echo"):
        page = page.replace(f"<<{name}>>", str(request.url_for(name)))
    return HTMLResponse(page.replace("<<css>>", str(request.url_for("static", path="style.css"))))


@app.get("/go")
async def go(request: Request) -> RedirectResponse:
    return RedirectResponse(request.url_for("there"))


@app.get("/there/")
async def there() -> HTMLResponse:
    return HTMLResponse("<h1>arrived</h1>")


@app.post("/upload")
async def upload(file: UploadFile) -> HTMLResponse:
    return HTMLResponse(f"<h1>{file.filename}: {(await file.read()).decode()}</h1>")


@app.get("/download")
async def download() -> FileResponse:
    return FileResponse("static/style.css", filename="style.css")


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text((await websocket.receive_text()).upper())
    await websocket.close()
