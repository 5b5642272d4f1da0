"""Variables that apply in a forked worker, and those that need a new interpreter."""

from __future__ import annotations

from pathlib import Path

import pytest

from pywatt.worker.process.startup_variables import need_new_interpreter, search_path


@pytest.mark.parametrize(
    "name",
    [
        *("PYTHONHASHSEED", "PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONOPTIMIZE", "PYTHONMALLOC", "PYTHON_GIL"),
        *("LANG", "LC_ALL", "LC_CTYPE", "MALLOC_ARENA_MAX", "LD_PRELOAD", "OPENSSL_CONF", "COVERAGE_PROCESS_START"),
    ],
)
def test_what_is_read_at_the_start_needs_a_new_interpreter(name: str, tmp_path: Path) -> None:
    assert need_new_interpreter({name: "1"}, {}, tmp_path)
    assert need_new_interpreter({name: "1"}, {name: "2"}, tmp_path)
    assert not need_new_interpreter({name: "1"}, {name: "1"}, tmp_path)
    assert not need_new_interpreter({}, {name: "1"}, tmp_path)
    assert not need_new_interpreter({name: ""}, {}, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "TZ", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONASYNCIODEBUG", "PYTHONBREAKPOINT"),
        *("LANGUAGE", "SSL_CERT_FILE", "OMP_NUM_THREADS"),
    ],
)
def test_what_is_read_later_or_can_be_made_good_needs_none(name: str, tmp_path: Path) -> None:
    assert not need_new_interpreter({name: "1"}, {}, tmp_path)


def test_a_search_path_needs_one_where_it_leads_to_other_modules(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    wanted = {"PYTHONPATH": "lib:missing"}
    assert search_path(wanted, tmp_path) == [str(lib), str(tmp_path / "missing")]
    assert not need_new_interpreter(wanted, {}, tmp_path)
    lib.mkdir()
    (lib / "orders.py").touch()
    assert not need_new_interpreter(wanted, {}, tmp_path)
    (lib / "pathlib.py").touch()
    assert need_new_interpreter(wanted, {}, tmp_path)
    (lib / "pathlib.py").rename(lib / "sitecustomize.py")
    assert need_new_interpreter(wanted, {}, tmp_path)
    (lib / "sitecustomize.py").unlink()
    assert need_new_interpreter(wanted, {"PYTHONPATH": "/elsewhere"}, tmp_path)
    (tmp_path / "missing").touch()
    assert need_new_interpreter(wanted, {}, tmp_path)
