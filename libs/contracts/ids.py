"""Ids as types: all are UUIDv7, and none can be passed for another."""

from typing import NewType
from uuid import UUID

import uuid_utils.compat

UserId = NewType("UserId", UUID)
ProjectId = NewType("ProjectId", UUID)
BookId = NewType("BookId", UUID)
ChapterId = NewType("ChapterId", UUID)
SceneId = NewType("SceneId", UUID)
EventId = NewType("EventId", UUID)
CommandId = NewType("CommandId", UUID)
"""One user action: the bundle that its events share, and the key that makes a retry harmless."""


def new_id() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562): sortable by time, unique without coordination."""
    return uuid_utils.compat.uuid7()
