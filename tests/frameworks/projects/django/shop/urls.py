from django.contrib import admin
from django.http import FileResponse, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path


def index(request):
    return render(request, "page.html")


def go(request):
    return redirect("/there")  # which needs a slash at its end


def there(request):
    return HttpResponse(f"<h1>arrived</h1><p>{request.build_absolute_uri()}</p>")


def upload(request):
    file = request.FILES["file"]
    return HttpResponse(f"<h1>{file.name}: {file.read().decode()}</h1>")


def download(request):
    return FileResponse(open("static/style.css", "rb"), as_attachment=True)


urlpatterns = [
    path("", index),
    path("go", go, name="go"),
    path("there/", there),
    path("upload", upload, name="upload"),
    path("download", download, name="download"),
    path("admin/", admin.site.urls),
]
