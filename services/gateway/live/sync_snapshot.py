"""The state of a scene as collab sent it, encoded for the sessions that join with it."""

from binascii import b2a_base64
from functools import cached_property

from libs.contracts.collab.frames import SyncAnswer
from libs.contracts.collab.yprotocol import (
    NO_STRUCTS,
    STEP1,
    STEP2,
    SYNC,
    UPDATE,
    deletions_by_client,
    sync_message,
)


class SyncSnapshot:
    """Everything that a client with a certain state vector lacks, up to the head of the log.

    Other sessions may use the same snapshot while the room has kept the frames since its head.
    Each message is encoded once, and only when a protocol needs it, because hundreds of sessions
    may be sent the same megabyte.
    """

    def __init__(self, answer: SyncAnswer, requested_at: float) -> None:
        """Keep *answer*, which was requested at *requested_at* of the loop's clock."""
        self.head = answer.head
        self.requested_at = requested_at
        self.update = answer.step2
        """Return the part that the client lacks, as one Yjs update."""
        self.state_vector = answer.state_vector
        self._deletions = answer.deletions
        self._repeated_deletions = answer.deletions

    @cached_property
    def step1(self) -> bytes:
        """The message that asks the client for what the log lacks."""
        return sync_message(STEP1, self.state_vector)

    @cached_property
    def step2(self) -> bytes:
        """The message that answers the client's own step 1."""
        return sync_message(STEP2, self.update)

    @cached_property
    def as_update(self) -> bytes:
        """Step 2 as an update, for a client that must not take itself for synced yet."""
        return bytes((SYNC, UPDATE)) + self.step2[2:]

    @cached_property
    def base64(self) -> bytes:
        """The update, for messages in JSON."""
        return b2a_base64(self.update, newline=False)

    @cached_property
    def state_vector_base64(self) -> str:
        """The state vector, for messages in JSON."""
        return b2a_base64(self.state_vector, newline=False).decode()

    def repeats_deletions(self, update: bytes) -> bool:
        """Return whether *update* holds nothing but the deletions of this snapshot.

        A provider's step 2 always carries every deletion that the provider knows; stored each
        time, it would add a row to the log whenever a client opens the scene.
        """
        if update == self._repeated_deletions:
            return True
        if len(update) != len(self._deletions) or not update.startswith(NO_STRUCTS):
            return False
        if deletions_by_client(update) != deletions_by_client(self._deletions):
            return False
        self._repeated_deletions = update
        return True
