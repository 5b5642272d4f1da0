"""JSON of typed values: structs of msgspec, models of pydantic, dataclasses, TypedDicts and lists of them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any, TypedDict

import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from pywatt_kafka.serde import Json


class Struct(msgspec.Struct):
    id: int
    name: str = "none"


class Model(pydantic.BaseModel):
    id: int
    name: str = "none"


@dataclasses.dataclass
class Line:
    price: float


@dataclasses.dataclass
class Record:
    id: int
    name: str = "none"
    lines: list[Line] = dataclasses.field(default_factory=list)


@pydantic.dataclasses.dataclass
class Checked:
    id: int
    name: str = "none"


class Typed(TypedDict):
    id: int


ROUND_TRIPS: list[tuple[Any, Any, bytes]] = [
    (Struct, Struct(7, "ë"), '{"id":7,"name":"ë"}'.encode()),
    (Model, Model(id=7, name="ë"), '{"id":7,"name":"ë"}'.encode()),
    (Checked, Checked(id=7), b'{"id":7,"name":"none"}'),
    (Record, Record(7, lines=[Line(1.5)]), b'{"id":7,"name":"none","lines":[{"price":1.5}]}'),
    (Typed, Typed(id=7), b'{"id":7}'),
    (list[Struct], [Struct(7)], b'[{"id":7,"name":"none"}]'),
    (list[Model], [Model(id=7)], b'[{"id":7,"name":"none"}]'),
    (dict[str, int], {"a": 1}, b'{"a":1}'),
]


@pytest.mark.parametrize(("kind", "value", "data"), ROUND_TRIPS)
def test_values_come_back_as_their_type(kind: Any, value: Any, data: bytes) -> None:
    serde = Json(kind)
    assert serde.serialize(value, "t", "value") == data
    assert serde.deserialize(data, "t", "value", ()) == value
    assert serde.serialize(None, "t", "value") is serde.deserialize(None, "t", "value", ()) is None


@pytest.mark.parametrize("kind", [Struct, Model, Checked, Record])
def test_data_that_the_type_does_not_allow_is_refused(kind: Any) -> None:
    serde = Json(kind)
    for data in (b'{"id":"seven"}', b"{}", b"[]", b"{", b"\xff"):
        with pytest.raises(ValueError, match=r"."):
            serde.deserialize(data, "t", "value", ())


@pytest.mark.parametrize("kind", [Struct, Model, Checked, Record])
@pytest.mark.parametrize("value", [{"id": 1}, 7, "text", Line(1.0)])
def test_values_of_another_type_are_refused(kind: Any, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Json(kind).serialize(value, "t", "value")


def test_a_type_that_cannot_be_converted_is_refused_at_once() -> None:
    class Plain:
        pass

    with pytest.raises(TypeError, match="Plain is no struct, model, dataclass"):
        Json(Plain)


def test_a_missing_library_is_named() -> None:
    code = """
import dataclasses, sys
sys.modules["msgspec"] = None
from pywatt_kafka import Json, MissingDependency
assert Json().serialize([1], "t", "value") == b"[1]"
@dataclasses.dataclass
class Order: id: int
try:
    Json(Order)
except MissingDependency as error:
    print(f"{error.message}; {error.hint}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = "values of type Order need the package msgspec; pip install 'pywatt[msgspec]'\n"
    assert (done.stdout, done.stderr) == (said, "")
