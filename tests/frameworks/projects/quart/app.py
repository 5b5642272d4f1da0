from pathlib import Path

from quart import Quart, redirect, request, send_file, url_for, websocket

app = Quart(__name__)
PAGE = Path("index.html").read_text()


@app.get("/")
async def index() -> str:
    page = PAGE
    for name in ("go", "upload", "download"):
        page = page.replace(f"<<{name}>>", url_for(name))
    page = page.replace("<<echo>>", url_for("echo", _external=True, _scheme="ws"))
    return page.replace("<<css>>", url_for("static", filename="style.css"))


@app.get("/go")
async def go():
    return redirect("/there")  # which needs a slash at its end


@app.get("/there/")
async def there() -> str:
    return "<h1>arrived</h1>"


@app.post("/upload")
async def upload() -> str:
    file = (await request.files)["file"]
    return f"<h1>{file.filename}: {file.read().decode()}</h1>"


@app.get("/download")
async def download():
    return await send_file("static/style.css", as_attachment=True)


@app.websocket("/echo")
async def echo() -> None:
    await websocket.send((await websocket.receive()).upper())
