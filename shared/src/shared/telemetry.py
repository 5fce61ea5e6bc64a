"""Traces (OpenTelemetry) and metrics (Prometheus) of a process."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram

HTTP_SECONDS = Histogram("crm_http_request_seconds", "Duration of HTTP requests", ["method", "route", "status"])
RELAYED = Counter("crm_outbox_published_total", "Outbox rows that reached the stream")
RELAY_FAILED = Counter("crm_outbox_failed_total", "Outbox rows the client refused for good: look at them")
CONSUMED = Counter("crm_events_consumed_total", "Events whose effect is committed", ["type"])
CONSUME_SECONDS = Histogram(
    "crm_event_lag_seconds", "From the storing of an event in its stream to the commit of its effect", ["stream"]
)
DEAD_LETTERS = Counter("crm_dead_letters_total", "Events that could not be consumed", ["type"])
BUS_ERRORS = Counter("crm_bus_errors_total", "Errors the NATS client reported: a denied subject shows only here")
JOB_ERRORS = Counter("crm_job_errors_total", "Runs of a job that raised", ["job"])
JOB_UNITS = Counter("crm_job_units_total", "Units of work that a job did", ["job"])
OUTBOX_SIZE = Gauge("crm_outbox_unpublished", "Outbox rows that wait for the relay")

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("crm")


def configure_tracing(service: str, otlp_endpoint: str) -> None:
    """Record and export spans where an endpoint is set. Context travels in either case."""
    # What is not exported is not recorded either: a span then only carries the ids on.
    sampler = DEFAULT_ON if otlp_endpoint else ALWAYS_OFF
    provider = TracerProvider(resource=Resource.create({"service.name": service}), sampler=sampler)
    if otlp_endpoint:
        # Half a second of imports that only an exporting process needs.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
    trace.set_tracer_provider(provider)


def current_traceparent() -> str | None:
    """The W3C trace context of the work at hand, to be sent along with events and requests."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(
    name: str, *, traceparent: str | None = None, links: Iterable[str | None] = (), **attributes: str | int
) -> Iterator[None]:
    """A span that continues the trace of `traceparent` where one is given; `links` are the traces it is work for."""
    parent = _context(traceparent) if traceparent else None
    linked = [trace.Link(trace.get_current_span(_context(link)).get_span_context()) for link in links if link]
    with _tracer.start_as_current_span(name, context=parent, links=linked, attributes=attributes):
        yield


def _context(traceparent: str) -> Context:
    return _propagator.extract({"traceparent": traceparent})
