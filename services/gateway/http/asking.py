"""Serves endpoints: makes the request, asks the service, and answers what it says."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from libs import errors
from libs.contracts.editors import ForEditor
from libs.contracts.events.manuscript import Document
from libs.contracts.versions import Expected
from services.gateway.access import permissions
from services.gateway.http import etags
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import Answer, AnyCall, AnyRoute, Route

_KNOWS_DELETED = "events"
"""The service that answers or refuses according to what is deleted."""


def routes_of(endpoints: Iterable[Endpoint], context: Context) -> list[AnyRoute]:
    """Return the routes of *endpoints*.

    Raises:
        TypeError: The request of one has a field that nothing fills.
    """
    return [_route(each, context) for each in endpoints]


def _route(row: Endpoint, context: Context) -> AnyRoute:
    row.require_filled()
    return Route(
        method=row.method,
        path=row.public_path,
        handler=_Asking(row, context).serve,
        summary=row.summary,
        description=row.description,
        tag=row.tag,
        body=row.body,
        query=row.query_model(),
        cost=row.cost,
        place=(row.place, "id") if row.place else None,
        action=row.action,
        answer=row.answer_model(),
        status=row.status,
        problems=row.problems,
        etag=row.etag,
        needs_version=row.needs_version,
        answers_deleted=(
            row.rpc.service == _KNOWS_DELETED
            if row.answers_deleted is None
            else row.answers_deleted
        ),
        body_bytes_max=row.body_bytes_max,
        texts=row.texts,
    )


class _Asking:
    """The handler of one endpoint."""

    def __init__(self, row: Endpoint, context: Context) -> None:
        self._row = row
        self._context = context
        self._path = row.path_fields()
        self._fields = row.request.model_fields.keys()

    async def serve(self, call: AnyCall) -> Answer:
        """Ask, and answer."""
        row, context = self._row, self._context
        if row.enter:
            call = replace(call, access_or_none=await row.enter(context, call))
        request = row.request(**await self._filled(call))
        answer = await context.caller.ask(row.rpc, request, call.actor, deadline_s=row.deadline_s)
        if row.after:
            await row.after(context, call, answer)
        if row.doubts:
            # Here at once, for requests that follow; the other gateways hear of it.
            context.authority.doubt()
        return await self._answered(call, answer)

    async def _filled(self, call: AnyCall) -> dict[str, Any]:
        """Return the fields of the request."""
        row, fields = self._row, self._fields
        filled: dict[str, Any] = {}
        for given in (call.query, call.body):
            filled |= {name: getattr(given, name) for name in given.model_fields_set & fields}
        filled |= {to: _member(call, name) for name, to in self._path.items()}
        filled |= row.fixed
        if row.new_id:
            filled[row.new_id] = call.new_id
        if "command_id" in fields:
            filled["command_id"] = call.command_id
        if self._path.get("id") == "id" and "expected_version" in fields:
            filled["expected_version"] = self._expected(call, filled)
        if "may" in fields:
            filled["may"] = permissions.operations_of(call.access)
        if issubclass(row.request, ForEditor):
            filled["editor"] = await self._context.editors.of(call.access.editor, call.actor)
        if "team_ids" in fields and "team_ids" not in filled:
            teams = await self._context.authority.teams_of(call.identity.user_id)
            filled["team_ids"] = tuple(teams.ids)
        if row.prepare:
            filled |= await row.prepare(self._context, call)
        return filled

    def _expected(self, call: AnyCall, filled: Mapping[str, Any]) -> Expected:
        """Return the version that If-Match names; of requests that merge nothing `baseVersion`.

        Raises:
            PreconditionRequired: Neither is given, and one must be.
            PreconditionFailed: If-Match names no version of this thing.
        """
        if_match, base = call.header("if-match"), filled.get("base_version")
        if base is None:
            base = getattr(call.query, "base_version", None)
        if self._row.needs_version and if_match is None and base is None:
            raise errors.PreconditionRequired
        named = etags.expected_version(if_match, self._row.versioned, call.path["id"])
        return named if "base_version" in self._fields else named or base

    async def _answered(self, call: AnyCall, answer: Any) -> Answer:
        row = self._row
        if row.status == 204:
            return Answer(204)
        shown: Any = answer.resource if isinstance(answer, Document) else answer
        said = cast("Mapping[str, Any]", shown if shown is not answer else vars(answer))
        headers = dict(row.headers)
        if row.location:
            headers["Location"] = row.location.format_map(said)
        if row.etag and row.versioned:
            headers["ETag"] = tag = etags.tag_of(row.versioned, said)
            if call.request.method == "GET" and etags.is_known(call.header("if-none-match"), tag):
                return Answer(304, headers={"ETag": tag})
        if row.show:
            shown = await row.show(self._context, call, answer)
        return shown if isinstance(shown, Answer) else Answer.json(shown, row.status, headers)


def _member(call: AnyCall, name: str) -> Any:
    return call.texts[name] if name in call.texts else call.path[name]
