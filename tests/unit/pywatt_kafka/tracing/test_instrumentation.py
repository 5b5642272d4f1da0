"""Switching the instrumentation on and off."""

from __future__ import annotations

import inspect
import sys
import tomllib
from contextlib import nullcontext
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from pywatt_kafka import KafkaError, MissingDependency, Producer
from pywatt_kafka.consuming.group_reader import GroupReader
from pywatt_kafka.tracing import KafkaInstrumentation, processing
from pywatt_kafka.tracing.patches import Patches


def test_only_one_is_enabled_and_only_that_one_disables() -> None:
    send, fetch = Producer.send, GroupReader.fetch
    first, second = KafkaInstrumentation(), KafkaInstrumentation()
    first.instrument()
    try:
        observed = Producer.send
        assert observed is not send
        assert inspect.iscoroutinefunction(observed)
        assert not inspect.iscoroutinefunction(Producer.post)
        second.enable()
        assert (first.enabled, second.enabled) == (True, False)
        second.disable()
        assert Producer.send is observed
    finally:
        first.uninstrument()
    assert (Producer.send, GroupReader.fetch) == (send, fetch)
    assert not first.enabled
    first.disable()


def test_it_can_be_named_in_telemetry_instrumentations() -> None:
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text("utf-8"))["project"]
    value = project["entry-points"]["opentelemetry_instrumentor"]["pywatt_kafka"]
    assert EntryPoint("pywatt_kafka", value, "opentelemetry_instrumentor").load() is KafkaInstrumentation


def test_without_opentelemetry_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    for name in [name for name in sys.modules if name.startswith("pywatt_kafka.tracing.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingDependency) as caught:
        KafkaInstrumentation().enable()
    assert caught.value.hint == "pip install 'pywatt[telemetry]'"
    assert isinstance(caught.value, KafkaError)


def test_processing_does_nothing_while_nothing_is_enabled() -> None:
    assert isinstance(processing(object()), nullcontext)


class _Original:
    def call(self) -> str:
        return "original"


def test_undone_patch_below_another_librarys_passes_calls_on() -> None:
    original = _Original.call
    patches = Patches()
    patches.replace(_Original, "call", lambda inner: lambda self: f"observed {inner(self)}")
    ours = _Original.call
    assert _Original().call() == "observed original"

    def theirs(self: _Original) -> str:
        return f"theirs {ours(self)}"

    _Original.call = theirs  # type: ignore[method-assign]
    try:
        patches.undo()
        assert _Original().call() == "theirs original"
    finally:
        _Original.call = original  # type: ignore[method-assign]
