"""The settings of the events service."""

from urllib.parse import unquote, urlsplit

from pydantic import Field, PositiveFloat

from libs.process import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the events service."""

    staged_kept_s: PositiveFloat = Field(
        default=86_400.0,
        description="How long a job may be silent before what it staged is dropped.",
    )

    archive_after_days: int | None = Field(
        default=7,
        ge=1,
        description="Age from which events are compressed; empty for never. They stay readable.",
    )
    events_kept_days: int | None = Field(
        default=None,
        ge=30,
        description="Age from which events are forgotten; empty for never. What they made stays.",
    )
    deleted_kept_days: int | None = Field(
        default=30,
        ge=1,
        description="How long what is deleted can be restored before it is purged; empty for ever.",
    )

    @property
    def role(self) -> str:
        """The run-time role, to which migrations grant what it needs."""
        return unquote(urlsplit(self.postgres_url).username or "events")
