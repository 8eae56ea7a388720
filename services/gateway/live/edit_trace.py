"""The trace of an edit: a small share of the batches is traced from the socket to the disk."""

from libs.contracts.collab.frames import NO_TRACE
from libs.telemetry import tracer

_trace = tracer(__name__)


def start_edit_trace() -> bytes:
    """Start the trace of a batch; returns its 25 bytes, all zero when it is not sampled."""
    span = _trace.start_span("edit")
    context = span.get_span_context()
    span.end()
    if not context.trace_flags.sampled:
        return NO_TRACE
    return (
        context.trace_id.to_bytes(16)
        + context.span_id.to_bytes(8)
        + bytes((int(context.trace_flags),))
    )
