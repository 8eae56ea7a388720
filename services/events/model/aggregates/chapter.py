"""A chapter: a part of a book."""

from libs.contracts.events.resources import Chapter, ChapterCreate, ChapterPatch
from services.events.model.aggregate import AggregateSpec

CHAPTER = AggregateSpec(
    kind="chapter",
    table="chapters",
    resource=Chapter,
    create=ChapterCreate,
    patch=ChapterPatch,
    parent="book",
    figures={"word_count": "words"},
)
