"""Requests to collab about migrating scenes of an older system into the update log."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from libs.contracts.collab.persistence import BLOCKS_MAX
from libs.contracts.editors import ForEditor
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire


class MigrationOutcome(StrEnum):
    """The outcome for one scene."""

    MIGRATED = "migrated"
    READY = "ready"
    """A dry run: it would be migrated."""
    VERIFIED = "verified"
    """Migrated before, and the log says what its blocks said."""
    EDITED = "edited"
    """Migrated before and written in since; nothing to compare with any more."""
    SKIPPED = "skipped"
    FAILED = "failed"


class MigrateScene(ForEditor):
    """Write the blocks of a scene that has no log as the first update of its log.

    With `dry_run` everything but the writing is done, on `blocks` if they are given: those that
    would be imported first. With `verify_only` nothing is converted: migrated scenes are compared
    with the blocks from which they were migrated.
    """

    scene_id: UUID
    dry_run: bool = False
    blocks: Annotated[list[dict[str, Any]], Field(max_length=BLOCKS_MAX)] | None = None
    verify_only: bool = False


class SceneMigration(Wire):
    """The outcome for a scene; `reason` says why it was skipped or failed."""

    scene_id: UUID
    outcome: MigrationOutcome
    reason: str = ""
    blocks: int = 0
    update_bytes: int = 0


class ListImported(Wire):
    """Scenes that have blocks from elsewhere, whether migrated or not, by id after `after`."""

    after: UUID = UUID(int=0)
    limit: int = 500


class Imported(Wire):
    """A page; the last one is empty. `total` counts all of them."""

    scene_ids: list[UUID]
    total: int


MIGRATE_SCENE = Method("collab", "migrate_scene", MigrateScene, SceneMigration)
LIST_IMPORTED = Method("collab", "list_imported", ListImported, Imported)
