"""Filtered and sorted lists of any kind."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.manuscript import Json, List
from libs.contracts.pages import Page
from services.events.handlers.action import require_project, require_visible, wire
from services.events.model.aggregate import Aggregate, Row
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.page import cursor_at, fitting, mark_of
from services.events.model.refusal import refused
from services.events.store import Reader, Store, Wanted


class Lists:
    """Answers that are pages."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def page(self, question: List, actor: Actor) -> Page[Json]:
        """Show a page of those below something, filtered and sorted."""
        about, project_id = AGGREGATES[question.kind], actor.scope()
        above = AGGREGATES[question.parent_kind or str(about.parent)]
        parent_id = question.parent_id
        if parent_id is None:
            raise refused("parentId", "is required")
        require_project(above, parent_id, project_id)
        wanted = _wanted(about, above, question)

        async def work(reader: Reader) -> list[Row]:
            parent = await reader.row(above, parent_id)
            if not question.include_deleted:
                require_visible(parent)
            if parent is None:
                raise errors.NotFound
            return await reader.listed(about, wanted)

        rows = await self._store.read(work, project_id=project_id)
        return _page(about, rows, wanted)


def _wanted(about: Aggregate, above: Aggregate, question: List) -> Wanted:
    listing = about.listing
    asked = question.sort or listing.usual
    sort = asked.removeprefix("-")
    if sort not in listing.keys:
        raise refused("sort", f"a list of these is sorted by {', '.join(listing.keys)}")
    filters = _filters(about, question.filters)
    if above is not PROJECT:
        name = f"{above.kind}_id"
        if name not in listing.filters:
            raise refused("parentKind", f"no {about.kind} is below a {above.kind}")
        if filters.setdefault(name, question.parent_id) != question.parent_id:
            raise refused(to_camel(name), "is another one than in the path")
    return Wanted(
        filters=filters,
        sort=sort,
        descending=asked.startswith("-"),
        after=mark_of(question.cursor, asked, listing.keys[sort]),
        include_deleted=question.include_deleted,
        limit=question.limit + 1,
    )


def _filters(about: Aggregate, given: dict[str, Any]) -> dict[str, Any]:
    try:
        asked = about.listing.model.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = to_camel(str(found["loc"][0]))
        sort = errors.Unknown if found["type"] == "extra_forbidden" else errors.Invalid
        raise sort(
            f"{field}: {found['msg']}", errors=[{"field": field, "detail": found["msg"]}]
        ) from error
    return asked.model_dump(exclude_none=True)


def fitting_documents(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return as many of the first documents as fit on a page."""
    sizes = (len(json.dumps(item, ensure_ascii=False).encode()) for item in items)
    return items[: fitting(sizes)]


def _page(about: Aggregate, rows: Sequence[Row], wanted: Wanted) -> Page[Json]:
    """Return a page of rows, of which one more was read than is shown."""
    items = fitting_documents([wire(about, row) for row in rows[: wanted.limit - 1]])
    if len(items) == len(rows):
        return Page(items=items)
    last, key = rows[len(items) - 1], about.listing.keys[wanted.sort]
    asked = f"-{wanted.sort}" if wanted.descending else wanted.sort
    return Page(items=items, next_cursor=cursor_at(asked, last[key.column], last["id"]))
