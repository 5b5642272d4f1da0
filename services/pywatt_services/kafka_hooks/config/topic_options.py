"""Reads the entries of `topics`: each says which records go to which webhook, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pywatt.circuit_breaker import BreakerPolicy
from pywatt.errors import MeshError
from pywatt.mesh.address import ServiceAddress, locate, unknown_service
from pywatt.service_type import Placement
from pywatt_services.diagnostics.problem_report import ReportProblem
from pywatt_services.kafka_hooks.config.milliseconds import MILLISECONDS, seconds
from pywatt_services.kafka_hooks.patterns.topic_patterns import check_pattern
from pywatt_services.kafka_hooks.webhooks.bundle import BundleOptions
from pywatt_services.kafka_hooks.webhooks.cloud_events import CloudEventOptions
from pywatt_services.kafka_hooks.webhooks.options import DEFAULT_DLQ, Order, Tombstones, WebhookOptions
from pywatt_services.kafka_hooks.webhooks.record_filter import RecordFilter, read_filter
from pywatt_services.kafka_hooks.webhooks.retry import RetryPolicy, StatusMeaning, StatusRules, status_rules
from pywatt_services.kafka_hooks.webhooks.signature import SigningKey, read_key
from pywatt_services.kafka_hooks.webhooks.templates import TemplateError, check_template, is_template, sample
from pywatt_services.kafka_hooks.wire.headers import is_header_name, is_header_value, is_reserved

NO_TOPIC = r"(?!)"
"""A pattern that matches no topic."""
DEFAULTED = ("order", "retry", "breaker", "tombstones")
"""Keys of an entry that may also stand beside `topics`, as defaults for all entries."""
DEFAULT_FACTOR = 2.0  # of an exponential delay
DEFAULT_JITTER = 0.5
RETRY_SUFFIX = "-retry"
LONGEST_NAME = 249  # characters


def with_defaults(entry: Mapping[str, Any], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an entry with the defaults of all entries."""
    return {**{key: settings[key] for key in DEFAULTED if key in settings}, **entry}


def read_entry(
    key: str, entry: Mapping[str, Any], placement: Placement, report_problem: ReportProblem, calls: list[str]
) -> WebhookOptions:
    """Return the options of one entry; `calls` gets the id of the service that it calls."""
    check_url(f"{key}.url", entry["url"], placement, report_problem, calls)
    dlq = entry.get("dlq", True)
    return WebhookOptions(
        topic=_topic(key, entry, report_problem),
        by_pattern="pattern" in entry,
        url=entry["url"],
        allow_private=entry.get("allowPrivate"),
        method=entry.get("method", "POST"),
        headers=tuple(_headers(f"{key}.headers", entry.get("headers", {}), report_problem)),
        order=Order(entry.get("order", Order.KEY.value)),
        concurrency=entry.get("concurrency"),
        retry=_retry(f"{key}.retry", entry, report_problem),
        breaker=_breaker(entry.get("breaker", False)),
        tombstones=Tombstones(entry.get("tombstones", Tombstones.DELIVER.value)),
        dlq=DEFAULT_DLQ if dlq is True else None if dlq is False else dlq,
        include_attempt=entry.get("includeAttemptInRequests", True),
        include_metadata=entry.get("includeMetadataInRequests", True),
        signing_keys=tuple(_signing_keys(f"{key}.signature.secrets", entry.get("signature", {}), report_problem)),
        cloud_events=_cloud_events(entry.get("cloudEvents", False)),
        bundle=_bundle(key, entry, report_problem),
        filter=_filter(f"{key}.filter", entry.get("filter"), report_problem),
    )


def _topic(key: str, entry: Mapping[str, Any], report_problem: ReportProblem) -> str:
    """Return the topic's name or the pattern."""
    if "pattern" not in entry:
        if "topic" not in entry:
            report_problem(key, "topic is missing", 'such as "topic": "orders", or "pattern": "orders\\..*" for many')
        return str(entry.get("topic", ""))
    pattern = str(entry["pattern"])
    if "topic" in entry:
        report_problem(f"{key}.pattern", "topic and pattern are given, one entry takes one of them", "make two entries")
    try:
        check_pattern(pattern)
    except ValueError as error:
        hint = "a regular expression for whole names, such as orders\\..* or (?:orders|payments)"
        report_problem(f"{key}.pattern", f"{pattern!r} cannot be used: {error}", hint)
        return NO_TOPIC
    return pattern


def check_url(key: str, url: str, placement: Placement, report_problem: ReportProblem, calls: list[str]) -> None:
    """Report an invalid URL, and that of an unknown service."""
    try:
        check_template(url)
        destination = locate(sample(url)).destination
    except TemplateError as error:
        report_problem(key, str(error), "such as http://api.plt.local/customers/{record.key}")
        return
    except MeshError as error:
        report_problem(key, error.message, error.hint or "such as http://api.plt.local/webhooks/orders")
        return
    if isinstance(destination, ServiceAddress):
        known = {name.lower(): name for name in placement.services}
        if destination.id in {name.lower() for name in placement.left_out}:
            message = f"the service {destination.id!r} does not run: it is disabled, or of a profile that is not chosen"
            report_problem(key, message, "records would have no target: enable it, or start the app with --profile")
        elif destination.id not in known:
            unknown = unknown_service(destination.id, placement.services)
            report_problem(key, unknown.message, unknown.hint)
        elif known[destination.id] != placement.id:
            calls.append(known[destination.id])


def _headers(key: str, headers: Mapping[str, str], report_problem: ReportProblem) -> Iterable[tuple[bytes, bytes]]:
    for name, text in headers.items():
        value = text.strip(" \t").encode("utf-8")
        if not is_header_name(name) or not is_header_value(value):
            report_problem(f"{key}.{name}", f"{name!r} is not a header that HTTP can carry", "check name and value")
        elif is_reserved(name):
            report_problem(f"{key}.{name}", f"the header {name} is made by pywatt", "leave it out")
        else:
            yield name.lower().encode("ascii"), value


def _retry(key: str, entry: Mapping[str, Any], report_problem: ReportProblem) -> RetryPolicy:
    retry: Mapping[str, Any] = entry.get("retry", {})
    grows = retry.get("backoff") == "exponential"
    for name in ("factor", "maxDelay"):
        if name in retry and not grows:
            report_problem(f"{key}.{name}", f"{name} is for delays that grow", 'add "backoff": "exponential"')
    delay = entry.get("retryDelay", 1000)
    defaults = RetryPolicy()
    if retry.get("maxDelay", delay) < delay:
        report_problem(
            f"{key}.maxDelay", f"maxDelay is less than retryDelay ({delay})", "delays grow from retryDelay on"
        )
    return RetryPolicy(
        topic=_retry_topic(f"{key}.topic", entry, retry.get("topic", False), report_problem),
        attempts=entry.get("retries", 3),
        delay=delay / MILLISECONDS,
        factor=float(retry.get("factor", DEFAULT_FACTOR)) if grows else 1.0,
        jitter=float(retry.get("jitter", DEFAULT_JITTER if grows else 0.0)),
        max_delay=seconds(retry, "maxDelay", defaults.max_delay),
        respect_retry_after=retry.get("respectRetryAfter", True),
        attempt_timeout=seconds(retry, "attemptTimeout", defaults.attempt_timeout),
        max_age=retry["maxAge"] / MILLISECONDS if "maxAge" in retry else None,
        rules=_rules(key, retry, report_problem),
    )


def _retry_topic(key: str, entry: Mapping[str, Any], given: bool | str, report_problem: ReportProblem) -> str | None:
    if given is True and "pattern" in entry:
        report_problem(key, "the retry topic of an entry with a pattern needs a name", 'such as "orders-retry"')
        return None
    if given is True:
        given = f"{entry.get('topic', '')}{RETRY_SUFFIX}"
        if len(given) > LONGEST_NAME:
            report_problem(
                key, f"{given} is too long for a topic", f"give it a name of at most {LONGEST_NAME} characters"
            )
    return given or None


def _rules(key: str, retry: Mapping[str, Any], report_problem: ReportProblem) -> StatusRules:
    try:
        return status_rules((meaning, retry.get(meaning.name.lower(), ())) for meaning in StatusMeaning)
    except ValueError as error:
        report_problem(key, str(error), "what is listed must be in one of success, retry and drop")
        return StatusRules()


def _signing_keys(key: str, entry: Mapping[str, Any], report_problem: ReportProblem) -> Iterable[SigningKey]:
    for number, text in enumerate(entry.get("secrets", ())):
        try:
            yield read_key(text)
        except ValueError as error:
            report_problem(f"{key}[{number}]", str(error), "make one: whsec_ and the base64 of 32 random bytes")


def _bundle(key: str, entry: Mapping[str, Any], report_problem: ReportProblem) -> BundleOptions | None:
    batch: Mapping[str, Any] | None = entry.get("batch")
    if batch is None:
        return None
    if is_template(entry["url"]):
        report_problem(f"{key}.batch", "records that travel together have one URL", "take {...} out of the url")
    if entry.get("cloudEvents"):
        report_problem(f"{key}.batch", "a CloudEvent in binary mode travels alone", "choose batch or cloudEvents")
    defaults = BundleOptions(records=batch["records"])
    return BundleOptions(
        records=batch["records"],
        wait=seconds(batch, "wait", defaults.wait),
        size=batch.get("bytes", defaults.size),
    )


def _cloud_events(entry: bool | Mapping[str, Any]) -> CloudEventOptions | None:
    if entry is False:
        return None
    given: Mapping[str, Any] = {} if entry is True else entry
    return CloudEventOptions(type=given.get("type", CloudEventOptions().type), source=given.get("source"))


def _filter(key: str, entry: Mapping[str, Any] | None, report_problem: ReportProblem) -> RecordFilter | None:
    if entry is None:
        return None
    try:
        return read_filter(entry)
    except ValueError as error:
        report_problem(f"{key}.json", str(error), "names with dots between them, places in lists in brackets")
        return None


def _breaker(entry: bool | Mapping[str, Any]) -> BreakerPolicy | None:
    if entry is False:
        return None
    given: Mapping[str, Any] = {} if entry is True else entry
    defaults = BreakerPolicy()
    return BreakerPolicy(
        failures=given.get("failures", defaults.failures),
        window=seconds(given, "window", defaults.window),
        pause=seconds(given, "pause", defaults.pause),
    )
