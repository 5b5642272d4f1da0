"""Features of routes are joined into one class, so each has names of its own for all but the events of an exchange."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import defaultdict

from pywatt_services.gateway import features
from pywatt_services.gateway.proxy_exchange import ProxyExchange

EVERY_CLASS = set(dir(type("Any", (), {}))) | {
    "__annotations__",
    "__static_attributes__",
    "__firstlineno__",
    "__slots__",
}
SHARED = {"client"}
"""What several features tell in the same way."""


def names(feature: type) -> set[str]:
    """Return the names that a feature adds to those of exchanges and of the features that it builds upon."""
    inherited = {name for base in feature.__mro__[1:] for name in own(base)}
    return own(feature) - inherited - EVERY_CLASS - SHARED


def own(feature: type) -> set[str]:
    assigned = vars(feature).get("__static_attributes__", ())  # by its methods; since Python 3.13
    return {*vars(feature), *assigned, *inspect.get_annotations(feature)}


def test_no_two_features_have_the_same_name() -> None:
    found = pkgutil.walk_packages(features.__path__, f"{features.__name__}.")
    modules = [importlib.import_module(each.name) for each in found]
    classes = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, ProxyExchange) and value.__module__ == module.__name__
    }
    assert len(classes) > 5
    owners = defaultdict(set)
    for feature in classes:
        for name in names(feature):
            owners[name].add(feature.__name__)
    assert {name: those for name, those in owners.items() if len(those) > 1} == {}
