"""Which build a process runs, and how late its event loop is."""

import asyncio
import os
import platform

from prometheus_client import Gauge, Histogram

LAG_INTERVAL_S = 0.25
"""Time between two measurements of the event loop."""

_build = Gauge(
    "scriptorium_build_info",
    "1 for the build that this process runs.",
    ("service", "version", "revision", "python"),
)
_lag = Histogram(
    "scriptorium_event_loop_lag_seconds",
    "How much later than asked for the event loop woke a sleeping task.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)


def record_build(service: str) -> None:
    """Export the build; the image sets the variables that say which it is."""
    _build.labels(
        service=service,
        version=os.environ.get("SCRIPTORIUM_VERSION", "unknown"),
        revision=os.environ.get("SCRIPTORIUM_REVISION", "unknown"),
        python=platform.python_version(),
    ).set(1)


async def measure_loop() -> None:
    """Measure the lateness of the event loop until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        asked_for = loop.time() + LAG_INTERVAL_S
        await asyncio.sleep(LAG_INTERVAL_S)
        _lag.observe(max(0.0, loop.time() - asked_for))
