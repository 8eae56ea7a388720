"""OpenTelemetry: one trace from a client's request or edit through every service to the disk."""

from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from opentelemetry import baggage, context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

CAUSATION = "causation-id"
"""Member of the W3C baggage that names the event which led to a request."""

_TRACE_ALONE = TraceContextTextMapPropagator()


def configure_traces(
    *, service: str, replica: str, otlp_endpoint: str | None, ratio: float
) -> TracerProvider:
    """Set the process's tracer provider.

    Without an endpoint spans are not recorded anywhere but ids still flow, so that logs and
    problem documents of one request can be matched across services.

    Args:
        service: `service.name`.
        replica: `service.instance.id`.
        otlp_endpoint: Base URL of an OTLP/HTTP collector.
        ratio: Share of root traces that are sampled, 0 to 1.
    """
    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": f"scriptorium-{service}", "service.instance.id": replica}
        ),
        sampler=ParentBased(TraceIdRatioBased(ratio)),
    )
    if otlp_endpoint:
        # Imported here because the exporter costs memory that a laptop need not spend.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def tracer(name: str) -> Tracer:
    """Return the tracer of a module."""
    return trace.get_tracer(name)


def inject() -> dict[str, str]:
    """Return the current trace context and baggage as W3C headers (empty outside a trace)."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


def inject_trace() -> dict[str, str]:
    """Return the headers of the trace without baggage, because an announcement is a new cause."""
    headers: dict[str, str] = {}
    _TRACE_ALONE.inject(headers)
    return headers


def remote_context(headers: dict[str, str] | None) -> Context:
    """Return the context that *headers* carry, to start a child span in."""
    return propagate.extract(headers or {}, context=context.Context())


def outside_context(headers: dict[str, str]) -> Context:
    """Return the context that an external caller sent, with only the known part of its baggage."""
    carried = remote_context(headers)
    cause = _uuid(baggage.get_baggage(CAUSATION, carried))
    carried = baggage.clear(carried)
    return baggage.set_baggage(CAUSATION, str(cause), carried) if cause else carried


def causation() -> UUID | None:
    """Return the event that led to the current request, if it was said."""
    return _uuid(baggage.get_baggage(CAUSATION))


@contextmanager
def server_span(tracer: Tracer, name: str, carried: Context) -> Generator[Span]:
    """Serve a request within the context that came with it: trace and baggage."""
    # A span that begins in a context takes over its trace only.
    token = context.attach(carried) if baggage.get_all(carried) else None
    try:
        with tracer.start_as_current_span(name, context=carried, kind=SpanKind.SERVER) as span:
            yield span
    finally:
        if token:
            context.detach(token)


def _uuid(said: object) -> UUID | None:
    # W3C lets properties follow a value, which OpenTelemetry takes for a part of the value.
    try:
        return UUID(said.partition(";")[0].strip()) if isinstance(said, str) else None
    except ValueError:
        return None
