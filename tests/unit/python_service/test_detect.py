"""Finding an application by reading source."""

from __future__ import annotations

from pathlib import Path

import pytest

from pywatt_services.python.detect import find_application


def folder_of(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("app = Quart(__name__)", "app"),
        ("application = get_wsgi_application()", "application"),
        ("app: Application = make()", "app"),
        ("def create_app(): ...", "create_app"),
        ("async def create_app(): ...", "create_app"),
        ("async def app(scope, receive, send): ...", "app"),
        ("def app(environ, start_response): ...", "app"),
        ("class app: ...", "app"),
        ("from service.web import app", "app"),
        ("from service.web import web as application", "application"),
        ("try:\n    app = a()\nexcept ImportError:\n    app = b()", "app"),
        ("if True:\n    pass\nelse:\n    app = a()", "app"),
        ("with thing():\n    app = a()", "app"),
        ("async def main(): ...", "main"),
        ("async def main(): ...\napp = a()", "app"),
        ("app = application = a()", "app"),
        ("def create_app(): ...\napp = create_app()", "app"),
        ("this does not parse", "app"),
    ],
)
def test_application_is_found(tmp_path: Path, source: str, name: str) -> None:
    assert find_application(folder_of(tmp_path, {"app.py": source})) == ("app", name)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import app",
        "app: Application",
        "def main(): ...",
        "from x import main",
        "main = 1",
        "def f():\n    app = 1",
        "if __name__ == '__main__':\n    app = 1",
        "x.app = 1",
    ],
)
def test_what_is_no_application_is_not(tmp_path: Path, source: str) -> None:
    assert find_application(folder_of(tmp_path, {"app.py": source})) is None


def test_an_application_in_any_file_goes_before_a_main(tmp_path: Path) -> None:
    files = {"app.py": "async def main(): ...", "wsgi.py": "application = a()"}
    assert find_application(folder_of(tmp_path, files)) == ("wsgi", "application")


def test_other_files_do_not_count(tmp_path: Path) -> None:
    assert find_application(folder_of(tmp_path, {"settings.py": "app = a()"})) is None


DJANGO_MANAGE = """
import os
import sys


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "%s")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("settings", "files", "found"),
    [
        (
            "shop.settings",
            {"shop/settings.py": 'WSGI_APPLICATION = "shop.wsgi.application"'},
            ("shop.wsgi", "application"),
        ),
        (
            "shop.settings",
            {"shop/settings.py": 'ASGI_APPLICATION = "shop.routing.app"\nWSGI_APPLICATION = "shop.wsgi.application"'},
            ("shop.routing", "app"),
        ),
        (
            "config.settings.dev",
            {"config/settings/base.py": 'WSGI_APPLICATION = "config.wsgi.application"', "config/settings/dev.py": ""},
            ("config.wsgi", "application"),
        ),
        (
            "shop.settings",
            {"shop/settings.py": "", "shop/asgi.py": "", "shop/wsgi.py": ""},
            ("shop.wsgi", "application"),
        ),
        ("shop.settings", {"shop/settings.py": "", "shop/asgi.py": ""}, ("shop.asgi", "application")),
        ("shop.settings", {"shop/settings.py": "("}, None),
        ("settings", {"wsgi.py": "", "main.py": "async def main(): ..."}, ("wsgi", "application")),
        ("shop.settings", {"app.py": "app = 1", "shop/wsgi.py": ""}, ("app", "app")),
    ],
)
def test_a_django_project(tmp_path: Path, settings: str, files: dict[str, str], found: tuple[str, str] | None) -> None:
    for name, content in {"manage.py": DJANGO_MANAGE % settings, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert find_application(tmp_path) == found


@pytest.mark.parametrize("content", ["", "(", 'os.environ.setdefault("OTHER", "shop.settings")'])
def test_a_manage_py_of_something_else(tmp_path: Path, content: str) -> None:
    (tmp_path / "manage.py").write_text(content)
    assert find_application(tmp_path) is None


def test_settings_that_are_assigned(tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text('import os\nos.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"')
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/wsgi.py").touch()
    assert find_application(tmp_path) == ("shop.wsgi", "application")
