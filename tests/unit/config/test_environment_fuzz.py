"""Any bytes in an env file make a valid environment, or an error that names the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pywatt.config.environment import read_env_file
from pywatt.errors import ConfigError

EXAMPLES = int(os.environ.get("PYWATT_FUZZ_EXAMPLES", "200"))
"""The number of files to try; some thousands in the long form."""
NAMES = st.sampled_from(["A", "PATH", "export B", "'C D'", "E=", "=", "", "É", "F\0", "G.H", "#"])
VALUES = st.sampled_from(
    ["", "x", '"a\\nb"', "'q", '"\\x"', "a\0b", "$A", "${A:-b}", "é", "\u2028", " # c", "\\ud800", "\r"]
)
LINES = st.lists(st.builds("{}={}".format, NAMES, VALUES), max_size=8)
BREAKS = st.sampled_from(["\n", "\r\n", "\r", "\v"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("variables") / ".env"


@given(
    content=st.one_of(st.binary(max_size=200), st.builds(lambda lines, end: end.join(lines).encode(), LINES, BREAKS))
)
@example(content=b"A=a\0b")
@example(content=b"A\0=b")
@example(content=b"\xef\xbb\xbfA=1")
@settings(max_examples=EXAMPLES)
def test_any_file_is_an_environment_or_an_error(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    variables: dict[str, str] = {}
    try:
        variables = read_env_file(file)
    except ConfigError as error:
        files = {problem.file for problem in error.problems}
    else:
        files = {str(file)}
    assert files == {str(file)}
    for name, value in variables.items():
        assert os.fsdecode(os.fsencode(f"{name}={value}")) == f"{name}={value}"
        assert name
        assert not {"=", "\0"} & set(name)
        assert "\0" not in value
