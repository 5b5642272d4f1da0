"""Differences always add up to the whole table."""

from __future__ import annotations

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pywatt.mesh.table import Endpoint, MeshService, MeshTable, ServiceState, TableDelta
from pywatt.mesh.table_versions import TableVersions

ids = st.sampled_from(["a", "b", "c", "d"])
services = st.builds(
    MeshService,
    id=ids,
    state=st.sampled_from(ServiceState),
    port=st.none() | st.integers(1, 3),
    endpoints=st.lists(st.builds(Endpoint, st.text(max_size=3), st.just("unix:/x")), max_size=2).map(tuple),
    workers=st.integers(1, 2),
    ready=st.integers(0, 2),
    detail=st.sampled_from(["", "Kafka is away"]),
    internal=st.booleans(),
    starting=st.booleans(),
)


def travelled(delta: TableDelta) -> TableDelta:
    return TableDelta.from_json(json.loads(json.dumps(delta.to_json())))


class Following(RuleBasedStateMachine):
    """A changing table, and followers that receive updates now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.versions = TableVersions()
        self.model: dict[str, MeshService] = {}
        self.tables = [MeshTable(0) for _ in range(3)]
        self.names = dict[str, object]()
        """The part of the table that name resolution uses, in a table that receives nothing else."""
        self.resolver = MeshTable(0)

    @rule(
        changed=st.lists(services, max_size=3, unique_by=lambda service: service.id), removed=st.sets(ids, max_size=2)
    )
    def change(self, changed: list[MeshService], removed: set[str]) -> None:
        gone = removed - {service.id for service in changed}
        before, version = dict(self.model), self.versions.table.version
        self.model = {name: service for name, service in self.model.items() if name not in gone}
        self.model.update((service.id, service) for service in changed)
        assert self.versions.update(changed, removed) is (self.model != before)
        assert self.versions.table.version == version + (self.model != before)

    @rule(number=st.integers(0, 2))
    def tell(self, number: int) -> None:
        delta = travelled(self.versions.delta(self.tables[number].version))
        self.tables[number] = self.tables[number].after(delta)
        assert self.tables[number] == self.versions.table

    @rule(number=st.integers(0, 2))
    def tell_twice_over(self, number: int) -> None:
        """An older delta does no harm: its content still holds."""
        delta = self.versions.delta(max(0, self.tables[number].version - 2))
        self.tables[number] = self.tables[number].after(delta)
        assert self.tables[number] == self.versions.table

    @invariant()
    def the_table_is_what_was_made_of_it(self) -> None:
        assert self.versions.table.services == self.model

    @invariant()
    def nothing_is_told_to_who_knows_all(self) -> None:
        delta = self.versions.delta(self.versions.table.version)
        assert (delta.services, delta.removed) == ((), frozenset())

    @invariant()
    def who_is_told_when_names_change_resolves_all_of_them(self) -> None:
        if self.resolver.version < self.versions.names:
            self.resolver = self.resolver.after(self.versions.delta(self.resolver.version))
        seen = {name: (service.port, service.internal) for name, service in self.resolver.services.items()}
        assert seen == {name: (service.port, service.internal) for name, service in self.model.items()}


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def service(service_id: str, state: ServiceState = ServiceState.STARTING) -> MeshService:
    return MeshService(service_id, state, 1)


@pytest.mark.parametrize("size", [10, 1000])
def test_a_delta_is_as_large_as_the_change_and_not_as_the_table(size: int) -> None:
    versions = TableVersions()
    versions.update(service(f"s{number}") for number in range(size))
    known, names = versions.table.version, versions.names
    versions.update([service("s5", ServiceState.READY)])
    assert [each.id for each in versions.delta(known).services] == ["s5"]
    assert versions.names == names, "who only resolves names need not know that a service is ready"


def test_a_delta_that_supposes_what_was_never_told_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        MeshTable(3).after(TableDelta(5, 4))


def test_leaving_is_told_once_and_stays() -> None:
    versions = TableVersions()
    versions.update([service("api")])
    before = versions.table
    versions.leave()
    told = TableDelta.from_json(versions.delta(before.version).to_json())
    assert (told.leaving, told.services) == (True, ())
    assert before.after(told).leaving
    versions.update([service("api", ServiceState.READY)])
    assert before.after(versions.delta(before.version)).leaving
