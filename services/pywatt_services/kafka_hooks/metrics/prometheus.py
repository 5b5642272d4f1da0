"""Writes metrics in the Prometheus text format 0.0.4, without its client: a few numbers do not need 30 ms of imports.

Histograms are kept as counters per bucket, so that observing costs a search in six numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pywatt.metrics.family import Family
from pywatt.metrics.recorder import Histogram as RecordedHistogram

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


@dataclass(slots=True)
class Histogram:
    """A histogram of durations."""

    bounds: Sequence[float]
    """Seconds, rising."""
    counts: list[int] = field(init=False)
    """Per bucket, the last one without a bound."""
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Count one more."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


Timings = Histogram | RecordedHistogram
"""Durations that can be shown: of this worker alone, or such that outlive it."""


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """All samples of one name."""

    name: str
    kind: str
    """`counter`, `gauge` or `histogram`."""
    help: str
    samples: Iterable[tuple[str, Labels, float]]
    """Suffix of the name (empty but in histograms), labels, value."""


def simple_family(family: Family, samples: Iterable[tuple[Labels, float]]) -> MetricFamily:
    """Return the samples of a counter or gauge of the table of metrics."""
    rows = (("", labels, value) for labels, value in samples)
    return MetricFamily(family.name, family.kind.value, family.help, list(rows))


def histogram_family(family: Family, series: Iterable[tuple[Labels, Timings]]) -> MetricFamily:
    """Return the samples of a histogram of the table of metrics."""
    samples: list[tuple[str, Labels, float]] = []
    for labels, timings in series:
        count = 0
        for bound, number in zip([*(f"{each:g}" for each in timings.bounds), "+Inf"], timings.counts, strict=True):
            count += number
            samples.append(("_bucket", {**labels, "le": bound}, count))
        samples.append(("_sum", labels, timings.total))
        samples.append(("_count", labels, count))
    return MetricFamily(family.name, family.kind.value, family.help, samples)


def write_text(families: Iterable[MetricFamily], common: Labels) -> str:
    """Return the text; `common` labels are put on every sample."""
    lines: list[str] = []
    for family in families:
        lines += (f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}")
        for suffix, labels, value in family.samples:
            named = ",".join(f'{name}="{_escaped(text)}"' for name, text in {**common, **labels}.items())
            lines.append(f"{family.name}{suffix}{{{named}}} {value:.15g}")
    return "\n".join([*lines, ""])


def merge_texts(texts: Iterable[str]) -> str:
    """Merge the texts of several workers, whose samples differ in a label."""
    blocks: dict[str, list[str]] = {}
    for text in texts:
        block: list[str] = []
        for line in text.splitlines():
            if line.startswith("# HELP "):
                block = blocks.setdefault(line, [])
            elif not line.startswith("# TYPE ") or line not in block:
                block.append(line)
    return "\n".join([*(line for head, block in blocks.items() for line in (head, *block)), ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
