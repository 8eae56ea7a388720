"""The few statistics the bench needs."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from libs.postgres import Pool


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that was measured, with the bar that it has to clear, if any."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    below: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it has a bar and does not clear it."""
        low = self.at_least is not None and self.value < self.at_least
        return low or (self.below is not None and self.value >= self.below)

    def line(self) -> str:
        """It in one line, for a table."""
        bar = f">= {self.at_least:,.0f}" if self.at_least is not None else ""
        bar = f"< {self.below:,.0f}" if self.below is not None else bar
        verdict = "MISSED" if self.missed else "met" if bar else ""
        return f"{self.name:58} {self.value:>12,.1f} {self.unit:10} {bar:>10}  {verdict}".rstrip()


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; 0 of nothing is 0."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


async def stated(pool: Pool) -> str:
    """What figures of a database depend on, as it says itself."""
    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
    said = [f"{name} {await pool.fetchval(f'SHOW {name}')}" for name in names]
    load = os.getloadavg()[0]
    return f"PostgreSQL: {', '.join(said)}; {os.cpu_count()} cores, load {load:.1f} before"
