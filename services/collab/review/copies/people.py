"""People in copies: labels instead of accounts.

A copy has one member, the person who made it. That person stays the author of their own words;
all others become labels: UUIDs of version 8 made from their account's id, always the same, so that
the words of one person stay those of one person, and nobody can act as an author by a made-up file.
"""

import hashlib
from uuid import UUID

from libs.contracts.collab.conversations import LABEL_VERSION

_PURPOSE = b"scriptorium.person"
_VERSION = LABEL_VERSION << 76
_VARIANT = 2 << 62
_FREE = ~(0xF << 76 | 3 << 62) & (1 << 128) - 1


def label_of(person: UUID) -> UUID:
    """Return the label of a person; the label of a label is itself."""
    if person.version == LABEL_VERSION:
        return person
    digest = hashlib.sha256(_PURPOSE + person.bytes).digest()
    return UUID(int=int.from_bytes(digest[:16]) & _FREE | _VERSION | _VARIANT)


class People:
    """The people of a copy: the person who makes it, and labels for all others."""

    def __init__(self, owner: UUID) -> None:
        """Know *owner* again, and nobody else."""
        self.owner = owner
        self._label = label_of(owner)

    def __call__(self, label: UUID) -> UUID:
        """Return the owner for their own label, otherwise the label."""
        return self.owner if label == self._label else label

    def maybe(self, label: UUID | None) -> UUID | None:
        """Return the same for a label that may be missing."""
        return None if label is None else self(label)
