"""Where the model's author sits: what they ask of the service, and what they see of it."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from nats.aio.client import Client
from pydantic.alias_generators import to_snake

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events import bundles as b
from libs.contracts.events import manuscript as m
from libs.contracts.events.event import Announcement
from libs.postgres import Pool
from services.events.rebuild.__main__ import rebuild
from services.events.retention import forget
from services.events.store.log import read_chains, read_heads
from tests.events.bundling import ALL, OPERATIONS
from tests.events.log_model.things import Fields, Operation
from tests.events.relaying import announced
from tests.events.support import World

ANSWER_S_MAX = 60.0
CHUNK_EVENTS = (2, 1000)
"""Small chunks of the archive are joined, large ones are not filled."""


@dataclass(frozen=True)
class Question:
    """What was asked, so that it can be asked again word for word."""

    method: Any
    body: Any


@dataclass(frozen=True)
class Desk:
    """A service with a database and a bus, to be asked from a thread beside its event loop."""

    caller: Caller
    pool: Pool
    owner: Pool
    bus: Client
    loop: asyncio.AbstractEventLoop

    def wait[T](self, asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, self.loop).result(ANSWER_S_MAX)

    def begin(self) -> World:
        return self.wait(World.begin(self.caller))

    def ask(self, question: Question, actor: Actor) -> Any:
        asked = self.caller.ask(question.method, question.body, actor, deadline_s=30)
        return self.wait(asked)

    def tried(self, question: Question, actor: Actor) -> tuple[str | None, Any]:
        """Ask; returns the code of the refusal, or None and the answer."""
        try:
            return None, self.ask(question, actor)
        except errors.AppError as refusal:
            return refusal.code, None

    def shown(self, actor: Actor, kind: Any, thing_id: str, *, deleted: bool) -> Fields | None:
        """What reading one thing shows, if it does; with its deletion when that is asked for."""
        body = m.Read(kind=kind, id=UUID(thing_id), include_deleted=deleted)
        code, answer = self.tried(Question(m.READ, body), actor)
        assert code in (None, "NOT_FOUND")
        return None if code else answer.resource

    def archive(self, chunk_events: int) -> None:
        """Archive what there is; the stack of these tests lets young events be archived too."""
        query = "SELECT archive_events(now(), $1)"
        while self.wait(self.pool.fetchval(query, chunk_events)):
            pass

    def forget(self, project_id: UUID) -> None:
        """Forget what happened so far, once it was announced; young events too, as above."""
        self.wait(announced(self.pool, project_id))
        self.wait(forget(self.pool, datetime.now(UTC)))

    def versions(self, project_id: UUID) -> dict[str, int]:
        """At which version each aggregate of a project is, but the project and its members."""
        rows = self.wait(
            self.owner.fetch(
                "SELECT aggregate_id, version FROM aggregates WHERE project_id = $1 "
                "AND aggregate_type NOT IN ('project', 'member', 'book')",
                project_id,
            )
        )
        return {str(row["aggregate_id"]): row["version"] for row in rows}

    def log(self, project_id: UUID) -> list[tuple[str, int, str]]:
        """The aggregate, version and id of all events, hot and archived."""
        rows = self.wait(
            self.owner.fetch("SELECT * FROM event_log WHERE project_id = $1", project_id)
        )
        return [(str(row["aggregate_id"]), row["version"], str(row["id"])) for row in rows]

    def ever(self, project_id: UUID) -> int:
        """How many events there ever were."""
        query = "SELECT sum(version)::bigint FROM aggregates WHERE project_id = $1"
        return self.wait(self.owner.fetchval(query, project_id))

    def forgotten(self, project_id: UUID) -> dict[str, int]:
        """Up to which version each aggregate was forgotten."""
        query = "SELECT aggregate_id, version FROM beginnings WHERE project_id = $1"
        rows = self.wait(self.owner.fetch(query, project_id))
        return {str(row["aggregate_id"]): row["version"] for row in rows}

    def flaws(self, project_id: UUID) -> list[Any]:
        """What of a project's log does not continue its chain."""
        return self.wait(_flaws(self.pool, project_id))

    def announced(self, project_id: UUID, count: int) -> list[tuple[str, int, str]]:
        """What the stream holds of a project, in its order, once there are *count* or more."""
        return self.wait(_announced(self.bus, project_id, count))

    def rebuilt(self) -> Mapping[str, Any]:
        """Replay the log into fresh tables and compare them with the live ones."""
        return self.wait(rebuild(self.owner, into=None, do_swap=False, force=False))


async def _flaws(pool: Pool, project_id: UUID) -> list[Any]:
    found: list[Any] = []
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        async for piece in read_chains(
            connection, await read_heads(connection, None, project_id=project_id)
        ):
            found += piece.findings
    return found


async def _announced(bus: Client, project_id: UUID, count: int) -> list[tuple[str, int, str]]:
    subject = f"scriptorium.v1.events.*.*.{project_id}"
    subscription = await bus.jetstream().subscribe(subject, ordered_consumer=True)
    found: list[tuple[str, int, str]] = []
    async with asyncio.timeout(ANSWER_S_MAX / 2):
        pending = 1
        while len(found) < count or pending:
            message = await subscription.next_msg(timeout=ANSWER_S_MAX)
            pending = message.metadata.num_pending
            event = Announcement.model_validate_json(message.data).event
            found.append((str(event.aggregate_id), event.version, str(event.id)))
    await subscription.unsubscribe()
    return found


# Questions -----------------------------------------------------------------------------------


def bundle(bundle_id: UUID, operations: list[Operation]) -> Question:
    body = b.Commit(
        command_id=bundle_id, operations=OPERATIONS.validate_python(operations), may=ALL
    )
    return Question(b.COMMIT, body)


def stage(job_id: UUID, part: int, operations: list[Operation]) -> Question:
    body = b.Stage(
        job_id=job_id, part=part, operations=OPERATIONS.validate_python(operations), may=ALL
    )
    return Question(b.STAGE, body)


def command(command_id: UUID, operation: Operation, project_id: UUID) -> Question:
    """The command that does one operation by itself."""
    about = {"kind": operation["aggregate"]["kind"], "id": operation["aggregate"]["id"]}
    common: dict[str, Any] = about | {"command_id": command_id}
    expected = {"expected_version": operation.get("expectedVersion")}
    match operation["op"]:
        case "create":
            given = {"fields": snake(operation["fields"])}
            given |= {"parent_id": operation.get("parentId", project_id)}
            return Question(m.CREATE, m.Create.model_validate(common | given))
        case "set":
            given = {"fields": snake({operation["path"]: operation["value"]})}
            given |= {"base_version": operation.get("baseVersion")}
            return Question(m.CHANGE, m.Change.model_validate(common | expected | given))
        case "delete":
            return Question(m.REMOVE, m.Remove.model_validate(common | expected))
        case "restore":
            return Question(m.RESTORE, m.Restore.model_validate(common))
        case _:
            given = {"parent_id": operation.get("parentId"), "index": operation["index"]}
            return Question(m.MOVE, m.Move.model_validate(common | expected | given))


def snake(fields: Fields) -> Fields:
    """Fields as commands take them: a part's are within it."""
    found: Fields = {}
    for path, value in fields.items():
        part, _, name = path.partition(".")
        if name:
            found.setdefault(part, {})[to_snake(name)] = value
        else:
            found[to_snake(part)] = value
    return found
