"""Arbitrary output of a service, from its pipe to a terminal: nothing raises, and no other line is lost.

`PYWATT_LOG_FUZZ=20000` tries so many outputs instead of fifty.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pywatt.config.logger_model import Rotation
from pywatt.config.model import LogLevel
from pywatt.logs.history import RingReader, history_of
from pywatt.logs.lines import MAX_LINE_BYTES, OutputStream
from pywatt.logs.logbook import HIGH_BYTES, Logbook, open_logbook
from pywatt.logs.output import PrettyLines
from pywatt.supervisor.process.output import WorkerOutput, _Pipe

PIPE_BYTES = 256 * 1024
"""The size of one read in asyncio."""
EXAMPLES = int(os.environ.get("PYWATT_LOG_FUZZ", "50"))
NEIGHBOURS = (b"first neighbour", b'{"level":40,"time":5,"msg":"second neighbour"}', b"third neighbour")

odd_numbers = st.sampled_from(
    ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "9" * 20, "9" * 5_000, "-1", "1.5", "0", "true", "null", '"x"']
)
odd_texts = st.one_of(
    st.text(st.characters(), max_size=40),
    st.sampled_from(["\x1b[2J", "\x1b]0;x\x07", "\x9b2J", "\u202e", "a\rb", "\x00", "\x85", "\u2028", "\ud800"]),
)
nested = st.builds(
    lambda depth, mark: {"[": "[" * depth + "]" * depth, "{": '{"a":' * depth + "1" + "}" * depth}[mark],
    st.sampled_from([1, 99, 100, 101, 990, 11_000]),
    st.sampled_from("[{"),
)
values = st.one_of(odd_numbers, nested, odd_texts.map(json.dumps))
records = st.dictionaries(
    st.sampled_from(["level", "time", "msg", "name", "pid", "worker", "hostname", "err", "x", "\ud800"]),
    values | st.sampled_from(["30", "50", "1700000000000", '"hello"']),
).map(lambda fields: "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in fields.items()) + "}")
lines = st.one_of(
    st.binary(max_size=100),
    records.map(str.encode),
    odd_texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"Traceback (most recent call last):", b'  File "x"', b"ValueError: x", b"", b" ", b"\r"]),
    st.builds(lambda part, size: part * (size // len(part)), st.sampled_from([b"x", b"\xf0\x9f\x98\x80", b"\xff"]),
              st.sampled_from([64 * 1024 + 1, MAX_LINE_BYTES + 3])),
).map(lambda line: line.replace(b"\n", b""))  # fmt: skip


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """Split a service's output, as a pipe does."""
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[begin:end] for begin, end in pairwise(places)]


@settings(max_examples=EXAMPLES)
@given(st.lists(lines, max_size=4), st.lists(st.integers(0, 10**7), max_size=5), st.sampled_from(list(OutputStream)))
def test_any_output_reaches_the_log_the_history_and_the_terminal(
    odd: list[bytes], cuts: list[int], stream: OutputStream
) -> None:
    printed = b"\n".join([NEIGHBOURS[0], *odd, NEIGHBOURS[1], *odd, NEIGHBOURS[2]]) + b"\n"
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "shown").open("w+") as shown:
        history = history_of("shop", Path(folder), {"XDG_STATE_HOME": folder})
        with open_logbook(shown, LogLevel.TRACE, history, Rotation(max_size=256 * 1024 * 1024)) as logbook:
            asyncio.run(_print(printed, cuts, logbook, stream))
        shown.seek(0)
        documents = [json.loads(line, parse_constant=pytest.fail) for line in shown.read().splitlines()]
        reader = RingReader(history.folder)
        kept = list(reader.records())
        reader.close()
    messages = [document["msg"] for document in documents]
    assert [record.msg for record in kept] == messages
    for neighbour in ("first neighbour", "second neighbour", "third neighbour"):
        # On standard error it may have become part of a stack trace.
        assert any(neighbour in message.split("\n") for message in messages)
    assert all(30 <= document["level"] <= 60 or document["level"] in (10, 20) for document in documents)
    for colour in (True, False):
        pretty = PrettyLines(io.StringIO(), colour=colour, dated=True)
        for record in kept:
            text = pretty.render(record)
            text.encode()
            assert "\x1b[2J" not in text
            assert "\r" not in text


async def _print(printed: bytes, cuts: list[int], logbook: Logbook, stream: OutputStream) -> None:
    output = WorkerOutput(name="api", slot=0, log=logbook.write)
    pipe = _Pipe(output, stream, LogLevel.ERROR if stream is OutputStream.STDERR else LogLevel.INFO)
    for piece in pieces(printed, [*cuts, *range(0, len(printed), PIPE_BYTES)]):
        pipe.data_received(piece)
        # As the backpressure holds pipes back while outputs are behind.
        while logbook._waiting() > HIGH_BYTES:  # noqa: ASYNC110 - a thread brings it about, which sets no event
            await asyncio.sleep(0)
    pipe.connection_lost(None)
