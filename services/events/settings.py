"""The settings of the events service."""

from urllib.parse import unquote, urlsplit

from pydantic import Field, PositiveFloat

from libs.process import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the events service."""

    staged_kept_s: PositiveFloat = Field(
        default=86_400.0,
        description="How long a job may be silent before its staged parts are dropped.",
    )

    archive_after_days: int | None = Field(
        default=7,
        ge=1,
        description="Age from which events are compressed; empty for never. They stay readable.",
    )
    events_kept_days: int | None = Field(
        default=None,
        ge=30,
        description="Age from which events are forgotten; empty for never. Their effects stay.",
    )
    deleted_kept_days: int | None = Field(
        default=30,
        ge=1,
        description="How long deleted things can be restored before the purge; empty for ever.",
    )

    @property
    def role(self) -> str:
        """The run-time role, to which migrations grant what it needs."""
        return unquote(urlsplit(self.postgres_url).username or "events")
