"""The table of pywatt's metrics. It serves, documents and draws them: every name stands here, and only here."""

from __future__ import annotations

from collections.abc import Mapping

from pywatt.metrics import kafka_families, messaging_families
from pywatt.metrics.family import Alert, Family, Group, Kind

REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DELAY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

HTTP_REQUESTS = Family(
    name="pywatt_http_requests_total",
    kind=Kind.COUNTER,
    help="Requests to Python services by the class of their status; aborted: no complete response",
    group=Group.SERVICES,
    labels=("method", "status"),
    derived_from=("pywatt_http_request_duration_seconds",),
)
HTTP_SECONDS = Family(
    name="pywatt_http_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="Time from the call of the application to the end of its response",
    group=Group.SERVICES,
    unit="seconds",
    buckets=REQUEST_SECONDS,
    stored=("method", "status"),
)
HTTP_IN_FLIGHT = Family(
    name="pywatt_http_requests_in_flight",
    kind=Kind.GAUGE,
    help="Requests that applications of Python services are answering",
    group=Group.SERVICES,
)
LOOP_DELAY = Family(
    name="pywatt_event_loop_delay_seconds",
    kind=Kind.HISTOGRAM,
    help="Delay of the event loop, measured every few seconds",
    group=Group.SERVICES,
    unit="seconds",
    buckets=DELAY_SECONDS,
    alerts=(
        Alert(
            name="PywattEventLoopBlocked",
            expression="histogram_quantile(0.9, sum by (service, le) (rate($NAME_bucket[10m]))) > 0.25",
            summary="the event loop of {{ $labels.service }} is blocked for more than 0.25 s at a time",
        ),
    ),
)
GATEWAY_REQUESTS = Family(
    name="pywatt_gateway_requests_total",
    kind=Kind.COUNTER,
    help="Requests by the class of their status; aborted: the client has left, or the response broke off",
    group=Group.GATEWAY,
    labels=("route", "method", "status"),
    derived_from=("pywatt_gateway_request_duration_seconds",),
    alerts=(
        Alert(
            name="PywattServerErrors",
            expression='sum by (route) (rate($NAME{status="5xx"}[5m])) / sum by (route) (rate($NAME[5m])) > 0.05',
            summary="more than 5 % of the requests to {{ $labels.route }} fail",
        ),
    ),
)
GATEWAY_SECONDS = Family(
    name="pywatt_gateway_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="Time from the head of a request to the end of its response",
    group=Group.GATEWAY,
    labels=("route",),
    unit="seconds",
    buckets=REQUEST_SECONDS,
    stored=("callee", "method", "status"),
    alerts=(
        Alert(
            name="PywattSlow",
            expression="histogram_quantile(0.95, sum by (route, le) (rate($NAME_bucket[5m]))) > 1",
            summary="5 % of the requests to {{ $labels.route }} take more than 1 s",
        ),
    ),
)
GATEWAY_IN_FLIGHT = Family(
    name="pywatt_gateway_requests_in_flight",
    kind=Kind.GAUGE,
    help="Requests that are being served",
    group=Group.GATEWAY,
    labels=("route",),
)
GATEWAY_WAITING = Family(
    name="pywatt_gateway_requests_waiting",
    kind=Kind.GAUGE,
    help="Requests that wait for a connection to the service, or for a worker of it to be ready",
    group=Group.GATEWAY,
    labels=("route",),
)
GATEWAY_CONNECTIONS = Family(
    name="pywatt_gateway_upstream_connections_opened_total",
    kind=Kind.COUNTER,
    help="Connections to the service that were opened; all other requests took one that had served before",
    group=Group.GATEWAY,
    labels=("route",),
)
GATEWAY_REFUSED = Family(
    name="pywatt_gateway_refused_total",
    kind=Kind.COUNTER,
    help="Requests that the gateway answered with an error: the service did not respond, or a policy refused",
    group=Group.GATEWAY,
    labels=("route", "status"),
)
GATEWAY_RETRIES = Family(
    name="pywatt_gateway_retries_total",
    kind=Kind.COUNTER,
    help="Requests that a route has sent again after a failure: no connection, a lost one, a timeout, or a status",
    group=Group.GATEWAY,
    labels=("route", "cause"),
)
GATEWAY_WEBSOCKETS = Family(
    name="pywatt_gateway_websockets",
    kind=Kind.GAUGE,
    help="WebSockets that are open",
    group=Group.GATEWAY,
    labels=("route",),
)
GATEWAY_UNROUTED = Family(
    name="pywatt_gateway_unrouted_requests_total",
    kind=Kind.COUNTER,
    help="Requests for a path that no route has",
    group=Group.GATEWAY,
)
MESH_REQUESTS = Family(
    name="pywatt_mesh_requests_total",
    kind=Kind.COUNTER,
    help="Calls from service to service, by the class of the status; error: without a response",
    group=Group.MESH,
    labels=("callee", "status"),
    service_label="caller",
    derived_from=("pywatt_mesh_request_duration_seconds", "pywatt_gateway_request_duration_seconds"),
)
MESH_SECONDS = Family(
    name="pywatt_mesh_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="Time of calls from service to service",
    group=Group.MESH,
    labels=("callee",),
    unit="seconds",
    buckets=REQUEST_SECONDS,
    service_label="caller",
    stored=("status",),
    derived_from=("pywatt_gateway_request_duration_seconds",),
)
APP_INFO = Family(
    name="pywatt_app_info",
    kind=Kind.GAUGE,
    help="1; the labels name the app and the version of pywatt",
    group=Group.APP,
    labels=("app", "version"),
    service_label=None,
)
APP_START = Family(
    name="pywatt_app_start_time_seconds",
    kind=Kind.GAUGE,
    help="Start of the app in seconds since the epoch",
    group=Group.APP,
    unit="seconds",
    service_label=None,
)
SUPERVISOR_MEMORY = Family(
    name="pywatt_supervisor_memory_bytes",
    kind=Kind.GAUGE,
    help="Memory of the supervisor, shared pages counted in proportion (PSS)",
    group=Group.APP,
    unit="bytes",
    service_label=None,
)
SUPERVISOR_CPU = Family(
    name="pywatt_supervisor_cpu_seconds_total",
    kind=Kind.COUNTER,
    help="Processor time of the supervisor",
    group=Group.APP,
    unit="seconds",
    service_label=None,
)
SERVICE_STATE = Family(
    name="pywatt_service_state",
    kind=Kind.GAUGE,
    help="1 for the state that the service is in, 0 for the others",
    group=Group.SERVICES,
    labels=("state",),
    alerts=(
        Alert(
            name="PywattServiceFailing",
            expression='$NAME{state=~"crash-loop|failed"} == 1',
            summary="{{ $labels.service }} is in the state {{ $labels.state }}",
            lasting="1m",
            severity="critical",
        ),
    ),
)
SERVICE_WORKERS = Family(
    name="pywatt_service_workers",
    kind=Kind.GAUGE,
    help="Workers that the service should have",
    group=Group.SERVICES,
)
SERVICE_READY = Family(
    name="pywatt_service_ready_workers",
    kind=Kind.GAUGE,
    help="Workers that take calls",
    group=Group.SERVICES,
    alerts=(
        Alert(
            name="PywattServiceDown",
            expression="$NAME == 0 and on (service) pywatt_service_workers > 0",
            summary="no worker of {{ $labels.service }} takes calls",
            lasting="1m",
            severity="critical",
        ),
    ),
)
SERVICE_RESTARTS = Family(
    name="pywatt_service_restarts_total",
    kind=Kind.COUNTER,
    help="Workers that were started in place of one that had ended",
    group=Group.SERVICES,
    alerts=(
        Alert(
            name="PywattWorkersCrash",
            expression="increase($NAME[15m]) > 3",
            summary="workers of {{ $labels.service }} end by themselves",
            lasting="0m",
        ),
    ),
)
SERVICE_MEMORY = Family(
    name="pywatt_service_memory_bytes",
    kind=Kind.GAUGE,
    help="Memory of the service's workers and their children, shared pages counted in proportion (PSS)",
    group=Group.SERVICES,
    unit="bytes",
)
SERVICE_CPU = Family(
    name="pywatt_service_cpu_seconds_total",
    kind=Kind.COUNTER,
    help="Processor time of the service's workers and their children, as last measured for those that have ended",
    group=Group.SERVICES,
    unit="seconds",
)
SCRAPE_UP = Family(
    name="pywatt_scrape_up",
    kind=Kind.GAUGE,
    help="1 if the metrics page of the service itself could be read, from all of its workers",
    group=Group.SERVICES,
    alerts=(
        Alert(
            name="PywattPageUnreadable",
            expression="$NAME == 0",
            summary="the metrics that {{ $labels.service }} serves cannot be read",
        ),
    ),
)
OTLP_REFUSED = Family(
    name="pywatt_otlp_refused_points_total",
    kind=Kind.COUNTER,
    help="Data points that services sent by OTLP and that were left out, since the app keeps no more series of them",
    group=Group.APP,
    service_label=None,
    alerts=(
        Alert(
            name="PywattTooManySeries",
            expression="increase($NAME[15m]) > 0",
            summary="services send more series by OTLP than the app keeps",
        ),
    ),
)

FAMILIES: tuple[Family, ...] = (
    APP_INFO,
    APP_START,
    SUPERVISOR_MEMORY,
    SUPERVISOR_CPU,
    SERVICE_STATE,
    SERVICE_WORKERS,
    SERVICE_READY,
    SERVICE_RESTARTS,
    SERVICE_MEMORY,
    SERVICE_CPU,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    HTTP_IN_FLIGHT,
    LOOP_DELAY,
    GATEWAY_REQUESTS,
    GATEWAY_SECONDS,
    GATEWAY_IN_FLIGHT,
    GATEWAY_WAITING,
    GATEWAY_CONNECTIONS,
    GATEWAY_REFUSED,
    GATEWAY_RETRIES,
    GATEWAY_UNROUTED,
    GATEWAY_WEBSOCKETS,
    MESH_REQUESTS,
    MESH_SECONDS,
    SCRAPE_UP,
    OTLP_REFUSED,
    *kafka_families.FAMILIES,
    *messaging_families.FAMILIES,
)
BY_BASE: Mapping[str, Family] = {family.base: family for family in FAMILIES}
"""The families by the name without `_total`."""
