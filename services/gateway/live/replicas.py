"""Which collab replica a scene's edits go to: rendezvous hashing over live heartbeats.

Only an optimisation. Any replica may commit any scene, and the log's key decides between two; but
as long as gateways agree, no two try.
"""

import time
from collections.abc import Callable
from hashlib import blake2b

BEAT_FRESH_S = 0.6
"""A replica heard from within this is at work, only slow; do not send its batch elsewhere."""
BEAT_DEAD_S = 1.2
"""A replica not heard from for this long is gone."""


class Replicas:
    """The collab replicas that are alive, and the one for each scene."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Know nobody yet."""
        self._now = now
        self._heard: dict[str, float] = {}
        self._draining: set[str] = set()
        self.members: tuple[str, ...] = ()
        """Who takes new work, sorted."""
        self.epoch = 0
        """Changes whenever `members` does."""

    def beat(self, replica: str, *, draining: bool) -> bool:
        """Note a heartbeat; returns whether the members changed."""
        self._heard[replica] = self._now()
        if draining:
            self._draining.add(replica)
        else:
            self._draining.discard(replica)
        return self._settle()

    def expire(self) -> bool:
        """Drop who fell silent; returns whether the members changed."""
        oldest = self._now() - BEAT_DEAD_S
        silent = [name for name, heard in self._heard.items() if heard < oldest]
        for name in silent:
            del self._heard[name]
            self._draining.discard(name)
        return bool(silent) and self._settle()

    def drop(self, replica: str) -> None:
        """Forget a replica that does not answer, until it beats again."""
        self._heard.pop(replica, None)
        self._settle()

    def fresh(self, replica: str) -> bool:
        """Whether *replica* was heard from just now."""
        return self._now() - self._heard.get(replica, float("-inf")) < BEAT_FRESH_S

    def choose(self, scene: bytes) -> str | None:
        """Return the replica for *scene*: the highest hash of the pair; None when all are away."""
        if not self.members:
            return None
        if len(self.members) == 1:
            return self.members[0]
        return max(
            self.members,
            key=lambda name: blake2b(scene + name.encode(), digest_size=8).digest(),
        )

    def _settle(self) -> bool:
        members = tuple(sorted(set(self._heard) - self._draining))
        if members == self.members:
            return False
        self.members = members
        self.epoch += 1
        return True
