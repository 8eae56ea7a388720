"""The roles of teams in a project."""

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.manuscript import Done
from libs.contracts.events.teams import (
    GRANTS_MAX,
    ListGrants,
    PutGrant,
    RemoveGrant,
    TeamGrant,
)
from libs.contracts.ids import new_id
from libs.contracts.pages import Page
from services.events.common.commands import claim_of, context_of, require_expected, require_visible
from services.events.model.aggregate import Row
from services.events.model.aggregates import PROJECT, TEAM_GRANT
from services.events.model.log import PendingEvent
from services.events.store import Reader, Store, Transaction


class GrantHandlers:
    """Handlers of requests about grants; the gateway checks permissions and knows the teams."""

    def __init__(self, store: Store) -> None:
        """Keep grants in *store*."""
        self._store = store

    async def list(self, _: ListGrants, actor: Actor) -> Page[TeamGrant]:
        """Show all teams that have a role in the actor's project."""
        project_id = actor.scope()

        async def query_list(reader: Reader) -> list[Row]:
            require_visible(await reader.row(PROJECT, project_id))
            return await reader.grants()

        rows = await self._store.run_read(query_list, project_id=project_id)
        return Page(items=[_grant(row) for row in rows])

    async def put(self, question: PutGrant, actor: Actor) -> TeamGrant:
        """Give a team a role, which replaces the one it has.

        Raises:
            errors.LimitReached: GRANTS_MAX teams have a role already.
        """
        project_id, team_id, role = actor.scope(), question.team_id, question.role.value
        claim = claim_of(question, question.command_id, team_id, project_id=project_id)

        async def apply_put(tx: Transaction) -> TeamGrant:
            if await tx.claim(claim) is None:
                require_visible(await tx.lock(PROJECT, project_id))
                now = await _lock_grant(tx, question)
                require_expected(now, question.expected_version)
                if now is None:
                    if len(await tx.grants()) >= GRANTS_MAX:
                        raise errors.LimitReached(
                            f"A project may have at most {GRANTS_MAX} teams; remove one first."
                        )
                    data = {"teamId": str(team_id), "role": role}
                    await tx.record([PendingEvent(TEAM_GRANT, new_id(), "added", data)])
                elif now["role"] != role:
                    data = {"teamId": str(team_id), "from": now["role"], "to": role}
                    await tx.record([PendingEvent(TEAM_GRANT, now["id"], "role_changed", data)])
            grant_id = await tx.grant_id(team_id)
            row = await tx.row(TEAM_GRANT, grant_id) if grant_id else None
            if row is None:
                raise errors.NotFound
            return _grant(row)

        return await self._store.run_command(context_of(actor, question.command_id), apply_put)

    async def remove(self, question: RemoveGrant, actor: Actor) -> Done:
        """Remove a team from the project."""
        project_id, team_id = actor.scope(), question.team_id
        claim = claim_of(question, question.command_id, team_id, project_id=project_id)

        async def apply_remove(tx: Transaction) -> Done:
            if await tx.claim(claim) is None:
                require_visible(await tx.lock(PROJECT, project_id))
                now = await _lock_grant(tx, question)
                require_expected(now, question.expected_version)
                if now is None:
                    raise errors.NotFound
                data = {"teamId": str(team_id), "role": now["role"]}
                await tx.record([PendingEvent(TEAM_GRANT, now["id"], "removed", data)])
            return Done()

        return await self._store.run_command(context_of(actor, question.command_id), apply_remove)


async def _lock_grant(tx: Transaction, question: PutGrant | RemoveGrant) -> Row | None:
    grant_id = await tx.grant_id(question.team_id)
    return await tx.lock(TEAM_GRANT, grant_id) if grant_id else None


def _grant(row: Row) -> TeamGrant:
    return TeamGrant.model_validate({k: row[k] for k in TeamGrant.model_fields if k in row})
