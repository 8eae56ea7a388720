"""An operator's line to the services: over the bus, as the user `operator`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

import nats
import nats.errors
import typer

from libs.bus import Caller, Client
from libs.contracts.actor import Actor
from libs.contracts.rpc import Method
from libs.contracts.subjects import OPERATOR, inbox
from libs.contracts.wire import Wire
from libs.errors import AppError
from tools.stack.directory import owner_of, read_state
from tools.stack.errors import StackError
from tools.stack.ports import LOOPBACK

CONNECT_WAIT_S = 5
DEADLINE_S = 600.0
"""Operators' requests may take long: reading a log of a million rows takes seconds."""

NOBODY = Actor(user_id=UUID(int=0))
"""Actions of an operator are recorded without a person."""

NatsUrl = Annotated[
    str | None,
    typer.Option(
        "--nats-url",
        envvar="SCRIPTORIUM_NATS_URL",
        metavar="URL",
        help="The bus, for a system that is not in --data-dir.",
    ),
]


class Refused(StackError):
    """A service refused or could not do what it was asked."""


class Line:
    """An open line."""

    def __init__(self, client: Client) -> None:
        """Use `line`."""
        self.client = client
        self._caller = Caller(client)

    async def ask[Q: Wire, A: Wire](
        self, method: Method[Q, A], question: Q, *, project_id: UUID | None = None
    ) -> A:
        """Ask a service and wait for its answer; some questions are about one project.

        Raises:
            Refused: The service refused, or does not answer.
        """
        actor = NOBODY.model_copy(update={"project_id": project_id})
        try:
            return await self._caller.ask(method, question, actor, deadline_s=DEADLINE_S)
        except AppError as error:
            raise Refused(f"{error.detail} ({error.code})") from error


@asynccontextmanager
async def line(data_dir: Path, nats_url: str | None) -> AsyncGenerator[Line]:
    """Open a line to the stack that runs on *data_dir*, or to the bus at *nats_url*.

    Raises:
        Refused: Nothing runs there, or it does not let us in.
    """
    try:
        # Its own timeout is not all: a name that nothing answers to is looked up for minutes.
        async with asyncio.timeout(CONNECT_WAIT_S):
            client = await nats.connect(
                nats_url or _own(data_dir),
                name=f"scriptorium-{OPERATOR}",
                inbox_prefix=inbox(OPERATOR).encode(),
                connect_timeout=CONNECT_WAIT_S,
                allow_reconnect=False,
                error_cb=_quiet,
            )
    except (nats.errors.Error, OSError, ValueError) as error:
        said = str(error) or f"nothing answers within {CONNECT_WAIT_S} s"
        raise Refused(f"the bus cannot be reached: {said}") from error
    try:
        yield Line(client)
    finally:
        await client.close()


def _own(given: Path) -> str:
    data_dir = given.expanduser()
    if owner_of(data_dir) is None:
        raise Refused(f"no scriptorium runs on {data_dir}; start it, or give --nats-url")
    state = read_state(data_dir)
    password, port = state["passwords"][f"nats:{OPERATOR}"], state["ports"]["nats"]
    return f"nats://{OPERATOR}:{password}@{LOOPBACK}:{port}"


async def _quiet(_: Exception) -> None:
    """Log nothing: a failed request raises where it was made."""
