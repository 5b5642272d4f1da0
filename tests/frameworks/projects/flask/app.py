from pathlib import Path

from flask import Flask, redirect, request, send_file, session, url_for

app = Flask(__name__)
PAGE = Path("index.html").read_text()
app.secret_key = "for tests"


@app.get("/")
def index() -> str:
    session["visited"] = "yes"
    page = PAGE.replace("<<echo>>", "")
    for name in ("go", "upload", "download"):
        page = page.replace(f"<<{name}>>", url_for(name))
    return page.replace("<<css>>", url_for("static", filename="style.css"))


@app.get("/go")
def go():
    return redirect("/there")  # which needs a slash at its end


@app.get("/there/")
def there() -> str:
    return f"<h1>arrived</h1><p>visited: {session.get('visited')}</p>"


@app.post("/upload")
def upload() -> str:
    file = request.files["file"]
    return f"<h1>{file.filename}: {file.read().decode()}</h1>"


@app.get("/download")
def download():
    return send_file("static/style.css", as_attachment=True)
