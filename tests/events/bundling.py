"""Words for tests of bundles: operations in one line, and what is done with them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from libs.contracts.events import bundles as b
from libs.contracts.ids import new_id
from services.events.model.aggregates import AGGREGATES
from tests.events.support import Json, World

ALL = frozenset(
    f"{kind}.{deed}"
    for kind in AGGREGATES
    for deed in ("create", "update", "delete", "restore", "reorder")
)
OPERATIONS: TypeAdapter[list[b.Operation]] = TypeAdapter(list[b.Operation])


def target(kind: str, id: Any) -> Json:  # noqa: A002
    return {"kind": kind, "id": str(id)}


def put(kind: str, id: Any, path: str, value: Any, **more: Any) -> Json:  # noqa: A002
    return {"op": "set", "aggregate": target(kind, id), "path": path, "value": value, **more}


def create(kind: str, id: Any, parent: Any = None, /, **fields: Any) -> Json:  # noqa: A002
    more = {"parentId": str(parent)} if parent else {}
    return {"op": "create", "aggregate": target(kind, id), "fields": fields, **more}


def delete(kind: str, id: Any, **more: Any) -> Json:  # noqa: A002
    return {"op": "delete", "aggregate": target(kind, id), **more}


def restore(kind: str, id: Any) -> Json:  # noqa: A002
    return {"op": "restore", "aggregate": target(kind, id)}


def move(kind: str, id: Any, index: int, parent: Any = None) -> Json:  # noqa: A002
    more = {"parentId": str(parent)} if parent else {}
    return {"op": "move", "aggregate": target(kind, id), "index": index, **more}


def field(kind: str, id: Any, name: str, **more: Any) -> Json:  # noqa: A002
    return {"aggregate": target(kind, id), "field": name, **more}


@dataclass(frozen=True)
class Bundling:
    """What a person does with bundles."""

    world: World

    async def commit(self, *operations: Json, **more: Any) -> b.Committed:
        question = b.Commit(
            command_id=more.pop("command_id", None) or new_id(),
            operations=OPERATIONS.validate_python(list(operations)),
            may=more.pop("may", ALL),
            **more,
        )
        world = self.world
        return await world.caller.ask(b.COMMIT, question, world.actor, deadline_s=60)

    async def undo(self, bundle_id: UUID, **more: Any) -> b.Committed:
        question = b.Undo(**self._spec_of(bundle_id, more))
        return await self.world.caller.ask(b.UNDO, question, self.world.actor)

    async def redo(self, bundle_id: UUID, **more: Any) -> b.Committed:
        question = b.Redo(**self._spec_of(bundle_id, more))
        return await self.world.caller.ask(b.REDO, question, self.world.actor)

    async def pick(
        self, bundle_id: UUID, *fields: Json, direction: str, **more: Any
    ) -> b.Committed:
        question = b.CherryPick.model_validate(
            {**self._spec_of(bundle_id, more), "fields": list(fields), "direction": direction}
        )
        return await self.world.caller.ask(b.CHERRY_PICK, question, self.world.actor)

    def _spec_of(self, bundle_id: UUID, more: Json) -> Json:
        return {"command_id": new_id(), "bundle_id": bundle_id, "may": ALL, **more}

    async def list(self, **more: Any) -> b.Bundles:
        return await self.world.caller.ask(b.LIST_BUNDLES, b.ListBundles(**more), self.world.actor)

    async def read(self, bundle_id: UUID, **more: Any) -> b.BundleDetail:
        question = b.ReadBundle(bundle_id=bundle_id, **more)
        return await self.world.caller.ask(b.READ_BUNDLE, question, self.world.actor)

    async def stage(self, job_id: UUID, part: int, *operations: Json, **more: Any) -> b.Staged:
        question = b.Stage(
            job_id=job_id,
            part=part,
            operations=OPERATIONS.validate_python(list(operations)),
            may=more.pop("may", ALL),
        )
        return await self.world.caller.ask(b.STAGE, question, self.world.actor)

    async def commit_job(self, job_id: UUID, parts: int, **more: Any) -> b.Committed:
        question = b.CommitJob(job_id=job_id, parts=parts, may=more.pop("may", ALL), **more)
        return await self.world.caller.ask(b.COMMIT_JOB, question, self.world.actor)

    async def abandon(self, job_id: UUID) -> None:
        await self.world.caller.ask(b.ABANDON_JOB, b.AbandonJob(job_id=job_id), self.world.actor)


def bundle_of(done: b.Committed) -> b.Bundle:
    """The bundle that was made, when there should be one."""
    assert done.bundle is not None
    return done.bundle


def fields_in(conflicts: list[Json]) -> list[Json]:
    """All fields of a conflict, without the bundles."""
    return [each for bundle in conflicts for each in bundle["fields"]]
