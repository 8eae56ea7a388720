"""When bytes may go; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from libs.contracts.blobs.operations import Collection, Fate, Finding, Tally
from libs.contracts.blobs.transfers import AssetType


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A key in the table of blobs; as a text, the position of a task that walks over them."""

    project_id: UUID
    sha256: str

    def __str__(self) -> str:
        """Return the position."""
        return f"{self.project_id}/{self.sha256}"

    @classmethod
    def at(cls, position: str) -> "Place":
        """Return the place at a position."""
        if not position:
            return BEGINNING
        project_id, _, sha256 = position.partition("/")
        return cls(UUID(project_id), sha256)


BEGINNING = Place(UUID(int=0), "")


@dataclass(frozen=True, slots=True)
class Policy:
    """How long what nothing refers to is kept."""

    retention: Mapping[AssetType, timedelta]
    """Time from the end of the last reference to condemnation."""
    grace: timedelta
    """Time from condemnation to deletion."""
    claim_window: timedelta
    """Events is not asked about a younger claim, because a command is just about to use it."""
    reading: timedelta
    """Time between the deletions of a blob and of its object, so that downloads can end."""

    def longest(self, asset_types: Sequence[AssetType]) -> AssetType:
        """Return the one of *asset_types* that is kept longest, which decides for a blob."""
        return max(asset_types, key=self.retention.__getitem__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A blob that may be condemned or collected."""

    project_id: UUID
    sha256: str
    size: int
    asset_type: AssetType
    since: datetime
    """When its last reference ended; of a condemned one, when it was condemned."""
    used_as: Sequence[AssetType] = ()
    """Its asset types besides that of its first upload."""


@dataclass(slots=True)
class Report:
    """The report of a collection, in bounded memory."""

    dry_run: bool
    items_max: int
    looked_at: int = 0
    tallies: dict[Fate, Tally] = field(default_factory=dict[Fate, Tally])
    items: list[Finding] = field(default_factory=list[Finding])

    def note(self, fate: Fate, blob: Candidate, why: str) -> None:
        """Count *blob*, and list it if there is room."""
        known = self.tallies.get(fate, Tally())
        self.tallies[fate] = Tally(blobs=known.blobs + 1, bytes_=known.bytes_ + blob.size)
        if len(self.items) < self.items_max:
            self.items.append(
                Finding(
                    project_id=blob.project_id,
                    sha256=blob.sha256,
                    size=blob.size,
                    asset_type=blob.asset_type,
                    fate=fate,
                    why=why,
                )
            )

    def told(self, seconds: float) -> Collection:
        """Return it for the wire."""
        return Collection(
            dry_run=self.dry_run,
            looked_at=self.looked_at,
            tallies=self.tallies,
            items=self.items,
            seconds=round(seconds, 3),
        )

    def counts(self) -> dict[str, int]:
        """Return the numbers, for a log."""
        return {fate.value: tally.blobs for fate, tally in self.tallies.items()}
