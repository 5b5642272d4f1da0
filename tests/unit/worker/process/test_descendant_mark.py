from __future__ import annotations

import operator
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.worker.process.descendant_mark import (
    end_marked,
    is_of_app,
    marked,
    new_app_mark,
    own_mark,
    put_mark,
    worker_mark,
)

APP = new_app_mark(random.Random(1))


@given(st.integers(), st.integers(0, 2**40))
def test_the_marks_of_an_apps_workers_are_the_apps_and_no_others(seed: int, number: int) -> None:
    app, other = new_app_mark(random.Random(seed)), new_app_mark(random.Random(seed + 1))
    mark = worker_mark(app, number)
    assert mark != app
    assert is_of_app(app)(mark)
    assert is_of_app(app)(app)
    assert is_of_app(other)(mark) is (app == other)
    assert not is_of_app(app)(0)


def test_consecutive_workers_have_different_marks() -> None:
    assert len({worker_mark(APP, number) for number in range(1000)}) == 1000


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    mark = partial(put_mark, worker_mark(APP, os.getpid()))
    with subprocess.Popen(
        ["sh", "-c", "sleep 600"],
        env={},
        start_new_session=True,
        preexec_fn=mark,
    ) as process:
        yield process
        process.kill()


def test_a_mark_is_inherited_and_ends_those_who_have_it(sleeper: subprocess.Popen[bytes]) -> None:
    wanted = partial(operator.eq, worker_mark(APP, os.getpid()))
    assert sleeper.pid in marked(wanted)
    assert marked(wanted, but=marked(wanted)) == []
    end_marked(wanted)
    assert sleeper.wait(20) == -signal.SIGKILL
    assert marked(wanted) == []
    assert own_mark() == 0


def test_a_limit_that_cannot_be_set_marks_nothing() -> None:
    code = (
        "import resource; resource.setrlimit(10, (5, 5)); from pywatt.worker.process.descendant_mark import *; "
        f"put_mark({APP}); print(own_mark())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"5", str(APP)}  # root may raise it
