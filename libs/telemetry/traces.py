"""OpenTelemetry: one trace from a client's request or edit through every service to the disk."""

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Tracer


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
    """Return the current trace context as W3C headers (empty outside a trace)."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


def remote_context(headers: dict[str, str] | None) -> Context:
    """Return the context that *headers* carry, to start a child span in."""
    return propagate.extract(headers or {}, context=context.Context())
