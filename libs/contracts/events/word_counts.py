"""How many words scenes have, as collab counted them, on the way to events."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from libs.contracts.events.manuscript import Done
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

COUNTS_MAX = 500
"""Word counts in one request: about 60 KB."""


class WordCount(Wire):
    """The words of a scene, and when collab counted them by the clock of its database."""

    scene_id: UUID
    words: Annotated[int, Field(ge=0, le=2**31 - 1)]
    counted_at: datetime


class RecordWordCounts(Wire):
    """Keep the word counts of scenes; a count that is older than the known one changes nothing."""

    counts: Annotated[list[WordCount], Field(min_length=1, max_length=COUNTS_MAX)]


RECORD_WORD_COUNTS = Method("events", "record_word_counts", RecordWordCounts, Done)
