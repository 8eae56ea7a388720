"""Requests of operators to collab: inspect, verify, repair and compact a stored scene."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

SCENES_PAGE_MAX = 1_000
UPKEEP_DEADLINE_S = 600.0
"""How long a caller may wait for the work on one scene: a million updates take minutes."""


class AboutScene(Wire):
    """A request about one scene."""

    scene_id: UUID


class StoredHead(Wire):
    """The roll-up of a scene; `stored_bytes` as it lies on disk, compressed."""

    upto: int
    stored_bytes: int
    version: int
    updated_at: datetime


class StoredCompaction(Wire):
    """One compacted row and the range that it replaced."""

    seq: int
    from_seq: int
    updates: int
    bytes_before: int
    bytes_after: int
    source: str
    created_at: datetime
    verified_at: datetime | None
    pruned_at: datetime | None
    pruned_rows: int


class QuarantinedRow(Wire):
    """A row that is in no document."""

    seq: int
    is_compacted: bool
    reason: str
    found_at: datetime


class DamageRecord(Wire):
    """Damage and its repair: an audit record."""

    repair_id: UUID
    found_at: datetime
    kind: str
    severity: str
    detail: dict[str, Any]
    action: str
    outcome: str
    repaired_at: datetime | None
    requested_by: UUID | None


class SceneInspection(Wire):
    """Everything that is stored of a scene. Sizes are bytes; seqs are 0 where there is nothing."""

    scene_id: UUID
    rows: int
    oldest: int
    newest: int
    oldest_at: datetime | None
    newest_at: datetime | None
    log_bytes: int
    compacted_bytes: int
    head: StoredHead | None
    compacted: list[StoredCompaction]
    quarantined: list[QuarantinedRow]
    findings: list[DamageRecord]


class Damage(Wire):
    """One damage that a check found: kind is `head`, `compacted` or `log`."""

    kind: str
    seq: int
    reason: str


class SceneVerification(Wire):
    """The result of a check; `busy`: another operation worked on the scene, nothing was checked."""

    scene_id: UUID
    rows: int
    damage: list[Damage]
    busy: bool


class SceneRepair(Wire):
    """The result of a check, and the audit records of the repairs, the newest first."""

    scene_id: UUID
    damage: list[Damage]
    records: list[DamageRecord]
    busy: bool


class CompactScene(Wire):
    """Compact what is old enough, or with `force` all there is now."""

    scene_id: UUID
    force: bool = False


class CompactedScene(Wire):
    """The outcome: `compacted not_due busy waiting damaged differs late`; sizes are bytes."""

    scene_id: UUID
    outcome: str
    seq: int
    updates: int
    bytes_before: int
    bytes_after: int


class ListScenes(Wire):
    """The next scenes that have a log, by id."""

    after: UUID = UUID(int=0)
    limit: int = Field(default=SCENES_PAGE_MAX, ge=1, le=SCENES_PAGE_MAX)


class SceneIds(Wire):
    """Fewer than asked for: there are no more."""

    scenes: list[UUID]


INSPECT = Method("collab", "inspect", AboutScene, SceneInspection)
VERIFY = Method("collab", "verify", AboutScene, SceneVerification)
REPAIR = Method("collab", "repair", AboutScene, SceneRepair)
COMPACT = Method("collab", "compact", CompactScene, CompactedScene)
SCENES = Method("collab", "scenes", ListScenes, SceneIds)
