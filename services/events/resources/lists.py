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
from services.events.common.commands import require_project, require_visible, to_wire
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.page import cursor_at, cursor_mark, fitting
from services.events.model.refusal import field_refusal
from services.events.store import ListQuery, Reader, Store


class ListHandlers:
    """Handlers of requests for filtered and sorted lists."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def page(self, question: List, actor: Actor) -> Page[Json]:
        """Show a page of the aggregates of a parent, filtered and sorted."""
        spec, project_id = AGGREGATES[question.kind], actor.scope()
        above = AGGREGATES[question.parent_kind or str(spec.parent)]
        parent_id = question.parent_id
        if parent_id is None:
            raise field_refusal("parentId", "is required")
        require_project(above, parent_id, project_id)
        wanted = _wanted(spec, above, question)

        async def query_page(reader: Reader) -> list[Row]:
            parent = await reader.row(above, parent_id)
            if not question.include_deleted:
                require_visible(parent)
            if parent is None:
                raise errors.NotFound
            return await reader.listed(spec, wanted)

        rows = await self._store.run_read(query_page, project_id=project_id)
        return _page(spec, rows, wanted)


def _wanted(spec: AggregateSpec, above: AggregateSpec, question: List) -> ListQuery:
    listing = spec.listing
    asked = question.sort or listing.usual
    sort = asked.removeprefix("-")
    if sort not in listing.keys:
        raise field_refusal("sort", f"this list can be sorted by {', '.join(listing.keys)}")
    filters = _filters(spec, question.filters)
    if above is not PROJECT:
        name = f"{above.kind}_id"
        if name not in listing.filters:
            raise field_refusal("parentKind", f"a {spec.kind} does not belong to a {above.kind}")
        if filters.setdefault(name, question.parent_id) != question.parent_id:
            raise field_refusal(to_camel(name), "differs from the id in the path")
    return ListQuery(
        filters=filters,
        sort=sort,
        descending=asked.startswith("-"),
        after=cursor_mark(question.cursor, asked, listing.keys[sort]),
        include_deleted=question.include_deleted,
        limit=question.limit + 1,
    )


def _filters(spec: AggregateSpec, given: dict[str, Any]) -> dict[str, Any]:
    try:
        asked = spec.listing.model.model_validate(given)
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


def _page(spec: AggregateSpec, rows: Sequence[Row], wanted: ListQuery) -> Page[Json]:
    """Return a page of rows; one more was read than is shown."""
    items = fitting_documents([to_wire(spec, row) for row in rows[: wanted.limit - 1]])
    if len(items) == len(rows):
        return Page(items=items)
    last, key = rows[len(items) - 1], spec.listing.keys[wanted.sort]
    asked = f"-{wanted.sort}" if wanted.descending else wanted.sort
    return Page(items=items, next_cursor=cursor_at(asked, last[key.column], last["id"]))
