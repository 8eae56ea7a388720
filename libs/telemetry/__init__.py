"""Logs, traces, metrics and health: set up once per process."""

from libs.telemetry.logs import configure_logs
from libs.telemetry.ops import Health, serve_ops
from libs.telemetry.runtime import measure_loop, record_build
from libs.telemetry.traces import (
    CAUSATION,
    causation,
    configure_traces,
    inject,
    inject_trace,
    outside_context,
    remote_context,
    server_span,
    tracer,
)

__all__ = [
    "CAUSATION",
    "Health",
    "causation",
    "configure_logs",
    "configure_traces",
    "inject",
    "inject_trace",
    "measure_loop",
    "outside_context",
    "record_build",
    "remote_context",
    "serve_ops",
    "server_span",
    "tracer",
]
