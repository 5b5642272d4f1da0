"""A package exports exactly the names in its `__all__`."""

from __future__ import annotations

import importlib
import types

import pytest

PUBLIC_PACKAGES = ["pywatt", "pywatt_kafka", "pywatt_kafka.tracing", "pywatt_schemas", "pywatt_services"]


def exported(package: types.ModuleType) -> list[str]:
    return list(getattr(package, "__all__", ()))


@pytest.mark.parametrize("name", PUBLIC_PACKAGES)
def test_every_public_name_is_listed(name: str) -> None:
    package = importlib.import_module(name)
    ours = {
        member
        for member, value in vars(package).items()
        if not member.startswith("_")
        and not isinstance(value, types.ModuleType)
        and getattr(value, "__module__", name).startswith("pywatt")
    }
    assert ours - set(exported(package)) - {"TYPE_CHECKING"} == set()


@pytest.mark.parametrize("name", PUBLIC_PACKAGES)
def test_every_listed_name_can_be_imported_and_is_listed_once(name: str) -> None:
    package = importlib.import_module(name)
    assert [member for member in exported(package) if not hasattr(package, member)] == []
    assert len(set(exported(package))) == len(exported(package))
