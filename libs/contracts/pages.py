"""Lists and pages of lists: one form for all of them."""

from typing import Annotated

from pydantic import Field, StringConstraints

from libs.contracts.wire import Wire

CURSOR_CHARS_MAX = 2000
PAGE_ITEMS_MAX = 500
PAGE_ITEMS_DEFAULT = 50

Cursor = Annotated[str, StringConstraints(max_length=CURSOR_CHARS_MAX)]
"""The position from which a list continues: `next_cursor` of the previous page."""
PageLimit = Annotated[int, Field(ge=1, le=PAGE_ITEMS_MAX)]
"""How many items a page has at most."""


class Page[T](Wire):
    """A list, or a page of one; `next_cursor` is null when nothing follows."""

    items: list[T]
    next_cursor: str | None = None
