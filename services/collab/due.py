"""Scenes that wait for their snapshot, each until a time of its own."""

import heapq
import random

SCENES_MAX = 100_000
"""Changed scenes that a replica remembers; the walk over all scenes finds the others."""


class DueScenes:
    """A queue of scene ids by the time at which each is due, in seconds of the caller's clock."""

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: set[bytes] = set()
        self._queue: list[tuple[float, bytes]] = []

    def __contains__(self, scene: bytes) -> bool:
        """Whether *scene* waits."""
        return scene in self._waiting

    def add(self, scene: bytes, due: float) -> None:
        """Let *scene* wait until *due*; one that waits already keeps its time."""
        if len(self._waiting) < SCENES_MAX and scene not in self._waiting:
            self._waiting.add(scene)
            heapq.heappush(self._queue, (due, scene))

    def add_between(self, scene: bytes, earliest: float, latest: float) -> None:
        """Let *scene* wait until a random time, so that scenes that changed together are spread."""
        self.add(scene, random.uniform(earliest, latest))

    def pop(self, now: float) -> tuple[float, bytes] | None:
        """Remove and return the scene that has been due for longest, after its time.

        None when no scene is due at *now*.
        """
        if not self._queue or self._queue[0][0] > now:
            return None
        due, scene = heapq.heappop(self._queue)
        self._waiting.remove(scene)
        return due, scene
