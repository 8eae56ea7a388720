"""How long the gateway gathers edits before it sends the next batch.

A flush costs about 2 ms of CPU over four processes however many edits it holds, and each delivery
of its result costs a socket write. At 20 edits a second no edit should wait; at thousands of
deliveries a second, gathering for a few milliseconds halves the cost and no reader notices. So the
spacing grows with the deliveries per second, and the first edit after a pause is sent at once.
"""

import math

SPACING_S_MAX = 0.026
DELIVERIES_PER_S_AT_MAX = 4_000
_MEMORY_S = 0.5
"""Rates are averaged over about this long."""


class BatchPacer:
    """Computes the spacing of batches from the deliveries that they cause."""

    def __init__(self) -> None:
        """Begin with a rate of zero."""
        self._rate = 0.0
        self._since = 0.0
        self._count = 0

    def count_edit(self, deliveries: int) -> None:
        """Note an edit that will be delivered to so many connections."""
        self._count += deliveries

    def spacing_s(self, now: float) -> float:
        """Return the least time between two batches, in seconds."""
        passed = now - self._since
        if passed > 0:
            keep = math.exp(-passed / _MEMORY_S)
            self._rate = self._rate * keep + self._count / _MEMORY_S * min(
                1.0, (1 - keep) * _MEMORY_S / passed
            )
            self._count = 0
            self._since = now
        return SPACING_S_MAX * min(1.0, self._rate / DELIVERIES_PER_S_AT_MAX)
