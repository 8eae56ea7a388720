"""Asking in the name of people who name others: events is told which teams those are in.

Events knows what a team may do in a project, not who is in it. A command that names somebody who is
no member in their own right is refused with PEOPLE_UNKNOWN before anything happened, and asked
again with their teams. So nobody here need know which fields name people.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from nats.aio.client import Client

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.rpc import DEADLINE_S_DEFAULT, Method
from libs.contracts.wire import Wire
from services.gateway.accounts.teams.model import Teams

type TeamsOf = Callable[[UUID], Awaitable[Teams]]


class Vouching(Caller):
    """Asks other services, and answers when one asks back who somebody is."""

    def __init__(self, client: Client, teams_of: TeamsOf) -> None:
        """Ask over *client*; *teams_of* tells which teams a person is in."""
        super().__init__(client)
        self._teams_of = teams_of

    async def ask[Q: Wire, A: Wire](
        self,
        method: Method[Q, A],
        question: Q,
        actor: Actor,
        *,
        deadline_s: float = DEADLINE_S_DEFAULT,
    ) -> A:
        """Ask and wait for the answer. Raises as `Caller.ask`."""
        try:
            return await super().ask(method, question, actor, deadline_s=deadline_s)
        except errors.PeopleUnknown as error:
            if actor.vouched:
                raise
            named = [UUID(each) for each in error.data["userIds"]]
        vouched = {each: (await self._teams_of(each)).ids for each in named}
        knowing = actor.model_copy(update={"vouched": vouched})
        return await super().ask(method, question, knowing, deadline_s=deadline_s)
