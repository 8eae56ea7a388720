"""The collab replicas that are alive, and the one that a scene's edits go to.

Rendezvous hashing over the replicas whose heartbeats arrive. This is only an optimisation: any
replica may commit any scene, and the key of the log decides between two; but as long as the
gateways agree, no two replicas try.
"""

import time
from collections.abc import Callable
from hashlib import blake2b

BEAT_FRESH_S = 0.6
"""A replica whose last heartbeat is younger is at work, only slow: its batch stays with it."""
BEAT_DEAD_S = 1.2
"""A replica whose last heartbeat is older is gone."""


class Replicas:
    """The collab replicas that this gateway hears heartbeats of."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Begin without replicas."""
        self._now = now
        self._beat_at: dict[str, float] = {}
        self._draining: set[str] = set()
        self.members: tuple[str, ...] = ()
        """The replicas that take new edits, sorted."""
        self.epoch = 0
        """Changes whenever `members` does."""

    def record_beat(self, replica: str, *, draining: bool) -> bool:
        """Note a heartbeat; returns whether the members changed."""
        self._beat_at[replica] = self._now()
        if draining:
            self._draining.add(replica)
        else:
            self._draining.discard(replica)
        return self._update_members()

    def expire_silent(self) -> bool:
        """Forget the replicas that fell silent; returns whether the members changed."""
        oldest = self._now() - BEAT_DEAD_S
        silent = [name for name, beat_at in self._beat_at.items() if beat_at < oldest]
        for name in silent:
            del self._beat_at[name]
            self._draining.discard(name)
        return bool(silent) and self._update_members()

    def forget_replica(self, replica: str) -> None:
        """Forget a replica that does not answer, until its next heartbeat."""
        self._beat_at.pop(replica, None)
        self._update_members()

    def is_fresh(self, replica: str) -> bool:
        """Return whether the last heartbeat of *replica* arrived just now."""
        return self._now() - self._beat_at.get(replica, float("-inf")) < BEAT_FRESH_S

    def replica_for(self, scene: bytes) -> str | None:
        """Return the replica with the highest hash for *scene*; None when there is no replica."""
        if not self.members:
            return None
        if len(self.members) == 1:
            return self.members[0]
        return max(
            self.members,
            key=lambda name: blake2b(scene + name.encode(), digest_size=8).digest(),
        )

    def _update_members(self) -> bool:
        members = tuple(sorted(set(self._beat_at) - self._draining))
        if members == self.members:
            return False
        self.members = members
        self.epoch += 1
        return True
