"""Requests to collab about snapshots, divergence and the health of persistence.

The members that clients see have fixed names in snake_case: `Fixed` keeps them, on the bus as in
the answers of the gateway.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

SCENES_AT_ONCE_MAX = 100
BLOCKS_MAX = 100_000
"""Blocks of one imported snapshot."""
SNAPSHOTS_MAX = 1_000
"""Rows of history in one answer."""


class SnapshotSource(StrEnum):
    """The origin of a snapshot's content."""

    YJS = "yjs"
    MANUAL = "manual"
    IMPORT = "import"
    MIGRATED = "migrated"
    COMPACTED = "compacted"


class Freshness(StrEnum):
    """How far a snapshot may be behind its scene."""

    FRESH = "fresh"
    STALE = "stale"
    VERY_STALE = "very_stale"
    NEVER = "never"


class SceneState(StrEnum):
    """The state of a scene in its life cycle."""

    CREATED = "CREATED"
    YJS_INITIAL = "YJS_INITIAL"
    YJS_SYNCED = "YJS_SYNCED"
    YJS_ACTIVE = "YJS_ACTIVE"
    YJS_COMPACTED = "YJS_COMPACTED"
    YJS_ARCHIVED = "YJS_ARCHIVED"


class Severity(StrEnum):
    """How bad a divergence is."""

    MINOR = "MINOR"
    MODERATE = "MODERATE"
    CRITICAL = "CRITICAL"


class Fixed(Wire):
    """A value whose members are called the same outside and inside."""

    model_config = ConfigDict(alias_generator=None)


class SnapshotRequest(Wire):
    """How to take a snapshot.

    `force` also when a recent one exists. `validate` compares the one that is replaced with the
    log, and reads the new one back.
    """

    force: bool = False
    validate_: bool = Field(default=False, alias="validate")


class TakeSnapshot(SnapshotRequest):
    """Take a snapshot of a scene now, on a person's wish.

    Without `force` a recent one is reason to refuse (RecentSnapshot).
    """

    scene_id: UUID
    snapshot_id: UUID


class Validation(Fixed):
    """The result of a validated snapshot.

    `diverged`: the replaced snapshot differed from the log at its seq. `checksum_match`: the new
    snapshot, read back, equals the log. `passed`: neither is flawed.
    """

    passed: bool
    diverged: bool
    checksum_match: bool


class Snapshot(Fixed):
    """A snapshot that was taken."""

    snapshot_id: UUID
    scene_id: UUID
    source: SnapshotSource
    created_at: datetime
    yjs_update_count: int
    generation_time_ms: int
    snapshot_size_bytes: int
    validation: Validation | None = None


class PutSnapshot(Wire):
    """Give a scene that has no Yjs text yet its blocks, from an import or an older system."""

    scene_id: UUID
    snapshot_id: UUID
    source: SnapshotSource
    blocks: Annotated[list[dict[str, Any]], Field(max_length=BLOCKS_MAX)]


class AskSnapshots(Wire):
    """List the snapshots that a scene has had, at most `limit` of them."""

    scene_id: UUID
    limit: Annotated[int, Field(ge=1, le=SNAPSHOTS_MAX)] = 20


class PastSnapshot(Fixed):
    """A row of the history; only the newest is kept with its content."""

    snapshot_id: UUID
    source: SnapshotSource
    created_at: datetime
    created_by: UUID | None
    yjs_update_count: int
    generation_time_ms: int
    snapshot_size_bytes: int


class SnapshotHistory(Fixed):
    """How a scene's snapshot stands to its log, and those that were taken, the last one first."""

    scene_id: UUID
    yjs_update_count: int
    freshness: Freshness
    state: SceneState
    snapshots: list[PastSnapshot]


class ReadScenes(Wire):
    """The blocks of many scenes; answered as far as they fit into one answer."""

    scene_ids: Annotated[list[UUID], Field(min_length=1, max_length=SCENES_AT_ONCE_MAX)]


class Fallback(StrEnum):
    """The reason why an answer does not hold the requested blocks."""

    UNREADABLE = "unreadable"
    """The log cannot be read at present: these are the snapshot's."""
    TOO_LARGE = "too_large"
    """The blocks do not fit into any answer and are left out; read the scene's content instead."""


class SceneText(Wire):
    """The blocks of one scene as JSON, and where they are from."""

    scene_id: UUID
    blocks_json: str
    heading: str | None = None
    """The text of its first scene heading."""
    source: str
    snapshot_at: datetime | None
    yjs_update_count: int
    last_modified: datetime | None
    freshness: Freshness
    state: SceneState
    reason: Fallback | None = None


class SceneTexts(Wire):
    """The first so many of the scenes asked for, in that order; at least one."""

    scenes: list[SceneText]


class CheckDivergence(Wire):
    """Compare a scene's snapshot with its log; with `repair`, prefer the log where they differ."""

    scene_id: UUID
    repair: bool = False


class DivergenceReport(Fixed):
    """The result of comparing a snapshot with the log.

    `compared` is false when there was nothing to compare: no snapshot, one that is not derived
    from Yjs, or a log that cannot give the state at the snapshot's place any more.
    """

    scene_id: UUID
    diverged: bool
    compared: bool
    yjs_block_count: int
    rest_block_count: int
    yjs_checksum: str
    rest_checksum: str
    diff: dict[str, Any] | None = None
    severity: Severity | None = None
    recommended_action: str
    repaired: bool = False


class AskHealth(Wire):
    """How persistence is, over all replicas."""


class YjsHealth(Fixed):
    """Loading; null when nothing was loaded within the window, or not counted yet."""

    operational: bool
    avg_load_time_ms: float | None
    scenes_with_updates: int | None


class SnapshotHealth(Fixed):
    """Snapshots of scenes whose text moved on; null when not counted yet."""

    operational: bool
    snapshots_behind_threshold: int | None
    avg_snapshot_age_minutes: float | None


class DivergenceHealth(Fixed):
    """The detector, over its window: `enabled` while any replica compares snapshots.

    The rate, 0 to 1, is null when nothing was checked.
    """

    enabled: bool
    divergence_rate: float | None
    scenes_diverged: int | None


class CompactionHealth(Fixed):
    """Figures of compaction; `last_run` is null before the first run."""

    last_run: datetime | None
    scenes_compacted: int | None
    storage_saved_mb: float | None


class HealthStatus(StrEnum):
    """By the thresholds of the alerts: none passed, a warning, a critical one."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class PersistenceHealth(Fixed):
    """The health of all parts of persistence."""

    status: HealthStatus
    yjs_persistence: YjsHealth
    snapshot_service: SnapshotHealth
    divergence_detection: DivergenceHealth
    compaction: CompactionHealth


class DivergedScene(Fixed):
    """A scene whose snapshot diverged within the window."""

    scene_id: UUID
    severity: Severity
    recommended_action: str
    found_at: datetime
    repaired_at: datetime | None


class Repair(Fixed):
    """A row of the audit."""

    repair_id: UUID
    scene_id: UUID
    found_at: datetime
    kind: str
    severity: Severity
    action: str
    outcome: str | None
    repaired_at: datetime | None
    requested_by: UUID | None


class DivergenceStatus(Fixed):
    """How snapshots and logs agree, over the window."""

    status: HealthStatus
    divergence_rate: float | None
    """Share of the checked scenes, 0 to 1; null when none was checked."""
    alert_threshold: float
    critical_threshold: float
    window_hours: float
    scenes_checked: int
    scenes_diverged: int
    by_severity: dict[Severity, int]
    last_check: datetime | None
    worst: list[DivergedScene]
    repairs: list[Repair]


TAKE_SNAPSHOT = Method("collab", "take_snapshot", TakeSnapshot, Snapshot)
PUT_SNAPSHOT = Method("collab", "put_snapshot", PutSnapshot, Snapshot)
SNAPSHOT_HISTORY = Method("collab", "snapshot_history", AskSnapshots, SnapshotHistory)
READ_SCENES = Method("collab", "read_scenes", ReadScenes, SceneTexts)
CHECK_DIVERGENCE = Method("collab", "check_divergence", CheckDivergence, DivergenceReport)
PERSISTENCE_HEALTH = Method("collab", "persistence_health", AskHealth, PersistenceHealth)
DIVERGENCE_STATUS = Method("collab", "divergence_status", AskHealth, DivergenceStatus)
