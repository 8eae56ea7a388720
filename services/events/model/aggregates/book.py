"""A book: a manuscript of a project."""

from libs.contracts.resources import Book, BookCreate, BookPatch
from services.events.model.aggregate import Aggregate

BOOK = Aggregate(
    kind="book",
    table="books",
    resource=Book,
    create=BookCreate,
    patch=BookPatch,
    parent="project",
)
