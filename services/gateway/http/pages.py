"""Pages of lists, as clients ask for them and receive them."""

from functools import cache
from typing import Any

from pydantic import BaseModel, create_model

from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, PageLimit
from libs.contracts.wire import Wire
from services.gateway.http.route import Query


class Slice(Query):
    """Which part of a list."""

    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


@cache
def page_of(model: type[BaseModel]) -> type[BaseModel]:
    """Return the model of a page of *model*."""
    listed: Any = list[model]  # pyright: ignore[reportInvalidTypeForm]  # known at run time only
    return create_model(
        f"{model.__name__}Page",
        __base__=Wire,
        __doc__="A page; `nextCursor` is null on the last one.",
        items=(listed, ...),
        next_cursor=(str | None, None),
    )
