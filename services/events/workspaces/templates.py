"""Handlers of requests about templates."""

from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.manuscript import Done
from libs.contracts.events.workspaces import Head, ListTemplates, OneTemplate, Template, Templates
from libs.postgres import Connection, Pool
from services.events.model.page import cursor_after, cursor_key, fitting
from services.events.model.refusal import field_refusal
from services.events.workspaces.store import SQL, run_in_transaction


class TemplateHandlers:
    """Handlers of requests about templates."""

    def __init__(self, pool: Pool) -> None:
        """Keep them in *pool*."""
        self._pool = pool

    async def list(self, question: ListTemplates, actor: Actor) -> Templates:
        """List the templates that the actor may use."""
        key = cursor_key(question.cursor)
        try:
            after = UUID(key) if key else None
        except ValueError as error:
            raise field_refusal("cursor", "is not a cursor of this list") from error

        async def query_list(connection: Connection) -> Templates:
            rows = await connection.fetch(
                SQL.templates, actor.user_id, after, question.limit + 1, question.team_ids
            )
            items = [_template(row) for row in rows[: question.limit]]
            items = items[: fitting(len(item.to_wire()) for item in items)]
            more = len(items) < len(rows)
            return Templates(
                items=items,
                next_cursor=cursor_after(str(items[-1].id)) if more else None,
            )

        return await run_in_transaction(self._pool, query_list)

    async def read(self, question: OneTemplate, actor: Actor) -> Template:
        """Show a template that the actor may use."""

        async def query_read(connection: Connection) -> Template:
            row = await connection.fetchrow(
                SQL.template, actor.user_id, question.template_id, question.team_ids
            )
            if row is None:
                raise errors.NotFound
            return _template(row)

        return await run_in_transaction(self._pool, query_read)

    async def delete(self, question: OneTemplate, actor: Actor) -> Done:
        """Delete a template of the actor; its package is deleted when no job needs it."""

        async def apply_delete(connection: Connection) -> Done:
            row = await connection.fetchrow(
                SQL.template, actor.user_id, question.template_id, question.team_ids
            )
            if row is None:
                raise errors.NotFound
            if row["owner_id"] != actor.user_id:
                raise errors.Forbidden("Only the owner of a template may delete it.")
            await connection.execute(SQL.drop_template, question.template_id, actor.user_id)
            return Done()

        return await run_in_transaction(self._pool, apply_delete)


def _template(row: asyncpg.Record) -> Template:
    head = Head.model_validate(row["head"])
    return Template(
        id=row["template_id"],
        name=row["name"],
        description=row["description"],
        shared=row["shared"],
        owner_id=row["owner_id"],
        project_id=row["project_id"],
        kinds=head.kinds,
        created_at=row["created_at"],
    )
