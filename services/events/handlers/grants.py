"""Which teams have a role in a project, and which."""

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
from services.events.handlers.action import cause_of, claim_of, require_expected, require_visible
from services.events.model.aggregate import Row
from services.events.model.aggregates import PROJECT, TEAM_GRANT
from services.events.model.log import Draft
from services.events.store import Reader, Store, Transaction


class Grants:
    """Answers about grants. Who may, and who is in a team, is the gateway's to say."""

    def __init__(self, store: Store) -> None:
        """Keep grants in *store*."""
        self._store = store

    async def list(self, _: ListGrants, actor: Actor) -> Page[TeamGrant]:
        """Show all teams that have a role in the actor's project."""
        project_id = actor.scope()

        async def work(reader: Reader) -> list[Row]:
            require_visible(await reader.row(PROJECT, project_id))
            return await reader.grants()

        rows = await self._store.read(work, project_id=project_id)
        return Page(items=[_grant(row) for row in rows])

    async def put(self, question: PutGrant, actor: Actor) -> TeamGrant:
        """Give a team a role, its first or instead of the one it has.

        Raises:
            errors.LimitReached: GRANTS_MAX teams have one.
        """
        project_id, team_id, role = actor.scope(), question.team_id, question.role.value
        claim = claim_of(question, question.command_id, team_id, project_id=project_id)

        async def work(tx: Transaction) -> TeamGrant:
            if await tx.claim(claim) is None:
                require_visible(await tx.lock(PROJECT, project_id))
                now = await _lock_grant(tx, question)
                require_expected(now, question.expected_version)
                if now is None:
                    if len(await tx.grants()) >= GRANTS_MAX:
                        raise errors.LimitReached(f"A project may have {GRANTS_MAX} teams at most.")
                    data = {"teamId": str(team_id), "role": role}
                    await tx.record([Draft(TEAM_GRANT, new_id(), "added", data)])
                elif now["role"] != role:
                    data = {"teamId": str(team_id), "from": now["role"], "to": role}
                    await tx.record([Draft(TEAM_GRANT, now["id"], "role_changed", data)])
            grant_id = await tx.grant_id(team_id)
            row = await tx.row(TEAM_GRANT, grant_id) if grant_id else None
            if row is None:
                raise errors.NotFound
            return _grant(row)

        return await self._store.command(cause_of(actor, question.command_id), work)

    async def remove(self, question: RemoveGrant, actor: Actor) -> Done:
        """Take a team out of the project."""
        project_id, team_id = actor.scope(), question.team_id
        claim = claim_of(question, question.command_id, team_id, project_id=project_id)

        async def work(tx: Transaction) -> Done:
            if await tx.claim(claim) is None:
                require_visible(await tx.lock(PROJECT, project_id))
                now = await _lock_grant(tx, question)
                require_expected(now, question.expected_version)
                if now is None:
                    raise errors.NotFound
                data = {"teamId": str(team_id), "role": now["role"]}
                await tx.record([Draft(TEAM_GRANT, now["id"], "removed", data)])
            return Done()

        return await self._store.command(cause_of(actor, question.command_id), work)


async def _lock_grant(tx: Transaction, question: PutGrant | RemoveGrant) -> Row | None:
    grant_id = await tx.grant_id(question.team_id)
    return await tx.lock(TEAM_GRANT, grant_id) if grant_id else None


def _grant(row: Row) -> TeamGrant:
    return TeamGrant.model_validate({k: row[k] for k in TeamGrant.model_fields if k in row})
