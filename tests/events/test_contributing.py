"""The worked example of CONTRIBUTING, run as it stands there."""

import re
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.common.references import require_references
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES
from services.events.model.log import CommandContext, PendingEvent, fold
from services.events.model.merge import field_changes
from services.events.store import ListQuery, Transaction, events_from_rows
from services.events.store.violations import ROW_REFUSALS, error_of
from services.gateway.access import permissions
from services.gateway.api.aggregates import creation, endpoints_of
from services.gateway.http.asking import routes_of
from services.gateway.http.endpoint import Context
from services.gateway.http.openapi import openapi
from tests.events.support import World
from tests.events.test_tables import undone

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
NOW = "2026-01-01T00:00:00Z"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def names() -> dict[str, Any]:
    """All that the page defines."""
    found: dict[str, Any] = {"UUID": UUID}
    for block in blocks("python"):
        exec(compile(block, str(PAGE), "exec"), found)
    return found


@pytest.fixture
def motif(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> AggregateSpec:
    """The aggregate that the page describes, known to the service for one test."""
    known: Any = AGGREGATES
    monkeypatch.setitem(known, "motif", names["MOTIF"])
    return names["MOTIF"]


async def test_a_new_kind_is_one_file_and_one_migration(
    motif: AggregateSpec, world: World, owner: Pool
) -> None:
    hero = await world.create("entity", world.project_id, type="character", name="Victor")
    context = CommandContext(
        project_id=world.project_id,
        user_id=world.actor.user_id,
        bundle_id=new_id(),
        correlation_id="0" * 32,
    )
    async with undone(owner) as connection:
        (migration,) = blocks("sql")
        await connection.execute(migration.replace("{role}", "events"))
        tx, key = Transaction(connection, context), new_id()
        first = motif.initial({"entity_id": hero["id"], "name": "Ice"}, at=NOW)
        await require_references(tx, motif, first)
        await tx.record([PendingEvent(motif, key, "created", motif.born(first))])
        row = await tx.lock(motif, key)
        assert row is not None
        wanted = motif.completed(row, motif.wanted({"meaning": "What ends him"}), at=NOW)
        await tx.record(field_changes(motif, key, row, wanted))

        found = await tx.listed(
            motif,
            ListQuery(
                filters={"name_prefix": "IC", "entity_id": UUID(hero["id"])},
                sort="name",
                descending=False,
                after=None,
                include_deleted=False,
                limit=10,
            ),
        )
        shown: Any = motif.document(found[0]).model_dump(mode="json", by_alias=True)
        assert (shown["name"], shown["meaning"], shown["version"]) == ("Ice", "What ends him", 2)
        replayed = None
        query = "SELECT * FROM events WHERE aggregate_id = $1 ORDER BY version"
        events = events_from_rows(await connection.fetch(query, key))
        for event in events:
            replayed = fold(motif, replayed, event)
        assert [each.event_type for each in events] == ["motif.created", "motif.meaning_changed"]
        assert replayed is not None
        stored = await connection.fetchrow("SELECT * FROM motifs WHERE id = $1", key)
        assert dict(motif.stored(replayed)) == {"motifs": dict(stored or {})}
        with pytest.raises(ROW_REFUSALS) as refusal:
            await tx.record([PendingEvent(motif, new_id(), "created", motif.born(first))])
        assert isinstance(error_of(refusal.value), errors.AlreadyExists)


async def test_its_references_are_checked(motif: AggregateSpec, world: World, owner: Pool) -> None:
    context = CommandContext(
        project_id=world.project_id,
        user_id=world.actor.user_id,
        bundle_id=new_id(),
        correlation_id="0" * 32,
    )
    async with undone(owner) as connection:
        with pytest.raises(errors.NotFound, match="entityId"):
            await require_references(
                Transaction(connection, context), motif, {"entity_id": str(new_id())}
            )


def test_its_endpoints_are_rows(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """They serve, and document themselves, as they stand there."""
    deeds = ("create", "read", "update", "delete", "restore")
    matrix = {**permissions.MATRIX, **{f"motif.{deed}": frozenset(Role) for deed in deeds}}
    monkeypatch.setattr(permissions, "MATRIX", matrix)
    shape = names["MOTIFS"]
    rows = [creation(shape), *endpoints_of(shape), *names["ENDPOINTS"]]

    document = openapi(routes_of(rows, cast("Context", None)))

    assert {path: [*methods] for path, methods in document["paths"].items()} == {
        "/api/projects/{id}/motifs": ["post", "get"],
        "/api/motifs/{id}": ["get", "delete", "patch"],
        "/api/motifs/{id}/restore": ["post"],
        "/api/scenes/{id}/motifs": ["get"],
    }
    (listing,) = document["paths"]["/api/scenes/{id}/motifs"].values()
    assert [each["name"] for each in listing["parameters"]] == ["id", "cursor", "limit"]
    assert "MotifPage" in document["components"]["schemas"]
