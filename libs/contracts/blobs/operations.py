"""Requests of operators to blobs: collection, damage, the cold tier, quotas, older systems.

A request without a project is about all projects. Sizes are bytes of plain content unless their
name says `stored`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from libs.contracts.blobs.transfers import AssetType, Blob
from libs.contracts.pages import Page
from libs.contracts.rpc import Method
from libs.contracts.values import Sha256
from libs.contracts.wire import Wire

ITEMS_MAX = 1_000
"""Told one by one; all are counted."""

Items = Annotated[int, Field(ge=0, le=ITEMS_MAX)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]
By = Annotated[str, Field(min_length=1, max_length=100)]


class Fate(StrEnum):
    """The decision of a collection on a blob."""

    CONDEMN = "condemn"
    """Nothing refers to it and its retention is over; the grace period begins."""
    COLLECT = "collect"
    """The grace period is over and still nothing refers to it: its bytes go."""
    RESCUE = "rescue"
    """It was condemned, and something refers to it after all."""
    WAIT = "wait"
    """It is condemned and cannot go yet: a claim on it is open."""


class Tally(Wire):
    """How many blobs, and their size."""

    blobs: int = 0
    bytes_: int = 0


class Finding(Wire):
    """One blob, the decision on it, and the reason."""

    project_id: UUID
    sha256: Sha256
    size: int
    asset_type: AssetType
    fate: Fate
    why: str


class Collect(Wire):
    """Collect now; with `dry_run` only say what would be done."""

    project_id: UUID | None = None
    dry_run: bool = True
    items: Items = 100


class Collection(Wire):
    """The result of a collection or dry run. `busy`: another replica collects; nothing was done."""

    dry_run: bool
    busy: bool = False
    looked_at: int = 0
    tallies: dict[Fate, Tally] = Field(default_factory=dict[Fate, Tally])
    items: list[Finding] = Field(default_factory=list[Finding])
    seconds: float = 0.0


class Undelete(Wire):
    """Take a condemned blob back; its retention begins anew."""

    project_id: UUID
    sha256: Sha256
    by: By
    reason: Reason


class Reference(Wire):
    """A reference to a blob: from a path by its name, from a thing of another service by its id."""

    source: str
    source_id: UUID
    path: str | None = None
    since: datetime


class OpenClaim(Wire):
    """A claim on a blob that is not settled: a command may have used it for a reference."""

    claim_id: UUID
    source: str
    source_id: UUID
    claimed_at: datetime


class Deed(Wire):
    """A line of the audit."""

    at: datetime
    action: str
    user_id: UUID | None
    data: dict[str, Any]


class Inspect(Wire):
    """All that is known of one blob."""

    project_id: UUID
    sha256: Sha256


class Inspection(Wire):
    """It, and why it is where it is; the newest deeds first."""

    blob: Blob
    key: str | None
    tier: str
    frames: int
    touched_at: datetime
    read_at: datetime | None
    verified_at: datetime | None
    references: list[Reference]
    claims: list[OpenClaim]
    deeds: list[Deed]


class Quarantined(Wire):
    """Damage that was found; open while `resolved_at` is empty."""

    id: UUID
    project_id: UUID
    sha256: Sha256
    tier: str
    frame: int
    reason: str
    found_at: datetime
    resolved_at: datetime | None
    size: int
    references: int


class ListQuarantined(Wire):
    """Damage, the oldest first; with `all` what was mended, too."""

    project_id: UUID | None = None
    all: bool = False
    limit: Annotated[int, Field(ge=1, le=ITEMS_MAX)] = 100


class Place(Wire):
    """How far a walk has come."""

    project_id: UUID
    sha256: str


class Verify(Wire):
    """Read some more blobs and compare every byte."""

    project_id: UUID | None = None
    sha256: Sha256 | None = None
    after: Place | None = None


class Flaw(Wire):
    """A blob with damaged bytes, which is quarantined now."""

    project_id: UUID
    sha256: Sha256
    reason: str


class Verified(Wire):
    """The result of one step of a verification; continue after `after`, None at the end.

    `flaws` are all quarantined blobs that were read, `mended` counts those that left quarantine.
    """

    blobs: int
    bytes_: int
    flaws: list[Flaw]
    after: Place | None
    mended: int = 0


class Mend(Wire):
    """Put on record who brings the bytes of a blob again that is damaged or collected, and why.

    The answer tells what they are; they are sent as any upload is.
    """

    project_id: UUID
    sha256: Sha256
    by: By
    reason: Reason


class Archive(Wire):
    """Move a blob to the cold tier; `restore`: bring it back."""

    project_id: UUID
    sha256: Sha256
    restore: bool = False


class Reconcile(Wire):
    """Compare a project's references with the files that events knows, and correct them."""

    project_id: UUID
    dry_run: bool = False


class Reconciled(Wire):
    """The corrections of a reconciliation or dry run; `missing` are files without stored bytes."""

    files: int
    begun: int
    ended: int
    missing: list[Flaw]


class Task(Wire):
    """A pass over all blobs; `ended_at` is empty meanwhile, and `report` is of the last pass."""

    name: str
    begun_at: datetime
    ended_at: datetime | None
    report: dict[str, Any]


class AskStatus(Wire):
    """No parameters."""


class Status(Wire):
    """Figures over all projects. `stored_bytes` is the size of all blobs in storage."""

    blobs: dict[str, Tally]
    stored_bytes: int
    doomed: int
    open_claims: int
    quarantined: int
    tasks: list[Task]


class ImportOutcome(StrEnum):
    """The outcome for one row of an older system."""

    MIGRATED = "migrated"
    READY = "ready"
    """A dry run: it would be migrated."""
    VERIFIED = "verified"
    """Migrated before, and its blob says what the row said."""
    SKIPPED = "skipped"
    FAILED = "failed"


class ListImports(Wire):
    """Rows that wait or were migrated, by id after `after`."""

    after: UUID = UUID(int=0)
    limit: Annotated[int, Field(ge=1, le=ITEMS_MAX)] = 200


class Imports(Wire):
    """A page; the last one is empty. `total` counts all of them."""

    ids: list[UUID]
    total: int


class Import(Wire):
    """Make one row a blob with a path; again as often as anybody likes.

    With `dry_run` nothing is written. With `verify_only` migrated rows are read back and compared.
    """

    id: UUID
    dry_run: bool = False
    verify_only: bool = False


class Imported(Wire):
    """The outcome for one row."""

    id: UUID
    outcome: ImportOutcome
    reason: str = ""
    size: int = 0


COLLECT = Method("blobs", "collect", Collect, Collection)
UNDELETE = Method("blobs", "undelete", Undelete, Blob)
INSPECT = Method("blobs", "inspect", Inspect, Inspection)
QUARANTINE = Method("blobs", "quarantine", ListQuarantined, Page[Quarantined])
VERIFY = Method("blobs", "verify", Verify, Verified)
MEND = Method("blobs", "mend", Mend, Blob)
ARCHIVE = Method("blobs", "archive", Archive, Blob)
RECONCILE = Method("blobs", "reconcile", Reconcile, Reconciled)
STATUS = Method("blobs", "status", AskStatus, Status)
LIST_IMPORTS = Method("blobs", "list_imports", ListImports, Imports)
IMPORT = Method("blobs", "import", Import, Imported)
