"""The rate of requests."""

from __future__ import annotations

import mmap
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.gateway.policies import shared_times
from pywatt_services.gateway.policies.rate_limit import RateLimit, decide
from pywatt_services.gateway.policies.route_policy import PolicyContext
from pywatt_services.gateway.policies.shared_times import SIZE, SharedFiles, SharedTimes

Scene = Any
GET = b"GET /api HTTP/1.1\r\nHost: x\r\n%b\r\n"


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


def limited(make_scene: Callable[..., Scene], clock: Clock, **limit: Any) -> Scene:
    entry = {"id": "api", "proxy": {"rateLimit": limit}}
    return make_scene({"gateway": {"applications": [entry]}}, policies=PolicyContext(clock=clock))


def ask(scene: Scene, peer: str = "192.0.2.1", header: bytes = b"") -> tuple[int, dict[bytes, bytes]]:
    client, transport = scene.connect(peer)
    client.data_received(GET % header)
    if scene.upstreams.services and scene.service.received():
        scene.service.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    lines = transport.take().split(b"\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in lines[1:] if b": " in line)
    transport.close()
    return int(lines[0].split()[1]), headers


def test_a_client_above_the_limit_gets_429_and_when_to_come_back(make_scene: Callable[..., Scene]) -> None:
    clock = Clock()
    scene = limited(make_scene, clock, max=2, timeWindow=10_000)
    assert [ask(scene)[1][b"ratelimit-remaining"] for _ in range(2)] == [b"1", b"0"]
    status, headers = ask(scene)
    assert status == 429
    assert headers[b"retry-after"] == b"5"
    assert headers[b"ratelimit-limit"] == b"2"
    assert headers[b"ratelimit-reset"] == b"10"
    assert len(scene.upstreams.services) == 1
    assert ask(scene, "192.0.2.2")[0] == 204
    clock.now += 5
    assert ask(scene)[0] == 204
    assert ask(scene)[0] == 429


def test_a_network_of_ipv6_is_one_client(make_scene: Callable[..., Scene]) -> None:
    scene = limited(make_scene, Clock(), max=1)
    assert ask(scene, "2001:db8:0:1::1")[0] == 204
    assert ask(scene, "2001:db8:0:1:ffff::2")[0] == 429
    assert ask(scene, "2001:db8:0:2::1")[0] == 204


def test_the_value_of_a_header_has_a_limit_of_its_own(make_scene: Callable[..., Scene]) -> None:
    scene = limited(make_scene, Clock(), max=1, by="header:X-Key")
    assert ask(scene, header=b"x-key: a\r\n")[0] == 204
    assert ask(scene, "192.0.2.2", header=b"X-Key: a\r\n")[0] == 429
    assert ask(scene, header=b"x-key: b\r\n")[0] == 204
    assert ask(scene)[0] == 204
    assert ask(scene)[0] == 429


def test_a_route_has_one_for_all(make_scene: Callable[..., Scene]) -> None:
    scene = limited(make_scene, Clock(), max=1, by="route")
    assert [ask(scene, peer)[0] for peer in ("192.0.2.1", "192.0.2.2")] == [204, 429]


def time_of(times: SharedTimes, key: bytes) -> float:
    seen: list[float] = []

    def look(time: float) -> float:
        seen.append(time)
        return time

    times.update(key, look)
    return seen[0]


@given(
    st.integers(1, 50),
    st.floats(0.01, 100),
    st.integers(1, 60),
    st.lists(st.floats(0, 5), min_size=1, max_size=120),
)
def test_no_time_of_any_length_has_more_than_burst_and_rate(
    requests: int, window: float, burst: int, pauses: list[float]
) -> None:
    limit = RateLimit(requests=requests, window=window, burst=burst)
    used_up_at, now = 0.0, 1000.0
    admitted: list[float] = []
    for pause in pauses:
        now += pause
        decision = decide(limit, used_up_at, now)
        used_up_at = decision.used_up_at
        if decision.admitted:
            admitted.append(now)
        else:
            assert decision.retry_after > 0
            assert decide(limit, used_up_at, now + decision.retry_after * 1.001).admitted
        assert 0 <= decision.remaining < burst or not decision.admitted
        assert decision.reset <= limit.interval * burst * 1.001
    for first, begin in enumerate(admitted):
        for last in range(first, len(admitted)):
            passed = admitted[last] - begin
            assert last - first + 1 <= burst + passed / limit.interval + 0.01


def test_a_time_of_the_far_future_is_forgotten() -> None:
    limit = RateLimit(requests=1, window=1, burst=1)
    decision = decide(limit, 1e12, 10.0)
    assert not decision.admitted
    assert decision.retry_after <= 1


def test_any_number_of_clients_needs_the_same_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_times, "BUCKETS", 4)
    times = SharedTimes()
    for number in range(10_000):
        times.update(b"%d" % number, lambda _: 1000.0)
    # Those that are over soonest make room; the one at its limit stays.
    times.update(b"busy", lambda _: 9000.0)
    for number in range(10_000):
        times.update(b"other %d" % number, lambda _: 1000.0)
    assert time_of(times, b"busy") == 9000.0
    assert len(times._map) == SIZE


def _count(path: Path, times: int) -> None:
    table = SharedTimes(path)
    for _ in range(times):
        table.update(b"key", lambda time: time + 1)


def test_workers_count_together_exactly(tmp_path: Path) -> None:
    path = tmp_path / "times"
    context = multiprocessing.get_context("forkserver")
    workers = [context.Process(target=_count, args=(path, 3000)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert time_of(SharedTimes(path), b"key") == 9000.0
    assert [each.name for each in tmp_path.iterdir()] == ["times"]


def test_a_table_that_no_file_has_room_for_is_the_worker_s_own(
    make_scene: Callable[..., Scene], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entry = {"id": "api", "proxy": {"rateLimit": {"max": 1}}}
    context = PolicyContext(shared_file=lambda name: tmp_path / "missing" / name)
    scene = make_scene({"gateway": {"applications": [entry]}}, policies=context)
    assert [ask(scene)[0] for _ in range(2)] == [204, 429]
    assert "each for itself" in caplog.text


def test_the_file_is_of_the_size_that_the_map_needs(tmp_path: Path) -> None:
    SharedTimes(tmp_path / "times")
    with (tmp_path / "times").open("r+b") as file:
        assert len(mmap.mmap(file.fileno(), 0)) == SIZE


def test_files_of_limits_that_were_changed_are_removed(tmp_path: Path) -> None:
    before = SharedFiles(tmp_path, "gateway")
    for name in ("a", "b"):
        SharedTimes(before.path(name))
    others = [SharedFiles(tmp_path, "gateway-2").path("a"), tmp_path / "gateway-0-1.sock"]
    for path in others:
        path.touch()
    after = SharedFiles(tmp_path, "gateway")
    kept = after.path("b")
    after.remove_others()
    assert set(tmp_path.iterdir()) == {kept, *others}
