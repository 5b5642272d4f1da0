from __future__ import annotations

import shutil
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict, mmap_key

from pywatt.metrics.family import Family, Group, Kind, Merge
from pywatt.metrics.page import Page, PageOptions, Sample
from pywatt.metrics.readings import FileName, Readings, file_name
from pywatt.metrics.recorder import Recorder
from pywatt.metrics.worker_folders import WorkerName, end_folder, make_live_folder
from pywatt.metrics.worker_totals import WorkerTotals

COUNT = Family(name="done_total", kind=Kind.COUNTER, help="Done", group=Group.SERVICES, labels=("how",))
GAUGE = Family(name="open", kind=Kind.GAUGE, help="Open", group=Group.SERVICES)
SECONDS = Family(name="took_seconds", kind=Kind.HISTOGRAM, help="Took", group=Group.SERVICES, buckets=(0.5, 1))
FAMILIES = {family.base: family for family in (COUNT, GAUGE, SECONDS)}


class App:
    """Workers that count, and the control worker that reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = 0
        self.dead: set[str] = set()

    def worker(self, service: str = "api", slot: int = 0) -> tuple[Path, Recorder]:
        self.made += 1
        live = make_live_folder(self.folder, WorkerName(service, str(slot), f"1.{self.made}"))
        return live, Recorder(live)

    def totals(self) -> WorkerTotals:
        return WorkerTotals(self.folder, FAMILIES, lives=lambda pid: pid not in self.dead)

    def samples(self, totals: WorkerTotals | None = None, *, per_worker: bool = False) -> dict[str, float]:
        page = Page(FAMILIES, PageOptions(per_worker=per_worker))
        page.add_readings((totals or self.totals()).read())
        return {shown(sample): sample.value for family in page.families() for sample in family.samples}


def shown(sample: Sample) -> str:
    return f"{sample.name}{{{','.join(f'{name}={value}' for name, value in sample.labels.items())}}}"


def test_workers_are_summed(tmp_path: Path) -> None:
    app = App(tmp_path)
    for slot in range(3):
        _, recorder = app.worker(slot=slot)
        recorder.value(COUNT, "well").add(slot + 1)
        recorder.value(GAUGE).set(2)
        recorder.histogram(SECONDS).observe(0.7)
    assert app.samples() == {
        "done_total{service=api,how=well}": 6,
        "open{service=api}": 6,
        "took_seconds_bucket{service=api,le=0.5}": 0,
        "took_seconds_bucket{service=api,le=1.0}": 3,
        "took_seconds_bucket{service=api,le=+Inf}": 3,
        "took_seconds_count{service=api}": 3,
        "took_seconds_sum{service=api}": 0.7 * 3,
    }


def test_workers_are_shown_one_by_one(tmp_path: Path) -> None:
    app = App(tmp_path)
    for slot in range(2):
        app.worker(slot=slot)[1].value(GAUGE).set(slot)
    assert app.samples(per_worker=True) == {"open{service=api,worker=0}": 0, "open{service=api,worker=1}": 1}


def test_counts_of_ended_workers_stay_and_their_gauges_and_files_go(tmp_path: Path) -> None:
    app = App(tmp_path)
    totals = app.totals()
    for _ in range(20):
        live, recorder = app.worker()
        recorder.value(COUNT, "well").add()
        recorder.value(GAUGE).set(1)
        recorder.histogram(SECONDS).observe(2)
        before = app.samples(totals)["done_total{service=api,how=well}"]
        end_folder(live)
        assert app.samples(totals)["done_total{service=api,how=well}"] == before
    found = app.samples(totals)
    assert found["done_total{service=api,how=well}"] == 20
    assert found["took_seconds_bucket{service=api,le=+Inf}"] == 20
    assert found["took_seconds_sum{service=api}"] == 40
    assert not any(name.startswith("open") for name in found)
    assert sorted(path.name for path in tmp_path.rglob("*.db")) == []


def test_another_control_worker_goes_on_with_the_sums(tmp_path: Path) -> None:
    app = App(tmp_path)
    for _ in range(3):
        live, recorder = app.worker()
        recorder.value(COUNT, "well").add()
        end_folder(live)
        assert app.samples(app.totals())


def test_nothing_is_added_twice_if_the_control_worker_is_killed_before_it_removes_a_folder(tmp_path: Path) -> None:
    app = App(tmp_path)
    live, recorder = app.worker()
    recorder.value(COUNT, "well").add(5)
    end_folder(live)
    ended = tmp_path / "metrics/ended" / live.name
    shutil.copytree(ended, tmp_path / "kept")
    assert app.samples()["done_total{service=api,how=well}"] == 5
    shutil.copytree(tmp_path / "kept", ended)  # as it is when the process ends between writing and removing
    assert app.samples()["done_total{service=api,how=well}"] == 5
    assert not ended.exists()


def test_a_worker_that_ends_while_it_is_read_counts_once(tmp_path: Path) -> None:
    app = App(tmp_path)
    live, recorder = app.worker()
    recorder.value(COUNT, "well").add(5)

    class Racing(WorkerTotals):
        def _read(self, stage: str, name: str) -> Readings:
            if stage == "live":
                end_folder(live)
            return super()._read(stage, name)

    assert app.samples(Racing(tmp_path, FAMILIES))["done_total{service=api,how=well}"] == 5
    assert app.samples()["done_total{service=api,how=well}"] == 5


def test_an_app_without_workers_that_count(tmp_path: Path) -> None:
    assert App(tmp_path).samples() == {}


def theirs(folder: Path, name: str, *entries: tuple[str, str, dict[str, str], float, float]) -> None:
    file = MmapedDict(str(folder / name))
    for family, sample, labels, value, time in entries:
        file.write_value(mmap_key(family, sample, list(labels), list(labels.values()), "Help"), value, time)
    file.close()


def test_the_modes_of_users_gauges(tmp_path: Path) -> None:
    app = App(tmp_path)
    live, _ = app.worker()
    for pid, value in (("10", 3.0), ("11", 4.0)):
        for mode in ("all", "liveall", "min", "livemax", "sum", "mostrecent"):
            theirs(live, f"gauge_{mode}_{pid}.db", (mode, mode, {}, value, 20 - value))
    found = {
        "all{service=api}": 7,
        "liveall{service=api,pid=10}": 3,
        "liveall{service=api,pid=11}": 4,
        "livemax{service=api}": 4,
        "min{service=api}": 3,
        "mostrecent{service=api}": 3,
        "sum{service=api}": 7,
    }
    assert app.samples() == found
    app.dead = {"11"}  # a child of the worker
    after = {"all{service=api}": 3.0, "livemax{service=api}": 3.0}
    assert app.samples() == {key: value for key, value in {**found, **after}.items() if "pid=11" not in key}


def test_labels_of_users_that_have_our_names_are_renamed(tmp_path: Path) -> None:
    app = App(tmp_path)
    live, _ = app.worker()
    theirs(live, "counter_7.db", ("sold", "sold_total", {"service": "theirs", "pid": "1"}, 2, 0))
    assert app.samples() == {"sold_total{service=api,pid=1,exported_service=theirs}": 2}


def test_a_name_with_two_types_is_shown_with_the_first_one(tmp_path: Path) -> None:
    app = App(tmp_path)
    theirs(app.worker("a")[0], "counter_7.db", ("sold", "sold_total", {}, 2, 0))
    theirs(app.worker("b")[0], "gauge_sum_7.db", ("sold", "sold", {}, 3, 0))
    page = Page(FAMILIES)
    page.add_readings(app.totals().read())
    assert [shown(sample) for family in page.families() for sample in family.samples] == ["sold_total{service=a}"]
    assert page.conflicts == {"b: sold": "it is a gauge there, and a counter in another service"}


def test_names_of_files() -> None:
    assert file_name("gauge_livesum_12.db") == FileName(Kind.GAUGE, Merge.SUM, live=True, pid="12")
    assert file_name("summary_12.db") == FileName(Kind.SUMMARY, Merge.SUM, live=False, pid="12")
    assert [file_name(name) for name in ("gauge_odd_1.db", "counter_1.txt", "pywatt.db", "x_1.db", "gauge_1.db")] == [
        None
    ] * 5


def test_values_are_counted_without_disk_space(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "missing")
    value = recorder.value(COUNT, "well")
    value.add()
    recorder.histogram(SECONDS).observe(1)
    assert value.number == 1
