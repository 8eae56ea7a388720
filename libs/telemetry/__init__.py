"""Logs, traces, metrics and health: set up once per process."""

from libs.telemetry.logs import configure_logs
from libs.telemetry.ops import Health, serve_ops
from libs.telemetry.traces import configure_traces, inject, remote_context, tracer

__all__ = [
    "Health",
    "configure_logs",
    "configure_traces",
    "inject",
    "remote_context",
    "serve_ops",
    "tracer",
]
