"""pywatt's own reports of a worker go straight to the pipe, and to the application's handlers."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator

import pytest

from pywatt.logs import pywatt_logger as module
from pywatt.logs.pywatt_logger import PywattLogger, open_pywatt_loggers


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Replace standard output by a pipe while the loggers are opened, and return its other end."""
    reader, writer = os.pipe()
    monkeypatch.setattr(module, "_output", None)
    open_pywatt_loggers(logging.INFO, stdout=writer, stderr=writer)
    os.close(writer)
    yield reader
    assert module._output is not None
    os.close(module._output.descriptor)
    os.close(reader)


def lines(pipe: int) -> list[dict[str, object]]:
    os.set_blocking(pipe, False)
    try:
        return [json.loads(line) for line in os.read(pipe, 1 << 20).splitlines()]
    except BlockingIOError:
        return []


def test_a_level_decides_and_libraries_tell_of_trouble_only(pipe: int) -> None:
    PywattLogger("pywatt.worker").debug("no")
    PywattLogger("pywatt.worker").info("yes")
    PywattLogger("uvicorn.error").info("chatter")
    PywattLogger("uvicorn.error").warning("%s trouble", "some")
    assert [line["msg"] for line in lines(pipe)] == ["yes", "some trouble"]


def test_logging_can_be_disabled_without_effect(pipe: int) -> None:
    logging.disable(logging.CRITICAL)
    try:
        PywattLogger("pywatt.worker").error("told")
    finally:
        logging.disable(logging.NOTSET)
    assert [line["msg"] for line in lines(pipe)] == ["told"]


def test_the_applications_handlers_get_it_even_if_one_of_them_raises(
    pipe: int, caplog: pytest.LogCaptureFixture
) -> None:
    class Raises(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError

    handler = Raises()
    logging.getLogger("pywatt.worker").addHandler(handler)
    try:
        PywattLogger("pywatt.worker").error("told")
    finally:
        logging.getLogger("pywatt.worker").removeHandler(handler)
    assert [line["msg"] for line in lines(pipe)] == ["told"]
    assert caplog.messages == ["told"]


def test_a_handler_of_the_same_pipe_does_not_get_it_again(pipe: int) -> None:
    assert module._output is not None
    with open(os.dup(module._output.descriptor), "w") as stream:
        handler = logging.StreamHandler(stream)
        logging.getLogger("pywatt.worker").addHandler(handler)
        try:
            PywattLogger("pywatt.worker").error("told")
        finally:
            logging.getLogger("pywatt.worker").removeHandler(handler)
    assert [line["msg"] for line in lines(pipe)] == ["told"]


def test_before_reports_are_opened_it_is_a_logger_like_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_output", None)
    PywattLogger("pywatt.worker").error("told")
    assert caplog.messages == ["told"]
