from __future__ import annotations

from pathlib import Path

from pywatt.metrics import families
from pywatt.metrics.derived import with_derived
from pywatt.metrics.page import Page
from pywatt.metrics.readings import read_folder
from pywatt.metrics.recorder import Recorder


def test_one_observation_of_a_gateway_is_in_all_of_its_families(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for callee, method, status in (("api", "GET", "2xx"), ("api", "POST", "2xx"), ("", "GET", "5xx")):
        recorder.histogram(families.GATEWAY_SECONDS, "shop", callee, method, status).observe(0.02)
    recorder.histogram(families.MESH_SECONDS, "api", "error").observe(9)
    recorder.value(families.GATEWAY_REFUSED, "shop", "503").add()
    page = Page(families.BY_BASE)
    readings = read_folder(tmp_path, "gw", "0", families.BY_BASE, lives=lambda _: True)
    page.add_readings(with_derived(readings, families.FAMILIES))
    found = {
        " ".join([sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))]): sample.value
        for family in page.families()
        for sample in family.samples
        if not sample.name.endswith("_bucket") or sample.labels["le"] in ("0.01", "0.025")
    }
    assert found == {
        "pywatt_gateway_refused_total route=shop service=gw status=503": 1,
        "pywatt_gateway_request_duration_seconds_bucket le=0.01 route=shop service=gw": 0,
        "pywatt_gateway_request_duration_seconds_bucket le=0.025 route=shop service=gw": 3,
        "pywatt_gateway_request_duration_seconds_count route=shop service=gw": 3,
        "pywatt_gateway_request_duration_seconds_sum route=shop service=gw": 0.06,
        "pywatt_gateway_requests_total method=GET route=shop service=gw status=2xx": 1,
        "pywatt_gateway_requests_total method=GET route=shop service=gw status=5xx": 1,
        "pywatt_gateway_requests_total method=POST route=shop service=gw status=2xx": 1,
        "pywatt_mesh_request_duration_seconds_bucket callee=api caller=gw le=0.01": 0,
        "pywatt_mesh_request_duration_seconds_bucket callee=api caller=gw le=0.025": 2,
        "pywatt_mesh_request_duration_seconds_count callee=api caller=gw": 3,
        "pywatt_mesh_request_duration_seconds_sum callee=api caller=gw": 9.04,
        "pywatt_mesh_requests_total callee=api caller=gw status=2xx": 2,
        "pywatt_mesh_requests_total callee=api caller=gw status=error": 1,
    }


def test_gauges_are_set_before_a_reading(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    gauge = recorder.value(families.HTTP_IN_FLIGHT)
    recorder.before_reading(lambda: gauge.set(7))
    assert gauge.number == 0
    recorder.refresh()
    assert gauge.number == 7
