from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from pywatt.metrics.value_file import ValueFile, memory_slots, read_values


def test_values_are_read_while_they_are_written(tmp_path: Path) -> None:
    file = ValueFile(tmp_path / "a.db")
    doubles, (first, second) = file.slots(["first", "séconde"])
    doubles[first] += 2
    doubles[second] = 0.5
    assert list(read_values(tmp_path / "a.db")) == [("first", 2.0, 0.0), ("séconde", 0.5, 0.0)]


def test_memory_that_was_handed_out_stays_valid_when_the_file_grows(tmp_path: Path) -> None:
    file = ValueFile(tmp_path / "a.db", first_bytes=64)
    handed_out = [file.slots([f"key {number:04}" + "x" * (number % 9)]) for number in range(500)]
    for number, (doubles, (at,)) in enumerate(handed_out):
        doubles[at] = number
    assert [value for _, value, _ in read_values(tmp_path / "a.db")] == list(range(500))


def test_prometheus_client_reads_the_file(tmp_path: Path) -> None:
    doubles, positions = ValueFile(tmp_path / "a.db").slots(["a", "bb", "ccc", "dddd", "eeeee", "ffffffff"])
    for number, at in enumerate(positions):
        doubles[at] = number
    found = MmapedDict.read_all_values_from_file(str(tmp_path / "a.db"))
    assert [(key.strip(), value) for key, value, _, _ in found] == [
        ("a", 0),
        ("bb", 1),
        ("ccc", 2),
        ("dddd", 3),
        ("eeeee", 4),
        ("ffffffff", 5),
    ]


def test_the_files_of_prometheus_client_are_read(tmp_path: Path) -> None:
    theirs = MmapedDict(str(tmp_path / "b.db"))
    for number in range(9):
        theirs.write_value("k" * number + "ü", float(number), 7.0)
    assert list(read_values(tmp_path / "b.db")) == [("k" * number + "ü", float(number), 7.0) for number in range(9)]
    theirs.close()


@pytest.mark.parametrize("kept", [0, 3, 8, 9, 12, 20, 40])
def test_a_damaged_file_ends_early(tmp_path: Path, kept: int) -> None:
    ValueFile(tmp_path / "a.db").slots(["first", "second"])
    (tmp_path / "a.db").write_bytes((tmp_path / "a.db").read_bytes()[:kept])
    assert len(list(read_values(tmp_path / "a.db"))) <= 1


def test_a_length_that_cannot_be_ends_the_file(tmp_path: Path) -> None:
    ValueFile(tmp_path / "a.db").slots(["first"])
    data = bytearray((tmp_path / "a.db").read_bytes())
    data[8:12] = b"\xff\xff\xff\xff"
    (tmp_path / "a.db").write_bytes(data)
    assert list(read_values(tmp_path / "a.db")) == []


def test_memory_without_a_file() -> None:
    doubles, positions = memory_slots(["a", "b"])
    doubles[positions[1]] += 1.5
    assert list(doubles) == [0.0, 1.5]
