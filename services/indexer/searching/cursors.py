"""Cursors of a search: what was shown already, valid for the same question only.

A page shows the best matches of now that no earlier page showed. So nothing is shown twice and
nothing is passed over, although people write meanwhile and ranks change.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from libs import errors
from libs.contracts.indexer.search import SearchProject

CORRECTED_BYTES_MAX = 300
"""Of a corrected query, which further pages go on with."""
_HEAD = struct.Struct(">8sH")
_SHOWN = 4
"""Last bytes of an id: they are random, and a search has few matches."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What earlier pages showed, and the query that they answered instead of the one asked."""

    shown: frozenset[bytes] = field(default_factory=frozenset[bytes])
    corrected: str | None = None

    def has(self, ident: UUID) -> bool:
        """Whether an earlier page showed it."""
        return ident.bytes[-_SHOWN:] in self.shown


def cursor_after(
    question: SearchProject, mark: Mark, page: Sequence[UUID], corrected: str | None
) -> str:
    """Return the cursor of what follows a *page* that came after *mark*."""
    words = (corrected or "").encode()
    shown = mark.shown | {one.bytes[-_SHOWN:] for one in page}
    packed = _HEAD.pack(_fingerprint(question), len(words)) + words + b"".join(sorted(shown))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def mark_in(question: SearchProject) -> Mark:
    """Return what the cursor of a question says; nothing was shown before the first page.

    Raises:
        errors.Invalid: The cursor is none of this question.
    """
    if question.cursor is None:
        return Mark()
    try:
        padded = question.cursor + "=" * (-len(question.cursor) % 4)
        packed = base64.urlsafe_b64decode(padded.encode())
        fingerprint, length = _HEAD.unpack_from(packed)
        corrected = packed[_HEAD.size : _HEAD.size + length].decode()
    except (ValueError, struct.error) as error:
        raise _refused() from error
    shown = packed[_HEAD.size + length :]
    if fingerprint != _fingerprint(question) or len(shown) % _SHOWN:
        raise _refused()
    ids = (shown[at : at + _SHOWN] for at in range(0, len(shown), _SHOWN))
    return Mark(frozenset(ids), corrected or None)


def _fingerprint(question: SearchProject) -> bytes:
    asked = question.model_dump(mode="json", exclude={"cursor", "limit"})
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()[:8]


def _refused() -> errors.Invalid:
    return errors.Invalid(errors=[{"field": "cursor", "detail": "is not a cursor of this search"}])
