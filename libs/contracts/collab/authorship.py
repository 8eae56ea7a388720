"""Requests to collab about the authors of a text.

Each character came with one edit, so its author is known; see `services.collab.review.authorship`.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from libs.contracts.collab.history import At
from libs.contracts.editors import ForEditor
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

SPANS_PAGE_MAX = 5_000
"""Spans of one answer, some 700 KB."""
AUTHORED_BYTES_MAX = 16 << 20
"""Of the state of a document: a novel with its history of a year has 1 MB."""
AUTHORED_ROWS_MAX = 500_000
"""Edits that are read one by one: two seconds. Older ones that were compacted are read as kept."""

SpanCursor = Annotated[str, StringConstraints(pattern=r"^\d{1,18}\.\d{1,9}$")]
"""The version and the number of the next span."""


class ReadAuthorship(ForEditor):
    """Ask for the authors of a document, at a point or now; a page goes on at `cursor`."""

    document_id: UUID
    scene_id: UUID
    at: At | None = None
    cursor: SpanCursor | None = None
    limit: Annotated[int, Field(ge=1, le=SPANS_PAGE_MAX)] = SPANS_PAGE_MAX


class AuthoredSpan(Wire):
    """Text that one author wrote, perhaps in several edits: UTF-16 offsets into `format=text`.

    `seq` and `at` are those of its newest edit. All are null where the log forgot its authors;
    `run_id` is null for what was written in no run.
    """

    from_: int = Field(alias="from")
    to: int
    user_id: UUID | None
    run_id: UUID | None
    seq: int | None
    at: datetime | None


class Authorship(Wire):
    """The spans of a version, in order; `next_cursor` is null on the last page."""

    seq: int
    spans: list[AuthoredSpan]
    next_cursor: str | None = None


READ_AUTHORSHIP = Method("collab", "read_authorship", ReadAuthorship, Authorship)
