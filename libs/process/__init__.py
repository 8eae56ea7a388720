"""The frame of every service process: settings from the environment, logs, traces, a clean stop."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import NoneType
from typing import Any, Literal, cast, get_args

import structlog
import uvloop
from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.telemetry import configure_logs, configure_traces, measure_loop, record_build

log = structlog.get_logger(__name__)

GC_OBJECTS = 20_000
"""Made since the last collection, less those freed, before Python looks for cycles again. Its own
2,000 cost a quarter of the processor time of a bundle: the objects of a request live until its end,
so that a collection in the middle finds nothing, again and again. Cycles hold some MB."""


FOR_EVER = timedelta(days=365_000)
"""A span of a thousand years, which PostgreSQL can still add to a date."""


class ProcessSettings(BaseSettings):
    """Settings common to all services; each is `SCRIPTORIUM_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="SCRIPTORIUM_", frozen=True, extra="ignore")

    replica: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}".replace(".", "-"),
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="Name of this process among its service's replicas; part of NATS subjects.",
    )
    postgres_url: str = Field(description="Database of the service, as its run-time role.")
    postgres_owner_url: str | None = Field(
        default=None,
        description="The same database as its owner; when given, migrations run at start.",
    )
    postgres_connections_max: int = Field(
        default=6,
        ge=4,
        le=500,
        description="Connections of this replica; each costs the server about 5 MB.",
    )
    nats_url: str = Field(description="nats://user:password@host:port")
    ops_host: str = Field(
        default="127.0.0.1",
        description="Address, IPv4 or IPv6, that the listener of SCRIPTORIUM_OPS_PORT is bound to."
        " The default is reached from the same machine alone; where probes and scrapers come over"
        " the network, as in Kubernetes, name the process's own address, or 0.0.0.0 or :: (in a pod"
        " one of these: its address is not known before) behind rules that keep everybody else out."
        " `livenessProbe` asks /livez and `readinessProbe` /readyz.",
    )
    ops_port: int = Field(
        description="Port of /livez (or /healthz), /readyz and /metrics; not public."
    )
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: str | None = Field(
        default=None, description="OTLP/HTTP collector for traces; none keeps ids only."
    )
    trace_ratio: float = Field(default=0.01, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, given: Any) -> Any:
        """Read an empty value as none where none is allowed; an environment holds only texts."""
        if not isinstance(given, dict):
            return given
        values = cast("dict[str, Any]", given)
        may_be_none = {name for name, field in cls.model_fields.items() if allows_none(field)}
        return {
            name: None if value == "" and name in may_be_none else value
            for name, value in values.items()
        }


def allows_none(field: FieldInfo) -> bool:
    """Return whether a setting can be none, which an operator says by an empty value."""
    return NoneType in get_args(field.annotation)


def load[S: ProcessSettings](settings: type[S]) -> S:
    """Read the settings once; a missing or wrong variable ends the process here, readably."""
    try:
        return settings()  # pyright: ignore[reportCallIssue]  # filled from the environment
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            name = "_".join(str(part) for part in problem["loc"]).upper()
            sys.stderr.write(f"SCRIPTORIUM_{name}: {problem['msg']}\n")
        raise SystemExit(2) from None


def settled() -> None:
    """Leave the present objects out of garbage collection; call it when a process has started.

    A full collection would otherwise visit every module and route again and again, and stop the
    event loop for tens of milliseconds each time. From now on it looks after GC_OBJECTS.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS, *gc.get_threshold()[1:])


def run[S: ProcessSettings](
    service: str, settings: S, main: Callable[[S, asyncio.Event], Awaitable[None]]
) -> None:
    """Run *main* under uvloop until it returns; SIGTERM and SIGINT set its stop event."""
    configure_logs(
        service=service,
        replica=settings.replica,
        form=settings.log_format,
        level=settings.log_level,
    )
    record_build(service)
    traces = configure_traces(
        service=service,
        replica=settings.replica,
        otlp_endpoint=settings.otlp_endpoint,
        ratio=settings.trace_ratio,
    )

    async def supervised() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        measuring = asyncio.create_task(measure_loop(), name="measure the event loop")
        try:
            await main(settings, stop)
        finally:
            measuring.cancel()

    try:
        uvloop.run(supervised())
    except Exception:
        log.exception("process failed", service=service)
        raise SystemExit(1) from None
    finally:
        traces.shutdown()
