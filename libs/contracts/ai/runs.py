"""Runs of the ai service: begun, listed, read, followed, cancelled."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from libs.contracts.ai.findings import Enrichment, Finding
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

RUNS_OPEN_MAX = 100
"""Runs of one project that are queued or running."""
FOLLOWED_MAX = 200
"""Events of one answer."""
RUN_VERSION_MAX = 2**31 - 1


class RunKind(StrEnum):
    """The task of a run.

    `enrich` reads a manuscript and finds names, places, points of view, tenses and key passages.
    `continuity` compares a manuscript with its canon and with itself. Both need no model.
    """

    ENRICH = "enrich"
    CONTINUITY = "continuity"


class RunStatus(StrEnum):
    """The state of a run; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunCreate(Wire):
    """A new run over a whole project, one book of it, or one scene."""

    kind: RunKind
    book_id: UUID | None = None
    scene_id: UUID | None = None


class RunStep(Wire):
    """A recorded step: its result is stored, and it is never done again.

    `attempts` counts how often it was tried in the claim that recorded it.
    """

    seq: int
    name: str
    attempts: int
    started_at: datetime
    ended_at: datetime


class RunError(Wire):
    """The reason why a run failed: a stable code, and a sentence."""

    code: str
    detail: str


class RunCost(Wire):
    """The cost of a run; nothing for the offline engine."""

    usd: str = "0"
    tokens_in: int = 0
    tokens_out: int = 0


class RunOutput(Wire):
    """The result of a run.

    `note` says by which engine it was made, and how it is to be read. `findings` are of
    `continuity`, `enrichment` is of `enrich`. `omitted` counts findings that the answer has no room
    for.
    """

    note: str
    suggestion_ids: list[UUID] = Field(default_factory=list[UUID])
    patch_id: UUID | None = None
    bundle_id: UUID | None = None
    findings: list[Finding] = Field(default_factory=list[Finding])
    enrichment: Enrichment | None = None
    omitted: int = 0


class RunSummary(Wire):
    """A run without its steps and its output.

    `version` grows with everything that happens to the run, and is the id of that in its stream.
    `attempt` counts how often a worker took the run up. `config_hash` is the SHA-256 of what was
    asked for: the same question has the same hash. `erased_at` is set when a scene that the run had
    read was purged, and its output with that.
    """

    id: UUID
    version: int
    project_id: UUID
    kind: RunKind
    status: RunStatus
    book_id: UUID | None
    scene_id: UUID | None
    parent_id: UUID | None
    engine: str
    config_hash: str
    attempt: int
    cost: RunCost
    error: RunError | None
    cancel_asked_at: datetime | None
    created_at: datetime
    created_by: UUID
    updated_at: datetime
    updated_by: UUID
    started_at: datetime | None
    ended_at: datetime | None
    erased_at: datetime | None


class Run(RunSummary):
    """A run with its steps and, once it is completed, its output."""

    steps: list[RunStep]
    output: RunOutput | None


class CreateRun(RunCreate):
    """Begin a run in the actor's project; the same id twice is one run."""

    id: UUID


class ListRuns(Wire):
    """Runs of the actor's project, the newest first."""

    status: RunStatus | None = None
    kind: RunKind | None = None
    scene_id: UUID | None = None
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT


class OneRun(Wire):
    """A run of the actor's project, by its id."""

    id: UUID


class CancelRun(Wire):
    """Cancel a run; one that has ended stays as it is."""

    id: UUID


class WhereRun(Wire):
    """Ask in which project a run is."""

    id: UUID


class RunPlace(Wire):
    """The project of a run; null when there is no such run."""

    project_id: UUID | None = None


class FollowRun(Wire):
    """Events of a run after a version of it."""

    id: UUID
    after: Annotated[int, Field(ge=0, le=RUN_VERSION_MAX)] = 0


class RunHappening(Wire):
    """Something that happened to a run.

    `kind` is `status` or `step`; `data` has the fields that changed.
    """

    version: int
    kind: str
    at: datetime
    data: dict[str, Any]


class RunFollowed(Wire):
    """Events in their order, up to the version `upto`; `ended` says that no more will come."""

    items: list[RunHappening]
    upto: int
    ended: bool


class LineageNode(Wire):
    """Something that led to a run, or that a run made: its kind, its id, and what it is."""

    kind: str
    id: str
    detail: dict[str, Any] = Field(default_factory=dict[str, Any])


class Lineage(Wire):
    """All that a run is made from and has made.

    `inputs` are the versions of texts that it read, `steps` its recorded results, `outputs` what it
    made elsewhere. `children` are the runs that name it as their parent.
    """

    run: RunSummary
    parent: RunSummary | None
    children: list[RunSummary]
    inputs: list[LineageNode]
    steps: list[RunStep]
    outputs: list[LineageNode]


CREATE_RUN = Method("ai", "create_run", CreateRun, Run)
LIST_RUNS = Method("ai", "list_runs", ListRuns, Page[RunSummary])
READ_RUN = Method("ai", "read_run", OneRun, Run)
CANCEL_RUN = Method("ai", "cancel_run", CancelRun, Run)
WHERE_RUN = Method("ai", "where_run", WhereRun, RunPlace)
FOLLOW_RUN = Method("ai", "follow_run", FollowRun, RunFollowed)
READ_LINEAGE = Method("ai", "read_lineage", OneRun, Lineage)
