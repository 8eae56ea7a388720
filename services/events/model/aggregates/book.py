"""A book: a manuscript of a project."""

from libs.contracts.events.resources import Book, BookCreate, BookPatch
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates.editor_definition import EDITOR_NAMED

BOOK = AggregateSpec(
    kind="book",
    table="books",
    resource=Book,
    create=BookCreate,
    patch=BookPatch,
    parent="project",
    named={"editor": EDITOR_NAMED},
    later={"editor": None},
    figures={"word_count": "words"},
)
