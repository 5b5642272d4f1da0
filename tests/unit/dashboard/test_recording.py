"""Recordings are read as they were written; a file from elsewhere can do no harm."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from harness.fuzz import fuzz
from harness.hostile_texts import HOSTILE_TEXTS
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.dashboard.otlp.spans import Span
from pywatt_services.dashboard.recording import file_format
from pywatt_services.dashboard.recording.file_format import MalformedRecording, Packer, read_recording
from pywatt_services.dashboard.recording.playback import playback_application

TOKEN = "the-token-of-this-test"
SPAN = Span(trace="0a", span="01", parent="", name="GET /", kind="", service="api", start=1, end=2, attributes={})
RECORD = {"level": 30, "time": 1, "pid": 1, "name": "api", "msg": "hello", "trace_id": "0a"}
LINES: list[tuple[str, Any]] = [
    ("services", {"services": [{"id": "api"}]}),
    ("config", {"services": [{"id": "api"}]}),
    ("env", {"service": "api", "env": {"A": "1"}}),
    ("metrics", {"times": [1.0], "families": []}),
    ("graph", {"nodes": [], "edges": []}),
    ("span", SPAN.to_json()),
    ("log", RECORD),
    ("kind of a later version", {}),
]


def packed(lines: list[tuple[str, Any]], about: Any = None) -> bytes:
    packer = Packer()
    parts = [packer.about({"app": "shop", "by": "1", "at": time.time()} if about is None else about)]
    parts += [packer.add(kind, data) for kind, data in lines]
    return b"".join([*parts, packer.end()])


def test_it_holds_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "shop.pywatt"
    file.write_bytes(packed(LINES))
    found = read_recording(file)
    assert found.about["app"] == "shop"
    assert found.documents.keys() == {"services", "config", "metrics", "graph"}
    assert found.environments == {"api": {"A": "1"}}
    assert found.spans == [SPAN]
    assert [json.loads(each) for each in found.records] == [RECORD]


OTHERS = (
    b"",
    b"{}",
    gzip.compress(b""),
    gzip.compress(b"[]"),
    gzip.compress(b'{"format": "other"}'),
    packed([], {"app": "x", "by": "1"}),
    packed([], {"app": "x", "by": "1", "at": float("nan")}),
    packed(LINES)[:-8],
    packed([("services", [])]),
    packed([("services", {"services": ["api"]})]),
    packed([("span", {**SPAN.to_json(), "attributes": []})]),
    packed([("span", {**SPAN.to_json(), "links": [{"trace": 1, "span": "1"}]})]),
    packed([("env", {"service": "api", "env": []})]),
    gzip.compress(b"[" * 100_000),
)


@pytest.mark.parametrize("content", OTHERS, ids=range(len(OTHERS)))  # the time is in what gzip makes
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other.pywatt"
    file.write_bytes(content)
    with pytest.raises(MalformedRecording, match="is no recording of pywatt"):
        read_recording(file)
    with pytest.raises(MalformedRecording, match="it is no file"):
        read_recording(tmp_path)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bomb.pywatt"
    monkeypatch.setattr(file_format, "MOST_BYTES", 4 * file_format.PIECE)
    file.write_bytes(packed([("log", RECORD)] * 50_000))
    with pytest.raises(MalformedRecording, match="unpacks to more than"):
        read_recording(file)
    monkeypatch.setattr(file_format, "LONGEST_LINE", file_format.PIECE)
    file.write_bytes(packed([("log", {**RECORD, "msg": "x" * 3 * file_format.PIECE})]))
    with pytest.raises(MalformedRecording, match="too long a line"):
        read_recording(file)


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(HOSTILE_TEXTS)
NAMES = "services nodes edges times families service env trace span attributes events links level time msg name"


@fuzz
@given(
    st.lists(
        st.tuples(
            st.sampled_from([kind for kind, _ in LINES]),
            st.recursive(
                LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), inner)
            ),
        ),
        max_size=5,
    )
)
def test_any_document(tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, Any]]) -> None:
    file = tmp_path_factory.getbasetemp() / "any.pywatt"
    file.write_bytes(packed(lines))
    try:
        found = read_recording(file)
    except MalformedRecording:
        return
    playback_application(found, file.name, token=TOKEN, port=1)


async def test_it_is_shown_read_only_and_with_the_token(tmp_path: Path) -> None:
    file = tmp_path / "shop.pywatt"
    file.write_bytes(packed(LINES))
    client = playback_application(read_recording(file), file.name, token=TOKEN, port=80).test_client()
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "127.0.0.1"}

    async def get(path: str) -> Any:
        return await (await client.get(f"/api/v1/{path}", headers=headers)).get_json()

    assert (await client.get("/api/v1/dashboard", headers={"Host": "127.0.0.1"})).status_code == 401
    assert (await get("dashboard"))["recording"]["file"] == "shop.pywatt"
    assert (await get("services/api/env")) == {"env": {"A": "1"}}
    assert (await get("services/..%2f..%2fetc%2fpasswd/env"))["error"]["message"] == "the recording does not hold this"
    assert (await get("traces"))["traces"][0]["name"] == "GET /"
    assert (await get("kafka/clusters"))["error"]["message"] == "the recording does not hold this"
    for path in ("stop", "reload", "services/api/profile"):
        assert (await client.post(f"/api/v1/{path}", headers=headers)).status_code == 403
    logs = await client.get("/api/v1/logs/batches?grep=hel+*lo&trace=0a", headers=headers)
    assert b'"msg": "hello"' in await logs.get_data(as_text=False)
    logs = await client.get("/api/v1/logs/batches?grep=nothing", headers=headers)
    assert b"hello" not in await logs.get_data(as_text=False)
