"""Cursors of a search: the last match by its score and id, valid for the same question only."""

import base64
import hashlib
import json
import struct
from dataclasses import dataclass
from uuid import UUID

from libs import errors
from libs.contracts.indexer.search import SearchProject

_FORM = struct.Struct(">8sd16s")


@dataclass(frozen=True, slots=True)
class Mark:
    """The last match of a page."""

    score: float
    id: UUID


def cursor_after(question: SearchProject, mark: Mark) -> str:
    """Return the cursor of what follows *mark*."""
    packed = _FORM.pack(_fingerprint(question), mark.score, mark.id.bytes)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def mark_in(question: SearchProject) -> Mark | None:
    """Return the match after which a page begins; None for the first page.

    Raises:
        errors.Invalid: The cursor is none of this question.
    """
    if question.cursor is None:
        return None
    try:
        padded = question.cursor + "=" * (-len(question.cursor) % 4)
        fingerprint, score, ident = _FORM.unpack(base64.urlsafe_b64decode(padded.encode()))
    except (ValueError, struct.error) as error:
        raise _refused() from error
    if fingerprint != _fingerprint(question):
        raise _refused()
    return Mark(score, UUID(bytes=ident))


def _fingerprint(question: SearchProject) -> bytes:
    asked = question.model_dump(mode="json", exclude={"cursor", "limit"})
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()[:8]


def _refused() -> errors.Invalid:
    return errors.Invalid(errors=[{"field": "cursor", "detail": "is not a cursor of this search"}])
