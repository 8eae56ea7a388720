"""Settings of retention, verification and the cold tier."""

from datetime import timedelta

from pydantic import Field, NonNegativeFloat, PositiveFloat

from libs.contracts.blobs.transfers import AssetType
from libs.process import FOR_EVER, ProcessSettings
from services.blobs.collection.model import Policy

_DAY_S = 86_400.0


class UpkeepSettings(ProcessSettings):
    """Settings of collection, verification and the cold tier."""

    retention_logo_s: NonNegativeFloat | None = Field(
        default=90 * _DAY_S,
        description="How long a logo is kept after the last reference to it ended; empty for ever.",
    )
    retention_script_s: NonNegativeFloat | None = Field(
        default=90 * _DAY_S, description="The same for a script; empty for ever."
    )
    retention_export_s: NonNegativeFloat | None = Field(
        default=90 * _DAY_S, description="The same for an export; empty for ever."
    )
    retention_attachment_s: NonNegativeFloat | None = Field(
        default=90 * _DAY_S, description="The same for an attachment; empty for ever."
    )
    grace_s: NonNegativeFloat = Field(
        default=_DAY_S,
        description="From condemnation to deletion; `undelete` is possible meanwhile.",
    )
    claim_window_s: NonNegativeFloat = Field(
        default=3_600.0,
        description="Age from which the outcome of a claim is asked for.",
    )
    readers_wait_s: NonNegativeFloat = Field(
        default=3_600.0,
        description="How long the object of a deleted blob stays, so that downloads can end.",
    )
    collection_interval_s: PositiveFloat = Field(
        default=3_600.0, description="From the end of a collection to the beginning of the next."
    )
    collection_duty: float = Field(
        default=0.1, gt=0, le=1, description="Share of the time that a collection works."
    )
    collection: bool = Field(
        default=True, description="Whether this replica collects; operators may in any case."
    )
    verify_bytes_per_s: int = Field(
        default=2 << 20,
        ge=1,
        description="How fast the verifier reads everything that is stored.",
    )
    verify_interval_s: PositiveFloat = Field(
        default=7 * _DAY_S, description="From the end of a verification to the next."
    )
    cold_url: str | None = Field(
        default=None,
        description="The storage of archived blobs: file:///folder or s3://bucket/prefix?...;"
        " none: nothing is archived.",
    )
    archive_after_s: PositiveFloat | None = Field(
        default=None,
        description="Age of the last reading from which a blob is archived; empty: on demand only.",
    )
    archive_bytes_min: int = Field(
        default=1 << 20, ge=0, description="Smaller blobs are not archived by age."
    )

    def policy(self) -> Policy:
        """Return when bytes may be deleted."""
        kept = {
            AssetType.LOGO: self.retention_logo_s,
            AssetType.SCRIPT: self.retention_script_s,
            AssetType.EXPORT: self.retention_export_s,
            AssetType.ATTACHMENT: self.retention_attachment_s,
        }
        return Policy(
            retention={
                kind: FOR_EVER if seconds is None else timedelta(seconds=seconds)
                for kind, seconds in kept.items()
            },
            grace=timedelta(seconds=self.grace_s),
            claim_window=timedelta(seconds=self.claim_window_s),
            reading=timedelta(seconds=self.readers_wait_s),
        )
